/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "cmd/local_state.h"
#include "cmd/remote.h"
#include "world/kv_record.h"

struct args {
    const char *store;
    const char *prefix;
    const char *after;
    int limit;
};

static bool holds(const struct kv_page *page, const char *name)
{
    for (size_t i = 0; i < page->count; i++)
        if (strcmp(page->keys[i], name) == 0)
            return true;
    return false;
}

static json_t *store_row(const char *name, bool declared, bool has_data)
{
    return json_pack("{s:s, s:b, s:b}", "store", name, "declared", declared, "has_data", has_data);
}

static int list_stores(struct cli *cli, struct local_kv *kv, struct err *err)
{
    struct kv_page page;
    enum kv_result result = kv_stores(kv->reader, &page);
    if (result != KV_OK)
        return local_kv_fail(kv, result, "", "", err);
    const struct manifest *m = kv->state.manifest;
    json_t *rows = json_array();
    for (size_t i = 0; i < m->kv_count; i++)
        json_array_append_new(rows, store_row(m->kv[i].name, true, holds(&page, m->kv[i].name)));
    for (size_t i = 0; i < page.count; i++)
        if (local_state_declares(&kv->state, STORE_KV, page.keys[i], NULL) < 0 || !m->kv_count)
            json_array_append_new(rows, store_row(page.keys[i], false, true));
    kv_page_clear(&page);
    if (out_is_json(cli->out)) {
        out_json(cli->out, rows);
        return 0;
    }
    size_t i;
    json_t *row;
    json_array_foreach (rows, i, row)
        out_printf(cli->out, "%s\n", json_string_value(json_object_get(row, "store")));
    json_decref(rows);
    return 0;
}

static void show_page(struct cli *cli, struct local_kv *kv, const struct args *args,
                      const struct kv_page *page, json_t *keys)
{
    for (size_t i = 0; i < page->count; i++) {
        cleanup(kv_entry_free_p) struct kv_entry *e = NULL;
        if (!out_is_json(cli->out))
            out_printf(cli->out, "%s\n", page->keys[i]);
        else if (kv_head(kv->reader, args->store, page->keys[i], &e) == KV_OK)
            json_array_append_new(keys, kv_record_json(page->keys[i], e, true));
    }
}

static int list_keys(struct cli *cli, struct local_kv *kv, const struct args *args,
                     struct err *err)
{
    cleanup(free_p) char *after = args->after ? xstrdup(args->after) : NULL;
    json_t *keys = json_array();
    size_t left = args->limit > 0 ? (size_t)args->limit : SIZE_MAX;
    bool more = true;
    while (more && left > 0) {
        struct kv_page page;
        enum kv_result result = kv_list(kv->reader, args->store, args->prefix, after, left, &page);
        if (result != KV_OK) {
            json_decref(keys);
            return local_kv_fail(kv, result, args->store, args->prefix ? args->prefix : "", err);
        }
        show_page(cli, kv, args, &page, keys);
        left -= page.count;
        more = page.more;
        free(after);
        after = page.count ? xstrdup(page.keys[page.count - 1]) : NULL;
        kv_page_clear(&page);
    }
    if (!out_is_json(cli->out)) {
        json_decref(keys);
        if (more)
            out_note(cli->out, "more follow: --after '%s'", after);
        return 0;
    }
    json_t *o = json_pack("{s:s, s:o}", "store", args->store, "keys", keys);
    if (more)
        json_object_set_new(o, "next", json_string(after));
    out_json(cli->out, o);
    return 0;
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    if (cli->target_given)
        return remote_list(cli, (struct store_ref){STORE_KV, args->store}, args->prefix, err);
    cleanup(local_kv_close) struct local_kv kv = {0};
    int r = local_kv_open(cli, &kv, err);
    if (r < 0)
        return r;
    if (!args->store)
        return list_stores(cli, &kv, err);
    r = kv_reader_hold(kv.reader, err);
    return r < 0 ? r : list_keys(cli, &kv, args, err);
}

static const struct cli_arg operands[] = {
    ARG_OPTIONAL(struct args, "STORE", store, COMP_KV, "whose keys; all stores if left away"),
    ARG_END,
};

static const struct cli_opt opts[] = {
    OPT_STR(struct args, 0, "prefix", prefix, "text", COMP_NONE, "only keys that begin with it"),
    OPT_STR(struct args, 0, "after", after, "key", COMP_NONE, "only keys that follow it"),
    OPT_INT(struct args, 'n', "limit", limit, "count", 1, 1000000000, "at most so many keys"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl kv list", "the KV stores"},
    {"edgectl kv list sessions --prefix user/ --limit 10", "the first keys below user/"},
    {"edgectl kv list sessions --json", "with generation, metadata, expiry and size"},
    {NULL, NULL},
};

const struct cli_cmd cmd_kv_list = {
    .path = "kv list",
    .group = GRP_STATE,
    .summary = "list KV stores, or the keys of one",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, MANIFEST),
    .examples = examples,
    .run = run,
};
