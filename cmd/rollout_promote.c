/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "base/mem.h"
#include "cmd/rollout_begin.h"
#include "provider/common.h"

struct args {
    bool full;
};

/* To approve what nobody asked for would be forgotten with the step. */
static int check_step(const struct rollout *r, bool full, struct err *err)
{
    int step = r ? r->state.step : 0;
    if (full || !rollout_is_under_way(r) || step >= r->plan.steps || r->plan.step[step].approval)
        return 0;
    err_set(err, ERR_USAGE, "step %d waits for no approval: the gate decides", step + 1);
    err_hint(err, "see how it stands: edgectl rollout status; finish unjudged: edgectl rollout "
                  "promote --full");
    return -ERR_USAGE;
}

static int check_other(struct cli *cli, bool full, struct err *err)
{
    cleanup(rollout_session_close) struct rollout_session s = {0};
    int r = rollout_session_open(cli, JOURNAL_READ, &s, err);
    if (r == 0)
        r = rollout_session_load(&s, NULL, false, err);
    return r < 0 ? r : check_step(s.rollout, full, err);
}

static int by_ourselves(struct rollout_session *s, bool full, struct err *err)
{
    cleanup(free_p) char *who = user_at_host();
    int r = rollout_session_need(s, err);
    if (r == 0)
        r = check_step(s->rollout, full, err);
    if (r == 0 && !(full ? s->rollout->state.full : s->rollout->state.approved))
        r = rollout_add(s->rollout, json_pack("{s:s, s:s}", "e", full ? "full" : "approve", "by",
                                              who), err);
    if (r < 0)
        return r;
    if (full)
        return rollout_go_on(s, false, false, err);
    out_note(s->cli->out, "step %d is approved; go on with: edgectl rollout resume",
             s->rollout->state.step + 1);
    return 0;
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    cleanup(rollout_session_close) struct rollout_session s = {0};
    int r = rollout_session_open(cli, JOURNAL_WRITE, &s, err);
    if (r == -ERR_DRIFT) {
        r = check_other(cli, args->full, err);
        if (r < 0)
            return r;
        r = rollout_session_ask(cli, args->full ? "full" : "approve", args->full, err);
        if (r == 0)
            out_note(cli->out, args->full ? "all traffic is on the new version"
                                          : "approved; the process that runs the rollout goes on");
        if (r <= 0)
            return r;
        r = rollout_session_open(cli, JOURNAL_WRITE, &s, err);
    }
    return r < 0 ? r : by_ourselves(&s, args->full, err);
}

static const struct cli_opt opts[] = {
    OPT_FLAG(struct args, 0, "full", full, "give the new version all traffic now, unjudged"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl rollout promote", "approve the step that waits for it"},
    {"edgectl rollout promote --full", "finish at once, whatever the gate says"},
    {NULL, NULL},
};

const struct cli_cmd cmd_rollout_promote = {
    .path = "rollout promote",
    .group = GRP_SHIP,
    .summary = "approve the step that a rollout waits at, or finish it",
    .about =
        "Approves the step that waits for it (`approval: true`). With --full the new\n"
        "version gets all traffic now, whatever the gate says. When another process\n"
        "runs the rollout, it is asked to; otherwise `edgectl rollout resume` goes on.\n",
    .opts = opts,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, DRIFT, NETWORK, CREDENTIALS, MANIFEST, INTERRUPTED),
    .examples = examples,
    .run = run,
};
