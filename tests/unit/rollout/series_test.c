/* SPDX-License-Identifier: Apache-2.0 */
/* Series that restart, come, go and lie; what Prometheus really answers is tests/rollout/
 * evidence.bats. */
#include "unit/test.h"

#include <string.h>
#include "rollout/series.h"

static int take(struct series *s, const char *result)
{
    struct err err = {0};
    json_t *answer = json_pack("{s:s, s:{s:s, s:o}}", "status", "success", "data", "resultType",
                               "vector", "result", json_loads(result, 0, NULL));
    int r = series_take(s, answer, &err);
    json_decref(answer);
    return r;
}

static double total(const struct series *s)
{
    double v = -1;
    assert_true(series_total(s, &v));
    return v;
}

static void instances_that_restart_come_and_go_never_count_back(void **state)
{
    (void)state;
    struct series s = {0};
    assert_int_equal(take(&s, "[]"), 0);
    assert_int_equal(take(&s, "[{\"metric\":{\"__name__\":\"n\",\"i\":\"a\"},\"value\":[1,\"100\"]},"
                              "{\"metric\":{\"i\":\"b\",\"__name__\":\"n\"},\"value\":[1,\"50\"]}]"), 1);
    assert_true(total(&s) == 150);
    /* b is not there; a went on. */
    take(&s, "[{\"metric\":{\"__name__\":\"n\",\"i\":\"a\"},\"value\":[2,\"110\"]}]");
    assert_true(total(&s) == 160);
    /* a restarted, b is back, c is new; labels in another order. */
    take(&s, "[{\"metric\":{\"i\":\"a\",\"__name__\":\"n\"},\"value\":[3,\"4\"]},"
             "{\"metric\":{\"__name__\":\"n\",\"i\":\"b\"},\"value\":[3,\"57\"]},"
             "{\"metric\":{\"__name__\":\"n\",\"i\":\"c\"},\"value\":[3,\"2\"]}]");
    assert_true(total(&s) == 160 + 4 + 7 + 2);
    /* Nothing at all: what was seen stays. */
    assert_int_equal(take(&s, "[]"), 0);
    assert_true(total(&s) == 173);
    series_clear(&s);
}

static void a_sum_that_goes_back_is_begun_anew(void **state)
{
    (void)state;
    struct series s = {0};
    take(&s, "[{\"metric\":{},\"value\":[1,\"1000\"]}]");
    take(&s, "[{\"metric\":{},\"value\":[2,\"700\"]}]");
    assert_true(total(&s) == 1000);
    take(&s, "[{\"metric\":{},\"value\":[3,\"720\"]}]");
    assert_true(total(&s) == 1020);
    series_clear(&s);
}

static void what_is_no_count_is_missing(void **state)
{
    (void)state;
    struct series s = {0};
    assert_int_equal(take(&s, "[{\"metric\":{},\"value\":[1,\"NaN\"]}]"), 0);
    assert_int_equal(take(&s, "[{\"metric\":{},\"value\":[1,\"+Inf\"]}]"), 0);
    assert_int_equal(take(&s, "[{\"metric\":{},\"value\":[1,\"-3\"]}]"), 0);
    assert_int_equal(take(&s, "[{\"metric\":{},\"value\":[1,\"1e40\"]}]"), 0);
    assert_int_equal(take(&s, "[{\"metric\":{},\"value\":[1,\"\"]}]"), 0);
    assert_int_equal(take(&s, "[{\"metric\":{},\"value\":[1,7]}]"), 0);
    assert_int_equal(take(&s, "[{\"metric\":{},\"value\":null}, 3, null]"), 0);
    assert_int_equal(take(&s, "[{\"metric\":{},\"histogram\":[1,{\"count\":\"5\"}]}]"), 0);
    double v;
    assert_false(series_total(&s, &v));
    series_clear(&s);
}

static void several_names_and_ranges_are_refused(void **state)
{
    (void)state;
    struct series s = {0};
    assert_true(take(&s, "[{\"metric\":{\"__name__\":\"a\"},\"value\":[1,\"1\"]},"
                         "{\"metric\":{\"__name__\":\"b\"},\"value\":[1,\"1\"]}]") < 0);
    struct err err = {0};
    json_t *answer = json_loads("{\"data\":{\"resultType\":\"matrix\",\"result\":[]}}", 0, NULL);
    assert_int_equal(series_take(&s, answer, &err), -ERR_FAILURE);
    assert_non_null(strstr(err.msg, "without a range"));
    json_decref(answer);
    answer = json_loads("{\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"12\"]}}", 0, NULL);
    assert_int_equal(series_take(&s, answer, &err), 1);
    assert_true(total(&s) == 12);
    json_decref(answer);
    series_clear(&s);
}

#define BUCKET(le, n) \
    "{\"metric\":{\"__name__\":\"b\",\"le\":\"" le "\"},\"value\":[1,\"" n "\"]}"

static void a_histogram_has_the_nearest_edge(void **state)
{
    (void)state;
    struct series s = {0};
    double n, fast;
    take(&s, "[" BUCKET("0.1", "600") "," BUCKET("0.25", "900") "," BUCKET("1", "990") "]");
    assert_false(series_histogram(&s, 0.3, &n, &fast));
    series_clear(&s);
    take(&s, "[" BUCKET("0.1", "600") "," BUCKET("0.25", "900") "," BUCKET("1.0", "990") ","
             BUCKET("+Inf", "1000") "]");
    assert_true(series_histogram(&s, 0.3, &n, &fast));
    assert_true(n == 1000 && fast == 900);
    assert_true(series_histogram(&s, 1, &n, &fast) && fast == 990);
    double q[] = {0.5, 0.95, 0.99}, edge[3];
    assert_int_equal(series_edges(&s, q, 3, edge), 3);
    assert_true(edge[0] == 0.1 && edge[2] == 1);
    series_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(instances_that_restart_come_and_go_never_count_back),
        cmocka_unit_test(a_sum_that_goes_back_is_begun_anew),
        cmocka_unit_test(what_is_no_count_is_missing),
        cmocka_unit_test(several_names_and_ranges_are_refused),
        cmocka_unit_test(a_histogram_has_the_nearest_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
