/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/drive.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "rollout/drive_impl.h"
#include "rollout/hook.h"
#include "rollout/note.h"

static const int64_t turn_ms = 50, longest_poll_ms = 60000;
/* How often a failing call is tried again before the rollout is left as it is. */
enum { TRIES = 8 };

int64_t drive_wall_ms(void)
{
    return clock_wall_ns() / 1000000;
}

int64_t drive_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

bool drive_interrupted(const struct drive *d)
{
    return d->o.interrupted && atomic_load(d->o.interrupted);
}

int drive_event(struct drive *d, json_t *event, struct err *err)
{
    size_t at = history_count(d->r->history);
    /* For who goes on from here: the clock of the day may have been set until then. */
    if (d->boot && event) {
        json_object_set_new(event, "boot", json_integer(d->boot));
        json_object_set_new(event, "m", json_integer(drive_mono_ms()));
    }
    int r = rollout_add(d->r, event, err);
    if (r == 0 && d->o.on_event)
        d->o.on_event(d->o.env, d->r, history_event(d->r->history, at));
    return r;
}

void drive_sleep(struct drive *d, int64_t ms)
{
    while (ms > 0 && !drive_interrupted(d)) {
        int64_t piece = ms < turn_ms || clock_jumps() ? ms : turn_ms;
        clock_sleep_ms(piece);
        ms -= piece;
    }
}

/* Worth another try? Told, and waited for, if so. */
static bool try_again(struct drive *d, int *tries, const struct err *why)
{
    bool transient = why->code == ERR_NETWORK;
    if (transient && drive_interrupted(d))
        return true; /* that is told first of all, see drive_run */
    if (!transient || ++*tries >= TRIES)
        return false;
    if (d->o.on_trouble)
        d->o.on_trouble(d->o.env, why);
    drive_sleep(d, 250 << (*tries < 6 ? *tries : 6));
    return true;
}

/* --- requests of other processes --- */

json_t *drive_request(const char *what, const char *by)
{
    return json_pack("{s:s, s:s}", "what", what, "by", by);
}

static int take_requests(struct drive *d, struct err *err)
{
    for (;;) {
        size_t at = history_count(d->r->history);
        int r = rollout_take_request(d->r, err);
        if (r <= 0)
            return r;
        if (d->o.on_event)
            d->o.on_event(d->o.env, d->r, history_event(d->r->history, at));
    }
}

/* --- looking --- */

static int64_t poll_ms(const struct drive *d)
{
    int64_t grown = d->r->state.soaked_ms / 200, least = d->r->plan.poll_ms;
    int64_t most = longest_poll_ms > least ? longest_poll_ms : least;
    return grown < least ? least : grown > most ? most : grown;
}

static int64_t watched_ms(const struct drive *d)
{
    struct rollout_clock now = {.mono_ms = drive_mono_ms(), .wall_ms = drive_wall_ms()};
    struct rollout_clock was = rollout_last_clock(&d->r->state, d->boot, &now);
    if (d->looked_ms)
        was.mono_ms = d->looked_ms;
    return rollout_watched(&was, &now);
}

static int read_evidence(struct drive *d, int t, struct evidence_totals *now, struct err *err)
{
    struct err why = {0};
    int r = evidence_read(d->evidence, d->o.target[t], t, d->r->since_ms[t], now, &why);
    if (r == 0) {
        /* Data that stand still are none. */
        int64_t age = drive_wall_ms() - now->until_ms;
        int64_t most = 2 * poll_ms(d) + d->r->plan.target[t].lag_ms + 60000;
        if (now->until_ms && age > most)
            memset(now, 0, sizeof *now);
        return 0;
    }
    memset(now, 0, sizeof *now);
    if (why.code == ERR_CREDENTIALS || why.code == ERR_INTERRUPTED || why.code == ERR_MANIFEST) {
        *err = why;
        return r;
    }
    if (d->o.on_trouble)
        d->o.on_trouble(d->o.env, &why);
    return 0;
}

static void add_probes(struct drive *d, int t, struct evidence_totals *now)
{
    struct err why = {0};
    struct evidence_totals probes = d->r->total[t];
    int last = d->r->plan.gate.count - 1;
    /* There is nothing to compare with any more, and some providers give a version that is asked a
     * part in the split. */
    if (d->r->state.bp[t] == SPLIT_WHOLE)
        return;
    if (evidence_probe(d->evidence, d->o.target[t], t, &probes, &why) < 0) {
        if (d->o.on_trouble)
            d->o.on_trouble(d->o.env, &why);
        return;
    }
    for (int arm = 0; arm < 2; arm++) {
        if (probes.arm[arm].cell[last].known)
            now->arm[arm].cell[last] = probes.arm[arm].cell[last];
    }
}

