/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"
#include "base/mem.h"
#include "net/api_body.h"
#include "unit/test.h"

static void base64_is_the_same_however_it_is_read(void **state)
{
    (void)state;
    enum { SIZE = 50000 };
    uint8_t *data = xmalloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (uint8_t)(i * 7 + i / 256);
    static const size_t sizes[] = {0, 1, 2, 3, 12288, 12289, SIZE};
    static const size_t steps[] = {1, 3, 4, 1000, 16384, 100000};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        cleanup(free_p) char *want = base64_encode(data, sizes[i]);
        cleanup(api_body_free_p) struct api_body *b = api_body_new(NULL);
        api_body_add(b, "\"", 1);
        api_body_add_base64(b, data, sizes[i]);
        api_body_add(b, "\"", 1);
        assert_int_equal(api_body_size(b), strlen(want) + 2);
        for (size_t k = 0; k < ARRAY_LEN(steps); k++) {
            cleanup(free_p) char *got = xcalloc(1, strlen(want) + 3);
            size_t len = 0;
            long n;
            api_body_rewind(b);
            while ((n = api_body_read(b, got + len, steps[k] < strlen(want) + 2 - len
                                                        ? steps[k] : strlen(want) + 2 - len)) > 0)
                len += (size_t)n;
            assert_int_equal(len, strlen(want) + 2);
            assert_int_equal(got[0], '"');
            assert_memory_equal(got + 1, want, strlen(want));
            assert_int_equal(got[len - 1], '"');
        }
    }
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_is_the_same_however_it_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
