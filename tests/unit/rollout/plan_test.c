/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include "base/cleanup.h"
#include "base/latency.h"
#include "rollout/plan.h"

static const struct provider_caps any = {.split = SPLIT_ANY, .min_bp = 1, .max_bp = 9999,
                                         .step_bp = 1, .probe = true};
static const struct provider_caps capped = {.split = SPLIT_CAPPED, .min_bp = 1, .max_bp = 1500,
                                            .step_bp = 1, .sticky = STICKY_CLIENT};
static const struct provider_caps none = {.split = SPLIT_NONE};

static struct manifest_step steps[] = {{.bp = 100, .soak_ms = -1},
                                       {.bp = 2000, .soak_ms = 5000, .approval = true},
                                       {.bp = 5000, .soak_ms = -1}};

static int make(struct plan *p, const struct manifest_rollout *m, const struct provider_caps *a,
                const struct provider_caps *b, struct err *err)
{
    const struct provider_caps *caps[] = {a, b};
    *p = (struct plan){.targets = b ? 2 : 1};
    for (int i = 0; i < p->targets; i++) {
        snprintf(p->target[i].name, sizeof p->target[i].name, "t%d", i);
        snprintf(p->target[i].provider, sizeof p->target[i].provider, "aws");
    }
    return plan_make(m, caps, p, err);
}

static struct manifest_rollout section(void)
{
    return (struct manifest_rollout){.steps = steps, .step_count = 3, .burn_in_ms = -1,
                                     .history_ms = -1};
}

static void steps_are_taken_as_asked_where_any_share_can_be(void **state)
{
    (void)state;
    struct plan p;
    struct err err;
    struct manifest_rollout m = section();
    assert_int_equal(make(&p, &m, &any, NULL, &err), 0);
    assert_int_equal(p.steps, 4);
    assert_int_equal(p.step[0].soak_ms, 600000);
    assert_int_equal(p.step[1].soak_ms, 5000);
    assert_true(p.step[1].approval && p.step[1].judged);
    /* The last one, which nobody wrote, is all traffic. */
    assert_int_equal(p.step[3].bp, SPLIT_WHOLE);
    assert_false(p.step[3].judged);
    assert_int_equal(p.gate.count, 2);
}

static void what_a_provider_cannot_do_is_bridged_and_said(void **state)
{
    (void)state;
    struct plan p;
    struct err err;
    struct manifest_rollout m = section();
    assert_int_equal(make(&p, &m, &capped, NULL, &err), 0);
    assert_int_equal(p.steps, 3);
    assert_int_equal(p.step[1].bp, 1500);
    assert_non_null(strstr(p.step[1].note, "20% was asked for"));
    assert_true(p.gate.share_tolerance > 1);
    assert_int_equal(make(&p, &m, &none, NULL, &err), 0);
    assert_int_equal(p.steps, 1);
    assert_int_equal(p.step[0].bp, SPLIT_WHOLE);
}

static void where_no_share_can_be_the_version_is_asked_where_nobody_else_is(void **state)
{
    (void)state;
    struct plan p;
    struct err err;
    struct manifest_rollout m = section();
    struct provider_caps staging = none;
    staging.probe = true;
    staging.bridge = "on a network of its own";
    assert_int_equal(make(&p, &m, &staging, NULL, &err), 0);
    /* One step stands for all shares; no traffic is there that could be judged. */
    assert_int_equal(p.steps, 2);
    assert_int_equal(p.step[0].bp, 0);
    assert_true(p.step[0].audience);
    assert_false(p.step[0].judged);
    assert_string_equal(p.step[0].note, "on a network of its own");
    assert_int_equal(p.step[1].bp, SPLIT_WHOLE);
    assert_string_equal(p.step[1].note, "");
    /* Where shares can be, nothing is bridged. */
    staging.split = SPLIT_ROUTER;
    staging.min_bp = 1;
    staging.max_bp = 9999;
    assert_int_equal(make(&p, &m, &staging, NULL, &err), 0);
    assert_int_equal(p.steps, 4);
}

