/* SPDX-License-Identifier: Apache-2.0 */
/* Counts that somebody else writes down: what is no count is not known, and never zero. */
#include "unit/test.h"

#include <string.h>
#include "rollout/evidence.h"

static const int64_t now = 1795715100000;

static int read_text(const char *text, struct evidence_totals *to)
{
    struct plan plan = {.targets = 1, .gate = {.count = 4}};
    static const struct gate_rule rules[] = {
        {.name = "errors", .kind = GATE_ERRORS, .edges = 1},
        {.name = "traps", .kind = GATE_TRAPS, .edges = 1},
        {.name = "slower-than-300ms", .kind = GATE_LATENCY, .edges = 2, .edge_ms = {300, 1000}},
        {.name = "checkout", .kind = GATE_EVENTS, .edges = 1},
    };
    memcpy(plan.gate.rule, rules, sizeof rules);
    strcpy(plan.target[0].stable, "old");
    strcpy(plan.target[0].canary, "new");
    struct err err = {0};
    json_t *doc = json_loads(text, 0, NULL);
    *to = (struct evidence_totals){0};
    int r = evidence_from_json(&plan, 0, doc, now, to, &err);
    json_decref(doc);
    return r;
}

static void counts_are_taken_as_they_are(void **state)
{
    (void)state;
    struct evidence_totals t;
    assert_int_equal(read_text("{\"versions\": {\"old\": {\"requests\": 1000, \"errors\": 5, "
                               "\"traps\": 1, \"slow\": {\"1s\": 2, \"300ms\": 7}, "
                               "\"events\": {\"checkout\": 3}}, \"new\": {\"requests\": 0}}}", &t), 0);
    assert_true(t.arm[0].known && t.arm[0].requests == 1000 && t.until_ms == now);
    assert_true(t.arm[0].cell[0].bad[0] == 5 && t.arm[0].cell[1].bad[0] == 1);
    assert_true(t.arm[0].cell[2].known && t.arm[0].cell[2].bad[0] == 7 &&
                t.arm[0].cell[2].bad[1] == 2);
    assert_true(t.arm[0].cell[3].bad[0] == 3);
    /* No requests are a number; errors that are not told are none. */
    assert_true(t.arm[1].known && !t.arm[1].cell[0].known);
}

static void what_is_no_count_is_not_known(void **state)
{
    (void)state;
    static const char *const requests[] = {"-1", "null", "\"5\"", "1e300", "{}", "true"};
    struct evidence_totals t;
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"versions\": {\"old\": {\"requests\": %s, \"errors\": 0}, "
                 "\"new\": {\"requests\": 10, \"errors\": %s, \"slow\": {\"300ms\": 1}}}}",
                 requests[i], requests[i]);
        assert_int_equal(read_text(text, &t), 0);
        assert_false(t.arm[0].known);
        assert_false(t.arm[0].cell[0].known);
        assert_true(t.arm[1].known);
        assert_false(t.arm[1].cell[0].known);
        /* One of the two edges is missing. */
        assert_false(t.arm[1].cell[2].known);
    }
    assert_int_equal(read_text("{\"versions\": []}", &t), -ERR_FAILURE);
    assert_int_equal(read_text("[]", &t), -ERR_FAILURE);
}

static void times_are_of_the_zone_that_they_name(void **state)
{
    (void)state;
    static const struct {
        const char *time;
        int64_t ms;
    } times[] = {
        {"1795715100", 1795715100000}, {"1795715100.5", 1795715100500},
        {"\"2026-11-26T17:45:00Z\"", 1795715100000}, {"\"2026-11-26T17:45:00\"", 1795715100000},
        {"\"2026-11-26T17:45:00.25Z\"", 1795715100000},
        {"\"2026-11-26T19:45:00+02:00\"", 1795715100000},
        {"\"2026-11-26T12:15:00-0530\"", 1795715100000},
        {"\"2026-11-26\"", 0}, {"\"now\"", 0}, {"\"2026-11-26T17:45:00 CET\"", 0}, {"-5", 0},
        {"1e300", 0}, {"null", 0}, {"\"2026-11-26T17:45:00+2\"", 0},
    };
    struct evidence_totals t;
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"versions\": {}, \"time\": %s}", times[i].time);
        int r = read_text(text, &t);
        if (times[i].ms == 0)
            assert_int_equal(r, -ERR_FAILURE);
        else
            assert_true(r == 0 && t.until_ms == times[i].ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_taken_as_they_are),
        cmocka_unit_test(what_is_no_count_is_not_known),
        cmocka_unit_test(times_are_of_the_zone_that_they_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
