/* SPDX-License-Identifier: Apache-2.0 */
/* The way out: method, target, header lines and body, as curl wants them. */
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include "base/mem.h"
#include "net/origin.h"

enum {
    /* Curl sends head and body by one write up to this. */
    INLINE_MAX = 16 * 1024,
    REPLAY_MAX = 64 * 1024,
};

/* --- checks --- */

static bool is_token(const char *s, size_t len)
{
    static const char others[] = "!#$%&'*+-.^_`|~";
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)s[i]) && (s[i] == '\0' || !strchr(others, s[i])))
            return false;
    return len > 0;
}

/* Nothing that could end the line; bytes from 0x80 on are fine. */
static bool is_value(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f)
            return false;
    return true;
}

static bool is_visible(const char *s)
{
    size_t i = 0;
    while ((unsigned char)s[i] > 0x20 && s[i] != 0x7f)
        i++;
    return i > 0 && s[i] == '\0';
}

static bool refuse(struct net_call *call, enum net_error error, const char *what)
{
    call->failed = true;
    failure_set(&call->failure, error, "%s:%u: %s", call->origin->target.host,
                call->origin->target.port, what);
    return false;
}

static bool check(struct net_call *call, const struct net_request *r)
{
    if (!is_token(r->method, strlen(r->method)))
        return refuse(call, NET_HTTP_PROTOCOL_ERROR, "the request method is not a token");
    if (r->upgrade && !is_value(r->upgrade, strlen(r->upgrade)))
        return refuse(call, NET_HTTP_PROTOCOL_ERROR, "the protocol to upgrade to is not valid");
    if (!is_visible(r->path) || (r->path[0] != '/' && strcmp(r->path, "*") != 0))
        return refuse(call, NET_HTTP_REQUEST_URI_INVALID, "the request path is not valid");
    if (r->authority[0] && !is_visible(r->authority))
        return refuse(call, NET_HTTP_REQUEST_URI_INVALID, "the request's host is not valid");
    for (size_t i = 0; r->headers && i < r->headers->count; i++) {
        const struct header *h = &r->headers->list[i];
        if (!is_token(h->name, h->name_len) || !is_value(h->value, h->value_len))
            return refuse(call, NET_HTTP_PROTOCOL_ERROR, "a request header is not valid");
    }
    return true;
}

/* --- header lines --- */

static void lines_reset(struct lines *l)
{
    l->count = l->len = 0;
}

/* Offsets are kept in `data` until lines_link, as the text block may move. */
static void lines_add(struct lines *l, const char *name, size_t name_len, const char *value,
                      size_t value_len)
{
    size_t need = l->len + name_len + value_len + 3;
    if (need > l->text_cap) {
        l->text_cap = need * 2;
        l->text = xrealloc(l->text, l->text_cap);
    }
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->nodes = xreallocarray(l->nodes, l->cap, sizeof *l->nodes);
    }
    while (value_len && (*value == ' ' || *value == '\t')) {
        value++;
        value_len--;
    }
    while (value_len && (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
        value_len--;
    l->nodes[l->count++].data = (char *)(uintptr_t)l->len;
    char *p = l->text + l->len;
    memcpy(p, name, name_len);
    p += name_len;
    /* "name:" would make curl drop the field. */
    *p++ = value_len ? ':' : ';';
    if (value_len) {
        *p++ = ' ';
        memcpy(p, value, value_len);
        p += value_len;
    }
    *p++ = '\0';
    l->len = (size_t)(p - l->text);
}

/* Keep curl from adding a field of its own. */
static void lines_forbid(struct lines *l, const char *name)
{
    lines_add(l, name, strlen(name), "", 0);
    l->text[l->len - 2] = ':';
}

static struct curl_slist *lines_link(struct lines *l)
{
    for (size_t i = 0; i < l->count; i++) {
        l->nodes[i].data = l->text + (uintptr_t)l->nodes[i].data;
        l->nodes[i].next = i + 1 < l->count ? &l->nodes[i + 1] : NULL;
    }
    return l->count ? l->nodes : NULL;
}

static bool is_name(const struct header *h, const char *name, size_t len)
{
    return h->name_len == len && memcmp(h->name, name, len) == 0;
}
#define IS(h, literal) is_name(h, literal, sizeof(literal) - 1)

static bool is_framing(const struct header *h)
{
    return IS(h, "content-length") || IS(h, "transfer-encoding");
}

/* RFC 9110 section 7.6.1. `te` stays in the one form that says something about this end. */
static bool is_hop_by_hop(const struct headers *all, const struct header *h)
{
    if (IS(h, "connection") || IS(h, "keep-alive") || IS(h, "proxy-connection") || IS(h, "upgrade"))
        return true;
    if (IS(h, "te"))
        return strcasecmp(h->value, "trailers") != 0;
    return headers_has_token(all, "connection", h->name);
}

static void add_fields(struct net_call *call, const struct net_request *r, bool manual)
{
    struct lines *l = &call->lines;
    bool named = headers_get(r->headers, "connection") != NULL;
    for (size_t i = 0; i < r->headers->count; i++) {
        const struct header *h = &r->headers->list[i];
        if (IS(h, "host") || (!manual && is_framing(h)) || (r->upgrade && IS(h, "expect")))
            continue;
        /* The list of further hop-by-hop names is looked at only if there is one. */
        if (!manual && is_hop_by_hop(named ? r->headers : &(struct headers){0}, h))
            continue;
        lines_add(l, h->name, h->name_len, h->value, h->value_len);
    }
}

static void set_lines(struct net_call *call, const struct net_request *r, bool manual)
{
    struct lines *l = &call->lines;
    lines_reset(l);
    lines_add(l, "Host", 4, r->authority, strlen(r->authority));
    if (r->headers)
        add_fields(call, r, manual);
    if (!r->headers || !headers_get(r->headers, "accept"))
        lines_forbid(l, "Accept");
    if (call->up.kind == UPLOAD_INLINE && !(r->headers && headers_get(r->headers, "content-type")))
        lines_forbid(l, "Content-Type");
    if (r->upgrade) {
        lines_add(l, "Connection", 10, "Upgrade", 7);
        lines_add(l, "Upgrade", 7, r->upgrade, strlen(r->upgrade));
        /* Else curl would send the bytes in chunks. */
        lines_forbid(l, "Transfer-Encoding");
    }
    bool expects = !r->upgrade && r->headers && headers_get(r->headers, "expect");
    if (call->up.kind == UPLOAD_STREAM && !expects)
        lines_forbid(l, "Expect");
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, lines_link(l));
}

