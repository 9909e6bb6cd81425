/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "cmd/local_config.h"
#include "cmd/remote.h"

struct args {
    const char *store;
    bool local;
};

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    if (cli->target_given)
        return remote_export(cli, (struct store_ref){STORE_CONFIG, args->store}, NULL, err);
    cleanup(local_config_close) struct local_config c = {0};
    cleanup(config_close_p) struct config *s = NULL;
    int r = local_config_open(cli, &c, err);
    if (r == 0)
        r = local_config_store(&c, args->store, &s, err);
    struct config_item item;
    for (size_t i = 0; r == 0 && config_item(s, i, &item); i++)
        if (item.local || !args->local)
            out_json(cli->out, json_pack("{s:s, s:o}", "key", item.key, "value",
                                         json_stringn(item.value, item.value_len)));
    return r;
}

static const struct cli_arg operands[] = {
    ARG_STR(struct args, "STORE", store, COMP_CONFIG, "the config store"),
    ARG_END,
};

static const struct cli_opt opts[] = {
    OPT_FLAG(struct args, 0, "local", local, "only what config put stored"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl config export flags >flags.ndjson", "every key, a JSON object per line"},
    {NULL, NULL},
};

const struct cli_cmd cmd_config_export = {
    .path = "config export",
    .group = GRP_STATE,
    .summary = "write a config store as JSON lines",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, MANIFEST),
    .examples = examples,
    .run = run,
};
