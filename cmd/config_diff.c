/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "cmd/remote.h"

struct args {
    const char *store;
    const char *from;
};

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    struct remote_compare compare = {
        .store = {STORE_CONFIG, args->store}, .from = args->from, .to = cli->target,
    };
    return remote_compare(cli, &compare, err);
}

static const struct args defaults = {.from = "local"};

static const struct cli_arg operands[] = {
    ARG_STR(struct args, "STORE", store, COMP_CONFIG, "the config store"),
    ARG_END,
};

static const struct cli_opt opts[] = {
    OPT_STR(struct args, 0, "from", from, "target", COMP_TARGET,
            "the target that is right (local)"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl config diff flags --from local --target production", "what production does not have"},
    {NULL, NULL},
};

const struct cli_cmd cmd_config_diff = {
    .path = "config diff",
    .group = GRP_STATE,
    .summary = "show how a config store differs between two targets",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct args),
    .defaults = &defaults,
    .needs = NEED_STATE,
    .exits = EXITS(IO, NETWORK, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
