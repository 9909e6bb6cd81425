/* SPDX-License-Identifier: Apache-2.0 */
/* Connections that stop speaking HTTP: net_request.upgrade. */
#include "harness.h"

#define SWITCH "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"
enum { BIG = 6 << 20 };

static char heard[1 << 16];
static atomic_size_t counted;

static struct net_call *start(struct world *w, const struct net_target *t, struct body *body,
                              struct outcome *o)
{
    struct headers h = {0};
    headers_add_str(&h, "connection", "upgrade, x-mine");
    headers_add_str(&h, "upgrade", "echo");
    headers_add_str(&h, "x-mine", "hop");
    headers_add_str(&h, "expect", "100-continue");
    headers_add_str(&h, "content-length", "7");
    headers_add_str(&h, "sec-websocket-key", "abc");
    outcome_init(o, w);
    struct net_call *call = net_call_start(
        w->client,
        CALL(t, "GET", "/up", .headers = &h, .body = body_ref(body), .upgrade = "echo"), on_done,
        o);
    headers_clear(&h);
    return call;
}

static void finish(void **state, struct server *s, struct body *up, struct outcome *o)
{
    outcome_clear(o);
    body_unref(up);
    world_close(state);
    server_stop(s);
    world_open(state);
}

/* Bytes in the same packet as the head; then what comes is sent back, to the end of it. */
static void script_echo(int fd, int nth)
{
    (void)nth;
    if (!hear_head(fd, heard, sizeof heard))
        return;
    say(fd, SWITCH "early");
    char block[4096];
    ssize_t n;
    while ((n = recv(fd, block, sizeof block, 0)) > 0)
        send(fd, block, (size_t)n, MSG_NOSIGNAL);
    if (n == 0)
        say(fd, "last");
}

static void test_both_ways_to_the_end(void **state)
{
    struct server s;
    struct outcome o;
    server_start(&s, script_echo);
    struct net_target t = plain_target(s.port);
    struct body *up = body_new();
    body_write(up, " one", 4); /* before the switch: must wait for it */
    start(*state, &t, up, &o);
    while (o.body_len < 9)
        run_for(*state, 5);
    assert_int_equal(o.response->status, 101);
    assert_string_equal(headers_get(&o.response->headers, "upgrade"), "echo");
    assert_non_null(strstr(heard, "GET /up HTTP/1.1\r\nHost: h\r\n"));
    assert_non_null(strstr(heard, "\r\nConnection: Upgrade\r\nUpgrade: echo\r\n"));
    assert_non_null(strstr(heard, "\r\nsec-websocket-key: abc\r\n"));
    assert_null(strstr(heard, "hop"));
    assert_null(strcasestr(heard, "expect"));
    assert_null(strcasestr(heard, "content-length"));
    assert_null(strcasestr(heard, "transfer-encoding"));
    body_write(up, " two", 4);
    body_end(up);
    while (!o.ended)
        run(*state);
    assert_false(o.body_broken);
    assert_string_equal(buf_str(&o.body), "early one twolast");
    finish(state, &s, up, &o);
}

/* The end of what the backend says is the end of all. */
static void script_goodbye(int fd, int nth)
{
    (void)nth;
    if (!hear_head(fd, heard, sizeof heard))
        return;
    say(fd, SWITCH "bye");
    shutdown(fd, SHUT_WR);
    await_close(fd);
}

static void test_backend_ends(void **state)
{
    struct server s;
    struct outcome o;
    server_start(&s, script_goodbye);
    struct net_target t = plain_target(s.port);
    struct body *up = body_new();
    start(*state, &t, up, &o);
    while (!o.ended)
        run(*state);
    assert_false(o.body_broken);
    assert_string_equal(buf_str(&o.body), "bye");
    assert_true(body_reader_gone(up));
    finish(state, &s, up, &o);
}

static void script_break(int fd, int nth)
{
    (void)nth;
    if (!hear_head(fd, heard, sizeof heard))
        return;
    say(fd, SWITCH);
    hear(fd, heard, 5);
    reset_connection(fd);
}

static void test_backend_breaks(void **state)
{
    struct server s;
    struct outcome o;
    server_start(&s, script_break);
    struct net_target t = plain_target(s.port);
    struct body *up = body_new();
    start(*state, &t, up, &o);
    while (!o.called)
        run_for(*state, 5);
    body_write(up, "hello", 5);
    while (!o.ended)
        run(*state);
    assert_true(o.body_broken);
    assert_true(body_reader_gone(up));
    finish(state, &s, up, &o);
}

static void test_reader_leaves(void **state)
{
    struct server s;
    struct outcome o;
    server_start(&s, script_echo);
    struct net_target t = plain_target(s.port);
    struct body *up = body_new();
    start(*state, &t, up, &o);
    while (o.body_len < 5)
        run_for(*state, 5);
    body_on_readable(o.response->body, NULL, NULL);
    body_stop(o.response->body);
    run_for(*state, 20);
    assert_true(body_reader_gone(up));
    finish(state, &s, up, &o); /* the server sees the end, or would never stop */
}

