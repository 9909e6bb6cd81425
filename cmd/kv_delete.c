/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "cmd/local_state.h"
#include "cmd/remote.h"

struct args {
    const char *store;
    struct cli_list keys;
};

/* All are tried; the first that failed is the error. */
static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    cleanup(local_kv_close) struct local_kv kv = {0};
    if (args->keys.count == 0)
        return err_set(err, ERR_USAGE, "which key? 'edgectl kv delete STORE KEY...'");
    if (cli->target_given)
        return remote_delete(cli, (struct store_ref){STORE_KV, args->store}, args->keys.items,
                             args->keys.count, err);
    int r = local_kv_open(cli, &kv, err);
    if (r < 0)
        return r;
    size_t deleted = 0;
    for (size_t i = 0; i < args->keys.count; i++) {
        const char *key = args->keys.items[i];
        enum kv_result result = kv_delete_now(kv.db, args->store, key);
        if (result == KV_OK)
            deleted++;
        else if (r == 0)
            r = local_kv_fail(&kv, result, args->store, key, err);
    }
    local_tell_count(cli, args->store, "deleted", deleted);
    return r;
}

static const struct cli_arg operands[] = {
    ARG_STR(struct args, "STORE", store, COMP_KV, "the KV store"),
    ARG_LIST(struct args, "KEY", keys, COMP_NONE, "the keys"),
    ARG_END,
};

static const struct cli_example examples[] = {
    {"edgectl kv delete sessions user/1 user/2", "two entries"},
    {NULL, NULL},
};

const struct cli_cmd cmd_kv_delete = {
    .path = "kv delete",
    .group = GRP_STATE,
    .summary = "delete KV entries",
    .operands = operands,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, MANIFEST),
    .examples = examples,
    .run = run,
};