/* --- framing --- */

/* The manual framing, if it is usable: its length, or -1 for chunked. */
static bool manual_length(const struct headers *h, int64_t *length)
{
    const struct header *framing = NULL;
    for (size_t i = 0; i < h->count; i++) {
        if (!is_framing(&h->list[i]))
            continue;
        if (framing)
            return false;
        framing = &h->list[i];
    }
    if (!framing)
        return false;
    *length = -1;
    if (IS(framing, "transfer-encoding"))
        return strcasecmp(framing->value, "chunked") == 0;
    size_t digits = strspn(framing->value, "0123456789");
    if (digits == 0 || digits > 18 || digits != framing->value_len)
        return false;
    *length = strtoll(framing->value, NULL, 10);
    return true;
}

/* Methods for which a server expects content: "no content" is then said by a length of 0
 * (RFC 9110 section 8.6). */
static bool expects_content(const char *method)
{
    return strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0 ||
           strcmp(method, "PATCH") == 0;
}

/* Take the whole body out, if all of it is here and it has no trailers. */
static bool take_inline(struct upload *up, int64_t length)
{
    if (!body_is_complete(up->body) || length > INLINE_MAX || body_trailers(up->body)->count)
        return false;
    char *data = xmalloc((size_t)length + 1);
    size_t have = 0;
    const uint8_t *part;
    size_t len;
    enum body_read r;
    while ((r = body_peek(up->body, &part, &len)) == BODY_DATA && have + len <= (size_t)length) {
        memcpy(data + have, part, len);
        have += len;
        body_consume(up->body, len);
    }
    up->inline_data = data;
    up->inline_len = have;
    up->kind = UPLOAD_INLINE;
    up->broken = r != BODY_END || have != (size_t)length;
    body_stop(up->body);
    body_unref(TAKE(up->body));
    return true;
}

/* Decide how the body goes out. True if the guest's framing is used. */
static bool choose_framing(struct net_call *call, const struct net_request *r)
{
    struct upload *up = &call->up;
    if (r->upgrade) {
        up->kind = UPLOAD_STREAM;
        up->raw = up->held = true;
        return false;
    }
    int64_t length = up->body ? body_known_length(up->body) : 0;
    int64_t wanted;
    bool manual = r->manual_framing && r->headers && manual_length(r->headers, &wanted);
    if (manual && wanted == 0)
        return true;
    if (manual && wanted != length) {
        up->kind = UPLOAD_STREAM;
        up->left = wanted;
        return true;
    }
    if (length == 0 && !expects_content(r->method))
        return manual;
    up->kind = UPLOAD_STREAM;
    up->left = length;
    if (length < 0 || call->is_head)
        return manual;
    if (!up->body)
        up->kind = UPLOAD_INLINE;
    else
        take_inline(up, length);
    return manual;
}

