/* SPDX-License-Identifier: Apache-2.0 */
/* The way back: head lines, body bytes, trailers, as curl hands them over. */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "net/origin.h"

enum { HEAD_MAX = 256 * 1024, LINES_MAX = 1024, USUAL_LINES = 12, USUAL_BYTES = 600 };

/* --- head --- */

static bool refuse(struct net_call *call, enum net_error error, const char *what)
{
    if (call->failed)
        return false;
    call->failed = true;
    failure_set(&call->failure, error, "%s:%u: %s", call->origin->target.host,
                call->origin->target.port, what);
    return false;
}

/* "HTTP/1.1 200 OK" or "HTTP/2 200" */
static bool parse_status(struct net_response *r, const char *line, size_t len)
{
    const char *end = line + len, *p = line + 5;
    if (p >= end || *p < '1' || *p > '9')
        return false;
    r->version = (*p++ - '0') * 10;
    if (p + 1 < end && *p == '.') {
        r->version += p[1] == '0' ? 0 : 1;
        p += 2;
    }
    while (p < end && *p == ' ')
        p++;
    if (end - p < 3)
        return false;
    r->status = 0;
    for (int i = 0; i < 3; i++, p++) {
        if (*p < '0' || *p > '9')
            return false;
        r->status = r->status * 10 + (*p - '0');
    }
    return r->status >= 100 && (p == end || *p < '0' || *p > '9');
}

static void trim(const char **s, size_t *len)
{
    while (*len && (**s == ' ' || **s == '\t')) {
        ++*s;
        --*len;
    }
    while (*len && strchr(" \t\r\n", (*s)[*len - 1]))
        --*len;
}

/* A line that goes on with its predecessor is refused, as a gateway may (RFC 9112 section 5.2). */
static bool add_field(struct headers *to, const char *line, size_t len)
{
    if (*line == ' ' || *line == '\t')
        return false;
    const char *colon = memchr(line, ':', len);
    if (!colon || colon == line)
        return false;
    const char *value = colon + 1;
    size_t value_len = len - (size_t)(value - line), name_len = (size_t)(colon - line);
    trim(&value, &value_len);
    trim(&line, &name_len);
    if (name_len == 0 || memchr(line, ' ', name_len) || memchr(value, '\0', value_len))
        return false;
    headers_add(to, line, name_len, value, value_len);
    return true;
}

static void read_peer(struct net_call *call)
{
    struct net_response *r = call->down.response;
    const char *ip = NULL;
    long port = 0;
    curl_easy_getinfo(call->easy, CURLINFO_PRIMARY_IP, &ip);
    curl_easy_getinfo(call->easy, CURLINFO_PRIMARY_PORT, &port);
    r->peer_port = (uint16_t)port;
    if (ip && inet_pton(AF_INET, ip, r->peer) == 1)
        r->peer_len = 4;
    else if (ip && inet_pton(AF_INET6, ip, r->peer) == 1)
        r->peer_len = 16;
}

static bool is_gzip(const struct headers *h)
{
    long i = headers_find(h, "content-encoding", 16, 0);
    if (i < 0 || headers_find(h, "content-encoding", 16, (size_t)i + 1) >= 0)
        return false;
    const char *value = h->list[i].value;
    return strcasecmp(value, "gzip") == 0 || strcasecmp(value, "x-gzip") == 0;
}

static void finish_body(struct net_call *call);

static void on_drain(void *env)
{
    struct net_call *call = env;
    loop_defer(call->client->loop, &call->work);
}

static int64_t content_length(const struct headers *h)
{
    const char *value = headers_get(h, "content-length");
    if (!value || headers_get(h, "transfer-encoding"))
        return -1;
    size_t digits = strspn(value, "0123456789");
    return digits && digits <= 18 && !value[digits] ? strtoll(value, NULL, 10) : -1;
}

/* RFC 9112, 6.3: who believes one of them lets the other one smuggle. Curl takes the last. */
static bool lengths_differ(const struct headers *h)
{
    long first = headers_find(h, "content-length", 14, 0);
    for (long i = first; i >= 0; i = headers_find(h, "content-length", 14, (size_t)i + 1))
        if (strcmp(h->list[i].value, h->list[first].value) != 0)
            return true;
    return false;
}

