/* SPDX-License-Identifier: Apache-2.0 */
/* Ordinary calls: what goes out on the wire, and what comes back. */
#include "harness.h"

static char heard[65536];

static void script_hello(int fd, int nth)
{
    (void)nth;
    while (hear_head(fd, heard, sizeof heard))
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Empty:\r\nX-A: 1\r\nX-A: 2\r\n\r\nhello");
}

static void test_get(void **state)
{
    struct server s;
    server_start(&s, script_hello);
    struct net_target t = plain_target(s.port);
    for (int i = 0; i < 3; i++) {
        struct outcome o;
        fetch_get(*state, &t, "/a/../b?c=%20&d", &o);
        assert_int_equal(o.failure.error, 0);
        assert_int_equal(o.response->status, 200);
        assert_int_equal(o.response->version, 11);
        assert_string_equal(o.body.data, "hello");
        assert_string_equal(headers_get(&o.response->headers, "x-empty"), "");
        assert_int_equal(o.response->headers.count, 4);
        assert_int_equal(o.response->peer_len, 4);
        assert_int_equal(o.response->peer_port, s.port);
        outcome_clear(&o);
        assert_string_equal(heard, "GET /a/../b?c=%20&d HTTP/1.1\r\nHost: h.test\r\n\r\n");
    }
    assert_int_equal(s.connections, 1);
    world_close(state);
    server_stop(&s);
    world_open(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_get, world_open, world_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
