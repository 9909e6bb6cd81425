/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "cmd/rollout_begin.h"

struct args {
    const char *version;
};

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    return rollout_begin_or_go_on(cli, args->version, true, err);
}

static const struct cli_arg operands[] = {
    ARG_OPTIONAL(struct args, "VERSION", version, COMP_NONE,
                 "version to roll out; the newest if left away"),
    ARG_END,
};

static const struct cli_example examples[] = {
    {"edgectl rollout start", "take the first step and return; go on with `rollout resume`"},
    {NULL, NULL},
};

const struct cli_cmd cmd_rollout_start = {
    .path = "rollout start",
    .group = GRP_SHIP,
    .summary = "take the first step of a rollout and return",
    .about =
        "Takes the first step and returns. Nobody watches then: `edgectl rollout\n"
        "resume` goes on to the end, `resume --once` takes one look and one step.\n",
    .operands = operands,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(GATE, DRIFT, NETWORK, CREDENTIALS, MANIFEST, INTERRUPTED),
    .examples = examples,
    .run = run,
};
