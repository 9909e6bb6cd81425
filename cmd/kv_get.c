/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "cmd/local_state.h"
#include "cmd/remote.h"
#include "world/kv_record.h"

struct args {
    const char *store;
    const char *key;
};

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    if (cli->target_given)
        return remote_get(cli, (struct store_ref){STORE_KV, args->store}, args->key, err);
    cleanup(local_kv_close) struct local_kv kv = {0};
    int r = local_kv_open(cli, &kv, err);
    if (r < 0)
        return r;
    cleanup(kv_entry_free_p) struct kv_entry *e = NULL;
    enum kv_result result = kv_get(kv.reader, args->store, args->key, &e);
    if (result != KV_OK) {
        r = local_kv_fail(&kv, result, args->store, args->key, err);
        struct err known;
        if (local_state_declares(&kv.state, STORE_KV, args->store, &known) < 0)
            err_hint(err, "%s; %s", known.msg, known.hint);
        return r;
    }
    if (out_is_json(cli->out)) {
        out_json(cli->out, kv_record_json(args->key, e, true));
        return 0;
    }
    const uint8_t *data;
    size_t len;
    while (body_peek(e->value, &data, &len) == BODY_DATA) {
        out_write(cli->out, data, len);
        body_consume(e->value, len);
    }
    return 0;
}

static const struct cli_arg operands[] = {
    ARG_STR(struct args, "STORE", store, COMP_KV, "the KV store"),
    ARG_STR(struct args, "KEY", key, COMP_NONE, "the key"),
    ARG_END,
};

static const struct cli_example examples[] = {
    {"edgectl kv get sessions user/1", "the value, byte for byte"},
    {"edgectl kv get sessions user/1 --json", "with metadata, generation and expiry"},
    {NULL, NULL},
};

const struct cli_cmd cmd_kv_get = {
    .path = "kv get",
    .group = GRP_STATE,
    .summary = "write a KV value to stdout",
    .operands = operands,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, MANIFEST),
    .examples = examples,
    .run = run,
};
