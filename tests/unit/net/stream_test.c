/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies in motion: back-pressure, both directions at once, ends and breaks, gzip. */
#include "harness.h"
#include <zlib.h>

static char heard[1 << 16];
enum { BIG = 6 << 20 };

static void finish(void **state, struct server *s)
{
    world_close(state);
    server_stop(s);
    world_open(state);
}

static struct net_call *start(struct world *w, const struct net_target *t, const char *method,
                              struct body *body, struct outcome *o)
{
    outcome_init(o, w);
    return net_call_start(w->client, CALL(t, method, "/", .body = body), on_done, o);
}

static void run_until(struct world *w, const bool *flag)
{
    while (!*flag)
        run(w);
}

static atomic_size_t sent;

static void script_big(int fd, int nth)
{
    (void)nth;
    static char block[65536];
    while (hear_head(fd, heard, sizeof heard)) {
        say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 6291456\r\n\r\n");
        atomic_store(&sent, 0);
        for (int i = 0; i < BIG / (int)sizeof block; i++) {
            if (send(fd, block, sizeof block, MSG_NOSIGNAL) != sizeof block)
                return;
            atomic_fetch_add(&sent, sizeof block);
        }
    }
}

static void test_download_waits_for_reader(void **state)
{
    struct server s;
    server_start(&s, script_big);
    struct net_target t = plain_target(s.port);
    struct outcome o;
    start(*state, &t, "GET", NULL, &o);
    o.hold = true;
    run_until(*state, &o.called);
    assert_int_equal(o.response->status, 200);
    assert_int_equal(body_known_length(o.response->body), BIG);
    run_for(*state, 100);
    assert_true(body_queued(o.response->body) < 1 << 20);
    assert_true(atomic_load(&sent) < BIG);
    o.hold = false;
    read_held(&o);
    run_until(*state, &o.ended);
    assert_int_equal(o.body_len, BIG);
    assert_false(o.body_broken);
    outcome_clear(&o);
    fetch_get(*state, &t, "/", &o);
    assert_int_equal(o.body_len, BIG);
    assert_int_equal(s.connections, 1);
    outcome_clear(&o);
    finish(state, &s);
}

static void script_await_close(int fd, int nth)
{
    (void)nth;
    hear_head(fd, heard, sizeof heard);
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome");
    char byte;
    atomic_store(&sent, recv(fd, &byte, 1, 0) == 0 ? 1 : 2);
}

static void test_reader_stops(void **state)
{
    struct server s;
    server_start(&s, script_await_close);
    struct net_target t = plain_target(s.port);
    struct outcome o;
    atomic_store(&sent, 0);
    start(*state, &t, "GET", NULL, &o);
    o.hold = true;
    run_until(*state, &o.called);
    outcome_clear(&o);
    for (int i = 0; i < 200 && atomic_load(&sent) == 0; i++)
        run_for(*state, 10);
    assert_int_equal(atomic_load(&sent), 1);
    finish(state, &s);
}

static void script_slow_reader(int fd, int nth)
{
    (void)nth;
    hear_head(fd, heard, sizeof heard);
    usleep(150000);
    static char block[65536];
    size_t total = 0;
    while (total < BIG) {
        ssize_t n = recv(fd, block, sizeof block, 0);
        if (n <= 0)
            return;
        total += (size_t)n;
    }
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
}

struct feeder {
    struct body *body;
    size_t left;
};

static void feed(void *env)
{
    struct feeder *f = env;
    static char block[32768];
    while (f->left && !body_full(f->body)) {
        body_write(f->body, block, sizeof block);
        f->left -= sizeof block;
    }
    if (!f->left)
        body_end(f->body);
}

