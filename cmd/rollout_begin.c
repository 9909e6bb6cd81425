/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/rollout_begin.h"

#include <string.h>
#include "base/json.h"
#include "cmd/ci.h"
#include "cmd/rollout_show.h"
#include "rollout/report.h"

static struct drive_options options_of(const struct rollout_session *s)
{
    struct drive_options o = {.manifest = s->target[0].manifest,
                              .interrupted = s->target[0].target->o.interrupted};
    for (int i = 0; i < s->count; i++)
        o.target[i] = s->target[i].target;
    return o;
}

/* The targets of a rollout that is under way are those it began with. */
static int check_targets(const struct rollout_session *s, struct err *err)
{
    const struct plan *p = &s->rollout->plan;
    bool same = p->targets == s->count;
    for (int i = 0; same && i < s->count; i++)
        same = strcmp(p->target[i].name, s->target[i].target->o.name) == 0;
    if (same)
        return 0;
    err_set(err, ERR_DRIFT, "the rollout that is under way has other targets than the manifest");
    err_hint(err, "name them in rollout.targets as when it began");
    return -ERR_DRIFT;
}

int rollout_go_on(struct rollout_session *s, bool no_wait, bool force, struct err *err)
{
    struct drive_options o = options_of(s);
    o.no_wait = no_wait;
    o.force = force;
    int r = check_targets(s, err);
    if (r == 0)
        r = rollout_show_drive(s->cli, s->rollout, &o, err);
    if (s->rollout) {
        cleanup(json_decref_p) json_t *status = report_status(s->rollout);
        ci_rollout(status);
    }
    if (r == 0 && no_wait && rollout_is_under_way(s->rollout) && !out_is_json(s->cli->out))
        out_note(s->cli->out, "under way; go on with: edgectl rollout resume");
    return r;
}

/* What the manifest asks for must be possible before anything is begun. */
static int check_evidence(struct rollout_session *s, struct plan *plan, struct err *err)
{
    static const struct manifest_rollout plain;
    const struct manifest *m = s->target[0].manifest;
    struct evidence *e = NULL;
    struct err why;
    int r = evidence_new(m->rollout ? m->rollout : &plain, m, plan, NULL, &e, err);
    for (int i = 0; i < s->count && r == 0; i++) {
        bool known;
        r = evidence_check(e, i, &known, err);
        if (r < 0)
            r = err_wrap(err, r, "nothing was begun, since the evidence cannot be read");
        else if (!known)
            out_warn(s->cli->out, "the evidence knows no requests of the stable version of '%s' "
                     "(%.60s) yet", plan->target[i].name, plan->target[i].stable);
    }
    if (r == 0 && evidence_freeze(e, plan, &why) < 0)
        out_note(s->cli->out, "nothing is known of the past: %s", why.msg);
    evidence_free(e);
    return r;
}

static int begin(struct rollout_session *s, const char *version, struct err *err)
{
    struct plan plan;
    struct history *h = NULL;
    struct drive_options o = options_of(s);
    const struct session *first = &s->target[0];
    struct err why;
    rollout_free(s->rollout);
    s->rollout = NULL;
    int r = rollout_session_plan(s, version, &plan, err);
    if (r < 0)
        return r;
    if (drive_freeze(&o, &plan, &why) < 0)
        out_note(s->cli->out, "nothing is known of the past: %s", why.msg);
    r = check_evidence(s, &plan, err);
    for (int i = 0; i < s->count && r == 0; i++) {
        int bp[SPLIT_STAGES_MAX], count = 0;
        if (s->target[i].target->caps.split != SPLIT_STAGED)
            continue;
        for (int k = 0; k < plan.steps && count < SPLIT_STAGES_MAX; k++) {
            if (plan.step[k].target == i && plan.step[k].bp > 0)
                bp[count++] = plan.step[k].bp;
        }
        r = target_set_stages(s->target[i].target, bp, count, err);
    }
    if (r == 0)
        r = history_new(first->state_dir, first->target->o.name, &h, err);
    if (r == 0)
        r = rollout_begin(h, &plan, NULL, &s->rollout, err);
    if (r == 0 && out_is_json(s->cli->out))
        out_json(s->cli->out, report_event(s->rollout, history_event(s->rollout->history, 0)));
    else if (r == 0)
        out_note(s->cli->out, "rollout %s: %.60s -> %.60s", history_id(s->rollout->history),
                 plan.target[0].stable, plan.target[0].canary);
    return r;
}

/* Whoever finds a rollout under way in another process wants to see it, not to wait. */
static void hint_at_other(struct cli *cli, struct err *err)
{
    cleanup(rollout_session_close) struct rollout_session s = {0};
    struct err why;
    if (rollout_session_open(cli, JOURNAL_READ, &s, &why) == 0 &&
        rollout_session_load(&s, NULL, false, &why) == 0 && rollout_is_under_way(s.rollout))
        err_hint(err, "rollout %s is under way there: edgectl rollout status shows it; pause, "
                      "promote and abort reach it", history_id(s.rollout->history));
}

int rollout_begin_or_go_on(struct cli *cli, const char *version, bool no_wait, struct err *err)
{
    cleanup(rollout_session_close) struct rollout_session s = {0};
    int r = rollout_session_open(cli, JOURNAL_WRITE, &s, err);
    if (r == -ERR_DRIFT)
        hint_at_other(cli, err);
    if (r == 0)
        r = rollout_session_load(&s, NULL, true, err);
    if (r < 0)
        return r;
    if (!rollout_is_under_way(s.rollout)) {
        r = begin(&s, version, err);
    } else {
        const struct plan_target *t = &s.rollout->plan.target[0];
        if (version && strcmp(version, t->canary) != 0 && strcmp(version, t->release) != 0) {
            err_set(err, ERR_DRIFT, "a rollout of version %.60s is under way", t->canary);
            err_hint(err, "end it first: edgectl rollout abort");
            return -ERR_DRIFT;
        }
        out_note(cli->out, "going on with rollout %s", history_id(s.rollout->history));
    }
    return r < 0 ? r : rollout_go_on(&s, no_wait, false, err);
}
