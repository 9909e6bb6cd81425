/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "cmd/local_config.h"
#include "cmd/remote.h"
#include <string.h>

struct args {
    const char *store;
    const char *key;
};

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    if (cli->target_given)
        return remote_get(cli, (struct store_ref){STORE_CONFIG, args->store}, args->key, err);
    cleanup(local_config_close) struct local_config c = {0};
    cleanup(config_close_p) struct config *s = NULL;
    int r = local_config_open(cli, &c, err);
    if (r == 0)
        r = local_config_store(&c, args->store, &s, err);
    if (r < 0)
        return r;
    const char *value;
    size_t len;
    if (!config_get(s, args->key, strlen(args->key), &value, &len))
        return err_set(err, ERR_FAILURE, "config store '%s' has no key '%.256s'", args->store,
                       args->key);
    if (out_is_json(cli->out)) {
        out_json(cli->out, json_pack("{s:s, s:s, s:o}", "store", args->store, "key", args->key,
                                     "value", json_stringn(value, len)));
        return 0;
    }
    out_write(cli->out, value, len);
    out_write(cli->out, "\n", 1);
    return 0;
}

static const struct cli_arg operands[] = {
    ARG_STR(struct args, "STORE", store, COMP_CONFIG, "the config store"),
    ARG_STR(struct args, "KEY", key, COMP_NONE, "the key"),
    ARG_END,
};

static const struct cli_example examples[] = {
    {"edgectl config get flags beta", "the value that the app sees"},
    {NULL, NULL},
};

const struct cli_cmd cmd_config_get = {
    .path = "config get",
    .group = GRP_STATE,
    .summary = "show a config value",
    .operands = operands,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, MANIFEST),
    .examples = examples,
    .run = run,
};
