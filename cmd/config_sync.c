/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "cmd/remote.h"

struct args {
    const char *store;
    const char *from;
    bool remove, dry_run;
};

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    struct remote_compare compare = {
        .store = {STORE_CONFIG, args->store}, .from = args->from, .to = cli->target,
        .sync = true, .remove = args->remove, .dry_run = args->dry_run,
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
    OPT_FLAG(struct args, 0, "delete", remove, "delete keys that only --target has"),
    OPT_FLAG(struct args, 'n', "dry-run", dry_run, "show the differences; change nothing"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl config sync flags --from local --target production --dry-run", "what would be done"},
    {NULL, NULL},
};

const struct cli_cmd cmd_config_sync = {
    .path = "config sync",
    .group = GRP_STATE,
    .summary = "make a config store of one target as that of another",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct args),
    .defaults = &defaults,
    .needs = NEED_STATE,
    .exits = EXITS(IO, DRIFT, NETWORK, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