/* Counting begins anew, from nothing. */
static json_t *base_event(int t, int64_t since_ms)
{
    return json_pack("{s:s, s:i, s:I, s:b, s:[f, f], s:[], s:[]}", "e", "base", "target", t,
                     "since", (json_int_t)since_ms, "known", 1, "n", 0.0, 0.0, "s", "c");
}

/* Counting begins with a reading of counters that have always been counted. Of a version that has
 * had no traffic before, all of it is new. */
static int base_on(struct drive *d, int t, const struct evidence_totals *now, bool late,
                   struct err *err)
{
    struct evidence_totals base = *now;
    if (late)
        memset(&base.arm[1], 0, sizeof base.arm[1]);
    json_t *e = rollout_look(d->r, t, &base, 0);
    json_object_set_new(e, "e", json_string("base"));
    json_object_set_new(e, "since", json_integer(d->r->since_ms[t]));
    json_object_set_new(e, "known", json_boolean(now->arm[0].known));
    return drive_event(d, e, err);
}

/* Where counting begins. A source that has always counted is read once. */
static int set_base(struct drive *d, int t, struct err *err)
{
    int r = drive_event(d, base_event(t, drive_wall_ms()), err);
    if (r < 0 || evidence_counts_since(d->evidence, t))
        return r;
    struct evidence_totals now;
    r = read_evidence(d, t, &now, err);
    if (r < 0)
        return r;
    return base_on(d, t, &now, false, err);
}

static int look(struct drive *d, struct err *err)
{
    int64_t dt = watched_ms(d);
    for (int t = 0; t < d->r->plan.targets; t++) {
        struct evidence_totals now;
        if (!d->r->state.touched[t])
            continue;
        /* Taken over: what was counted since this step's split is as good as new. */
        if (!d->r->since_ms[t] && d->r->state.set_ms && evidence_counts_since(d->evidence, t)) {
            int r = drive_event(d, base_event(t, d->r->state.set_ms), err);
            if (r < 0)
                return r;
        }
        int r = read_evidence(d, t, &now, err);
        if (r == 0 && rollout_restarted(d->r, t, &now))
            r = drive_event(d, base_event(t, drive_wall_ms()), err);
        bool late = !d->r->based[t] && now.arm[0].known;
        if (r == 0 && late)
            r = base_on(d, t, &now, true, err);
        if (r < 0)
            return r;
        add_probes(d, t, &now);
        json_t *e = rollout_look(d->r, t, &now, dt);
        /* The stable version's share of it is not known. */
        if (late)
            json_object_set_new(e, "w", json_real(0));
        r = drive_event(d, e, err);
        if (r < 0)
            return r;
        dt = 0;
    }
    d->looked_ms = drive_mono_ms();
    return 0;
}

static bool look_is_due(const struct drive *d)
{
    const struct rollout_state *s = &d->r->state;
    return s->phase == PHASE_FORWARD && s->set && s->step < d->r->plan.steps &&
           (!d->looked_ms || drive_mono_ms() - d->looked_ms >= poll_ms(d));
}

/* --- moves --- */

static int stop(struct drive *d, enum err_code code, const struct err *why, struct err *err)
{
    struct err said = {0};
    /* Whichever call was the one that noticed. */
    if (code == ERR_INTERRUPTED) {
        err_set(&said, code, "interrupted; the split stays as it is");
        err_hint(&said, "go on with: edgectl rollout resume; put it back with: edgectl rollout "
                        "abort");
        why = &said;
    }
    cleanup(free_p) char *words = utf8_clean(why ? why->msg : "");
    json_t *e = json_pack("{s:s, s:s, s:s}", "e", "stop", "code", err_name(code), "why", words);
    int r = drive_event(d, e, err);
    if (r < 0)
        return r;
    if (why && err)
        *err = *why;
    return -(int)code;
}

/* Another machine reads the first target's. */
static void tell_others(struct drive *d, int target)
{
    note_put(d->r, d->o.target[target], target);
    if (target != 0)
        note_put(d->r, d->o.target[0], 0);
}

static int outcome(struct drive *d, const struct rollout_move *m, struct err *err)
{
    int target = m->target;
    d->tries = 0;
    d->seen.split[target].known = false;
    int r = drive_event(d, json_pack("{s:s, s:i, s:i, s:b}", "e", "outcome", "target", target, "bp",
                                     m->bp, "back", m->back), err);
    d->looked_ms = drive_mono_ms();
    if (r == 0)
        tell_others(d, target);
    return r;
}

