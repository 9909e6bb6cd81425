/* SPDX-License-Identifier: Apache-2.0 */
/* Backends that refuse, hang, reset, lie, talk garbage: each gets its own name. */
#include "harness.h"
#include <netinet/in.h>
#include "net/internal.h"

static char heard[65536];
static const char *answer;

static void script_answer(int fd, int nth)
{
    (void)nth;
    hear_head(fd, heard, sizeof heard);
    say(fd, answer);
}

static void script_answer_reset(int fd, int nth)
{
    script_answer(fd, nth);
    usleep(20000);
    reset_connection(fd);
}

static void script_hang(int fd, int nth)
{
    (void)nth;
    hear_head(fd, heard, sizeof heard);
    say(fd, answer);
    await_close(fd);
}

/* One GET against the script. */
static void try(void **state, script_fn *script, const char *text, const struct net_target *like,
                struct outcome *o)
{
    struct server s;
    answer = text;
    server_start(&s, script);
    struct net_target t = like ? *like : plain_target(0);
    t.host = "127.0.0.1";
    t.port = s.port;
    fetch_get(*state, &t, "/", o);
    world_close(state);
    server_stop(&s);
    world_open(state);
}

static void expect_error(void **state, script_fn *script, const char *text, enum net_error error)
{
    struct outcome o;
    try(state, script, text, NULL, &o);
    if (o.failure.error != error)
        print_error("%s\n", o.failure.text);
    assert_int_equal(o.failure.error, error);
    assert_true(o.failure.text[0] != '\0');
    /* Names of our own making are nobody's business. */
    assert_null(strstr(o.failure.text, "p0"));
    outcome_clear(&o);
}

static void test_bad_heads(void **state)
{
    expect_error(state, script_answer, "", NET_CONNECTION_TERMINATED);
    expect_error(state, script_answer_reset, "", NET_CONNECTION_TERMINATED);
    expect_error(state, script_answer, "HTTP/1.1 200 OK\r\nContent-Le",
                 NET_HTTP_INCOMPLETE_RESPONSE);
    expect_error(state, script_answer, "HTTP/1.1 200 OK\r\nA: b\r\n", NET_HTTP_INCOMPLETE_RESPONSE);
    expect_error(state, script_answer_reset, "HTTP/1.1 200 OK\r\nA: b\r\n",
                 NET_HTTP_INCOMPLETE_RESPONSE);
    expect_error(state, script_answer, "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n",
                 NET_HTTP_INCOMPLETE_RESPONSE);
    expect_error(state, script_answer, "garbage, no HTTP at all\r\n\r\n", NET_HTTP_PROTOCOL_ERROR);
    expect_error(state, script_answer, "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
                 NET_HTTP_PROTOCOL_ERROR);
    expect_error(state, script_answer, "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n",
                 NET_HTTP_PROTOCOL_ERROR);
    expect_error(state, script_answer, "HTTP/1.1 200 OK\r\n: nameless\r\n\r\n",
                 NET_HTTP_PROTOCOL_ERROR);
    expect_error(state, script_answer, "HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n",
                 NET_HTTP_PROTOCOL_ERROR);
    expect_error(state, script_answer, "HTTP/1.1 20 OK\r\n\r\n", NET_HTTP_RESPONSE_STATUS_INVALID);
    expect_error(state, script_answer, "HTTP/1.1 099 OK\r\n\r\n", NET_HTTP_RESPONSE_STATUS_INVALID);
    expect_error(state, script_answer, "HTTP/1.1 2000 OK\r\n\r\n",
                 NET_HTTP_RESPONSE_STATUS_INVALID);
    expect_error(state, script_answer, "HTTP/1.1 abc OK\r\n\r\n", NET_HTTP_PROTOCOL_ERROR);
    expect_error(state, script_answer,
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
                 NET_HTTP_UPGRADE_FAILED);
}

static void script_huge_line(int fd, int nth)
{
    (void)nth;
    hear_head(fd, heard, sizeof heard);
    say(fd, "HTTP/1.1 200 OK\r\nA: ");
    while (say(fd, "0123456789012345678901234567890123456789012345678901234567890123456789"))
        continue;
}

