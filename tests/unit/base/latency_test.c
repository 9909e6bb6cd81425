/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include "base/latency.h"

static void edges_are_round_and_grow(void **state)
{
    (void)state;
    assert_int_equal(latency_edge_us(0), 100);
    assert_int_equal(latency_edge_us(LATENCY_EDGES - 1), 100 * 1000 * 1000);
    for (int i = 1; i < LATENCY_EDGES; i++)
        assert_true(latency_edge_us(i) > latency_edge_us(i - 1));
    static const int64_t usual[] = {1000, 5000, 50000, 250000, 300000, 1500000, 2000000, 10000000};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++)
        assert_int_equal(latency_edge_us(latency_nearest_edge(usual[i])), usual[i]);
}

static void a_bucket_ends_at_its_edge(void **state)
{
    (void)state;
    assert_int_equal(latency_bucket(0), 0);
    assert_int_equal(latency_bucket(-5), 0);
    for (int i = 0; i < LATENCY_EDGES; i++) {
        assert_int_equal(latency_bucket(latency_edge_us(i)), i);
        assert_int_equal(latency_bucket(latency_edge_us(i) + 1), i + 1);
    }
    assert_int_equal(latency_bucket(INT64_MAX), LATENCY_BUCKETS - 1);
}

static void the_nearest_edge(void **state)
{
    (void)state;
    assert_int_equal(latency_edge_us(latency_nearest_edge(1)), 100);
    assert_int_equal(latency_edge_us(latency_nearest_edge(109)), 100);
    assert_int_equal(latency_edge_us(latency_nearest_edge(111)), 120);
    assert_int_equal(latency_edge_us(latency_nearest_edge(INT64_MAX)), 100000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_are_round_and_grow),
        cmocka_unit_test(a_bucket_ends_at_its_edge),
        cmocka_unit_test(the_nearest_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