static void test_upload_waits_for_backend(void **state)
{
    struct server s;
    server_start(&s, script_slow_reader);
    struct net_target t = plain_target(s.port);
    struct feeder f = {body_new(), BIG};
    body_set_length(f.body, BIG);
    body_on_drain(f.body, feed, &f);
    struct outcome o;
    start(*state, &t, "PUT", body_ref(f.body), &o);
    feed(&f);
    run_for(*state, 100);
    assert_true(f.left > 0);
    run_until(*state, &o.ended);
    assert_int_equal(o.failure.error, 0);
    assert_string_equal(o.body.data, "ok");
    assert_non_null(strstr(heard, "Content-Length: 6291456"));
    outcome_clear(&o);
    body_unref(f.body);
    finish(state, &s);
}

/* Answers before the upload has ended, then says back each line of it. */
static void script_echo(int fd, int nth)
{
    (void)nth;
    if (!hear_head(fd, heard, sizeof heard))
        return;
    say(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    char chunk[16] = "";
    while (hear(fd, chunk, 3) && chunk[0] != '0') {
        hear(fd, chunk + 3, 4);
        send(fd, chunk, 7, MSG_NOSIGNAL);
    }
    hear(fd, chunk + 3, 2);
    say(fd, "0\r\n\r\n");
    hear_head(fd, heard, sizeof heard);
}

static void test_full_duplex(void **state)
{
    struct server s;
    server_start(&s, script_echo);
    struct net_target t = plain_target(s.port);
    struct body *up = body_new();
    struct outcome o;
    start(*state, &t, "POST", body_ref(up), &o);
    body_write(up, "aa", 2);
    o.hold = true;
    run_until(*state, &o.called);
    o.hold = false;
    read_held(&o);
    for (int i = 0; i < 3; i++) {
        for (int j = 0; j < 100 && o.body_len < 2 * (size_t)(i + 1); j++)
            run_for(*state, 5);
        assert_int_equal(o.body_len, 2 * (i + 1));
        if (i < 2)
            body_write(up, "bb", 2);
    }
    assert_false(o.ended);
    body_end(up);
    run_until(*state, &o.ended);
    assert_false(o.body_broken);
    assert_string_equal(o.body.data, "aabbbb");
    outcome_clear(&o);
    body_unref(up);
    finish(state, &s);
}

static const char *early;

static void script_early(int fd, int nth)
{
    (void)nth;
    hear_head(fd, heard, sizeof heard);
    say(fd, early);
    await_close(fd);
}

/* The whole answer is there although the upload has not ended, in all three kinds of framing. */
static void test_answer_ends_before_upload(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndone\r\n0\r\nX-T: 1\r\n\r\n",
        "HTTP/1.1 413 Too Large\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ndone\r\n0\r\n\r\n",
        "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 4\r\n\r\ndone",
        "HTTP/1.1 204 No Content\r\n\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        early = answers[i];
        struct server s;
        server_start(&s, script_early);
        struct net_target t = plain_target(s.port);
        struct body *up = body_new();
        struct outcome o;
        start(*state, &t, "POST", body_ref(up), &o);
        body_write(up, "abc", 3);
        run_until(*state, &o.ended);
        assert_int_equal(o.failure.error, 0);
        assert_false(o.body_broken);
        if (o.response->status != 204)
            assert_string_equal(o.body.data, "done");
        if (i == 1)
            assert_string_equal(headers_get(body_trailers(o.response->body), "x-t"), "1");
        body_write(up, "def", 3);
        body_end(up);
        run_for(*state, 20);
        outcome_clear(&o);
        body_unref(up);
        finish(state, &s);
    }
}

/* Cut within a chunk while the upload goes on: never to be taken for the end. */
static void script_early_cut(int fd, int nth)
{
    (void)nth;
    hear_head(fd, heard, sizeof heard);
    say(fd, early);
    shutdown(fd, SHUT_WR);
    await_close(fd);
}

static void test_answer_breaks_during_upload(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
        "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nZZ\r\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        early = answers[i];
        struct server s;
        server_start(&s, script_early_cut);
        struct net_target t = plain_target(s.port);
        struct body *up = body_new();
        struct outcome o;
        start(*state, &t, "POST", body_ref(up), &o);
        body_write(up, "abc", 3);
        run_for(*state, 60);
        assert_true(o.called);
        assert_false(o.ended && !o.body_broken);
        body_end(up);
        run_until(*state, &o.ended);
        assert_true(o.body_broken);
        assert_string_equal(o.body.data, "half");
        outcome_clear(&o);
        body_unref(up);
        finish(state, &s);
    }
}

