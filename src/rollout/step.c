/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/step.h"

static struct rollout_move plain(enum rollout_act act)
{
    return (struct rollout_move){.act = act};
}

static struct rollout_move at(enum rollout_act act, int target, int bp, bool back)
{
    return (struct rollout_move){.act = act, .target = target, .bp = bp, .back = back};
}

static struct rollout_move because(enum rollout_act act, enum err_code code)
{
    return (struct rollout_move){.act = act, .code = code};
}

static struct rollout_move wait_for(enum rollout_wait wait, int64_t until_ms)
{
    return (struct rollout_move){.act = DO_WAIT, .wait = wait, .until_ms = until_ms};
}

static struct rollout_move drift(int target)
{
    return (struct rollout_move){.act = DO_STOP, .target = target, .code = ERR_DRIFT};
}

/* A change was interrupted: the provider knows whether it has happened. */
static struct rollout_move after_intent(const struct rollout_state *s,
                                        const struct rollout_seen *seen)
{
    int t = s->intent.target;
    const struct rollout_split *now = &seen->split[t];
    if (!now->known)
        return at(DO_READ, t, 0, s->intent.back);
    if (now->foreign)
        return drift(t);
    if (now->bp == s->intent.to && (now->arm || s->intent.back))
        return at(DO_RECORD, t, s->intent.to, s->intent.back);
    if (now->bp != s->intent.from)
        return drift(t);
    /* Not done. When all has to go back meanwhile, it must not be done any more. */
    if (s->phase == PHASE_BACK && !s->intent.back)
        return at(now->arm ? DO_SET : DO_RECORD, t, 0, true);
    return at(DO_SET, t, s->intent.to, s->intent.back);
}

static struct rollout_move go_back(const struct plan *p, const struct rollout_state *s,
                                   const struct rollout_seen *seen)
{
    /* What was not touched is looked at, too: the end of a journal can be lost with its disk. */
    for (int t = p->targets; t-- > 0;) {
        if (!s->touched[t] && seen->split[t].known && !seen->split[t].foreign &&
            seen->split[t].bp == 0)
            continue;
        if (!seen->split[t].known)
            return at(DO_READ, t, 0, true);
        if (seen->split[t].foreign)
            return drift(t);
        return at(seen->split[t].arm ? DO_SET : DO_RECORD, t, 0, true);
    }
    for (int t = 0; t < p->targets; t++) {
        if (s->restored[t])
            return at(DO_PROVE, t, 0, true);
    }
    return plain(DO_FINISH);
}

/* Taking a step, as far as its split. */
static struct rollout_move take(const struct plan *p, const struct rollout_state *s,
                                const struct rollout_seen *seen)
{
    const struct plan_step *step = &p->step[s->step];
    int64_t opens = s->full ? seen->wall_ms : plan_window_opens(p, seen->wall_ms);
    if (s->paused)
        return wait_for(WAIT_PAUSED, 0);
    if (opens > seen->wall_ms)
        return wait_for(WAIT_WINDOW, opens);
    if (!s->before)
        return plain(DO_BEFORE);
    return at(DO_SET, step->target, step->bp, false);
}

/* Its split is in place; may it pass? */
static struct rollout_move judge(const struct plan *p, const struct rollout_state *s,
                                 const struct rollout_seen *seen)
{
    const struct plan_step *step = &p->step[s->step];
    int64_t left = step->soak_ms - s->soaked_ms;
    if (s->full)
        return plain(DO_PASS);
    if (left <= 0 && (!step->judged || seen->verdict.verdict == GATE_ADVANCE))
        return plain(DO_PASS);
    if (step->judged && s->soaked_ms >= p->deadline_ms + step->soak_ms && !s->paused) {
        if (p->on_inconclusive == ON_INCONCLUSIVE_ADVANCE)
            return plain(DO_PASS);
        return because(p->on_inconclusive == ON_INCONCLUSIVE_ROLLBACK ? DO_BACK : DO_STOP,
                       ERR_INCONCLUSIVE);
    }
    return left > 0 ? wait_for(WAIT_SOAK, seen->wall_ms + left) : wait_for(WAIT_EVIDENCE, 0);
}

static struct rollout_move go_on(const struct plan *p, const struct rollout_state *s)
{
    const struct plan_step *step = &p->step[s->step];
    if (s->paused)
        return wait_for(WAIT_PAUSED, 0);
    if (step->approval && !s->approved && !s->full)
        return wait_for(WAIT_APPROVAL, 0);
    if (!s->after)
        return plain(DO_AFTER);
    return plain(DO_NEXT);
}

struct rollout_move rollout_next(const struct plan *p, const struct rollout_state *s,
                                 const struct rollout_seen *seen)
{
    if (s->phase == PHASE_DONE || s->phase == PHASE_UNDONE)
        return plain(DO_END);
    if (s->intent.open)
        return after_intent(s, seen);
    if (s->phase == PHASE_BACK)
        return go_back(p, s, seen);
    for (int t = 0; t < p->targets; t++) {
        if (!seen->split[t].known)
            return at(DO_READ, t, 0, false);
        if (seen->split[t].foreign || seen->split[t].bp != s->bp[t])
            return drift(t);
    }
    if (s->step >= p->steps)
        return plain(DO_FINISH);
    /* A failed gate acts in every state, waiting and paused too. */
    if (seen->verdict.verdict == GATE_FAIL && !s->full)
        return because(DO_BACK, ERR_GATE);
    if (!s->set)
        return take(p, s, seen);
    if (!s->proven && p->target[p->step[s->step].target].probe)
        return at(DO_PROVE, p->step[s->step].target, 0, false);
    return s->passed ? go_on(p, s) : judge(p, s, seen);
}

int64_t rollout_watched(const struct rollout_clock *was, const struct rollout_clock *now)
{
    static const int64_t most = 7 * 86400000LL;
    if (was->mono_ms)
        return now->mono_ms - was->mono_ms;
    int64_t dt = now->wall_ms - was->wall_ms;
    return dt < 0 ? 0 : dt > most ? most : dt;
}

struct rollout_clock rollout_last_clock(const struct rollout_state *s, uint32_t boot,
                                        const struct rollout_clock *now)
{
    bool same = boot && s->boot == boot && s->mono_ms <= now->mono_ms;
    return (struct rollout_clock){.mono_ms = same ? s->mono_ms : 0, .wall_ms = s->changed_ms};
}
