/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/random.h"

/* RFC 8439, section 2.3.2. */
static void test_chacha20(void **state)
{
    (void)state;
    static const uint32_t in[16] = {
        0x61707865, 0x3320646e, 0x79622d32, 0x6b206574,
        0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c,
        0x13121110, 0x17161514, 0x1b1a1918, 0x1f1e1d1c,
        0x00000001, 0x09000000, 0x4a000000, 0x00000000,
    };
    static const uint32_t want[16] = {
        0xe4e7f110, 0x15593bd1, 0x1fdd0f50, 0xc47120a3,
        0xc7f4d1c7, 0x0368c033, 0x9aaa2204, 0x4e6cd4c3,
        0x466482d2, 0x09aa9f07, 0x05d7c214, 0xa2028bd9,
        0xd19c12b5, 0xb94e16de, 0xe883d0cb, 0x4e3c50a2,
    };
    uint32_t got[16];
    random_chacha20(in, got);
    assert_memory_equal(got, want, sizeof want);
}

/* Sizes across refills and reseeds: all bytes are written, none beyond, and none seen before. */
static void test_bytes(void **state)
{
    (void)state;
    unsigned counts[256] = {0};
    uint8_t before[16] = {0};
    for (size_t i = 0; i < 100000; i++) {
        uint8_t b[300] = {0};
        size_t len = 16 + i % 270;
        random_real(b, len);
        assert_memory_not_equal(b, before, sizeof before);
        memcpy(before, b, sizeof before);
        assert_memory_not_equal(b + len - 8, "\0\0\0\0\0\0\0", 8);
        for (size_t k = len; k < sizeof b; k++)
            assert_int_equal(b[k], 0);
        counts[b[0]]++;
    }
    for (int i = 0; i < 256; i++) /* 391 expected, a deviation of 20 is usual */
        assert_in_range(counts[i], 250, 550);
}

static void *in_thread(void *to)
{
    random_real(to, 16);
    return NULL;
}

/* No two generators are alike, not even that of a child that has inherited its parent's. */
static void test_forks_and_threads(void **state)
{
    (void)state;
    uint8_t seen[3][16];
    int fds[2];
    pthread_t thread;
    random_real(seen[0], 16);
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        uint8_t b[16];
        random_real(b, sizeof b);
        _exit(write(fds[1], b, sizeof b) != sizeof b);
    }
    assert_int_equal(read(fds[0], seen[0], 16), 16);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(fds[0]);
    close(fds[1]);
    random_real(seen[1], 16);
    assert_int_equal(pthread_create(&thread, NULL, in_thread, seen[2]), 0);
    pthread_join(thread, NULL);
    assert_memory_not_equal(seen[0], seen[1], 16);
    assert_memory_not_equal(seen[0], seen[2], 16);
    assert_memory_not_equal(seen[1], seen[2], 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chacha20),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_forks_and_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
