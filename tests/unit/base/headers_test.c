/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include "base/headers.h"

static void add(struct headers *h, const char *name, const char *value)
{
    headers_add_str(h, name, value);
}

static void lines_keep_their_order_and_lose_their_case(void **state)
{
    (void)state;
    struct headers h = {0};
    for (int i = 0; i < 20; i++) {
        char value[8];
        snprintf(value, sizeof value, "v%d", i);
        add(&h, i % 2 ? "X-Odd" : "x-EVEN", value);
    }
    assert_int_equal(h.count, 20);
    assert_string_equal(h.list[0].name, "x-even");
    assert_string_equal(headers_get(&h, "X-ODD"), "v1");
    assert_null(headers_get(&h, "x-od"));
    long i = headers_find(&h, "X-odd", 5, 2);
    assert_int_equal(i, 3);
    assert_int_equal(headers_find(&h, "x-odd", 5, 20), -1);
    headers_clear(&h);
    assert_int_equal(h.count, 0);
    assert_null(headers_get(&h, "x-odd"));
}

static void values_are_bytes(void **state)
{
    (void)state;
    struct headers h = {0};
    headers_add(&h, "n", 1, "a\0\xff", 3);
    headers_add(&h, "empty", 5, NULL, 0);
    assert_int_equal(h.list[0].value_len, 3);
    assert_memory_equal(h.list[0].value, "a\0\xff", 4);
    assert_string_equal(headers_get(&h, "empty"), "");
    headers_add(&h, "a\0b", 3, "1", 1);
    assert_int_equal(headers_find(&h, "A\0c", 3, 0), -1);
    assert_int_equal(headers_find(&h, "A\0B", 3, 0), 2);
    headers_clear(&h);
}

static void set_replaces_every_line(void **state)
{
    (void)state;
    struct headers h = {0};
    add(&h, "a", "1");
    add(&h, "b", "2");
    add(&h, "A", "3");
    headers_set_str(&h, "A", "4");
    assert_int_equal(h.count, 2);
    assert_string_equal(h.list[0].name, "b");
    assert_string_equal(h.list[1].value, "4");
    headers_set_str(&h, "new", "5");
    assert_int_equal(h.count, 3);
    /* from a line that is replaced by it */
    headers_set(&h, h.list[1].name, 1, h.list[1].value, 1);
    assert_string_equal(headers_get(&h, "a"), "4");
    assert_int_equal(h.count, 3);
    headers_clear(&h);
}

static void remove_counts_lines(void **state)
{
    (void)state;
    struct headers h = {0};
    add(&h, "x", "1");
    add(&h, "keep", "2");
    add(&h, "X", "3");
    assert_int_equal(headers_remove(&h, "X", 1), 2);
    assert_int_equal(headers_remove(&h, "X", 1), 0);
    assert_int_equal(h.count, 1);
    assert_string_equal(h.list[0].name, "keep");
    headers_clear(&h);
}

static void a_copy_is_deep_and_appends(void **state)
{
    (void)state;
    struct headers a = {0}, b = {0};
    add(&a, "one", "1");
    add(&b, "zero", "0");
    headers_copy(&b, &a);
    headers_clear(&a);
    assert_int_equal(b.count, 2);
    assert_string_equal(headers_get(&b, "one"), "1");
    headers_clear(&b);
}

static void tokens_of_list_headers(void **state)
{
    (void)state;
    struct headers h = {0};
    add(&h, "Connection", "keep-alive , Upgrade");
    add(&h, "Connection", ",, CLOSE\t");
    assert_true(headers_has_token(&h, "connection", "upgrade"));
    assert_true(headers_has_token(&h, "connection", "keep-alive"));
    assert_true(headers_has_token(&h, "connection", "close"));
    assert_false(headers_has_token(&h, "connection", "keep"));
    assert_false(headers_has_token(&h, "connection", "clos"));
    assert_false(headers_has_token(&h, "te", "trailers"));
    headers_clear(&h);
}

static void a_reserved_list_takes_more_than_was_reserved(void **state)
{
    (void)state;
    for (size_t lines = 0; lines < 6; lines++) {
        struct headers h = {0};
        headers_reserve(&h, lines, 10);
        for (int i = 0; i < 12; i++) {
            char name[8];
            snprintf(name, sizeof name, "N%d", i);
            headers_add_str(&h, name, name);
        }
        headers_reserve(&h, 100, 100);      /* no effect: it is not empty */
        assert_int_equal(headers_remove(&h, "n0", 2), 1);
        headers_set_str(&h, "n3", "changed");
        assert_int_equal(h.count, 11);
        assert_string_equal(headers_get(&h, "n1"), "N1");
        assert_string_equal(h.list[10].value, "changed");
        headers_clear(&h);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_keep_their_order_and_lose_their_case),
        cmocka_unit_test(values_are_bytes),
        cmocka_unit_test(set_replaces_every_line),
        cmocka_unit_test(remove_counts_lines),
        cmocka_unit_test(a_copy_is_deep_and_appends),
        cmocka_unit_test(tokens_of_list_headers),
        cmocka_unit_test(a_reserved_list_takes_more_than_was_reserved),
    };
    return cmocka_run_group_tests_name("headers", tests, NULL, NULL);
}
