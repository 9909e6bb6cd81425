/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "cmd/local_config.h"
#include "cmd/remote.h"
#include <string.h>

struct args {
    const char *store;
};

static void add_rows(json_t *rows, const char *store, const struct config *s)
{
    struct config_item item;
    for (size_t i = 0; config_item(s, i, &item); i++)
        json_array_append_new(rows, json_pack(
            "{s:s, s:s, s:o, s:s}", "store", store, "key", item.key, "value",
            json_stringn(item.value, item.value_len), "source",
            item.local ? "local" : "manifest"));
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    static const struct out_column columns[] = {
        {"store", "STORE", false}, {"key", "KEY", false}, {"value", "VALUE", false},
        {"source", "SOURCE", false}, {NULL, NULL, false},
    };
    const struct args *args = args_ptr;
    cleanup(local_config_close) struct local_config c = {0};
    if (cli->target_given)
        return remote_list(cli, (struct store_ref){STORE_CONFIG, args->store}, NULL, err);
    int r = local_config_open(cli, &c, err);
    if (r == 0 && args->store) {
        cleanup(config_close_p) struct config *s = NULL;
        r = local_config_store(&c, args->store, &s, err);
    }
    if (r < 0)
        return r;
    json_t *rows = json_array();
    const struct manifest *m = c.state.manifest;
    for (size_t i = 0; i < m->config_count; i++) {
        const char *name = m->configs[i].name;
        cleanup(config_close_p) struct config *s = config_open(c.configs, name, strlen(name));
        if (s && (!args->store || strcmp(args->store, name) == 0))
            add_rows(rows, name, s);
    }
    out_table(cli->out, rows, columns);
    return 0;
}

static const struct cli_arg operands[] = {
    ARG_OPTIONAL(struct args, "STORE", store, COMP_CONFIG, "only that store"),
    ARG_END,
};

static const struct cli_example examples[] = {
    {"edgectl config list", "every key, its value and where it comes from"},
    {NULL, NULL},
};

const struct cli_cmd cmd_config_list = {
    .path = "config list",
    .group = GRP_STATE,
    .summary = "list config keys and values as the app sees them",
    .operands = operands,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, MANIFEST),
    .examples = examples,
    .run = run,
};
