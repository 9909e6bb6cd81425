/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "base/mem.h"
#include "cmd/rollout_begin.h"
#include "provider/common.h"

struct args {
    bool once, scheduled;
};

/* By the clock, with nobody there: nothing is asked of others, and nothing to do is no error. */
static int by_the_clock(struct cli *cli, struct err *err)
{
    cleanup(rollout_session_close) struct rollout_session s = {0};
    int r = rollout_session_open(cli, JOURNAL_WRITE, &s, err);
    if (r == -ERR_DRIFT) {
        out_note(cli->out, "another process has the lock: it goes on");
        return 0;
    }
    if (r == 0)
        r = rollout_session_load(&s, NULL, true, err);
    if (r < 0)
        return r;
    if (!rollout_is_under_way(s.rollout)) {
        out_note(cli->out, "no rollout is under way");
        return 0;
    }
    r = rollout_session_need(&s, err);
    if (r == 0 && s.rollout->state.paused) {
        out_note(cli->out, "the rollout is paused, and stays so until: edgectl rollout resume");
        return 0;
    }
    return r < 0 ? r : rollout_go_on(&s, true, false, err);
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    if (args->scheduled)
        return by_the_clock(cli, err);
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
    OPT_FLAG(struct args, 0, "scheduled", scheduled,
             "the same by the clock: leave alone what is paused, and nothing to do is no error"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl rollout resume", "go on with what was interrupted or paused, to the end"},
    {"edgectl rollout resume --scheduled --json", "in a scheduled job: as far as it goes now"},
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
        "rollout is under way. When another process runs the rollout, `resume` only ends\n"
        "its pause.\n"
        "\n"
        "With --scheduled a job that runs every few minutes takes one step at a time. It\n"
        "must keep the state folder (.edgectl) from one run to the next: what was soaked\n"
        "and counted stands there, and begins anew without it.\n",
    .opts = opts,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(GATE, INCONCLUSIVE, DRIFT, NETWORK, CREDENTIALS, MANIFEST, INTERRUPTED),
    .examples = examples,
    .run = run,
};
