/* SPDX-License-Identifier: Apache-2.0 */
/* WebSockets to a provider, against a server that frames by hand. */
#include "harness.h"
#include "base/base64.h"
#include "crypto/hash.h"
#include "net/api_ws.h"

static char heard[8192], frame[64];
static const char *answer_line = "HTTP/1.1 101 Switching Protocols", *answer_protocol = "trace-v1";

static bool accept_it(int fd, const char *also)
{
    if (!hear_head(fd, heard, sizeof heard))
        return false;
    const char *key = strcasestr(heard, "sec-websocket-key: ");
    cleanup(free_p) char *seed = xasprintf("%.24s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key + 19);
    uint8_t digest[HASH_SHA1_SIZE];
    hash_sha1(NULL, seed, strlen(seed), digest);
    cleanup(free_p) char *accept = base64_encode(digest, sizeof digest);
    cleanup(free_p) char *head =
        xasprintf("%s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Accept: %s\r\nSec-WebSocket-Protocol: %s\r\n\r\n%s",
                  answer_line, accept, answer_protocol, also);
    return say(fd, head);
}

/* A client's frame: masked, short. Its payload is left in `frame`. */
static int hear_frame(int fd)
{
    unsigned char head[2], mask[4];
    if (!hear(fd, (char *)head, 2) || !(head[1] & 0x80) || !hear(fd, (char *)mask, 4))
        return -1;
    size_t len = head[1] & 0x7f;
    if (len && !hear(fd, frame, len))
        return -1;
    for (size_t i = 0; i < len; i++)
        frame[i] ^= (char)mask[i % 4];
    frame[len] = '\0';
    return head[0];
}

static void script_talk(int fd, int nth)
{
    (void)nth;
    /* The first message comes with the head; a ping; a message in two frames. */
    if (!accept_it(fd, "\x81\x05" "first"))
        return;
    assert_int_equal(hear_frame(fd), 0x81);
    assert_string_equal(frame, "{\"debug\":false}");
    say(fd, "\x89\x02hi");
    say(fd, "\x01\x03two");
    say(fd, "\x80\x05 half");
    assert_int_equal(hear_frame(fd), 0x8a);
    assert_string_equal(frame, "hi");
    say(fd, "\x82\x03" "bin");
    assert_int_equal(hear_frame(fd), 0x88);
}

static void script_leave(int fd, int nth)
{
    (void)nth;
    accept_it(fd, "\x81\x04last");
}

static void script_big(int fd, int nth)
{
    (void)nth;
    accept_it(fd, "\x81\x7e\x40\x01");
    await_close(fd);
}

static struct server server;
static struct api *api;

static void begin(script_fn *script)
{
    server_start(&server, script);
    char base[64];
    snprintf(base, sizeof base, "http://127.0.0.1:%u", server.port);
    cleanup(headers_clear) struct headers h = {0};
    headers_add_str(&h, "authorization", "Bearer secret-token");
    struct err err;
    assert_int_equal(api_new(&(struct api_options){.name = "Test", .base = base, .headers = &h},
                             &api, &err), 0);
}

static void end(void)
{
    api_free(api);
    server_stop(&server);
    answer_line = "HTTP/1.1 101 Switching Protocols";
    answer_protocol = "trace-v1";
}

static int open_it(struct api_ws **ret, struct err *err)
{
    char url[80];
    snprintf(url, sizeof url, "ws://127.0.0.1:%u/tail/x?y", server.port);
    return api_ws_open(api, url, "trace-v1", 1 << 14, ret, err);
}

static void expect_next(struct api_ws *ws, const char *text)
{
    cleanup(buf_clear) struct buf m = BUF_INIT(1 << 14);
    struct err err;
    assert_int_equal(api_ws_next(ws, 20000, &m, &err), 1);
    assert_string_equal(buf_str(&m), text);
}

static void test_messages(void **state)
{
    (void)state;
    begin(script_talk);
    struct api_ws *ws;
    struct err err;
    assert_int_equal(open_it(&ws, &err), 0);
    assert_non_null(strstr(heard, "GET /tail/x?y HTTP/1.1\r\n"));
    assert_non_null(strstr(heard, "Sec-WebSocket-Protocol: trace-v1\r\n"));
    assert_null(strcasestr(heard, "authorization"));
    cleanup(buf_clear) struct buf m = BUF_INIT(100);
    expect_next(ws, "first");
    assert_int_equal(api_ws_next(ws, 10, &m, &err), 0);
    assert_int_equal(api_ws_send(ws, "{\"debug\":false}", 15, &err), 0);
    expect_next(ws, "two half");
    expect_next(ws, "bin");
    api_ws_close(ws);
    end();
}

static void test_the_end(void **state)
{
    (void)state;
    begin(script_leave);
    struct api_ws *ws;
    struct err err;
    cleanup(buf_clear) struct buf m = BUF_INIT(100);
    assert_int_equal(open_it(&ws, &err), 0);
    expect_next(ws, "last");
    assert_int_equal(api_ws_next(ws, 20000, &m, &err), -ERR_NETWORK);
    assert_string_equal(err.msg, "Test: the WebSocket was closed by the other side");
    api_ws_close(ws);
    end();
}

static void test_messages_have_a_limit(void **state)
{
    (void)state;
    begin(script_big);
    struct api_ws *ws;
    struct err err;
    cleanup(buf_clear) struct buf m = BUF_INIT(100);
    assert_int_equal(open_it(&ws, &err), 0);
    assert_int_equal(api_ws_next(ws, 20000, &m, &err), -ERR_NETWORK);
    api_ws_close(ws);
    end();
}

static void expect_refusal(const char *line, const char *protocol, const char *words)
{
    answer_line = line;
    answer_protocol = protocol;
    begin(script_leave);
    struct api_ws *ws = NULL;
    struct err err;
    assert_int_equal(open_it(&ws, &err), -ERR_NETWORK);
    assert_non_null(strstr(err.msg, words));
    end();
}

static void test_refusals(void **state)
{
    (void)state;
    expect_refusal("HTTP/1.1 403 Forbidden", "trace-v1", "was refused: HTTP/1.1 403 Forbidden");
    expect_refusal("HTTP/1.1 101 Yes", "other", "speaks another protocol");
    begin(script_leave);
    struct api_ws *ws = NULL;
    struct err err;
    assert_int_equal(api_ws_open(api, "ws://tail.test/x", NULL, 100, &ws, &err), -ERR_NETWORK);
    assert_non_null(strstr(err.msg, "no wss://"));
    end();
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_the_end),
        cmocka_unit_test(test_messages_have_a_limit),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
