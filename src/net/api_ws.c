/* SPDX-License-Identifier: Apache-2.0 */
#include "net/api_ws.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/uri.h"
#include "base/version.h"
#include "crypto/hash.h"
#include "net/api_internal.h"

static const int64_t NS_PER_MS = 1000000;
enum { HEAD_MAX = 16 * 1024, PING_MS = 10 * 1000, PINGS_MISSED = 2, KEY_SIZE = 16,
       INBOX_SIZE = 1 << 20 };

struct api_ws {
    struct api *api;
    CURL *easy;
    curl_socket_t fd;
    char errors[CURL_ERROR_SIZE];
    wslay_event_context_ptr frames;
    struct buf early;               /* what came behind the head */
    struct buf inbox;               /* messages not asked for yet, each behind its length */
    bool eof;
    int64_t heard_ns, pinged_ns;
};

static int broken(struct api_ws *ws, const char *why, struct err *err)
{
    int r = err_set(err, ERR_NETWORK, "%s: the WebSocket %s", ws->api->name, why);
    if (err)
        redact_text(&ws->api->hidden, err->msg);
    return r;
}

/* Until the socket can be read (or written), at most ms. */
static bool await(const struct api_ws *ws, bool writing, int64_t ms)
{
    struct pollfd p = {.fd = ws->fd, .events = writing ? POLLOUT : POLLIN};
    return poll(&p, 1, ms < 0 ? 0 : (int)ms) > 0;
}

/* --- the handshake --- */

static int send_all(struct api_ws *ws, const char *data, size_t len, struct err *err)
{
    int64_t end = clock_mono_ns() + ws->api->options.answer_ms * NS_PER_MS;
    while (len) {
        size_t n = 0;
        CURLcode code = curl_easy_send(ws->easy, data, len, &n);
        if (code != CURLE_OK && code != CURLE_AGAIN)
            return broken(ws, curl_easy_strerror(code), err);
        data += n;
        len -= n;
        if (len && clock_mono_ns() > end)
            return broken(ws, "took nothing in time", err);
        if (len)
            await(ws, true, 1000);
    }
    return 0;
}

/* Reads up to the end of the head; what follows it stays in ws->early. */
static int read_head(struct api_ws *ws, struct buf *head, struct err *err)
{
    int64_t end = clock_mono_ns() + ws->api->options.answer_ms * NS_PER_MS;
    for (;;) {
        char chunk[2048];
        size_t n = 0;
        CURLcode code = curl_easy_recv(ws->easy, chunk, sizeof chunk, &n);
        if (code != CURLE_OK && code != CURLE_AGAIN)
            return broken(ws, curl_easy_strerror(code), err);
        if (code == CURLE_OK && n == 0)
            return broken(ws, "was closed within the handshake", err);
        if (n && !buf_add(head, chunk, n))
            return broken(ws, "answered with a head that is too large", err);
        const char *gap = head->len ? strstr(head->data, "\r\n\r\n") : NULL;
        if (gap) {
            size_t used = (size_t)(gap - head->data) + 4;
            buf_add(&ws->early, head->data + used, head->len - used);
            head->data[used] = '\0';
            head->len = used;
            return 0;
        }
        if (clock_mono_ns() > end)
            return broken(ws, "did not answer in time", err);
        if (code == CURLE_AGAIN)
            await(ws, false, 1000);
    }
}

/* A line of the head, without the white space around its value; the caller frees. */
static char *field(const struct buf *head, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = strstr(head->data, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        const char *at = line + 2;
        if (strncasecmp(at, name, len) != 0 || at[len] != ':')
            continue;
        at += len + 1;
        at += strspn(at, " \t");
        return xstrndup(at, strcspn(at, "\r \t"));
    }
    return NULL;
}

/* RFC 6455 section 4.1: the answer must prove that it is one to this request. */
static int check_head(struct api_ws *ws, const struct buf *head, const char *key,
                      const char *protocol, struct err *err)
{
    cleanup(free_p) char *seed = xasprintf("%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", key);
    uint8_t digest[HASH_SHA1_SIZE];
    hash_sha1(NULL, seed, strlen(seed), digest);
    cleanup(free_p) char *wanted = base64_encode(digest, sizeof digest);
    cleanup(free_p) char *accept = field(head, "sec-websocket-accept");
    cleanup(free_p) char *chosen = field(head, "sec-websocket-protocol");
    if (strncmp(head->data, "HTTP/1.1 101", 12) != 0) {
        cleanup(free_p) char *line = xstrndup(head->data, strcspn(head->data, "\r\n"));
        cleanup(free_p) char *why = xasprintf("was refused: %s", line);
        return broken(ws, why, err);
    }
    if (!accept || strcmp(accept, wanted) != 0)
        return broken(ws, "was accepted by something that speaks no WebSocket", err);
    if (protocol && (!chosen || strcmp(chosen, protocol) != 0))
        return broken(ws, "speaks another protocol", err);
    return 0;
}

