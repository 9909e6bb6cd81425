/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <stdlib.h>
#include "base/mem.h"
#include "cmd/local_state.h"
#include "cmd/remote.h"
#include "world/kv_record.h"

struct args {
    const char *store;
    const char *prefix;
};

static int export_page(struct cli *cli, struct local_kv *kv, const char *store,
                       const struct kv_page *page, struct err *err)
{
    for (size_t i = 0; i < page->count; i++) {
        cleanup(kv_entry_free_p) struct kv_entry *e = NULL;
        enum kv_result result = kv_get(kv->reader, store, page->keys[i], &e);
        if (result == KV_NOT_FOUND)
            continue; /* it has expired since it was listed */
        if (result != KV_OK)
            return local_kv_fail(kv, result, store, page->keys[i], err);
        out_json(cli->out, kv_record_json(page->keys[i], e, false));
    }
    return 0;
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    if (cli->target_given)
        return remote_export(cli, (struct store_ref){STORE_KV, args->store}, args->prefix, err);
    cleanup(local_kv_close) struct local_kv kv = {0};
    int r = local_kv_open(cli, &kv, err);
    if (r == 0)
        r = kv_reader_hold(kv.reader, err); /* one state, whatever is written meanwhile */
    cleanup(free_p) char *after = NULL;
    bool more = r == 0;
    while (more && r == 0) {
        struct kv_page page;
        enum kv_result result = kv_list(kv.reader, args->store, args->prefix, after, 1000, &page);
        if (result != KV_OK)
            return local_kv_fail(&kv, result, args->store, "", err);
        r = export_page(cli, &kv, args->store, &page, err);
        more = page.more;
        free(after);
        after = page.count ? xstrdup(page.keys[page.count - 1]) : NULL;
        kv_page_clear(&page);
    }
    return r;
}

static const struct cli_arg operands[] = {
    ARG_STR(struct args, "STORE", store, COMP_KV, "the KV store"),
    ARG_END,
};

static const struct cli_opt opts[] = {
    OPT_STR(struct args, 0, "prefix", prefix, "text", COMP_NONE, "only keys that begin with it"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl kv export sessions >sessions.ndjson", "every entry, a JSON object per line"},
    {NULL, NULL},
};

const struct cli_cmd cmd_kv_export = {
    .path = "kv export",
    .group = GRP_STATE,
    .summary = "write the entries of a KV store as JSON lines",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, MANIFEST),
    .examples = examples,
    .run = run,
};
