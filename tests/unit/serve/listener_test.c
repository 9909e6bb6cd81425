/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/resource.h>
#include "unit/serve/front.h"

static const char get[] = "GET /x HTTP/1.1\r\nHost: h\r\n\r\n";

static void test_a_busy_port_names_its_holder(void **state)
{
    (void)state;
    struct front f;
    front_start(&f, &(struct listener_options){0});
    struct loop *loop = loop_new();
    struct exchange_handler handler = {.begin = front_begin};
    struct listener *l = NULL;
    struct err err;
    static const char *const hosts[] = {"127.0.0.1", "0.0.0.0"};
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        struct listener_options o = {.host = hosts[i], .port = f.port};
        assert_int_equal(listener_open(loop, &o, &handler, &l, &err), -ERR_NETWORK);
        cleanup(free_p) char *pid = xasprintf("process %d (listener", (int)getpid());
        assert_has(err.msg, pid);
        assert_has(err.msg, hosts[i]);
        assert_has(err.hint, "another port");
    }
    loop_free(loop);
    front_stop(&f);
}

static void test_hosts_that_cannot_be(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct exchange_handler handler = {.begin = front_begin};
    struct listener *l = NULL;
    struct err err;
    struct listener_options o = {.host = "192.0.2.1"}; /* documentation only: not ours */
    assert_int_equal(listener_open(loop, &o, &handler, &l, &err), -ERR_NETWORK);
    assert_has(err.msg, "cannot listen on 192.0.2.1:0");
    o.host = "not a host";
    assert_int_equal(listener_open(loop, &o, &handler, &l, &err), -ERR_NETWORK);
    assert_has(err.msg, "'not a host'");
    loop_free(loop);
}

static void test_localhost_is_both_families(void **state)
{
    (void)state;
    struct front f;
    front_start(&f, &(struct listener_options){.host = "localhost"});
    cleanup(free_p) char *url = xasprintf("http://localhost:%u", f.port);
    assert_string_equal(listener_url(f.listener), url);
    int fd = dial(&f);
    say(fd, get);
    cleanup(free_p) char *four = hear(fd, "http://h/x 11\n", NULL);
    assert_has(four, "http://h/x 11\n");
    close(fd);
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(f.port),
                              .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
        say(fd, get);
        cleanup(free_p) char *six = hear(fd, "http://h/x 11\n", NULL);
        assert_has(six, "http://h/x 11\n");
    } else {
        print_message("no IPv6 on this machine\n");
    }
    close(fd);
    front_stop(&f);
}

static void test_loops_share_a_port(void **state)
{
    (void)state;
    struct front a, b;
    front_start(&a, &(struct listener_options){0});
    front_start(&b, &(struct listener_options){.join = a.listener});
    assert_int_equal(a.port, b.port);
    for (int i = 0; i < 200 && !(a.begun && b.begun); i++) {
        int fd = dial(&a);
        say(fd, get);
        cleanup(free_p) char *got = hear(fd, "http://h/x 11\n", NULL);
        assert_has(got, "http://h/x 11\n");
        close(fd);
    }
    assert_true(a.begun && b.begun);
    front_stop(&b);
    front_stop(&a);
}

static void test_close_lets_answers_finish(void **state)
{
    (void)state;
    struct front f;
    front_start(&f, &(struct listener_options){0});
    int idle = dial(&f), busy = dial(&f), stuck = dial(&f), ended;
    say(idle, get);
    cleanup(free_p) char *first = hear(idle, "http://h/x 11\n", NULL);
    say(busy, "GET /late HTTP/1.1\r\nHost: h\r\n\r\n");
    say(stuck, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(&f.begun, 3);
    loop_post(f.loop, front_close, &f);
    cleanup(free_p) char *nothing = hear(idle, NULL, &ended);
    assert_string_equal(nothing, "");
    assert_int_equal(ended, 1);
    cleanup(free_p) char *late_one = hear(busy, NULL, &ended);
    assert_has(late_one, "connection: close\r\n");
    assert_has(late_one, "late\n");
    cleanup(free_p) char *cut = hear(stuck, NULL, &ended);
    assert_string_equal(cut, "");
    assert_int_equal(ended, -1);
    uv_thread_join(&f.thread);
    assert_int_equal(f.closed, 1);
    assert_int_equal(f.gone, 1);
    loop_free(f.loop);
    close(idle);
    close(busy);
    close(stuck);
}

static void test_close_from_inside_a_request(void **state)
{
    (void)state;
    struct front f;
    front_start(&f, &(struct listener_options){0});
    cleanup(free_p) char *got = ask(&f, "GET /stop HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_has(got, "connection: close\r\n");
    assert_has(got, "http://h/stop 11\n");
    uv_thread_join(&f.thread);
    assert_int_equal(f.closed, 1);
    loop_free(f.loop);
}

static void test_connection_cap(void **state)
{
    (void)state;
    struct front f;
    front_start(&f, &(struct listener_options){.max_connections = 4});
    int idle[3], busy[4];
    for (size_t i = 0; i < 3; i++) {
        idle[i] = dial(&f);
        say(idle[i], get);
        cleanup(free_p) char *got = hear(idle[i], "http://h/x 11\n", NULL);
    }
    /* Idle ones make room, the oldest first. */
    for (size_t i = 0; i < 4; i++) {
        busy[i] = dial(&f);
        say(busy[i], "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    wait_for(&f.begun, 7);
    /* No room: the next one waits until somebody leaves. */
    int next = dial(&f);
    say(next, get);
    usleep(50000);
    assert_int_equal(f.begun, 7);
    close(busy[2]);
    cleanup(free_p) char *got = hear(next, "http://h/x 11\n", NULL);
    assert_has(got, "http://h/x 11\n");
    for (size_t i = 0; i < 4; i++)
        if (i != 2)
            close(busy[i]);
    for (size_t i = 0; i < 3; i++)
        close(idle[i]);
    close(next);
    front_stop(&f);
}

static void test_out_of_descriptors(void **state)
{
    (void)state;
    struct front f;
    struct rlimit old;
    int fds[64];
    front_start(&f, &(struct listener_options){0});
    int first = dial(&f);
    say(first, "GET /wait HTTP/1.1\r\nHost: h\r\n\r\n");
    wait_for(&f.begun, 1);
    getrlimit(RLIMIT_NOFILE, &old);
    size_t n = 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(f.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){(rlim_t)first + 20, old.rlim_max});
    for (; n < ARRAY_LEN(fds); n++) {
        fds[n] = socket(AF_INET, SOCK_STREAM, 0);
        if (fds[n] < 0)
            break;
        connect(fds[n], (struct sockaddr *)&to, sizeof to);
    }
    assert_true(n < ARRAY_LEN(fds));
    usleep(20000);
    while (n)
        close(fds[--n]);
    setrlimit(RLIMIT_NOFILE, &old);
    int last = dial(&f);
    say(last, get);
    cleanup(free_p) char *got = hear(last, "http://h/x 11\n", NULL);
    assert_has(got, "http://h/x 11\n");
    close(last);
    close(first);
    front_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_busy_port_names_its_holder),
        cmocka_unit_test(test_hosts_that_cannot_be),
        cmocka_unit_test(test_localhost_is_both_families),
        cmocka_unit_test(test_loops_share_a_port),
        cmocka_unit_test(test_close_lets_answers_finish),
        cmocka_unit_test(test_close_from_inside_a_request),
        cmocka_unit_test(test_connection_cap),
        cmocka_unit_test(test_out_of_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