static void test_upload_breaks(void **state)
{
    struct server s;
    server_start(&s, script_echo);
    struct net_target t = plain_target(s.port);
    struct body *up = body_new();
    struct outcome o;
    start(*state, &t, "POST", body_ref(up), &o);
    body_write(up, "aa", 2);
    o.hold = true;
    run_until(*state, &o.called);
    o.hold = false;
    read_held(&o);
    body_fail(up, "test");
    body_unref(up);
    run_until(*state, &o.ended);
    assert_true(o.body_broken);
    outcome_clear(&o);
    finish(state, &s);
}

/* Ends before its announced length: before an answer, that is the call's failure. */
static void test_upload_too_short(void **state)
{
    struct server s;
    early = "";
    server_start(&s, script_early);
    struct net_target t = plain_target(s.port);
    struct body *up = body_new();
    body_set_length(up, 10);
    body_write(up, "short", 5);
    struct outcome o;
    start(*state, &t, "POST", body_ref(up), &o);
    run_for(*state, 20);
    assert_false(o.called);
    body_end(up);
    body_unref(up);
    run_until(*state, &o.ended);
    assert_int_equal(o.failure.error, NET_INTERNAL_ERROR);
    outcome_clear(&o);
    finish(state, &s);
}

/* Says back four bytes. */
static void script_four(int fd, int nth)
{
    (void)nth;
    char four[5] = "";
    if (!hear_head(fd, heard, sizeof heard) || !hear(fd, four, 4))
        return;
    say(fd, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
    say(fd, four);
    hear_head(fd, heard, sizeof heard);
}

/* A body whose writer is done holds another that is still coming, as when a guest passes its client's
 * on: the call waits for that one. */
static void test_upload_within_upload(void **state)
{
    struct server s;
    server_start(&s, script_four);
    struct net_target t = plain_target(s.port);
    struct body *outer = body_new(), *inner = body_new();
    body_set_length(inner, 4);
    body_append(outer, body_ref(inner));
    body_end(outer);
    assert_int_equal(body_known_length(outer), 4);
    struct outcome o;
    start(*state, &t, "POST", outer, &o);
    run_for(*state, 20);
    body_write(inner, "late", 4);
    body_end(inner);
    body_unref(inner);
    run_until(*state, &o.ended);
    assert_false(o.body_broken);
    assert_string_equal(buf_str(&o.body), "late");
    outcome_clear(&o);
    finish(state, &s);
}

/* --- gzip --- */

static uint8_t packed[1 << 18];
static size_t packed_len;

static size_t gzip_to(uint8_t *to, size_t cap, const void *data, size_t len)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)data;
    z.avail_in = (uInt)len;
    z.next_out = to;
    z.avail_out = (uInt)cap;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = cap - z.avail_out;
    deflateEnd(&z);
    return n;
}

static const char *encoding;

static void script_packed(int fd, int nth)
{
    (void)nth;
    while (hear_head(fd, heard, sizeof heard)) {
        char head[200];
        snprintf(head, sizeof head,
                 "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n", encoding,
                 packed_len);
        say(fd, head);
        if (send(fd, packed, packed_len, MSG_NOSIGNAL) != (ssize_t)packed_len)
            return;
    }
}

static void fetch_packed(void **state, struct outcome *o, bool gunzip)
{
    struct server s;
    server_start(&s, script_packed);
    struct net_target t = plain_target(s.port);
    fetch(*state, CALL(&t, "GET", "/", .gunzip = gunzip), o);
    assert_int_equal(o->failure.error, 0);
    finish(state, &s);
}