static void head_complete(struct net_call *call)
{
    struct download *d = &call->down;
    struct net_response *r = d->response;
    d->in_head = false;
    d->head_done = true;
    read_peer(call);
    d->raw = r->status == 101;
    d->bodiless = call->is_head || r->status == 204 || r->status == 304;
    r->body = body_new();
    d->body = body_ref(r->body);
    body_on_drain(d->body, on_drain, call);
    d->left = d->raw ? -1 : content_length(&r->headers);
    if (call->gunzip_asked && !d->raw && !d->bodiless && is_gzip(&r->headers)) {
        d->gunzip = gunzip_new();
        headers_remove(&r->headers, "content-encoding", 16);
        headers_remove(&r->headers, "content-length", 14);
    } else if (d->left >= 0 && !d->bodiless) {
        body_set_length(d->body, (uint64_t)d->left);
    }
    if (d->left < 0 || d->gunzip)
        body_set_no_length(d->body);
    if (call->up.held)
        request_upgraded(call, d->raw);
    if (d->raw)
        call->between_bytes_ms = 0;
    call_watch(call, call->between_bytes_ms);
    if (d->bodiless || d->left == 0)
        finish_body(call);
    /* Curl cannot send a body with HEAD and expect none back. */
    d->cut = call->is_head && call->up.kind != UPLOAD_NONE;
    if (d->cut)
        loop_defer(call->client->loop, &call->work);
    call_ready(call);
}

static bool end_of_head(struct net_call *call)
{
    struct download *d = &call->down;
    struct net_response *r = d->response;
    bool switched = r->status == 101;
    if (switched && !call->up.held)
        return refuse(call, NET_HTTP_UPGRADE_FAILED, "the backend switched protocols, unasked");
    if (r->status < 200 && !switched) {
        headers_clear(&r->headers);
        d->in_head = false;
        return true;
    }
    if (lengths_differ(&r->headers))
        return refuse(call, NET_HTTP_PROTOCOL_ERROR, "the response names two lengths");
    head_complete(call);
    return true;
}

static bool on_line(struct net_call *call, const char *line, size_t len)
{
    struct download *d = &call->down;
    while (len && (line[len - 1] == '\n' || line[len - 1] == '\r'))
        len--;
    if (d->head_done) {
        /* Trailers; one that makes no sense is not worth the body. */
        struct headers *trailers = body_trailers(d->body);
        if (len && body_is_open(d->body) && trailers->count < LINES_MAX)
            add_field(trailers, line, len);
        return true;
    }
    if (!d->in_head) {
        if (len < 5 || strncasecmp(line, "HTTP/", 5) != 0)
            return refuse(call, NET_HTTP_PROTOCOL_ERROR, "the response is not HTTP");
        d->in_head = true;
        headers_reserve(&d->response->headers, USUAL_LINES, USUAL_BYTES);
        if (!parse_status(d->response, line, len))
            return refuse(call, NET_HTTP_RESPONSE_STATUS_INVALID, "the status line is not valid");
        return true;
    }
    if (len == 0)
        return end_of_head(call);
    if (!add_field(&d->response->headers, line, len))
        return refuse(call, NET_HTTP_PROTOCOL_ERROR, "a response header is not valid");
    return true;
}

/* CURLOPT_HEADERFUNCTION: one line a call. */
static size_t on_header(char *line, size_t one, size_t len, void *env)
{
    struct net_call *call = env;
    struct download *d = &call->down;
    len *= one;
    d->head_bytes += len;
    if (d->head_bytes > HEAD_MAX || (d->response && d->response->headers.count > LINES_MAX)) {
        if (d->head_done)
            d->broken = "the trailers are too large";
        else
            refuse(call, NET_HTTP_RESPONSE_HEADER_SECTION_TOO_LARGE,
                   "the response head is too large");
        return 0;
    }
    return on_line(call, line, len) ? len : 0;
}

/* --- body --- */

