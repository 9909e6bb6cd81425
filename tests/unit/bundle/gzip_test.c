/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include <zlib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "bundle/gzip.h"

/* What zlib itself makes of it; -1 if it is no single, whole gzip member. */
static long unpack(const struct buf *in, uint8_t *to, size_t cap)
{
    z_stream z = {.next_in = (uint8_t *)in->data, .avail_in = (uInt)in->len, .next_out = to,
                  .avail_out = (uInt)cap};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    int r = inflate(&z, Z_FINISH);
    long n = r == Z_STREAM_END && z.avail_in == 0 ? (long)z.total_out : -1;
    inflateEnd(&z);
    return n;
}

static void every_size_comes_back(void **state)
{
    static const size_t sizes[] = {0, 1, 100, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        cleanup(free_p) uint8_t *data = xmalloc(sizes[i] + 1);
        cleanup(free_p) uint8_t *back = xmalloc(sizes[i] + 1);
        cleanup(buf_clear) struct buf out = BUF_INIT(8 << 20);
        for (size_t k = 0; k < sizes[i]; k++)
            data[k] = (uint8_t)((k * 2654435761u) >> (k % 7 ? 28 : 12));
        assert_true(gzip_bytes(data, sizes[i], 5, &out));
        assert_int_equal(unpack(&out, back, sizes[i] + 1), sizes[i]);
        assert_memory_equal(back, data, sizes[i]);
    }
}

/* The window of the piece before is used: text that repeats at a long distance stays small. */
static void pieces_know_what_came_before(void **state)
{
    (void)state;
    size_t len = 2 << 20;
    cleanup(free_p) uint8_t *data = xmalloc(len);
    cleanup(buf_clear) struct buf out = BUF_INIT(8 << 20);
    random_bytes(data, 16 << 10);
    for (size_t k = 16 << 10; k < len; k++)
        data[k] = data[k - (16 << 10)];
    assert_true(gzip_bytes(data, len, 5, &out));
    assert_true(out.len < 40 << 10);
}

static void nothing_of_this_machine_is_in_it(void **state)
{
    static const uint8_t head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    (void)state;
    cleanup(buf_clear) struct buf out = BUF_INIT(100);
    assert_true(gzip_bytes((const uint8_t *)"abc", 3, 5, &out));
    assert_memory_equal(out.data, head, sizeof head);
}

static void a_buffer_that_is_too_small(void **state)
{
    uint8_t data[1000];
    (void)state;
    cleanup(buf_clear) struct buf out = BUF_INIT(100);
    random_bytes(data, sizeof data);
    assert_false(gzip_bytes(data, sizeof data, 5, &out));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_comes_back), cmocka_unit_test(pieces_know_what_came_before),
        cmocka_unit_test(nothing_of_this_machine_is_in_it),
        cmocka_unit_test(a_buffer_that_is_too_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