static void a_step_of_nobody_needs_a_way_to_ask_for_the_version(void **state)
{
    (void)state;
    struct plan p;
    struct err err;
    struct manifest_step dark[] = {{.bp = 0, .soak_ms = -1}};
    struct manifest_rollout m = section();
    m.steps = dark;
    m.step_count = 1;
    assert_int_equal(make(&p, &m, &any, NULL, &err), 0);
    assert_true(p.step[0].audience);
    assert_int_equal(make(&p, &m, &none, NULL, &err), -ERR_USAGE);
}

static void several_targets_take_each_step_in_turn(void **state)
{
    (void)state;
    struct plan p;
    struct err err;
    struct manifest_rollout m = section();
    assert_int_equal(make(&p, &m, &any, &capped, &err), 0);
    assert_int_equal(p.steps, 7);
    assert_int_equal(p.step[0].target, 0);
    assert_int_equal(p.step[1].target, 1);
    assert_int_equal(p.step[6].target, 1);
    /* The accepted chance of a false rollback is that of the whole. */
    assert_true(p.gate.alpha == 0.005);
}

static void gates_of_one_name_are_an_error(void **state)
{
    (void)state;
    struct plan p;
    struct err err;
    struct manifest_gate gates[] = {{.kind = GATE_ON_ERRORS}, {.kind = GATE_ON_ERRORS}};
    struct manifest_rollout m = section();
    m.gates = gates;
    m.gate_count = 2;
    assert_int_equal(make(&p, &m, &any, NULL, &err), -ERR_MANIFEST);
}

static void latency_edges_are_those_of_the_stable_version(void **state)
{
    (void)state;
    struct plan p;
    struct err err;
    uint64_t hist[LATENCY_BUCKETS] = {0};
    struct manifest_gate gates[] = {{.kind = GATE_ON_LATENCY, .slower_than_ms = 300}};
    struct manifest_rollout m = section();
    m.gates = gates;
    m.gate_count = 1;
    assert_int_equal(make(&p, &m, &any, NULL, &err), 0);
    hist[latency_bucket(900)] = 90;
    plan_freeze_edges(&p, hist);
    assert_int_equal(p.gate.rule[0].edges, 1);      /* too few to say */
    hist[latency_bucket(900)] = 9400;
    hist[latency_bucket(4900)] = 500;
    hist[latency_bucket(99000)] = 100;
    plan_freeze_edges(&p, hist);
    assert_int_equal(p.gate.rule[0].edges, 3);
    assert_true(p.gate.rule[0].edge_ms[0] == 300);
    assert_true(p.gate.rule[0].edge_ms[1] == 1);
    assert_true(p.gate.rule[0].edge_ms[2] == 5);
}

static void a_plan_is_read_back_as_it_was(void **state)
{
    (void)state;
    static struct plan p, q;
    struct err err;
    struct manifest_window window = {.days = 0x1f, .from = 480, .until = 960};
    struct manifest_rollout m = section();
    m.windows = &window;
    m.window_count = 1;
    assert_int_equal(make(&p, &m, &any, &capped, &err), 0);
    json_t *saved = plan_save(&p);
    assert_int_equal(plan_load(&q, saved, &err), 0);
    json_t *again = plan_save(&q);
    assert_true(json_equal(saved, again));
    json_object_set_new(json_array_get(json_object_get(saved, "steps"), 0), "target",
                        json_integer(7));
    assert_int_equal(plan_load(&q, saved, &err), -ERR_FAILURE);
    assert_int_equal(plan_load(&q, NULL, &err), -ERR_FAILURE);
    json_decref(saved);
    json_decref(again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_are_taken_as_asked_where_any_share_can_be),
        cmocka_unit_test(what_a_provider_cannot_do_is_bridged_and_said),
        cmocka_unit_test(where_no_share_can_be_the_version_is_asked_where_nobody_else_is),
        cmocka_unit_test(a_step_of_nobody_needs_a_way_to_ask_for_the_version),
        cmocka_unit_test(several_targets_take_each_step_in_turn),
        cmocka_unit_test(gates_of_one_name_are_an_error),
        cmocka_unit_test(latency_edges_are_those_of_the_stable_version),
        cmocka_unit_test(a_plan_is_read_back_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
