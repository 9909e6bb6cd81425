/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include <zlib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "bundle/gzip.h"

struct packed {
    struct spool *spool;
    uint8_t *data;
    size_t len;
};

static void packed_clear(struct packed *p)
{
    spool_drop(p->spool, p->data);
    spool_free(p->spool);
}

/* Given to it in pieces of `step` bytes. */
static struct packed pack(const uint8_t *data, size_t len, size_t step)
{
    struct err err;
    struct spool_piece piece;
    struct packed p = {.spool = spool_new(NULL, 16 << 20)};
    assert_int_equal(spool_begin(p.spool, len, &piece, &err), 0);
    cleanup(gzip_free_p) struct gzip *g = gzip_new(5, &piece);
    for (size_t at = 0, n; at < len; at += n) {
        n = len - at < step ? len - at : step;
        assert_int_equal(gzip_add(g, data + at, n, &err), 0);
    }
    assert_int_equal(gzip_end(g, &err), 0);
    assert_int_equal(spool_end(&piece, &p.data, &p.len, &err), 0);
    return p;
}

/* What zlib itself makes of it; -1 if it is no single, whole gzip member. */
static long unpack(const struct packed *in, uint8_t *to, size_t cap)
{
    z_stream z = {.next_in = in->data, .avail_in = (uInt)in->len, .next_out = to,
                  .avail_out = (uInt)cap};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    int r = inflate(&z, Z_FINISH);
    long n = r == Z_STREAM_END && z.avail_in == 0 ? (long)z.total_out : -1;
    inflateEnd(&z);
    return n;
}

static void every_size_comes_back(void **state)
{
    static const size_t sizes[] = {0, 1, 100, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 5 << 20,
                                   (8 << 20) - 1, 8 << 20, (8 << 20) + 1, 17 << 20};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        cleanup(free_p) uint8_t *data = xmalloc(sizes[i] + 1);
        cleanup(free_p) uint8_t *back = xmalloc(sizes[i] + 1);
        for (size_t k = 0; k < sizes[i]; k++)
            data[k] = (uint8_t)((k * 2654435761u) >> (k % 7 ? 28 : 12));
        cleanup(packed_clear) struct packed out = pack(data, sizes[i], SIZE_MAX);
        cleanup(packed_clear) struct packed again = pack(data, sizes[i], 300001);
        assert_int_equal(out.len, again.len);
        assert_memory_equal(out.data, again.data, out.len);
        assert_int_equal(unpack(&out, back, sizes[i] + 1), sizes[i]);
        assert_memory_equal(back, data, sizes[i]);
    }
}

/* The window of the piece before is used: text that repeats at a long distance stays small. */
static void pieces_know_what_came_before(void **state)
{
    (void)state;
    size_t len = 9 << 20; /* of two batches */
    cleanup(free_p) uint8_t *data = xmalloc(len);
    random_bytes(data, 16 << 10);
    for (size_t k = 16 << 10; k < len; k++)
        data[k] = data[k - (16 << 10)];
    cleanup(packed_clear) struct packed out = pack(data, len, 1 << 20);
    assert_true(out.len < 100 << 10);
}

static void nothing_of_this_machine_is_in_it(void **state)
{
    static const uint8_t head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    (void)state;
    cleanup(packed_clear) struct packed out = pack((const uint8_t *)"abc", 3, 3);
    assert_memory_equal(out.data, head, sizeof head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_comes_back), cmocka_unit_test(pieces_know_what_came_before),
        cmocka_unit_test(nothing_of_this_machine_is_in_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