/* --- body --- */

static void on_body_readable(void *env)
{
    struct net_call *call = env;
    call->up.readable = true;
    if (call->up.paused)
        loop_defer(call->client->loop, &call->work);
}

static void release_body(struct upload *up)
{
    if (!up->body)
        return;
    body_on_readable(up->body, NULL, NULL);
    body_unref(TAKE(up->body));
}

void request_drop_body(struct net_call *call)
{
    struct upload *up = &call->up;
    if (up->body)
        body_stop(up->body);
    release_body(up);
    free(TAKE(up->inline_data));
    free(TAKE(up->replay));
    up->replay_len = up->replay_pos = 0;
    up->paused = false;
}

/* Keep what goes out, as long as it is little. */
static void remember(struct upload *up, const char *data, size_t len)
{
    if (!up->replayable)
        return;
    if (up->replay_len + len > REPLAY_MAX) {
        up->replayable = false;
        free(TAKE(up->replay));
        return;
    }
    if (!up->replay)
        up->replay = xmalloc(REPLAY_MAX);
    memcpy(up->replay + up->replay_len, data, len);
    up->replay_len += len;
    up->replay_pos = up->replay_len;
}

/* Fill `to` as far as the body and its announced length go. */
static enum body_read fill(struct upload *up, char *to, size_t cap, size_t *used)
{
    enum body_read r = BODY_END;
    *used = 0;
    while (*used < cap && up->left != 0 && up->body) {
        const uint8_t *data;
        size_t len;
        r = body_peek(up->body, &data, &len);
        if (r != BODY_DATA)
            break;
        if (len > cap - *used)
            len = cap - *used;
        if (up->left > 0 && len > (uint64_t)up->left)
            len = (size_t)up->left;
        memcpy(to + *used, data, len);
        body_consume(up->body, len);
        *used += len;
        if (up->left > 0)
            up->left -= (int64_t)len;
    }
    return r;
}

/* CURLOPT_READFUNCTION */
static size_t on_read(char *to, size_t one, size_t cap, void *env)
{
    struct net_call *call = env;
    struct upload *up = &call->up;
    cap *= one;
    up->paused = false;
    if (up->held) {
        up->paused = true;
        return CURL_READFUNC_PAUSE;
    }
    if (!call->down.head_done)
        call_watch(call, call->first_byte_ms);
    if (up->replay_pos < up->replay_len) {
        size_t len = up->replay_len - up->replay_pos;
        len = len < cap ? len : cap;
        memcpy(to, up->replay + up->replay_pos, len);
        up->replay_pos += len;
        return len;
    }
    size_t used;
    up->readable = false;
    enum body_read r = fill(up, to, cap, &used);
    remember(up, to, used);
    if (used > 0)
        return used;
    if (r == BODY_WAIT) {
        up->paused = true;
        /* The backend cannot be blamed for silence now. */
        if (!call->down.head_done)
            call_watch(call, 0);
        return CURL_READFUNC_PAUSE;
    }
    if (r == BODY_ERROR || up->left > 0) {
        up->broken = true;
        return CURL_READFUNC_ABORT;
    }
    up->ended = true;
    if (up->raw)
        loop_defer(call->client->loop, &call->work);
    return 0;
}

void request_upgraded(struct net_call *call, bool yes)
{
    struct upload *up = &call->up;
    up->held = false;
    if (!yes) {
        request_drop_body(call);
        up->raw = false;
        up->paused = true;
    }
    up->readable = true;
    loop_defer(call->client->loop, &call->work);
}

void request_shut_down(struct net_call *call)
{
    struct curl_tlssessioninfo *tls = NULL;
    call->up.raw = false;
    if (call->origin->tls &&
        curl_easy_getinfo(call->easy, CURLINFO_TLS_SSL_PTR, &tls) == CURLE_OK && tls->internals)
        tls_client_shut_down(tls->internals);
    shutdown(call->fd, SHUT_WR);
}

/* Curl (7.88) never takes its trailer state back to the start: a second chunked upload by the same
 * handle would write outside its buffer. */
bool request_spent(const struct net_call *call)
{
    return call->up.trailing && call->up.ended;
}

