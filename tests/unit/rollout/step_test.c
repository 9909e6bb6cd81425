/* SPDX-License-Identifier: Apache-2.0 */
/* The rollout's state machine against every order of events: all states that can be reached from
 * the start, with what a provider, a person, a killer and a clock may do in each of them. */
#include "unit/test.h"

#include "base/mem.h"
#include "rollout/step.h"

/* --- a plan: two targets, two steps each, with a soak, an approval and a deadline --- */

static struct plan small_plan(enum manifest_inconclusive policy)
{
    struct plan p = {.targets = 2, .steps = 4, .poll_ms = 1000, .deadline_ms = 5000,
                     .on_inconclusive = policy};
    for (int t = 0; t < 2; t++) {
        snprintf(p.target[t].name, sizeof p.target[t].name, "target-%d", t);
        snprintf(p.target[t].stable, sizeof p.target[t].stable, "old");
        snprintf(p.target[t].canary, sizeof p.target[t].canary, "new");
        p.target[t].probe = t == 0;
    }
    for (int i = 0; i < 4; i++)
        p.step[i] = (struct plan_step){.target = i % 2, .bp = i < 2 ? 1000 : SPLIT_WHOLE,
                                       .soak_ms = i < 2 ? 1000 : 0, .approval = i == 1,
                                       .judged = i < 2};
    return p;
}

/* --- the world: what the providers really have --- */

struct world {
    struct rollout_state s;
    int bp[2];
    bool foreign[2];
    enum gate_verdict verdict;
};

static const struct plan *plan;

static void event(struct world *w, json_t *e)
{
    json_object_set_new(e, "t", json_integer(1000));
    rollout_apply(plan, &w->s, e);
    json_decref(e);
    /* Time and counts without bounds would be states without end. */
    if (w->s.soaked_ms > 7000)
        w->s.soaked_ms = 7000;
    w->s.looks = w->s.asked = 0;
    memset(w->s.why, 0, sizeof w->s.why);
}

static struct rollout_move next(const struct world *w)
{
    struct rollout_seen seen = {.wall_ms = 1000, .verdict = {.verdict = w->verdict}};
    for (int t = 0; t < 2; t++)
        seen.split[t] = (struct rollout_split){true, w->foreign[t], w->bp[t] > 0, w->bp[t]};
    return rollout_next(plan, &w->s, &seen);
}

enum fate { DONE, KILLED_BEFORE, KILLED_AFTER_INTENT, KILLED_AFTER_CALL, REFUSED, FATES };

static json_t *intent(const struct world *w, const struct rollout_move *m)
{
    return json_pack("{s:s, s:i, s:i, s:i, s:b}", "e", "intent", "target", m->target, "from",
                     w->bp[m->target], "to", m->bp, "back", m->back);
}

static json_t *outcome(const struct rollout_move *m)
{
    return json_pack("{s:s, s:i, s:i, s:b}", "e", "outcome", "target", m->target, "bp", m->bp,
                     "back", m->back);
}

/* Carries a move out, as far as fate lets it. */
static void carry_out(struct world *w, const struct rollout_move *m, enum fate fate)
{
    if (fate == KILLED_BEFORE)
        return;
    switch (m->act) {
    case DO_SET:
        event(w, intent(w, m));
        if (fate == KILLED_AFTER_INTENT || fate == REFUSED)
            return;
        w->bp[m->target] = m->bp;
        if (fate == KILLED_AFTER_CALL)
            return;
        event(w, outcome(m));
        return;
    case DO_RECORD:
        event(w, outcome(m));
        return;
    case DO_BEFORE:
        event(w, json_pack("{s:s}", "e", "before"));
        return;
    case DO_AFTER:
        event(w, json_pack("{s:s}", "e", "after"));
        return;
    case DO_PROVE:
        event(w, json_pack("{s:s, s:i, s:b}", "e", "proven", "target", m->target, "back",
                           m->back));
        return;
    case DO_PASS:
        event(w, json_pack("{s:s}", "e", "passed"));
        return;
    case DO_NEXT:
        event(w, json_pack("{s:s}", "e", "next"));
        return;
    case DO_BACK:
        event(w, json_pack("{s:s, s:s}", "e", "back", "code", err_name(m->code)));
        return;
    case DO_FINISH:
        event(w, json_pack("{s:s}", "e", "end"));
        return;
    case DO_READ:
    case DO_WAIT:
    case DO_STOP:
    case DO_END:
        return;
    }
}