static void script_endless_head(int fd, int nth)
{
    (void)nth;
    hear_head(fd, heard, sizeof heard);
    say(fd, "HTTP/1.1 200 OK\r\n");
    while (say(fd, "A0123456789: 012345678901234567890123456789012345678901234567890123456789\r\n"))
        continue;
}

static void script_endless_interim(int fd, int nth)
{
    (void)nth;
    hear_head(fd, heard, sizeof heard);
    while (say(fd, "HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n"))
        continue;
}

static void test_huge_heads(void **state)
{
    expect_error(state, script_huge_line, "", NET_HTTP_RESPONSE_HEADER_SECTION_TOO_LARGE);
    expect_error(state, script_endless_head, "", NET_HTTP_RESPONSE_HEADER_SECTION_TOO_LARGE);
    expect_error(state, script_endless_interim, "", NET_HTTP_RESPONSE_HEADER_SECTION_TOO_LARGE);
}

static void test_bodies_cut_short(void **state)
{
    static const struct {
        script_fn *script;
        const char *answer;
    } cases[] = {
        {script_answer, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"},
        {script_answer_reset, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"},
        {script_answer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"},
        {script_answer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf"},
        {script_answer, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
                        "nonsense\r\n\r\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome o;
        try(state, cases[i].script, cases[i].answer, NULL, &o);
        assert_int_equal(o.failure.error, 0);
        assert_int_equal(o.response->status, 200);
        assert_true(o.body_broken);
        assert_non_null(body_failure(o.response->body));
        assert_string_equal(o.body.data, "half");
        outcome_clear(&o);
    }
    /* More than announced is not the message's. */
    struct outcome o;
    try(state, script_answer, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhalfmore", NULL, &o);
    assert_false(o.body_broken);
    assert_string_equal(o.body.data, "half");
    outcome_clear(&o);
}

static void expect_within(int64_t began_ns, int low_ms, int high_ms)
{
    int64_t ms = (clock_mono_ns() - began_ns) / 1000000;
    assert_in_range(ms, low_ms, high_ms);
}

static void test_timeouts(void **state)
{
    struct net_target t = plain_target(0);
    t.first_byte_timeout_ms = t.between_bytes_timeout_ms = 80;
    struct outcome o;
    int64_t began = clock_mono_ns();
    try(state, script_hang, "", &t, &o);
    assert_int_equal(o.failure.error, NET_HTTP_RESPONSE_TIMEOUT);
    expect_within(began, 79, 3000);
    outcome_clear(&o);
    try(state, script_hang, "HTTP/1.1 200 OK\r\nA: b\r\n", &t, &o);
    assert_int_equal(o.failure.error, NET_HTTP_RESPONSE_TIMEOUT);
    outcome_clear(&o);
    began = clock_mono_ns();
    try(state, script_hang, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", &t, &o);
    assert_int_equal(o.failure.error, 0);
    assert_true(o.body_broken);
    assert_non_null(strstr(body_failure(o.response->body), "between_bytes_timeout"));
    expect_within(began, 79, 3000);
    outcome_clear(&o);
}

static void script_trickle(int fd, int nth)
{
    (void)nth;
    hear_head(fd, heard, sizeof heard);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n");
    for (int i = 0; i < 12; i++) {
        usleep(20000);
        say(fd, ".");
    }
}

static void test_trickle_is_no_silence(void **state)
{
    struct net_target t = plain_target(0);
    t.first_byte_timeout_ms = t.between_bytes_timeout_ms = 150;
    struct outcome o;
    try(state, script_trickle, NULL, &t, &o);
    assert_false(o.body_broken);
    assert_int_equal(o.body_len, 12);
    outcome_clear(&o);
}

/* A guest that takes its time over the upload, or the download, is not the backend's silence. */
static void script_after_upload(int fd, int nth)
{
    (void)nth;
    hear_head(fd, heard, sizeof heard);
    hear(fd, heard, 6);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

static void test_slow_guest(void **state)
{
    struct server s;
    server_start(&s, script_after_upload);
    struct net_target t = plain_target(s.port);
    t.first_byte_timeout_ms = t.between_bytes_timeout_ms = 80;
    struct body *up = body_new();
    body_set_length(up, 6);
    struct outcome o;
    outcome_init(&o, *state);
    net_call_start(((struct world *)*state)->client,
                   CALL(&t, "PUT", "/", .body = body_ref(up)), on_done, &o);
    for (int i = 0; i < 3; i++) {
        run_for(*state, 100);
        assert_false(o.called);
        body_write(up, "ab", 2);
    }
    body_end(up);
    body_unref(up);
    while (!o.ended)
        run(*state);
    assert_string_equal(o.body.data, "ok");
    outcome_clear(&o);
    world_close(state);
    server_stop(&s);
    world_open(state);
}

static void test_no_connection(void **state)
{
    uint16_t port;
    close(listen_somewhere(&port));
    struct net_target t = plain_target(port);
    struct outcome o;
    fetch_get(*state, &t, "/", &o);
    assert_int_equal(o.failure.error, NET_CONNECTION_REFUSED);
    assert_non_null(strstr(o.failure.text, "refused"));
    outcome_clear(&o);
    t.host = "localhost";
    fetch_get(*state, &t, "/", &o);
    assert_int_equal(o.failure.error, NET_CONNECTION_REFUSED);
    outcome_clear(&o);
    t.host = "255.255.255.255";
    fetch_get(*state, &t, "/", &o);
    assert_int_equal(o.failure.error, NET_DESTINATION_IP_UNROUTABLE);
    outcome_clear(&o);
}

/* More origins than are remembered, over and over: old ones are forgotten, none is mixed up. */
static void test_many_origins(void **state)
{
    struct server s;
    answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    server_start(&s, script_answer);
    for (int i = 0; i < 2400; i++) {
        char host[16];
        snprintf(host, sizeof host, "127.0.%d.%d", i % 1200 / 200 + 1, i % 200 + 1);
        struct net_target t = plain_target(s.port);
        bool good = i % 300 == 0;
        t.host = good ? "127.0.0.1" : host;
        struct outcome o;
        fetch_get(*state, &t, "/", &o);
        assert_int_equal(o.failure.error, good ? 0 : NET_CONNECTION_REFUSED);
        outcome_clear(&o);
    }
    assert_true(((struct world *)*state)->client->origin_count <= 1024);
    world_close(state);
    server_stop(&s);
    world_open(state);
}

/* A listener whose queue is full lets no further connection through. */
static void test_connect_timeout(void **state)
{
    uint16_t port;
    int fd = listen_somewhere(&port), fill[8];
    assert_int_equal(listen(fd, 0), 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (size_t i = 0; i < ARRAY_LEN(fill); i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        connect(fill[i], (struct sockaddr *)&at, sizeof at);
    }
    struct net_target t = plain_target(port);
    t.connect_timeout_ms = 100;
    int64_t began = clock_mono_ns();
    struct outcome o;
    fetch_get(*state, &t, "/", &o);
    assert_int_equal(o.failure.error, NET_CONNECTION_TIMEOUT);
    expect_within(began, 99, 5000);
    outcome_clear(&o);
    for (size_t i = 0; i < ARRAY_LEN(fill); i++)
        close(fill[i]);
    close(fd);
}

static void test_unknown_name(void **state)
{
    struct net_target t = plain_target(80);
    t.host = "no-such-host.invalid";
    struct outcome o;
    fetch_get(*state, &t, "/", &o);
    assert_true(o.failure.error == NET_DNS_ERROR || o.failure.error == NET_DNS_TIMEOUT);
    assert_non_null(strstr(o.failure.text, "no-such-host.invalid"));
    outcome_clear(&o);
    t.host = "";
    fetch_get(*state, &t, "/", &o);
    assert_int_equal(o.failure.error, NET_DESTINATION_NOT_FOUND);
    outcome_clear(&o);
}

static void test_environment_proxy_is_ignored(void **state)
{
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    struct outcome o;
    try(state, script_answer, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", NULL, &o);
    assert_int_equal(o.failure.error, 0);
    outcome_clear(&o);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)
    const struct CMUnitTest tests[] = {
        TEST(test_bad_heads),
        TEST(test_huge_heads),
        TEST(test_bodies_cut_short),
        TEST(test_timeouts),
        TEST(test_trickle_is_no_silence),
        TEST(test_slow_guest),
        TEST(test_no_connection),
        TEST(test_many_origins),
        TEST(test_connect_timeout),
        TEST(test_unknown_name),
        TEST(test_environment_proxy_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