static void script_refuse(int fd, int nth)
{
    (void)nth;
    while (hear_head(fd, heard, sizeof heard))
        say(fd, strstr(heard, "upgrade") || strstr(heard, "Upgrade")
                    ? "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
                    : "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

static void script_ignore(int fd, int nth)
{
    (void)nth;
    while (hear_head(fd, heard, sizeof heard))
        say(fd, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain");
}

static void check_no_switch(void **state, script_fn *script, int status, const char *text)
{
    struct server s;
    struct outcome o;
    server_start(&s, script);
    struct net_target t = plain_target(s.port);
    struct body *up = body_new();
    body_write(up, "never sent", 10);
    start(*state, &t, up, &o);
    while (!o.ended)
        run(*state);
    assert_int_equal(o.response->status, status);
    assert_false(o.body_broken);
    assert_string_equal(buf_str(&o.body), text);
    run_for(*state, 20);
    assert_true(body_reader_gone(up));
    outcome_clear(&o);
    /* The handle is fit for ordinary calls. */
    fetch_get(*state, &t, "/after", &o);
    assert_int_equal(o.response->status, 200);
    finish(state, &s, up, &o);
}

static void test_no_switch(void **state)
{
    check_no_switch(state, script_refuse, 403, "no");
    check_no_switch(state, script_ignore, 200, "plain");
}

static void script_silent(int fd, int nth)
{
    (void)nth;
    hear_head(fd, heard, sizeof heard);
    await_close(fd);
}

static void test_silence(void **state)
{
    struct server s;
    struct outcome o;
    server_start(&s, script_silent);
    struct net_target t = plain_target(s.port);
    t.first_byte_timeout_ms = 100;
    struct body *up = body_new();
    start(*state, &t, up, &o);
    while (!o.ended)
        run(*state);
    assert_int_equal(o.failure.error, NET_HTTP_RESPONSE_TIMEOUT);
    finish(state, &s, up, &o);
}

/* No limit on silence once the two talk. */
static void test_quiet_conversation(void **state)
{
    struct server s;
    struct outcome o;
    server_start(&s, script_echo);
    struct net_target t = plain_target(s.port);
    t.first_byte_timeout_ms = 5000;
    t.between_bytes_timeout_ms = 50;
    struct body *up = body_new();
    start(*state, &t, up, &o);
    run_for(*state, 200);
    body_write(up, "!", 1);
    body_end(up);
    while (!o.ended)
        run(*state);
    assert_string_equal(buf_str(&o.body), "early!last");
    finish(state, &s, up, &o);
}

/* Takes nothing for a while, then counts what comes; sends a lot meanwhile. */
static void script_flood(int fd, int nth)
{
    (void)nth;
    static char block[65536];
    if (!hear_head(fd, heard, sizeof heard))
        return;
    say(fd, SWITCH);
    for (int i = 0; i < BIG / (int)sizeof block; i++) {
        if (send(fd, block, sizeof block, MSG_NOSIGNAL) != sizeof block)
            return;
        atomic_fetch_add(&counted, sizeof block);
    }
    size_t got = 0;
    ssize_t n;
    while ((n = recv(fd, block, sizeof block, 0)) > 0)
        got += (size_t)n;
    atomic_store(&counted, got);
}

static void test_back_pressure(void **state)
{
    struct server s;
    struct outcome o;
    server_start(&s, script_flood);
    struct net_target t = plain_target(s.port);
    struct body *up = body_new();
    start(*state, &t, up, &o);
    o.hold = true;
    while (!o.called)
        run_for(*state, 5);
    static char block[65536];
    size_t written = 0;
    for (int i = 0; i < 100; i++) { /* until everything between is full */
        while (!body_full(up)) {
            body_write(up, block, sizeof block);
            written += sizeof block;
        }
        run_for(*state, 2);
    }
    assert_true(written < (size_t)32 << 20);
    assert_true(body_queued(o.response->body) <= (2 << 20));
    assert_true(atomic_load(&counted) < BIG); /* it waits for us as well */
    body_end(up);
    read_held(&o);
    while (!o.ended)
        run(*state);
    assert_int_equal(o.body_len, BIG);
    assert_false(o.body_broken);
    finish(state, &s, up, &o);
    assert_int_equal(atomic_load(&counted), written);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)
    const struct CMUnitTest tests[] = {
        TEST(test_both_ways_to_the_end),
        TEST(test_backend_ends),
        TEST(test_backend_breaks),
        TEST(test_reader_leaves),
        TEST(test_no_switch),
        TEST(test_silence),
        TEST(test_quiet_conversation),
        TEST(test_back_pressure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
