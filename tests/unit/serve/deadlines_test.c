/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/serve/front.h"

static struct front front;

static const struct http1_deadlines short_ones = {
    .head = 100 * MS,
    .idle = 150 * MS,
    .body = 100 * MS,
    .body_rate = 500, /* 50 bytes per window */
    .stall = 100 * MS,
    .linger = 100 * MS,
};

/* Sends a byte every `every_ms`, until the server ends the connection; what it said. */
static char *trickle(const char *head, const char *rest, int every_ms)
{
    int fd = dial(&front), ended = 0;
    struct buf all = BUF_INIT(1 << 20);
    say(fd, head);
    for (size_t i = 0; !ended && i < strlen(rest); i++) {
        say_bytes(fd, rest + i, 1);
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, every_ms) > 0) {
            char room[4096];
            ssize_t n = recv(fd, room, sizeof room, 0);
            ended = n <= 0;
            buf_add(&all, room, n > 0 ? (size_t)n : 0);
        }
    }
    close(fd);
    return buf_take(&all);
}

static const char slow_text[] =
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123";

static void test_a_slow_head(void **state)
{
    (void)state;
    cleanup(free_p) char *got = trickle("GET / HTTP/1.1\r\nX: ", slow_text, 10);
    assert_has(got, "HTTP/1.1 408 ");
    assert_has(got, "connection: close\r\n");
}

static void test_a_slow_body(void **state)
{
    (void)state;
    int gone = front.gone;
    cleanup(free_p) char *got =
        trickle("POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n", slow_text, 10);
    assert_has(got, "HTTP/1.1 408 ");
    wait_for(&front.gone, gone + 1);
    cleanup(free_p) char *chunks =
        trickle("POST /count HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                "ff\r\n", slow_text, 10);
    assert_has(chunks, "HTTP/1.1 408 ");
}

static void test_a_body_fast_enough(void **state)
{
    (void)state;
    int fd = dial(&front);
    say(fd, "POST /count HTTP/1.1\r\nHost: h\r\nContent-Length: 900\r\n\r\n");
    for (int i = 0; i < 30; i++) {
        say_bytes(fd, slow_text, 30);
        usleep(10000);
    }
    cleanup(free_p) char *got = hear(fd, "bytes", NULL);
    assert_has(got, "900 bytes");
    close(fd);
}

static void test_a_slow_conversation_goes_on(void **state)
{
    (void)state;
    /* The answer has begun: a byte now and then is enough. */
    int fd = dial(&front);
    say(fd, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n");
    for (int i = 0; i < 5; i++) {
        usleep(80000);
        say_bytes(fd, "abcde" + i, 1);
    }
    cleanup(free_p) char *got = hear(fd, "abcde", NULL);
    assert_has(got, "abcde");
    close(fd);
}

static void test_idle_connections_end(void **state)
{
    (void)state;
    int ended, fd = dial(&front);
    cleanup(free_p) char *nothing = hear(fd, NULL, &ended);
    assert_string_equal(nothing, "");
    assert_int_equal(ended, 1);
    close(fd);
    fd = dial(&front);
    say(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    usleep(60000);
    say(fd, "GET /two HTTP/1.1\r\nHost: h\r\n\r\n");
    cleanup(free_p) char *got = hear(fd, NULL, &ended);
    assert_has(got, "/two 11\n");
    assert_lacks(got, "408");
    assert_int_equal(ended, 1);
    close(fd);
}

static void test_a_client_that_reads_nothing(void **state)
{
    (void)state;
    int ended, fd = dial(&front);
    say(fd, "GET /big HTTP/1.1\r\nHost: h\r\n\r\n");
    usleep(400000);
    cleanup(free_p) char *got = hear(fd, NULL, &ended);
    assert_int_equal(ended, -1);
    close(fd);
}

static void test_a_slow_guest_is_not_a_slow_client(void **state)
{
    (void)state;
    int fd = dial(&front), gone = front.gone;
    say(fd, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    usleep(400000);
    assert_int_equal(front.gone, gone);
    close(fd);
    wait_for(&front.gone, gone + 1);
}

static void test_after_the_last_answer_we_do_not_wait_for_ever(void **state)
{
    (void)state;
    int ended, fd = dial(&front);
    say(fd, "BAD\r\n\r\n");
    int64_t began = clock_mono_ns();
    cleanup(free_p) char *got = hear(fd, NULL, &ended); /* a FIN at once ... */
    assert_true(clock_mono_ns() - began < 80 * MS);
    assert_has(got, "HTTP/1.1 400 ");
    for (int i = 0; i < 1000 && send(fd, "x", 1, MSG_NOSIGNAL) == 1; i++)
        usleep(1000);
    assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), -1); /* ... and the end a while later */
    assert_true(clock_mono_ns() - began < 900 * MS);
    close(fd);
}

static int start(void **state)
{
    (void)state;
    front_start(&front, &(struct listener_options){.deadlines = &short_ones});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    front_stop(&front);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_slow_head),
        cmocka_unit_test(test_a_slow_body),
        cmocka_unit_test(test_a_body_fast_enough),
        cmocka_unit_test(test_a_slow_conversation_goes_on),
        cmocka_unit_test(test_idle_connections_end),
        cmocka_unit_test(test_a_client_that_reads_nothing),
        cmocka_unit_test(test_a_slow_guest_is_not_a_slow_client),
        cmocka_unit_test(test_after_the_last_answer_we_do_not_wait_for_ever),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
