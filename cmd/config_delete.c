/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "cmd/local_config.h"
#include "cmd/remote.h"

struct args {
    const char *store;
    const char *key;
};

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    if (cli->target_given)
        return remote_delete(cli, (struct store_ref){STORE_CONFIG, args->store}, &args->key, 1,
                             err);
    cleanup(local_config_close) struct local_config c = {0};
    int r = local_config_open(cli, &c, err);
    if (r < 0)
        return r;
    r = overrides_delete(c.overrides, PAIR_CONFIG, args->store, args->key, err);
    if (r == 0) {
        r = err_set(err, ERR_FAILURE, "config store '%s' has no local value of '%.256s'",
                    args->store, args->key);
        err_hint(err, "what the manifest gives is changed there; see: edgectl config list");
    }
    if (r > 0)
        local_tell_count(cli, args->store, "deleted", 1);
    return r < 0 ? r : 0;
}

static const struct cli_arg operands[] = {
    ARG_STR(struct args, "STORE", store, COMP_CONFIG, "the config store"),
    ARG_STR(struct args, "KEY", key, COMP_NONE, "the key"),
    ARG_END,
};

static const struct cli_example examples[] = {
    {"edgectl config delete flags beta", "what the manifest says holds again"},
    {NULL, NULL},
};

const struct cli_cmd cmd_config_delete = {
    .path = "config delete",
    .group = GRP_STATE,
    .summary = "delete a value stored by config put",
    .operands = operands,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, MANIFEST),
    .examples = examples,
    .run = run,
};
