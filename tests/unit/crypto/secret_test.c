/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include "crypto/secret.h"

static void print(const char *value, const char *store, const char *key, char hex[HASH_HEX_SIZE])
{
    struct secret *s = secret_new(value, strlen(value));
    secret_print(s, store, key, hex);
    secret_unref(s);
}

/* The same on every machine: so it stands here. */
static void a_print_tells_values_apart_everywhere(void **state)
{
    char one[HASH_HEX_SIZE], two[HASH_HEX_SIZE];
    (void)state;
    print("correct-horse-battery", "secrets", "api-key", one);
    assert_int_equal(strlen(one), HASH_HEX_SIZE - 1);
    print("correct-horse-battery", "secrets", "api-key", two);
    assert_string_equal(one, two);
    print("correct-horse-staple", "secrets", "api-key", two);
    assert_string_not_equal(one, two);
    /* that two secrets have the same value does not show */
    print("correct-horse-battery", "secrets", "other", two);
    assert_string_not_equal(one, two);
    print("correct-horse-battery", "other", "api-key", two);
    assert_string_not_equal(one, two);
    /* nor can names be shifted into each other */
    print("v", "ab", "c", one);
    print("v", "a", "bc", two);
    assert_string_not_equal(one, two);
    print("", "s", "k", one);
    assert_int_equal(strlen(one), HASH_HEX_SIZE - 1);
    print("known", "secrets", "k", one);
    assert_string_equal(one, "c9f088bf09b2dd00a3cda4721ca07fd38007400b78ea4231e1913f1fb1cbf870");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_print_tells_values_apart_everywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