static int go_back(struct drive *d, enum err_code code, struct err *err)
{
    char why[256];
    if (code == ERR_GATE)
        drive_explain(d->r, why, sizeof why);
    else
        snprintf(why, sizeof why, "no verdict within the deadline");
    cleanup(free_p) char *words = utf8_clean(why);
    return drive_event(d, json_pack("{s:s, s:s, s:s}", "e", "back", "code", err_name(code), "why",
                                    words), err);
}

/* What only asks may fail for a while: again, or leave all as it is. */
static int soften(struct drive *d, int r, struct err *err)
{
    if (r >= 0) {
        d->ask_tries = 0;
        return r;
    }
    if (r == -ERR_IO)
        return r;
    struct err why = *err;
    return try_again(d, &d->ask_tries, &why) ? 0 : stop(d, why.code, &why, err);
}

/* What was refused may have been done before, by a try whose answer was lost, or no longer be
 * possible after what somebody else did. */
static bool has_moved(struct drive *d, int target)
{
    struct err ignored;
    const struct rollout_split *seen = &d->seen.split[target];
    return drive_read(d, target, &ignored) == 0 &&
           (seen->foreign || seen->bp != d->r->state.intent.from);
}

static int set_split(struct drive *d, const struct rollout_move *m, struct err *err)
{
    struct rollout *r = d->r;
    const struct plan_target *pt = &r->plan.target[m->target];
    struct split want = {0};
    struct err why = {0};
    if (!m->back && r->state.step == 0) {
        for (int t = 0; t < r->plan.targets; t++) {
            int result = r->since_ms[t] ? 0 : drive_past(d, t, err);
            if (result == 0 && !r->since_ms[t])
                result = set_base(d, t, err);
            if (result < 0)
                return result;
        }
    }
    if (m->bp < SPLIT_WHOLE)
        drive_arm(&want, pt->stable, SPLIT_WHOLE - m->bp);
    if (m->bp > 0 || !m->back)
        drive_arm(&want, pt->canary, m->bp);
    /* Close the books of the step before: they may say that there must be no next one. */
    if (r->state.touched[m->target] && !m->back) {
        int result = look(d, err);
        if (result < 0)
            return soften(d, result, err);
        if (rollout_verdict(r, false).verdict == GATE_FAIL && !r->state.full)
            return go_back(d, ERR_GATE, err);
    }
    char host[NOTE_HOST_MAX];
    if (!d->o.force && note_is_taken(r, d->o.target[m->target], m->target, host)) {
        err_set(&why, ERR_DRIFT, "the rollout has been taken over on %s", host);
        err_hint(&why, "let it go on there, or take it back: edgectl rollout resume, or abort");
        return stop(d, ERR_DRIFT, &why, err);
    }
    int result = drive_event(d, json_pack("{s:s, s:i, s:i, s:i, s:i, s:b}", "e", "intent", "step",
                                          r->state.step, "target", m->target, "from",
                                          d->seen.split[m->target].bp, "to", m->bp, "back",
                                          m->back), err);
    if (result < 0)
        return result;
    tell_others(d, m->target);
    d->seen.split[m->target].known = false;
    const char *expect = d->o.force && m->back ? NULL : d->split[m->target].revision;
    result = target_set_split(d->o.target[m->target], &want, expect, pt->release, &why);
    if (result < 0) {
        /* Let the state machine see what is there now, but not for ever. */
        bool moved = why.code == ERR_DRIFT || (why.code == ERR_FAILURE && has_moved(d, m->target));
        if (moved && ++d->tries < TRIES)
            return 0;
        return try_again(d, &d->tries, &why) ? 0 : stop(d, why.code, &why, err);
    }
    return outcome(d, m, err);
}

static int run_hooks(struct drive *d, bool before, struct err *err)
{
    const struct manifest_rollout *m = drive_manifest(d);
    struct err why = {0};
    int r = hooks_run(d->r, d->o.manifest, before ? &m->before : &m->after,
                      before ? HOOK_BEFORE : HOOK_AFTER, d->o.interrupted, &why);
    if (r < 0)
        return stop(d, why.code, &why, err);
    return drive_event(d, json_pack("{s:s, s:i}", "e", before ? "before" : "after", "step",
                                    d->r->state.step), err);
}

static int pass(struct drive *d, struct err *err)
{
    struct gate_result v = rollout_verdict(d->r, false);
    const char *how = d->r->state.full                ? "forced"
                      : v.verdict == GATE_ADVANCE     ? "advance"
                      : d->r->plan.step[d->r->state.step].judged ? "inconclusive"
                                                                 : "unjudged";
    return drive_event(d, json_pack("{s:s, s:i, s:s}", "e", "passed", "step", d->r->state.step,
                                    "verdict", how), err);
}

