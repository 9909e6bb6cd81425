/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>
#include "cmd/rollout_begin.h"

struct args {
    const char *version;
};

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    return rollout_begin_or_go_on(cli, args->version, false, err);
}

static const struct cli_arg operands[] = {
    ARG_OPTIONAL(struct args, "VERSION", version, COMP_NONE,
                 "version to roll out; the newest if left away"),
    ARG_END,
};

static const struct cli_example examples[] = {
    {"edgectl rollout run", "roll the newest version out, or go on with what was begun"},
    {"edgectl rollout run --target production --json", "each event as a line of JSON"},
    {NULL, NULL},
};

const struct cli_cmd cmd_rollout_run = {
    .path = "rollout run",
    .group = GRP_SHIP,
    .summary = "roll a version out step by step, to the end",
    .about =
        "Moves traffic to a version that `edgectl deploy --no-traffic` has put in place,\n"
        "by the steps of rollout.steps in the manifest (edge.yaml(5)), judging it\n"
        "against the version that had all traffic. It ends with all traffic on one of\n"
        "the two, or leaves the split as it is and says why and how to go on.\n"
        "\n"
        "A rollout that is under way goes on. Ctrl-C leaves the split as it is; then\n"
        "`edgectl rollout resume` goes on and `edgectl rollout abort` goes back.\n",
    .operands = operands,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(GATE, INCONCLUSIVE, DRIFT, NETWORK, CREDENTIALS, MANIFEST, INTERRUPTED),
    .examples = examples,
    .run = run,
};
