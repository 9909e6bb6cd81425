/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include <ctype.h>
#include "bundle/limits.h"

static void every_row_has_its_date_source_and_advice(void **state)
{
    const struct limit *l;
    (void)state;
    for (size_t i = 0; (l = limit_row(i)); i++) {
        assert_true(l->value > 0);
        assert_int_equal(strlen(l->date), 10);
        for (size_t k = 0; k < 10; k++)
            assert_true(k == 4 || k == 7 ? l->date[k] == '-' : isdigit(l->date[k]));
        assert_non_null(strchr(l->source, '.'));
        assert_true(l->advice[0]);
        assert_non_null(limit_kind_text(l->kind));
        /* nothing is said twice */
        assert_ptr_equal(limit_find(l->profile, l->kind), l);
    }
}

static void a_narrow_profile_has_what_it_lacks_from_the_wider(void **state)
{
    (void)state;
    assert_int_equal(limit_find(LIMITS_CLOUDFLARE_FREE, LIMIT_SUBREQUESTS)->value, 50);
    assert_int_equal(limit_find(LIMITS_CLOUDFLARE, LIMIT_SUBREQUESTS)->value, 10000);
    assert_ptr_equal(limit_find(LIMITS_CLOUDFLARE_FREE, LIMIT_URL),
                     limit_find(LIMITS_CLOUDFLARE, LIMIT_URL));
    assert_null(limit_find(LIMITS_VERCEL, LIMIT_PACKAGE));
    assert_null(limit_find(LIMITS_NONE, LIMIT_CPU));
    /* and never more than that */
    const struct limit *l, *wide;
    for (size_t i = 0; (l = limit_row(i)); i++)
        if (l->profile == LIMITS_CLOUDFLARE_FREE &&
            (wide = limit_find(LIMITS_CLOUDFLARE, l->kind)))
            assert_true(l->value <= wide->value);
}

static void the_error_says_everything(void **state)
{
    struct err err = {0};
    (void)state;
    assert_int_equal(limit_check(LIMITS_FASTLY, LIMIT_PACKAGE, 100000000, "the package has", &err),
                     0);
    assert_int_equal(limit_check(LIMITS_FASTLY, LIMIT_PACKAGE, 100000001, "the package has", &err),
                     -ERR_LIMIT);
    assert_non_null(strstr(err.msg, "the package has 95.4 MiB (100000001 bytes); fastly allows"));
    assert_non_null(strstr(err.msg, "(100000000 bytes)"));
    assert_non_null(strstr(err.msg, "2025-10-09"));
    assert_non_null(strstr(err.hint, "smaller"));
    assert_int_equal(limit_check(LIMITS_FASTLY, LIMIT_CPU, 51, "it took", &err), -ERR_LIMIT);
    assert_non_null(strstr(err.msg, "it took 51ms; fastly allows 50ms"));
    assert_int_equal(limit_check(LIMITS_NONE, LIMIT_CPU, 1 << 30, "it took", &err), 0);
}

static void names_of_profiles(void **state)
{
    (void)state;
    for (int i = LIMITS_NONE + 1; i < LIMITS_COUNT; i++)
        assert_int_equal(limit_profile_named(limit_profile_name((enum limit_profile)i)), i);
    assert_int_equal(limit_profile_named("akamai"), LIMITS_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_its_date_source_and_advice),
        cmocka_unit_test(a_narrow_profile_has_what_it_lacks_from_the_wider),
        cmocka_unit_test(the_error_says_everything), cmocka_unit_test(names_of_profiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