/* --- all states that can be reached --- */

static struct world *seen;
static size_t seen_count, seen_cap;
static uint32_t *table;
static size_t table_size;

static size_t hash(const struct world *w)
{
    const unsigned char *p = (const unsigned char *)w;
    size_t h = 14695981039346656037u;
    for (size_t i = 0; i < sizeof *w; i++)
        h = (h ^ p[i]) * 1099511628211u;
    return h;
}

static void visit(const struct world *w)
{
    size_t at = hash(w) % table_size;
    while (table[at]) {
        if (memcmp(&seen[table[at] - 1], w, sizeof *w) == 0)
            return;
        at = (at + 1) % table_size;
    }
    assert_true(seen_count * 2 < table_size);
    if (seen_count == seen_cap) {
        seen_cap = seen_cap * 2 + 1024;
        seen = xreallocarray(seen, seen_cap, sizeof *seen);
    }
    memcpy(&seen[seen_count++], w, sizeof *w);
    table[at] = (uint32_t)seen_count;
}

/* Copies keep their padding, so that equal states are equal bytes. */
static void branch(const struct world *from, void (*change)(struct world *w))
{
    struct world w;
    memcpy(&w, from, sizeof w);
    change(&w);
    visit(&w);
}

static void pause_it(struct world *w) { event(w, json_pack("{s:s}", "e", "pause")); }
static void resume_it(struct world *w) { event(w, json_pack("{s:s}", "e", "resume")); }
static void approve(struct world *w) { event(w, json_pack("{s:s}", "e", "approve")); }
static void go_full(struct world *w) { event(w, json_pack("{s:s}", "e", "full")); }
static void watch(struct world *w) { event(w, json_pack("{s:s, s:i}", "e", "look", "dt", 1000)); }
static void sleep_long(struct world *w)
{
    event(w, json_pack("{s:s, s:i}", "e", "look", "dt", 7000));
}
static void abort_it(struct world *w)
{
    event(w, json_pack("{s:s, s:s}", "e", "back", "code", "FAILURE"));
}
static void say_advance(struct world *w) { w->verdict = GATE_ADVANCE; }
static void say_fail(struct world *w) { w->verdict = GATE_FAIL; }
static void say_nothing(struct world *w) { w->verdict = GATE_INCONCLUSIVE; }
static void meddle(struct world *w) { w->bp[0] = 5000; }
static void intrude(struct world *w) { w->foreign[1] = true; }

static void (*const changes[])(struct world *w) = {
    pause_it,    resume_it, approve,     go_full, watch,   sleep_long,
    abort_it,    say_advance, say_fail,  say_nothing, meddle, intrude,
};

/* --- what must hold in each --- */

static bool tampered(const struct world *w)
{
    bool odd = w->foreign[0] || w->foreign[1];
    for (int t = 0; t < 2; t++)
        odd |= w->bp[t] == 5000;
    return odd;
}

static void check_move(const struct world *w, const struct rollout_move *m)
{
    bool ended = w->s.phase == PHASE_DONE || w->s.phase == PHASE_UNDONE;
    assert_int_equal(m->act == DO_END, ended);
    if (m->act == DO_SET) {
        /* Never the same action twice: what is so already is not done again. */
        if (!tampered(w))
            assert_int_not_equal(w->bp[m->target], m->bp);
        if (m->back) {
            assert_int_equal(m->bp, 0);
            assert_int_equal(w->s.phase, PHASE_BACK);
        } else {
            assert_int_equal(w->s.phase, PHASE_FORWARD);
            assert_false(w->verdict == GATE_FAIL && !w->s.full && !w->s.intent.open);
        }
    }
    if (m->act == DO_STOP && m->code == ERR_DRIFT)
        assert_true(tampered(w));
    if (m->act == DO_WAIT)
        assert_int_not_equal(m->wait, WAIT_NOTHING);
    /* Whoever wants it whole now has said all there is to say, of every step. */
    if (m->act == DO_WAIT && w->s.full)
        assert_int_equal(m->wait, WAIT_PAUSED);
    if (w->s.phase == PHASE_UNDONE && !tampered(w))
        assert_true(w->bp[0] == 0 && w->bp[1] == 0);
    if (w->s.phase == PHASE_DONE && !tampered(w))
        assert_true(w->bp[0] == SPLIT_WHOLE && w->bp[1] == SPLIT_WHOLE);
}

