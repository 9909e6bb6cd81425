/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "cmd/rollout_open.h"
#include "cmd/rollout_show.h"

struct args {
    const char *version;
};

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    cleanup(rollout_session_close) struct rollout_session s = {0};
    struct plan plan;
    int r = rollout_session_open(cli, JOURNAL_READ, &s, err);
    if (r == 0)
        r = rollout_session_plan(&s, args->version, &plan, err);
    if (r < 0)
        return r;
    if (out_is_json(cli->out))
        out_json(cli->out, plan_save(&plan));
    else
        rollout_show_plan(cli, &plan);
    return 0;
}

static const struct cli_arg operands[] = {
    ARG_OPTIONAL(struct args, "VERSION", version, COMP_NONE,
                 "version to roll out; the newest if left away"),
    ARG_END,
};

static const struct cli_example examples[] = {
    {"edgectl rollout plan", "the steps of a rollout of the newest version, as this provider can"},
    {"edgectl rollout plan --target production --json", "the same, for a script"},
    {NULL, NULL},
};

const struct cli_cmd cmd_rollout_plan = {
    .path = "rollout plan",
    .group = GRP_SHIP,
    .summary = "show what a rollout would do, changing nothing",
    .about =
        "Prints the steps that rollout.steps in the manifest (edge.yaml(5)) comes to on\n"
        "the provider, how what it cannot do is bridged, the gates, and what happens\n"
        "when there is no verdict.\n",
    .operands = operands,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, NETWORK, CREDENTIALS, MANIFEST, DRIFT),
    .examples = examples,
    .run = run,
};
