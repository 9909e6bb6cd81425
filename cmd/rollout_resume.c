/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "base/mem.h"
#include "cmd/rollout_begin.h"
#include "provider/common.h"

struct args {
    bool once;
};

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    cleanup(rollout_session_close) struct rollout_session s = {0};
    int r = rollout_session_open(cli, JOURNAL_WRITE, &s, err);
    /* Somebody runs it: then it was paused, or is not to be. */
    if (r == -ERR_DRIFT) {
        r = rollout_session_ask(cli, "resume", false, err);
        if (r == 0)
            out_note(cli->out, "resumed, in the process that runs it; edgectl rollout status "
                               "shows it");
        if (r <= 0)
            return r;
        r = rollout_session_open(cli, JOURNAL_WRITE, &s, err);
    }
    if (r == 0)
        r = rollout_session_need(&s, err);
    if (r < 0)
        return r;
    if (s.rollout->state.paused) {
        cleanup(free_p) char *who = user_at_host();
        r = rollout_add(s.rollout, json_pack("{s:s, s:s}", "e", "resume", "by", who), err);
    }
    return r < 0 ? r : rollout_go_on(&s, args->once, false, err);
}

static const struct cli_opt opts[] = {
    OPT_FLAG(struct args, 0, "once", once, "do what can be done now, look once, and return"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl rollout resume", "go on with what was interrupted or paused, to the end"},
    {"edgectl rollout resume --once --json", "in a scheduled job: as far as it goes now"},
    {NULL, NULL},
};

const struct cli_cmd cmd_rollout_resume = {
    .path = "rollout resume",
    .group = GRP_SHIP,
    .summary = "go on with a rollout that was interrupted or paused",
    .about =
        "Goes on where a rollout was interrupted or paused: a change that was cut off is\n"
        "looked up at the provider, and neither made twice nor forgotten. Time that\n"
        "passed in between counts as soak.\n"
        "\n"
        "With --once it does what can be done now, looks once, and returns 0 while the\n"
        "rollout is under way: a scheduled job can take one step at a time. When\n"
        "another process runs the rollout, `resume` only ends its pause.\n",
    .opts = opts,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(GATE, INCONCLUSIVE, DRIFT, NETWORK, CREDENTIALS, MANIFEST, INTERRUPTED),
    .examples = examples,
    .run = run,
};