static void test_gunzip(void **state)
{
    struct outcome o;
    packed_len = gzip_to(packed, sizeof packed, "hello ", 6);
    packed_len += gzip_to(packed + packed_len, sizeof packed - packed_len, "world", 5);
    encoding = "x-gzip";
    fetch_packed(state, &o, true);
    assert_string_equal(o.body.data, "hello world");
    assert_false(o.body_broken);
    assert_null(headers_get(&o.response->headers, "content-encoding"));
    assert_null(headers_get(&o.response->headers, "content-length"));
    outcome_clear(&o);
    /* Not asked for, or not gzip: untouched. */
    fetch_packed(state, &o, false);
    assert_memory_equal(o.body.data, packed, packed_len);
    assert_string_equal(headers_get(&o.response->headers, "content-encoding"), "x-gzip");
    outcome_clear(&o);
    encoding = "br";
    fetch_packed(state, &o, true);
    assert_memory_equal(o.body.data, packed, packed_len);
    assert_non_null(headers_get(&o.response->headers, "content-length"));
    outcome_clear(&o);
}

static void test_broken_gzip(void **state)
{
    struct outcome o;
    encoding = "gzip";
    size_t whole = packed_len = gzip_to(packed, sizeof packed, "hello hello hello", 17);
    packed_len -= 3;
    fetch_packed(state, &o, true);
    assert_true(o.body_broken);
    assert_string_equal(o.body.data, "hello hello hello");
    outcome_clear(&o);
    packed_len = whole;
    packed[whole - 5] ^= 1;
    fetch_packed(state, &o, true);
    assert_true(o.body_broken);
    outcome_clear(&o);
    packed_len = 9;
    memcpy(packed, "not gzip!", 9);
    fetch_packed(state, &o, true);
    assert_true(o.body_broken);
    assert_int_equal(o.body_len, 0);
    outcome_clear(&o);
    /* Nothing at all is a good nothing; what follows the end is padding. */
    packed_len = 0;
    fetch_packed(state, &o, true);
    assert_false(o.body_broken);
    outcome_clear(&o);
    packed_len = gzip_to(packed, sizeof packed, "hello", 5);
    memset(packed + packed_len, 0, 100);
    packed_len += 100;
    fetch_packed(state, &o, true);
    assert_false(o.body_broken);
    assert_string_equal(o.body.data, "hello");
    outcome_clear(&o);
}

/* 64 MiB of zeros in 64 KiB: only a bounded part is unpacked ahead of the reader. */
static void test_gzip_bomb(void **state)
{
    enum { SIZE = 64 << 20 };
    void *zeros = xcalloc(1, SIZE);
    packed_len = gzip_to(packed, sizeof packed, zeros, SIZE);
    free(zeros);
    encoding = "gzip";
    struct server s;
    server_start(&s, script_packed);
    struct net_target t = plain_target(s.port);
    struct outcome o;
    outcome_init(&o, *state);
    o.hold = true;
    net_call_start(((struct world *)*state)->client, CALL(&t, "GET", "/", .gunzip = true), on_done,
                   &o);
    run_until(*state, &o.called);
    run_for(*state, 50);
    assert_true(body_queued(o.response->body) < 2 << 20);
    o.hold = false;
    read_held(&o);
    run_until(*state, &o.ended);
    assert_int_equal(o.body_len, SIZE);
    assert_false(o.body_broken);
    outcome_clear(&o);
    /* And given up half way. */
    o.called = false;
    start(*state, &t, "GET", NULL, &o);
    o.hold = true;
    run_until(*state, &o.called);
    outcome_clear(&o);
    run_for(*state, 20);
    finish(state, &s);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)
    const struct CMUnitTest tests[] = {
        TEST(test_download_waits_for_reader),
        TEST(test_reader_stops),
        TEST(test_upload_waits_for_backend),
        TEST(test_full_duplex),
        TEST(test_answer_ends_before_upload),
        TEST(test_answer_breaks_during_upload),
        TEST(test_upload_breaks),
        TEST(test_upload_too_short),
        TEST(test_upload_within_upload),
        TEST(test_gunzip),
        TEST(test_broken_gzip),
        TEST(test_gzip_bomb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