static void release_body(struct download *d)
{
    body_on_drain(d->body, NULL, NULL);
    body_unref(TAKE(d->body));
    gunzip_free(TAKE(d->gunzip));
}

/* All bytes have come from the network. Curl may still be sending. */
static void finish_body(struct net_call *call)
{
    struct download *d = &call->down;
    d->complete = true;
    call->deadline_ns = 0;
    if (!d->gunzip) {
        body_end(d->body);
        return;
    }
    if (gunzip_pending(d->gunzip))
        return;
    if (gunzip_complete(d->gunzip))
        body_end(d->body);
    else
        body_fail(d->body, "the gzip data is cut short");
}

static bool write_body(struct download *d, const char *data, size_t len)
{
    if (!d->gunzip) {
        body_write(d->body, data, len);
        return true;
    }
    if (gunzip_write(d->gunzip, d->body, data, len))
        return true;
    d->broken = "the gzip data is broken";
    return false;
}

/* CURLOPT_WRITEFUNCTION */
static size_t on_write(char *data, size_t one, size_t len, void *env)
{
    struct net_call *call = env;
    struct download *d = &call->down;
    len *= one;
    if (!d->body || body_reader_gone(d->body)) {
        d->broken = "not wanted any more";
        return 0;
    }
    if (!body_is_open(d->body))
        return len; /* more than was announced: curl has cut off what it knows */
    if (body_full(d->body)) {
        d->paused = true;
        call_watch(call, 0);
        return CURL_WRITEFUNC_PAUSE;
    }
    if (!write_body(d, data, len))
        return 0;
    if (d->left >= 0)
        d->left -= (int64_t)len < d->left ? (int64_t)len : d->left;
    if (d->left == 0)
        finish_body(call);
    else
        call_watch(call, call->between_bytes_ms);
    return len;
}

void response_resume(struct net_call *call)
{
    struct download *d = &call->down;
    if (d->gunzip && gunzip_pending(d->gunzip)) {
        if (!gunzip_resume(d->gunzip, d->body)) {
            call_abandon(call, "the gzip data is broken");
            return;
        }
        if (d->complete)
            finish_body(call);
        if (!call->running && !gunzip_pending(d->gunzip)) {
            release_body(d);
            call_settle(call);
            return;
        }
    }
    if (!d->paused || body_full(d->body) || !call->running)
        return;
    d->paused = false;
    call_watch(call, call->between_bytes_ms);
    /* Hands over what curl kept; an error in that does not end the transfer. */
    if (curl_easy_pause(call->easy, call->up.paused ? CURLPAUSE_SEND : CURLPAUSE_CONT) != CURLE_OK)
        call_abandon(call, d->broken ? d->broken : "the body could not be taken up again");
}

void response_end(struct net_call *call)
{
    struct download *d = &call->down;
    finish_body(call);
    if (!d->gunzip || !gunzip_pending(d->gunzip))
        release_body(d);
}

void response_break(struct net_call *call, const char *reason)
{
    struct download *d = &call->down;
    if (!d->body)
        return;
    body_fail(d->body, reason);
    release_body(d);
}

void response_quiet(struct net_call *call, curl_socket_t fd)
{
    struct download *d = &call->down;
    bool sending = call->up.kind == UPLOAD_STREAM && !call->up.ended;
    if (!call->running || !sending || !d->head_done || d->complete || d->paused)
        return;
    if (d->raw) { /* its end: nothing else makes curl stop */
        d->cut = true;
        loop_defer(call->client->loop, &call->work);
        return;
    }
    d->quiet = true;
    d->quiet_fd = fd;
    loop_defer(call->client->loop, &call->work);
}

void response_check_quiet(struct net_call *call)
{
    struct download *d = &call->down;
    d->quiet = false;
    if (!call->running || d->complete || d->paused || d->left > 0)
        return;
    if (client_stopped_reading(call->client, d->quiet_fd))
        finish_body(call);
}

void response_begin(struct net_call *call)
{
    call->down.response = xnew(struct net_response);
}

void response_hook(struct net_call *call)
{
    curl_easy_setopt(call->easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
}