/* From here, with a provider that works, nobody who meddles and a person who decides, it ends. */
static void check_exit(const struct world *from, bool forward)
{
    struct world w;
    memcpy(&w, from, sizeof w);
    if (w.s.phase == PHASE_FORWARD && forward) {
        resume_it(&w);
        say_advance(&w);
    } else if (w.s.phase == PHASE_FORWARD) {
        abort_it(&w);
    }
    for (int moves = 0; moves < 100; moves++) {
        struct rollout_move m = next(&w);
        if (m.act == DO_END)
            return;
        assert_int_not_equal(m.act, DO_STOP);
        if (m.act == DO_WAIT && m.wait == WAIT_APPROVAL)
            approve(&w);
        else if (m.act == DO_WAIT)
            watch(&w);
        else
            carry_out(&w, &m, DONE);
        check_move(&w, &(struct rollout_move){next(&w).act, next(&w).target, next(&w).bp,
                                              next(&w).back, next(&w).wait, 0, next(&w).code});
    }
    fail_msg("no way out of phase %s, step %d", rollout_phase_name(from->s.phase), from->s.step);
}

static void explore(enum manifest_inconclusive policy)
{
    struct plan p = small_plan(policy);
    struct world start;
    plan = &p;
    memset(&start, 0, sizeof start);
    table_size = 1u << 22;
    table = xcalloc(table_size, sizeof *table);
    seen_count = 0;
    visit(&start);
    for (size_t i = 0; i < seen_count; i++) {
        struct world here;
        memcpy(&here, &seen[i], sizeof here);
        struct rollout_move m = next(&here);
        check_move(&here, &m);
        if (!tampered(&here)) {
            check_exit(&here, false);
            check_exit(&here, true);
        }
        for (int fate = 0; fate < FATES; fate++) {
            struct world w;
            memcpy(&w, &here, sizeof w);
            carry_out(&w, &m, (enum fate)fate);
            visit(&w);
        }
        for (size_t c = 0; c < ARRAY_LEN(changes); c++)
            branch(&here, changes[c]);
    }
    print_message("%zu states\n", seen_count);
    assert_true(seen_count > 1000);
    free(table);
    free(seen);
    seen = NULL;
    seen_cap = 0;
}

static void every_state_has_a_way_out(void **state)
{
    (void)state;
    explore(ON_INCONCLUSIVE_HOLD);
}

static void also_when_the_lack_of_a_verdict_puts_all_back(void **state)
{
    (void)state;
    explore(ON_INCONCLUSIVE_ROLLBACK);
}

/* --- single stories --- */

static struct plan one_step(void)
{
    struct plan p = small_plan(ON_INCONCLUSIVE_HOLD);
    p.targets = 1;
    p.steps = 2;
    p.step[0].soak_ms = 72 * 3600000LL;
    p.step[1].target = 0;
    p.step[1].bp = SPLIT_WHOLE;
    p.step[1].soak_ms = 0;
    p.step[1].judged = p.step[1].approval = false;
    p.deadline_ms = 3600000;
    return p;
}

static struct world at_first_step(void)
{
    struct world w = {0};
    w.s.before = w.s.set = w.s.proven = w.s.touched[0] = true;
    w.s.bp[0] = w.bp[0] = 1000;
    return w;
}

static void look_event(struct rollout_state *s, int64_t dt)
{
    json_t *e = json_pack("{s:s, s:I}", "e", "look", "dt", (json_int_t)dt);
    rollout_apply(plan, s, e);
    json_decref(e);
}