void request_resume(struct net_call *call)
{
    call->up.paused = false;
    if (call->running)
        curl_easy_pause(call->easy, call->down.paused ? CURLPAUSE_RECV : CURLPAUSE_CONT);
}

/* CURLOPT_SEEKFUNCTION: a reused connection was dead, all goes out again on another. */
static int on_seek(void *env, curl_off_t offset, int origin)
{
    struct upload *up = &((struct net_call *)env)->up;
    if (offset != 0 || origin != SEEK_SET || !up->replayable)
        return CURL_SEEKFUNC_FAIL;
    up->replay_pos = 0;
    return CURL_SEEKFUNC_OK;
}

/* CURLOPT_TRAILERFUNCTION: the list is curl's to free. */
static int on_trailers(struct curl_slist **list, void *env)
{
    struct net_call *call = env;
    if (!call->up.body)
        return CURL_TRAILERFUNC_OK;
    const struct headers *t = body_trailers(call->up.body);
    for (size_t i = 0; i < t->count; i++) {
        const struct header *h = &t->list[i];
        if (!is_token(h->name, h->name_len) || !is_value(h->value, h->value_len) || is_framing(h))
            continue;
        cleanup(free_p) char *line = xasprintf("%s: %s", h->name, h->value);
        struct curl_slist *more = curl_slist_append(*list, line);
        if (!more)
            abort(); /* out of memory */
        *list = more;
    }
    return CURL_TRAILERFUNC_OK;
}

void request_hook(struct net_call *call)
{
    curl_easy_setopt(call->easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(call->easy, CURLOPT_READDATA, call);
    curl_easy_setopt(call->easy, CURLOPT_SEEKFUNCTION, on_seek);
    curl_easy_setopt(call->easy, CURLOPT_SEEKDATA, call);
}

/* --- options --- */

static void set_kind(struct net_call *call)
{
    struct call_settings *s = &call->settings;
    struct upload *up = &call->up;
    bool no_body = call->is_head && up->kind == UPLOAD_NONE;
    if (s->kind != (int)up->kind || s->no_body != no_body) {
        /* These switch each other, so the order matters. A stream with old POSTFIELDS about would
         * not be rewound before it is sent again. */
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, NULL);
        curl_easy_setopt(call->easy, CURLOPT_UPLOAD, (long)(up->kind == UPLOAD_STREAM));
        if (up->kind == UPLOAD_NONE)
            curl_easy_setopt(call->easy, CURLOPT_HTTPGET, 1L);
        if (up->kind == UPLOAD_INLINE)
            curl_easy_setopt(call->easy, CURLOPT_POST, 1L);
        if (no_body)
            curl_easy_setopt(call->easy, CURLOPT_NOBODY, 1L);
        s->kind = (int)up->kind;
        s->no_body = no_body;
    }
    if (up->kind == UPLOAD_INLINE) {
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)up->inline_len);
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, up->inline_data ? up->inline_data : "");
    }
    if (up->kind == UPLOAD_STREAM) {
        curl_easy_setopt(call->easy, CURLOPT_INFILESIZE_LARGE, (curl_off_t)up->left);
        up->trailing = up->left < 0 && !up->raw && !call->origin->target.http2;
        curl_easy_setopt(call->easy, CURLOPT_TRAILERFUNCTION, up->trailing ? on_trailers : NULL);
        curl_easy_setopt(call->easy, CURLOPT_TRAILERDATA, call);
    }
}

static void set_method(struct net_call *call, const char *method)
{
    struct call_settings *s = &call->settings;
    if (s->method[0] && strcmp(s->method, method) == 0)
        return;
    curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, method);
    s->method[0] = '\0';
    if (strlen(method) < sizeof s->method)
        memcpy(s->method, method, strlen(method) + 1);
}

bool request_prepare(struct net_call *call, const struct net_request *r)
{
    if (!check(call, r))
        return false;
    bool manual = choose_framing(call, r);
    /* A body that is known to be cut short is not even begun. */
    if (call->up.broken || (call->up.body && body_failure(call->up.body)))
        return refuse(call, NET_INTERNAL_ERROR, "the request body was cut short");
    if (call->up.kind == UPLOAD_NONE)
        request_drop_body(call);
    else if (call->up.body)
        body_on_readable(call->up.body, on_body_readable, call);
    set_lines(call, r, manual);
    set_kind(call);
    set_method(call, r->method);
    curl_easy_setopt(call->easy, CURLOPT_REQUEST_TARGET, r->path);
    return true;
}