static int finish(struct drive *d, struct err *err)
{
    const struct manifest_rollout *m = drive_manifest(d);
    struct err why = {0};
    bool undone = d->r->state.phase == PHASE_BACK;
    int r = drive_event(d, json_pack("{s:s, s:s, s:s}", "e", "end", "result",
                                     undone ? "undone" : "done", "code",
                                     undone ? err_name(d->r->state.code) : "none"), err);
    for (int t = 0; t < d->r->plan.targets && r == 0; t++)
        note_put(d->r, d->o.target[t], t);
    if (r == 0 && hooks_run(d->r, d->o.manifest, &m->end, HOOK_END, NULL, &why) < 0 &&
        d->o.on_trouble)
        d->o.on_trouble(d->o.env, &why);
    return r;
}

static int ended(const struct drive *d, struct err *err)
{
    const struct rollout_state *s = &d->r->state;
    if (s->phase == PHASE_DONE)
        return 0;
    return err_set(err, s->code, "rolled back: %s", s->why[0] ? s->why : "asked for");
}

static int stop_here(struct drive *d, const struct rollout_move *m, struct err *err)
{
    struct err why = {0};
    if (m->code == ERR_DRIFT) {
        if (d->o.force) {
            d->seen.split[m->target].foreign = false;
            d->seen.split[m->target].bp = d->r->state.bp[m->target];
            return 0;
        }
        drive_drift(d, m->target, &why);
    } else {
        struct gate_result v = rollout_verdict(d->r, true);
        err_set(&why, ERR_INCONCLUSIVE, "the evidence does not decide: %s",
                gate_reason_text(v.reason));
        if (v.reason == GATE_WAITING && isfinite(v.needed))
            err_hint(&why, "the new version needs about %.0f more requests; go on with: edgectl "
                           "rollout resume, or decide: promote, abort", v.needed);
        else
            err_hint(&why, "go on with: edgectl rollout resume, or decide: promote, abort");
    }
    return stop(d, m->code, &why, err);
}

/* 1: nothing more can be done now (no_wait). */
static int wait_a_while(struct drive *d, const struct rollout_move *m, struct err *err)
{
    (void)err;
    if (d->o.no_wait)
        return 1;
    if (d->o.on_wait)
        d->o.on_wait(d->o.env, d->r, m);
    int64_t left = d->looked_ms ? poll_ms(d) - (drive_mono_ms() - d->looked_ms) : poll_ms(d);
    drive_sleep(d, left < 1 ? 1 : left > 1000 ? 1000 : left);
    return 0;
}

static int carry_out(struct drive *d, const struct rollout_move *m, struct err *err)
{
    switch (m->act) {
    case DO_READ:
        return soften(d, drive_read(d, m->target, err), err);
    case DO_RECORD:
        return outcome(d, m, err);
    case DO_SET:
        return set_split(d, m, err);
    case DO_BEFORE:
    case DO_AFTER:
        return run_hooks(d, m->act == DO_BEFORE, err);
    case DO_PROVE:
        return soften(d, drive_prove(d, m->target, m->back, err), err);
    case DO_PASS:
        return pass(d, err);
    case DO_NEXT:
        return drive_event(d, json_pack("{s:s, s:i}", "e", "next", "step", d->r->state.step + 1),
                           err);
    case DO_BACK:
        return go_back(d, m->code, err);
    case DO_FINISH:
        return finish(d, err);
    case DO_WAIT:
        return wait_a_while(d, m, err);
    case DO_STOP:
        return stop_here(d, m, err);
    case DO_END:
        break;
    }
    return 0;
}

int drive_run(struct drive *d, struct err *err)
{
    bool looked = false;
    for (;;) {
        if (drive_interrupted(d))
            return stop(d, ERR_INTERRUPTED, NULL, err);
        int r = take_requests(d, err);
        if (r == 0 && look_is_due(d) && !(d->o.no_wait && looked)) {
            r = look(d, err);
            looked = true;
        }
        if (r < 0) {
            if ((r = soften(d, r, err)) < 0)
                return r;
            continue;
        }
        drive_forget_old(d);
        d->seen.wall_ms = drive_wall_ms();
        d->seen.verdict = rollout_verdict(d->r, false);
        struct rollout_move m = rollout_next(&d->r->plan, &d->r->state, &d->seen);
        if (m.act == DO_END)
            return ended(d, err);
        r = carry_out(d, &m, err);
        if (r < 0 || r == 1)
            return r < 0 ? r : 0;
    }
}