static void a_soak_of_72_hours_is_waited_for_to_the_end(void **state)
{
    (void)state;
    struct plan p = one_step();
    plan = &p;
    struct world w = at_first_step();
    w.verdict = GATE_ADVANCE;
    for (int minute = 0; minute < 72 * 60; minute++) {
        struct rollout_move m = next(&w);
        assert_int_equal(m.act, DO_WAIT);
        assert_int_equal(m.wait, WAIT_SOAK);
        look_event(&w.s, 60000);
    }
    assert_int_equal(next(&w).act, DO_PASS);
}

static void a_deadline_counts_from_the_end_of_the_soak(void **state)
{
    (void)state;
    struct plan p = one_step();
    plan = &p;
    struct world w = at_first_step();
    look_event(&w.s, 72 * 3600000LL);
    assert_int_equal(next(&w).wait, WAIT_EVIDENCE);
    look_event(&w.s, 3600000);
    struct rollout_move m = next(&w);
    assert_int_equal(m.act, DO_STOP);
    assert_int_equal(m.code, ERR_INCONCLUSIVE);
}

static void windows_hold_steps_and_never_the_way_back(void **state)
{
    (void)state;
    struct plan p = one_step();
    p.window[p.windows++] = (struct manifest_window){.days = 0x1f, .from = 8 * 60,
                                                     .until = 16 * 60};
    plan = &p;
    struct rollout_state s = {0};
    /* Saturday 2026-11-28 12:00 UTC; Monday 08:00 is 44 hours later. */
    struct rollout_seen now = {.wall_ms = 1795867200000, .split[0] = {true, false, false, 0}};
    struct rollout_move m = rollout_next(plan, &s, &now);
    assert_int_equal(m.act, DO_WAIT);
    assert_int_equal(m.wait, WAIT_WINDOW);
    assert_int_equal(m.until_ms, 1795867200000 + 44 * 3600000LL);
    now.wall_ms = m.until_ms;
    assert_int_equal(rollout_next(plan, &s, &now).act, DO_BEFORE);
    s.phase = PHASE_BACK;
    s.touched[0] = true;
    now.wall_ms = 1795867200000;
    now.split[0].arm = true;
    now.split[0].bp = 1000;
    assert_int_equal(rollout_next(plan, &s, &now).act, DO_SET);
}

static int64_t watched(int64_t mono_was, int64_t wall_was, int64_t mono, int64_t wall)
{
    struct rollout_clock was = {mono_was, wall_was}, now = {mono, wall};
    return rollout_watched(&was, &now);
}

static void a_clock_that_is_set_and_a_machine_that_sleeps_shorten_no_soak(void **state)
{
    (void)state;
    const int64_t day = 86400000;
    assert_int_equal(watched(5000, 1000, 6000, 2000), 1000);
    /* Set forward by a year, and back. */
    assert_int_equal(watched(5000, 1000, 6000, 365 * day), 1000);
    assert_int_equal(watched(5000, 365 * day, 6000, 1000), 1000);
    /* Eight hours asleep: the monotonic clock stood still. */
    assert_int_equal(watched(5000, 1000, 5200, 1000 + day / 3), 200);
    /* Another run, as of a scheduled job: the time between them counts, within reason. */
    assert_int_equal(watched(0, 1000, 70, 1000 + 900000), 900000);
    assert_int_equal(watched(0, 5000, 70, 1000), 0);
    assert_int_equal(watched(0, 0, 70, 400 * day), 7 * day);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_has_a_way_out),
        cmocka_unit_test(also_when_the_lack_of_a_verdict_puts_all_back),
        cmocka_unit_test(a_soak_of_72_hours_is_waited_for_to_the_end),
        cmocka_unit_test(a_deadline_counts_from_the_end_of_the_soak),
        cmocka_unit_test(windows_hold_steps_and_never_the_way_back),
        cmocka_unit_test(a_clock_that_is_set_and_a_machine_that_sleeps_shorten_no_soak),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
