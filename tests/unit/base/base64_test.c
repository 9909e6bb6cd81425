/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/base64.h"
#include "base/cleanup.h"

/* RFC 4648 section 10. */
static const char *const vectors[][2] = {
    {"", ""},           {"f", "Zg=="},         {"fo", "Zm8="},         {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="}, {"fooba", "Zm9vYmE="}, {"foobar", "Zm9vYmFy"},
};

static void agrees_with_the_rfc(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        size_t len;
        cleanup(free_p) char *text = base64_encode(vectors[i][0], strlen(vectors[i][0]));
        assert_string_equal(text, vectors[i][1]);
        cleanup(free_p) char *data = base64_decode(text, strlen(text), &len);
        assert_non_null(data);
        assert_int_equal(len, strlen(vectors[i][0]));
        assert_string_equal(data, vectors[i][0]);
    }
}

static void every_byte_survives(void **state)
{
    (void)state;
    uint8_t bytes[256];
    size_t len;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    cleanup(free_p) char *text = base64_encode(bytes, sizeof bytes);
    cleanup(free_p) uint8_t *back = base64_decode(text, strlen(text), &len);
    assert_int_equal(len, sizeof bytes);
    assert_memory_equal(back, bytes, sizeof bytes);
}

static void bad_text_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"A", "AA", "AAA", "Zg=", "Zg===", "====", "=AAA", "A=AA",
                                      "Z!==", "Zh==", "Zm9=", "Zm9v\n", "Zm-_"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        size_t len;
        assert_null(base64_decode(bad[i], strlen(bad[i]), &len));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_rfc),
        cmocka_unit_test(every_byte_survives),
        cmocka_unit_test(bad_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
