/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/spool.h"

/* Bytes that tell where they are. */
static void fill(uint8_t *to, size_t len, size_t seed)
{
    for (size_t i = 0; i < len; i++)
        to[i] = (uint8_t)((i + seed) * 2654435761u >> 24);
}

static uint8_t *put(struct spool *sp, size_t about, size_t len, size_t seed)
{
    struct err err;
    struct spool_piece piece;
    uint8_t block[5000], *data;
    size_t got;
    assert_int_equal(spool_begin(sp, about, &piece, &err), 0);
    for (size_t at = 0, n; at < len; at += n) {
        n = len - at < sizeof block ? len - at : sizeof block;
        fill(block, n, seed + at);
        assert_int_equal(spool_add(&piece, block, n, &err), 0);
    }
    assert_int_equal(spool_end(&piece, &data, &got, &err), 0);
    assert_int_equal(got, len);
    return data;
}

static void is(const uint8_t *data, size_t len, size_t seed)
{
    cleanup(free_p) uint8_t *want = xmalloc(len + 1);
    fill(want, len, seed);
    want[len] = 0;
    assert_memory_equal(data, want, len + 1);
}

static void pieces_stay_as_they_were_written(void **state)
{
    static const size_t sizes[] = {0, 1, 4095, 4096, 4097, 65535, 65536, 65537, 3 << 20};
    uint8_t *data[2 * ARRAY_LEN(sizes)];
    (void)state;
    /* enough memory for some: the rest goes to the file */
    cleanup(spool_free_p) struct spool *sp = spool_new(NULL, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(data); i++)
        data[i] = put(sp, sizes[i % ARRAY_LEN(sizes)], sizes[i % ARRAY_LEN(sizes)], i);
    for (int again = 0; again < 2; again++)
        for (size_t i = 0; i < ARRAY_LEN(data); i++) {
            size_t len = sizes[i % ARRAY_LEN(sizes)];
            is(data[i], len, i);
            spool_forget(sp, data[i], len);
        }
    for (size_t i = 0; i < ARRAY_LEN(data); i++)
        spool_drop(sp, data[i]);
}

/* More or less than was expected; and written again where it began, as an archive's head is. */
static void a_piece_may_differ_from_what_was_said(void **state)
{
    (void)state;
    for (size_t memory = 0; memory <= 1 << 20; memory += 1 << 20) {
        struct err err;
        struct spool_piece piece;
        uint8_t *data;
        size_t len;
        cleanup(spool_free_p) struct spool *sp = spool_new(NULL, memory);
        uint8_t *more = put(sp, 10, 100000, 1), *less = put(sp, 100000, 10, 2);
        is(more, 100000, 1);
        is(less, 10, 2);
        assert_int_equal(spool_begin(sp, 10, &piece, &err), 0);
        assert_int_equal(spool_add(&piece, "....body", 8, &err), 0);
        piece.at = 0;
        assert_int_equal(spool_add(&piece, "head", 4, &err), 0);
        assert_int_equal(spool_end(&piece, &data, &len, &err), 0);
        assert_string_equal((char *)data, "headbody");
        spool_drop(sp, more);
        spool_drop(sp, less);
        spool_drop(sp, data);
    }
}

static void what_is_given_up_leaves_no_trace(void **state)
{
    (void)state;
    for (size_t memory = 0; memory <= 1 << 20; memory += 1 << 20) {
        struct err err;
        struct spool_piece piece;
        cleanup(spool_free_p) struct spool *sp = spool_new(NULL, memory);
        assert_int_equal(spool_begin(sp, 10, &piece, &err), 0);
        assert_int_equal(spool_add(&piece, "0123456789", 10, &err), 0);
        spool_cancel(&piece);
        uint8_t *data = put(sp, 5, 5, 3);
        is(data, 5, 3);
        spool_drop(sp, data);
    }
}

static void the_file_has_no_name(void **state)
{
    char dir[] = "/tmp/edgectl-spool-XXXXXX";
    (void)state;
    assert_non_null(mkdtemp(dir));
    cleanup(spool_free_p) struct spool *sp = spool_new(dir, 0);
    put(sp, 100, 100, 0);
    assert_int_equal(rmdir(dir), 0); /* it is empty */
}

static void a_folder_that_is_not_there(void **state)
{
    struct err err = {0};
    struct spool_piece piece;
    (void)state;
    cleanup(spool_free_p) struct spool *sp = spool_new("/nonexistent", 0);
    is(put(sp, 100, 100, 7), 100, 7); /* another is taken */
    setenv("TMPDIR", "/nonexistent/too", 1);
    cleanup(spool_free_p) struct spool *none = spool_new("/nonexistent", 0);
    assert_int_equal(spool_begin(none, 100, &piece, &err), -ERR_IO);
    assert_non_null(strstr(err.msg, "/nonexistent/too"));
    unsetenv("TMPDIR");
}

static void a_full_disk(void **state)
{
    struct err err = {0};
    struct spool_piece piece;
    uint8_t block[4096] = {0};
    struct rlimit old, small = {65536, RLIM_INFINITY};
    int r = 0;
    (void)state;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    small.rlim_max = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    cleanup(spool_free_p) struct spool *sp = spool_new(NULL, 0);
    assert_int_equal(spool_begin(sp, 100, &piece, &err), 0);
    for (int i = 0; i < 100 && r == 0; i++)
        r = spool_add(&piece, block, sizeof block, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(r, -ERR_IO);
    assert_non_null(strstr(err.msg, "temporary file"));
    assert_true(err.hint[0]);
    spool_cancel(&piece);
}

static long resident_kb(void)
{
    char line[200];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "RssFile: %ld", &kb) == 1)
            break;
    if (f)
        fclose(f);
    return kb;
}

/* Some MiB are gone through with a few in memory at a time, whatever the kernel maps around them. */
static void read_in_steps(size_t step)
{
    size_t len = 24 << 20;
    volatile uint8_t sum = 0;
    cleanup(spool_free_p) struct spool *sp = spool_new(NULL, 0);
    const uint8_t *data = put(sp, len, len, 9);
    long before = resident_kb(), most = 0;
    for (size_t at = 0, n; at < len; at += n) {
        n = len - at < step ? len - at : step;
        for (size_t i = 0; i < n; i += 512)
            sum = (uint8_t)(sum + data[at + i]);
        long now = resident_kb() - before;
        most = now > most ? now : most;
        spool_forget(sp, data + at, n);
    }
    assert_true(most >= 16); /* it does count */
    assert_true(most < 8 << 10);
}

static void what_was_read_costs_no_memory(void **state)
{
    (void)state;
    read_in_steps(spool_slice(SIZE_MAX));
    read_in_steps(20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_stay_as_they_were_written),
        cmocka_unit_test(a_piece_may_differ_from_what_was_said),
        cmocka_unit_test(what_is_given_up_leaves_no_trace), cmocka_unit_test(the_file_has_no_name),
        cmocka_unit_test(a_folder_that_is_not_there), cmocka_unit_test(a_full_disk),
        cmocka_unit_test(what_was_read_costs_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
