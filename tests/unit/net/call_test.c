/* SPDX-License-Identifier: Apache-2.0 */
/* Ordinary calls: what goes out on the wire, and what comes back. */
#include "harness.h"
#include "net/origin.h"

static char heard[1 << 17];

/* Each test has its own server; the client goes first, so that kept connections end. */
static void finish(void **state, struct server *s)
{
    world_close(state);
    server_stop(s);
    world_open(state);
}

static void script_hello(int fd, int nth)
{
    (void)nth;
    while (hear_head(fd, heard, sizeof heard))
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Empty:\r\nX-A: 1\r\nX-A: 2\r\n\r\n"
                "hello");
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
    finish(state, &s);
}

static size_t expected_len;
static atomic_size_t heard_len;

/* Hears as much as is expected, and anything that comes beyond; answers, ends. */
static void script_record(int fd, int nth)
{
    (void)nth;
    if (!hear_head(fd, heard, sizeof heard))
        return;
    size_t n = strlen(heard);
    struct pollfd p = {.fd = fd, .events = POLLIN};
    while (poll(&p, 1, n < expected_len ? 5000 : 20) > 0 && n + 1 < sizeof heard) {
        ssize_t r = recv(fd, heard + n, sizeof heard - n - 1, 0);
        if (r <= 0)
            break;
        n += (size_t)r;
        heard[n] = '\0';
        atomic_store(&heard_len, n);
    }
    say(fd, "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
}

/* One request, and all that went out for it. */
static void expect_wire(void **state, struct net_request *r, const char *expected)
{
    struct server s;
    server_start(&s, script_record);
    struct net_target t = plain_target(s.port);
    r->target = &t;
    r->path = r->path ? r->path : "/";
    r->authority = "h.test";
    expected_len = strlen(expected);
    struct outcome o;
    fetch(*state, r, &o);
    assert_int_equal(o.failure.error, 0);
    assert_int_equal(o.response->status, 204);
    assert_int_equal(o.body_len, 0);
    assert_false(o.body_broken);
    outcome_clear(&o);
    finish(state, &s);
    assert_string_equal(heard, expected);
}

static void test_framing_of_bodies(void **state)
{
    expect_wire(state, &(struct net_request){.method = "POST", .body = text_body("abc")},
                "POST / HTTP/1.1\r\nHost: h.test\r\nContent-Length: 3\r\n\r\nabc");
    expect_wire(state, &(struct net_request){.method = "GET", .body = text_body("abc")},
                "GET / HTTP/1.1\r\nHost: h.test\r\nContent-Length: 3\r\n\r\nabc");
    expect_wire(state, &(struct net_request){.method = "HEAD", .body = text_body("abc")},
                "HEAD / HTTP/1.1\r\nHost: h.test\r\nContent-Length: 3\r\n\r\nabc");
    expect_wire(state, &(struct net_request){.method = "GET", .body = text_body("")},
                "GET / HTTP/1.1\r\nHost: h.test\r\n\r\n");
    expect_wire(state, &(struct net_request){.method = "HEAD"},
                "HEAD / HTTP/1.1\r\nHost: h.test\r\n\r\n");
    expect_wire(state, &(struct net_request){.method = "DELETE"},
                "DELETE / HTTP/1.1\r\nHost: h.test\r\n\r\n");
    expect_wire(state, &(struct net_request){.method = "POST"},
                "POST / HTTP/1.1\r\nHost: h.test\r\nContent-Length: 0\r\n\r\n");
    expect_wire(state, &(struct net_request){.method = "PUT", .body = text_body("")},
                "PUT / HTTP/1.1\r\nHost: h.test\r\nContent-Length: 0\r\n\r\n");
    expect_wire(state, &(struct net_request){.method = "M-SEARCH", .path = "*"},
                "M-SEARCH * HTTP/1.1\r\nHost: h.test\r\n\r\n");
}

static struct body *trailing_body(const char *text)
{
    struct body *b = body_new();
    body_write(b, text, strlen(text));
    headers_add_str(body_trailers(b), "x-sum", "12");
    body_end(b);
    return b;
}

static void test_chunks_and_trailers(void **state)
{
    static const char expected[] =
        "PUT / HTTP/1.1\r\nHost: h.test\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nx-sum: 12\r\n\r\n";
    /* Twice, as the second finds what the first left behind. */
    for (int i = 0; i < 2; i++) {
        struct body *b = body_new();
        body_write(b, "abc", 3);
        struct server s;
        expected_len = strlen(expected);
        atomic_store(&heard_len, 0);
        server_start(&s, script_record);
        struct net_target t = plain_target(s.port);
        struct outcome o;
        outcome_init(&o, *state);
        net_call_start(((struct world *)*state)->client,
                       &(struct net_request){.target = &t, .method = "PUT", .path = "/",
                                             .authority = "h.test", .body = body_ref(b)},
                       on_done, &o);
        while (atomic_load(&heard_len) < (size_t)(strstr(expected, "10\r\n") - expected))
            run_for(*state, 5);
        body_write(b, "0123456789abcdef", 16);
        while (atomic_load(&heard_len) < (size_t)(strstr(expected, "0\r\nx-sum") - expected))
            run_for(*state, 5);
        headers_add_str(body_trailers(b), "x-sum", "12");
        headers_add_str(body_trailers(b), "content-length", "3");
        body_end(b);
        body_unref(b);
        while (!o.ended)
            run(*state);
        assert_int_equal(o.response->status, 204);
        outcome_clear(&o);
        finish(state, &s);
        assert_string_equal(heard, expected);
    }
    struct headers te = {0};
    headers_add_str(&te, "transfer-encoding", "chunked");
    expect_wire(state, &(struct net_request){.method = "PUT", .body = trailing_body("abc"),
                                             .headers = &te, .manual_framing = true},
                "PUT / HTTP/1.1\r\nHost: h.test\r\ntransfer-encoding: chunked\r\n\r\n"
                "3\r\nabc\r\n0\r\nx-sum: 12\r\n\r\n");
    headers_clear(&te);
}

static void test_header_lines(void **state)
{
    struct headers h = {0};
    headers_add_str(&h, "host", "other");
    headers_add_str(&h, "accept", "text/html");
    headers_add_str(&h, "x-bytes", "\x80\xff t");
    headers_add_str(&h, "x-empty", "");
    headers_add_str(&h, "x-blank", "  \t");
    headers_add_str(&h, "x-twice", "1");
    headers_add_str(&h, "x-twice", "2");
    headers_add_str(&h, "te", "trailers");
    headers_add_str(&h, "connection", "close, X-Hop");
    headers_add_str(&h, "x-hop", "1");
    headers_add_str(&h, "keep-alive", "timeout=5");
    headers_add_str(&h, "proxy-connection", "close");
    headers_add_str(&h, "upgrade", "websocket");
    headers_add_str(&h, "transfer-encoding", "gzip");
    headers_add_str(&h, "content-length", "77");
    headers_add_str(&h, "content-type", "text/x");
    headers_add_str(&h, "user-agent", "u");
    expect_wire(state, &(struct net_request){.method = "POST", .headers = &h,
                                             .body = text_body("abc")},
                "POST / HTTP/1.1\r\nHost: h.test\r\naccept: text/html\r\nx-bytes: \x80\xff t\r\n"
                "x-empty:\r\nx-blank:\r\nx-twice: 1\r\nx-twice: 2\r\nte: trailers\r\n"
                "content-type: text/x\r\nuser-agent: u\r\nContent-Length: 3\r\n\r\nabc");
    headers_clear(&h);
}

static void test_manual_framing(void **state)
{
    struct headers h = {0};
    headers_add_str(&h, "content-length", "3");
    expect_wire(state, &(struct net_request){.method = "PUT", .headers = &h, .manual_framing = true,
                                             .body = text_body("abc")},
                "PUT / HTTP/1.1\r\nHost: h.test\r\ncontent-length: 3\r\n\r\nabc");
    /* What is too much is cut. */
    expect_wire(state, &(struct net_request){.method = "PUT", .headers = &h, .manual_framing = true,
                                             .body = text_body("abcdef")},
                "PUT / HTTP/1.1\r\nHost: h.test\r\ncontent-length: 3\r\n\r\nabc");
    /* Two framings are none: automatic. */
    headers_add_str(&h, "transfer-encoding", "chunked");
    expect_wire(state, &(struct net_request){.method = "PUT", .headers = &h, .manual_framing = true,
                                             .body = text_body("abcd")},
                "PUT / HTTP/1.1\r\nHost: h.test\r\nContent-Length: 4\r\n\r\nabcd");
    headers_set_str(&h, "content-length", "-1");
    headers_remove(&h, "transfer-encoding", 17);
    expect_wire(state, &(struct net_request){.method = "PUT", .headers = &h, .manual_framing = true,
                                             .body = text_body("abcd")},
                "PUT / HTTP/1.1\r\nHost: h.test\r\nContent-Length: 4\r\n\r\nabcd");
    headers_clear(&h);
}

static void test_no_injection(void **state)
{
    struct server s;
    server_start(&s, script_record);
    struct net_target t = plain_target(s.port);
    struct headers line = {0}, name = {0};
    headers_add_str(&line, "x-a", "1\r\nX-B: 2");
    headers_add_str(&name, "x a", "1");
    struct {
        const char *method, *path, *authority;
        struct headers *headers;
        enum net_error error;
    } bad[] = {
        {"GET /x HTTP/1.1\r\nA:", "/", "h", NULL, NET_HTTP_PROTOCOL_ERROR},
        {"", "/", "h", NULL, NET_HTTP_PROTOCOL_ERROR},
        {"GET", "/ HTTP/1.1\r\nA: b", "h", NULL, NET_HTTP_REQUEST_URI_INVALID},
        {"GET", "x", "h", NULL, NET_HTTP_REQUEST_URI_INVALID},
        {"GET", "/", "h\r\nA: b", NULL, NET_HTTP_REQUEST_URI_INVALID},
        {"GET", "/", "h", &line, NET_HTTP_PROTOCOL_ERROR},
        {"GET", "/", "h", &name, NET_HTTP_PROTOCOL_ERROR},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct outcome o;
        struct net_request r = {
            .target = &t,
            .method = bad[i].method,
            .path = bad[i].path,
            .authority = bad[i].authority,
            .headers = bad[i].headers,
            .body = text_body("abc"),
        };
        fetch(*state, &r, &o);
        assert_int_equal(o.failure.error, bad[i].error);
        outcome_clear(&o);
    }
    assert_int_equal(s.connections, 0);
    headers_clear(&line);
    headers_clear(&name);
    finish(state, &s);
}

static void script_odd_heads(int fd, int nth)
{
    (void)nth;
    while (hear_head(fd, heard, sizeof heard))
        say(fd, "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
                "HTTP/1.1 299 Odd\r\nTransfer-Encoding: chunked\r\nBytes: \xfe\xff\r\n"
                "SPACE : x \r\n\r\n3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nX-Trail: t\r\n\r\n");
}

static void test_interim_and_trailers(void **state)
{
    struct server s;
    server_start(&s, script_odd_heads);
    struct net_target t = plain_target(s.port);
    for (int i = 0; i < 2; i++) {
        struct outcome o;
        fetch_get(*state, &t, "/", &o);
        assert_int_equal(o.failure.error, 0);
        assert_int_equal(o.response->status, 299);
        assert_null(headers_get(&o.response->headers, "link"));
        assert_string_equal(headers_get(&o.response->headers, "bytes"), "\xfe\xff");
        assert_string_equal(headers_get(&o.response->headers, "space"), "x");
        assert_string_equal(o.body.data, "abcde");
        assert_false(o.body_broken);
        assert_int_equal(body_trailers(o.response->body)->count, 1);
        assert_string_equal(headers_get(body_trailers(o.response->body), "x-trail"), "t");
        outcome_clear(&o);
    }
    assert_int_equal(s.connections, 1);
    finish(state, &s);
}

static void script_no_bodies(int fd, int nth)
{
    (void)nth;
    while (hear_head(fd, heard, sizeof heard)) {
        if (strncmp(heard, "HEAD", 4) == 0)
            say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n");
        else if (strstr(heard, "/304"))
            say(fd, "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n"
                    "Content-Encoding: gzip\r\n\r\n");
        else if (strstr(heard, "/302"))
            say(fd, "HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 3\r\n\r\nabc");
        else
            say(fd, "HTTP/1.1 204 No Content\r\n\r\n");
    }
}

static void test_responses_without_body(void **state)
{
    struct server s;
    server_start(&s, script_no_bodies);
    struct net_target t = plain_target(s.port);
    struct {
        const char *method, *path;
        int status;
        size_t len;
    } cases[] = {{"HEAD", "/", 200, 0}, {"GET", "/304", 304, 0}, {"GET", "/204", 204, 0},
                 {"GET", "/302", 302, 3}, {"HEAD", "/", 200, 0}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome o;
        fetch(*state, CALL(&t, cases[i].method, cases[i].path, .gunzip = true), &o);
        assert_int_equal(o.failure.error, 0);
        assert_int_equal(o.response->status, cases[i].status);
        assert_int_equal(o.body_len, cases[i].len);
        assert_false(o.body_broken);
        if (strcmp(cases[i].method, "HEAD") == 0)
            assert_string_equal(headers_get(&o.response->headers, "content-length"), "500");
        outcome_clear(&o);
    }
    assert_int_equal(s.connections, 1);
    finish(state, &s);
}

static void script_until_close(int fd, int nth)
{
    (void)nth;
    hear_head(fd, heard, sizeof heard);
    say(fd, "HTTP/1.0 200 OK\r\n\r\nall of it");
}

static void test_http_1_0(void **state)
{
    struct server s;
    server_start(&s, script_until_close);
    struct net_target t = plain_target(s.port);
    struct outcome o;
    fetch_get(*state, &t, "/", &o);
    assert_int_equal(o.response->version, 10);
    assert_string_equal(o.body.data, "all of it");
    assert_false(o.body_broken);
    outcome_clear(&o);
    finish(state, &s);
}

static void test_pooling_follows_the_target(void **state)
{
    struct server s;
    server_start(&s, script_hello);
    struct net_target t = plain_target(s.port);
    struct outcome o;
    fetch_get(*state, &t, "/", &o);
    outcome_clear(&o);
    t.dont_pool = true;
    for (int i = 2; i < 4; i++) {
        fetch_get(*state, &t, "/", &o);
        outcome_clear(&o);
        assert_int_equal(s.connections, i);
    }
    t.dont_pool = false;
    t.between_bytes_timeout_ms = 5000;
    fetch_get(*state, &t, "/", &o);
    outcome_clear(&o);
    assert_int_equal(s.connections, 3);
    t.host = "localhost";
    t.prefer_ipv4 = true;
    fetch_get(*state, &t, "/", &o);
    assert_int_equal(o.failure.error, 0);
    outcome_clear(&o);
    assert_int_equal(s.connections, 4);
    finish(state, &s);
}

/* For connections at the same time: none hears into the buffer of another. */
static void script_hello_to_many(int fd, int nth)
{
    (void)nth;
    char head[1024];
    while (hear_head(fd, head, sizeof head))
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
}

/* Names with several addresses of which only the last one works, many calls at once. The list is
 * planted, as no name on every machine has one like that. */
static void test_later_addresses(void **state)
{
    struct server s;
    server_start(&s, script_hello_to_many);
    struct net_target t = plain_target(s.port);
    t.host = "localhost";
    t.dont_pool = true;
    struct origin *origin = origin_get(((struct world *)*state)->client, &t);
    origin->addresses.data =
        xasprintf("+%s:%u:::1,255.255.255.255,127.0.0.1", origin->pool, s.port);
    origin->fresh_until_ns = INT64_MAX;
    struct outcome o[20];
    for (size_t i = 0; i < ARRAY_LEN(o); i++) {
        outcome_init(&o[i], *state);
        net_call_start(((struct world *)*state)->client, CALL(&t, "GET", "/"), on_done, &o[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(o); i++) {
        while (!o[i].ended)
            run(*state);
        assert_int_equal(o[i].failure.error, 0);
        assert_string_equal(o[i].body.data, "hello");
        outcome_clear(&o[i]);
    }
    finish(state, &s);
}

/* A kept connection that dies as the next request arrives: that one goes out again. */
static void script_dies_second_time(int fd, int nth)
{
    if (!hear_head(fd, heard, sizeof heard) || !hear(fd, heard, nth == 0 ? 3 : 70))
        return;
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    if (nth == 0)
        hear_head(fd, heard, sizeof heard);
}

static void test_dead_kept_connection(void **state)
{
    struct server s;
    server_start(&s, script_dies_second_time);
    struct net_target t = plain_target(s.port);
    struct outcome o;
    fetch(*state, CALL(&t, "POST", "/", .body = text_body("abc")), &o);
    assert_int_equal(o.failure.error, 0);
    outcome_clear(&o);
    /* Long enough to be streamed by length if not whole: open, and 70 bytes. */
    struct body *b = body_new();
    body_set_length(b, 70);
    for (int i = 0; i < 7; i++)
        body_write(b, "0123456789", 10);
    outcome_init(&o, *state);
    net_call_start(((struct world *)*state)->client,
                   CALL(&t, "POST", "/", .body = body_ref(b)), on_done, &o);
    run_for(*state, 30);
    body_end(b);
    body_unref(b);
    while (!o.ended)
        run(*state);
    assert_int_equal(o.failure.error, 0);
    assert_string_equal(o.body.data, "ok");
    assert_int_equal(s.connections, 2);
    assert_memory_equal(heard, "01234567890123456789", 20);
    outcome_clear(&o);
    finish(state, &s);
}

static void script_slow_hello(int fd, int nth)
{
    (void)nth;
    hear_head(fd, heard, sizeof heard);
    await_close(fd);
}

static void test_cancel(void **state)
{
    struct server s;
    server_start(&s, script_slow_hello);
    struct net_target t = plain_target(s.port), named = t;
    named.host = "localhost";
    struct world *w = *state;
    struct outcome o;
    outcome_init(&o, w);
    struct net_request r = {.target = &t, .method = "PUT", .path = "/", .authority = "h"};
    struct body *b = body_new();
    r.body = body_ref(b);
    struct net_call *call = net_call_start(w->client, &r, on_done, &o);
    net_call_cancel(call);
    assert_true(body_reader_gone(b));
    body_unref(b);
    r.body = NULL;
    call = net_call_start(w->client, &r, on_done, &o);
    run_for(w, 50);
    net_call_cancel(call);
    r.target = &named;
    net_call_cancel(net_call_start(w->client, &r, on_done, &o));
    net_call_start(w->client, &r, on_done, &o);
    r.target = &t;
    net_call_start(w->client, &r, on_done, &o);
    run_for(w, 50);
    net_call_start(w->client, &r, on_done, &o);
    /* The rest is cancelled by the end of the client. */
    finish(state, &s);
    assert_false(o.called);
    outcome_clear(&o);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)
    const struct CMUnitTest tests[] = {
        TEST(test_get),
        TEST(test_framing_of_bodies),
        TEST(test_chunks_and_trailers),
        TEST(test_header_lines),
        TEST(test_manual_framing),
        TEST(test_no_injection),
        TEST(test_interim_and_trailers),
        TEST(test_responses_without_body),
        TEST(test_http_1_0),
        TEST(test_pooling_follows_the_target),
        TEST(test_later_addresses),
        TEST(test_dead_kept_connection),
        TEST(test_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