static int shake_hands(struct api_ws *ws, const struct uri *uri, const char *protocol,
                       struct err *err)
{
    uint8_t random[KEY_SIZE];
    random_bytes(random, sizeof random);
    cleanup(free_p) char *key = base64_encode(random, sizeof random);
    cleanup(free_p) char *line =
        protocol ? xasprintf("Sec-WebSocket-Protocol: %s\r\n", protocol) : xstrdup("");
    cleanup(free_p) char *request =
        xasprintf("GET %s%.*s HTTP/1.1\r\nHost: %.*s\r\n"
                  "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                  "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n%s"
                  "User-Agent: edgectl/" EDGECTL_VERSION "\r\n\r\n",
                  uri->path_len && uri->path[0] == '/' ? "" : "/", (int)uri->path_len,
                  uri->path_len ? uri->path : "",
                  (int)uri->authority_len, uri->authority, key, line);
    cleanup(buf_clear) struct buf head = BUF_INIT(HEAD_MAX);
    int r = send_all(ws, request, strlen(request), err);
    r = r < 0 ? r : read_head(ws, &head, err);
    return r < 0 ? r : check_head(ws, &head, key, protocol, err);
}

/* --- frames --- */

static ssize_t on_recv(wslay_event_context_ptr ctx, uint8_t *to, size_t len, int flags, void *env)
{
    (void)flags;
    struct api_ws *ws = env;
    if (ws->early.len) {
        size_t n = ws->early.len < len ? ws->early.len : len;
        memcpy(to, ws->early.data, n);
        buf_consume(&ws->early, n);
        return (ssize_t)n;
    }
    /* Whoever sends faster than is taken waits. */
    if (ws->inbox.len >= INBOX_SIZE) {
        wslay_event_set_error(ctx, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t n = 0;
    CURLcode code = curl_easy_recv(ws->easy, to, len, &n);
    if (code == CURLE_OK && n > 0) {
        ws->heard_ns = clock_mono_ns();
        return (ssize_t)n;
    }
    ws->eof = code != CURLE_AGAIN;
    wslay_event_set_error(ctx, ws->eof ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
    return -1;
}

static ssize_t on_send(wslay_event_context_ptr ctx, const uint8_t *data, size_t len, int flags,
                       void *env)
{
    (void)flags;
    struct api_ws *ws = env;
    size_t n = 0;
    CURLcode code = curl_easy_send(ws->easy, data, len, &n);
    if (code == CURLE_OK)
        return (ssize_t)n;
    wslay_event_set_error(ctx, code == CURLE_AGAIN ? WSLAY_ERR_WOULDBLOCK
                                                   : WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static int on_mask(wslay_event_context_ptr ctx, uint8_t *to, size_t len, void *env)
{
    (void)ctx, (void)env;
    random_bytes(to, len);
    return 0;
}

/* Pings are answered by wslay. */
static void on_message(wslay_event_context_ptr ctx,
                       const struct wslay_event_on_msg_recv_arg *m, void *env)
{
    (void)ctx;
    struct api_ws *ws = env;
    if (wslay_is_ctrl_frame(m->opcode))
        return;
    size_t len = m->msg_length;
    buf_add(&ws->inbox, &len, sizeof len);
    buf_add(&ws->inbox, m->msg, len);
}

static bool take_message(struct api_ws *ws, struct buf *to)
{
    size_t len;
    if (ws->inbox.len < sizeof len)
        return false;
    memcpy(&len, ws->inbox.data, sizeof len);
    buf_reset(to);
    buf_add(to, ws->inbox.data + sizeof len, len);
    buf_consume(&ws->inbox, sizeof len + len);
    return true;
}

/* --- life --- */

static int dial(struct api_ws *ws, const char *http_url, bool loopback, struct err *err)
{
    const struct api *a = ws->api;
    CURL *e = ws->easy;
    curl_easy_setopt(e, CURLOPT_URL, http_url);
    curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, ws->errors);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)a->options.connect_ms);
    if (a->ca_file)
        curl_easy_setopt(e, CURLOPT_CAINFO, a->ca_file);
    if (loopback)
        curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    CURLcode code = curl_easy_perform(e);
    if (code == CURLE_OK)
        code = curl_easy_getinfo(e, CURLINFO_ACTIVESOCKET, &ws->fd);
    if (code == CURLE_OK)
        return 0;
    cleanup(free_p) char *why = xasprintf("could not be opened: %s",
                                          ws->errors[0] ? ws->errors : curl_easy_strerror(code));
    return broken(ws, why, err);
}

static int start_frames(struct api_ws *ws, size_t max)
{
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_recv, .send_callback = on_send, .genmask_callback = on_mask,
        .on_msg_recv_callback = on_message};
    if (wslay_event_context_client_init(&ws->frames, &callbacks, ws) != 0)
        abort(); /* out of memory */
    wslay_event_config_set_max_recv_msg_length(ws->frames, max);
    ws->heard_ns = ws->pinged_ns = clock_mono_ns();
    return 0;
}

int api_ws_open(struct api *api, const char *url, const char *protocol, size_t max,
                struct api_ws **ret, struct err *err)
{
    struct api_ws *ws = xnew(struct api_ws);
    ws->api = api;
    ws->early = (struct buf)BUF_INIT(HEAD_MAX);
    ws->inbox = (struct buf)BUF_INIT(SIZE_MAX / 2);
    ws->easy = curl_easy_init();
    if (!ws->easy)
        abort(); /* out of memory */
    struct uri uri;
    struct uri_host host;
    bool parsed = uri_parse(url, strlen(url), &uri) && uri.scheme && uri.authority &&
                  uri_split_host(uri.authority, uri.authority_len, &host);
    bool tls = parsed && uri.scheme_len == 3 && strncasecmp(uri.scheme, "wss", 3) == 0;
    bool plain = parsed && uri.scheme_len == 2 && strncasecmp(uri.scheme, "ws", 2) == 0 &&
                 api_is_loopback(&host);
    int r = tls || plain ? 0 : broken(ws, "has an address that is no wss://", err);
    if (r == 0) {
        cleanup(free_p) char *http_url = xasprintf("%s%s", tls ? "https" : "http",
                                                   url + uri.scheme_len);
        r = dial(ws, http_url, api_is_loopback(&host), err);
    }
    r = r < 0 ? r : shake_hands(ws, &uri, protocol, err);
    r = r < 0 ? r : start_frames(ws, max);
    if (r < 0)
        api_ws_close(ws);
    else
        *ret = ws;
    return r;
}

void api_ws_close(struct api_ws *ws)
{
    if (!ws)
        return;
    if (ws->frames) {
        wslay_event_queue_close(ws->frames, WSLAY_CODE_NORMAL_CLOSURE, NULL, 0);
        wslay_event_send(ws->frames);
        wslay_event_context_free(ws->frames);
    }
    curl_easy_cleanup(ws->easy);
    buf_clear(&ws->early);
    buf_clear(&ws->inbox);
    free(ws);
}

static int flush(struct api_ws *ws, struct err *err)
{
    int64_t end = clock_mono_ns() + ws->api->options.stall_ms * NS_PER_MS;
    while (wslay_event_want_write(ws->frames)) {
        if (wslay_event_send(ws->frames) != 0 || clock_mono_ns() > end)
            return broken(ws, "broke while sending", err);
        if (wslay_event_want_write(ws->frames))
            await(ws, true, 100);
    }
    return 0;
}

int api_ws_send(struct api_ws *ws, const char *text, size_t len, struct err *err)
{
    struct wslay_event_msg m = {.opcode = WSLAY_TEXT_FRAME, .msg = (const uint8_t *)text,
                                .msg_length = len};
    if (wslay_event_queue_msg(ws->frames, &m) != 0)
        return broken(ws, "has been closed", err);
    return flush(ws, err);
}

static int keep_alive(struct api_ws *ws, struct err *err)
{
    int64_t now = clock_mono_ns();
    if (now - ws->heard_ns > (PINGS_MISSED + 1) * PING_MS * NS_PER_MS)
        return broken(ws, "fell silent", err);
    if (now - ws->pinged_ns < PING_MS * NS_PER_MS)
        return 0;
    ws->pinged_ns = now;
    struct wslay_event_msg ping = {.opcode = WSLAY_PING};
    wslay_event_queue_msg(ws->frames, &ping);
    return flush(ws, err);
}

int api_ws_next(struct api_ws *ws, int64_t max_ms, struct buf *message, struct err *err)
{
    int64_t end = clock_mono_ns() + max_ms * NS_PER_MS;
    for (;;) {
        /* First what curl and its TLS hold already: poll() knows nothing of that. */
        int bad = wslay_event_recv(ws->frames);
        if (take_message(ws, message))
            return 1;
        if (bad || ws->eof || wslay_event_get_close_received(ws->frames))
            return broken(ws, "was closed by the other side", err);
        int r = flush(ws, err);
        r = r < 0 ? r : keep_alive(ws, err);
        if (r < 0)
            return r;
        int64_t left_ms = (end - clock_mono_ns()) / NS_PER_MS;
        if (left_ms <= 0)
            return 0;
        await(ws, false, left_ms);
    }
}
