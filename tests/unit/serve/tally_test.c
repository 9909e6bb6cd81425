/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include "serve/tally.h"

static struct tally_totals since(const struct tally *t, int64_t since_ms, int64_t *ret_from)
{
    struct tally_totals totals;
    tally_since(t, since_ms, &totals, ret_from);
    return totals;
}

static void counts_of_all_workers_add_up(void **state)
{
    (void)state;
    int64_t from;
    struct tally *t = tally_new(3, 1000);
    tally_add(t, 0, false, false, 90 * 1000);
    tally_add(t, 1, true, false, 250 * 1000000);
    tally_add(t, 2, true, true, 250 * 1000000);
    struct tally_totals totals = since(t, 0, &from);
    assert_int_equal(totals.requests, 3);
    assert_int_equal(totals.errors, 2);
    assert_int_equal(totals.traps, 1);
    assert_int_equal(totals.latency[0], 1);
    assert_int_equal(totals.latency[latency_nearest_edge(250000)], 2);
    assert_int_equal(from, 1000);
    tally_free(t);
}

static void what_was_before_is_left_out(void **state)
{
    (void)state;
    int64_t from;
    struct tally *t = tally_new(1, 1000);
    tally_add(t, 0, true, false, 1);
    tally_mark(t, 2000);
    tally_add(t, 0, false, false, 1);
    tally_mark(t, 3000);
    tally_mark(t, 4000); /* nothing has changed: no mark */
    tally_add(t, 0, false, false, 1);
    assert_int_equal(since(t, 1500, &from).requests, 3);
    assert_int_equal(from, 1500);
    struct tally_totals totals = since(t, 2000, &from);
    assert_int_equal(totals.requests, 2);
    assert_int_equal(totals.errors, 0);
    assert_int_equal(since(t, 9000, &from).requests, 1);
    tally_free(t);
}

/* Days of traffic: old marks are thinned, and what is asked of them stays near. */
static void memory_is_bounded_and_answers_stay_near(void **state)
{
    (void)state;
    struct tally *t = tally_new(1, 0);
    enum { SECONDS = 30 * 3600 };
    for (int s = 1; s <= SECONDS; s++) {
        tally_add(t, 0, false, false, 1);
        tally_mark(t, (int64_t)s * 1000);
    }
    int64_t from;
    uint64_t fine = since(t, (SECONDS - 300) * INT64_C(1000), &from).requests;
    assert_int_equal(fine, 300);
    uint64_t coarse = since(t, (SECONDS - 7200) * INT64_C(1000), &from).requests;
    assert_in_range(coarse, 7200, 7260);
    tally_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_of_all_workers_add_up),
        cmocka_unit_test(what_was_before_is_left_out),
        cmocka_unit_test(memory_is_bounded_and_answers_stay_near),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
