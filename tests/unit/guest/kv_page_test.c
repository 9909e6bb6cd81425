/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "guest/kv.h"

static void last_page_has_no_cursor(void **state)
{
    (void)state;
    char *keys[] = {"a", "b/\"c\""};
    struct kv_list list = {.limit = 1000};
    struct kv_page page = {.keys = keys, .count = 2};
    cleanup(free_p) char *text = kv_page_json(&list, &page);
    assert_string_equal(text, "{\"data\":[\"a\",\"b/\\\"c\\\"\"],\"meta\":{\"limit\":1000}}");
}

static void empty_page(void **state)
{
    (void)state;
    struct kv_list list = {.limit = 7, .prefix = "p"};
    struct kv_page page = {.more = true};
    cleanup(free_p) char *text = kv_page_json(&list, &page);
    assert_string_equal(text, "{\"data\":[],\"meta\":{\"limit\":7,\"prefix\":\"p\"}}");
}

static void cursor_leads_to_the_last_key(void **state)
{
    (void)state;
    char *keys[] = {"k1", "k2"};
    struct kv_list list = {.limit = 2, .prefix = "k"};
    struct kv_page page = {.keys = keys, .count = 2, .more = true};
    cleanup(free_p) char *text = kv_page_json(&list, &page);
    assert_string_equal(text, "{\"data\":[\"k1\",\"k2\"],\"meta\":{\"limit\":2,\"prefix\":\"k\","
                              "\"next_cursor\":\"azI=\"}}");
    cleanup(free_p) char *key = kv_cursor_key("azI=");
    assert_string_equal(key, "k2");
}

static void foreign_cursors_are_refused(void **state)
{
    (void)state;
    assert_null(kv_cursor_key("k2"));
    assert_null(kv_cursor_key("/w=="));     /* the byte 0xff: not UTF-8 */
    assert_null(kv_cursor_key("AGE="));     /* NUL, then a */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_page_has_no_cursor),
        cmocka_unit_test(empty_page),
        cmocka_unit_test(cursor_leads_to_the_last_key),
        cmocka_unit_test(foreign_cursors_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
