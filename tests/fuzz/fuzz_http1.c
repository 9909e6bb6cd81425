/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes into an HTTP/1 connection in memory, twice: whole, and cut where the first bytes of the
 * input say, with a transport that takes little. The two must see the same requests and give the
 * same answers, and what reaches the handler must be clean. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "serve/http1.h"

enum { MAX_OUT = 16 << 20, CUTS = 8 };

struct run {
    struct http1 http;
    struct buf out, seen;
    bool input, output, closed, shut;
    const uint8_t *cuts;        /* NULL: no cuts */
    size_t next_cut;
};

struct job {
    struct run *run;
    struct exchange *ex;
    struct task task;
    uint64_t sum, len;
};

static struct loop *loop;
static struct run *current;

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "broken: %s\n", what);
    abort();
}

static uint8_t cut(struct run *r)
{
    return r->cuts ? r->cuts[r->next_cut++ % CUTS] : 255;
}

/* --- transport --- */

static ssize_t take(void *env, const struct iovec *iov, int count)
{
    struct run *r = env;
    size_t n = 0, most = r->cuts ? cut(r) % 64u + (r->next_cut % 5 == 0) : SIZE_MAX;
    need(!r->closed && !r->shut, "a write after the end");
    for (int i = 0; i < count && n < most; i++) {
        size_t len = iov[i].iov_len < most - n ? iov[i].iov_len : most - n;
        buf_add(&r->out, iov[i].iov_base, len);
        n += len;
    }
    return (ssize_t)n;
}

static void watch(void *env, bool input, bool output)
{
    struct run *r = env;
    r->input = input;
    r->output = output;
}

static void shut(void *env)
{
    ((struct run *)env)->shut = true;
}

static bool peer_gone(void *env)
{
    (void)env;
    return false;
}

static void closed(void *env, bool reset)
{
    (void)reset;
    need(!((struct run *)env)->closed, "closed twice");
    ((struct run *)env)->closed = true;
}

static const struct http1_transport transport = {take, watch, shut, peer_gone, closed};

/* --- handler: reads the body to its end, then tells of the request --- */

static void check_text(const char *s, size_t len, bool tab)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        need(c >= 0x20 ? c != 0x7f : tab && c == '\t', "a control character got through");
    }
}

static void check_request(const struct exchange *ex)
{
    need(ex->method[0] != '\0', "no method");
    check_text(ex->method, strlen(ex->method), false);
    check_text(ex->uri, strlen(ex->uri), false);
    need(!strncmp(ex->uri, "http://", 7) || !strncmp(ex->uri, "https://", 8), "no absolute URI");
    for (const char *p = ex->uri; *p; p++)
        need(*p != ' ' && (unsigned char)*p < 0x80, "a byte that no URI has");
    for (size_t i = 0; i < ex->headers.count; i++) {
        const struct header *h = &ex->headers.list[i];
        need(h->name_len > 0 && strlen(h->name) == h->name_len, "an odd header name");
        check_text(h->name, h->name_len, false);
        check_text(h->value, h->value_len, true);
    }
}

static void job_end(struct job *j)
{
    task_cancel(&j->task);
    body_on_readable(j->ex->body, NULL, NULL);
    j->ex->on_gone = NULL;
    exchange_unref(j->ex);
    free(j);
}

static void go_on(void *env)
{
    struct job *j = env;
    const uint8_t *data;
    size_t len;
    enum body_read r;
    while ((r = body_peek(j->ex->body, &data, &len)) == BODY_DATA) {
        for (size_t i = 0; i < len; i++)
            j->sum = (j->sum ^ data[i]) * 1099511628211u;
        j->len += len;
        body_consume(j->ex->body, len);
    }
    if (r == BODY_WAIT)
        return;
    if (r == BODY_END) {
        struct headers none = {0};
        struct body *b = body_new();
        char text[64];
        int n = snprintf(text, sizeof text, "%zu %llu %llx", j->ex->headers.count,
                         (unsigned long long)j->len, (unsigned long long)j->sum);
        buf_printf(&j->run->seen, "%s %s %s\n", j->ex->method, j->ex->uri, text);
        if (exchange_upgrade_wanted(j->ex)) { /* all that follows comes back */
            exchange_upgrade(j->ex, &none, b, body_ref(b));
        } else {
            body_write(b, text, (size_t)n);
            body_end(b);
            exchange_respond(j->ex, &(struct response_head){.status = 200, .headers = &none}, b);
        }
    }
    job_end(j);
}

static void wake(void *env)
{
    loop_defer(loop, &((struct job *)env)->task);
}

static void gone(struct exchange *ex)
{
    job_end(ex->handler_data);
}

static void begin(void *env, struct exchange *ex)
{
    (void)env;
    check_request(ex);
    struct job *j = xnew(struct job);
    *j = (struct job){.run = current, .ex = ex, .sum = 14695981039346656037u};
    j->task = (struct task){.fn = go_on, .env = j};
    ex->handler_data = j;
    ex->on_gone = gone;
    body_on_readable(ex->body, wake, j);
    wake(j);
}

/* --- driver --- */

static int64_t no_time(void *env)
{
    (void)env;
    return INT64_C(1000000000);
}

static void no_chance(void *env, void *to, size_t len)
{
    (void)env;
    memset(to, 4, len);
}

/* Until nothing has happened for a few rounds. */
static void turn(struct run *r)
{
    size_t before = r->out.len;
    for (int quiet = 0, i = 0; quiet < 4 && !r->closed; i++) {
        need(i < 1000000, "output without end");
        if (r->output)
            http1_writable(&r->http);
        uv_run(loop_uv(loop), UV_RUN_NOWAIT);
        quiet = r->output || r->out.len != before ? 0 : quiet + 1;
        before = r->out.len;
    }
}

static void feed(struct run *r, const uint8_t *data, size_t len)
{
    while (len && !r->closed) {
        size_t n = r->cuts ? cut(r) % 40u + 1 : len;
        n = n < len ? n : len;
        char *copy = xmemdup(data,
                             n); /* exact, so that ASan sees an overrun; and it may be changed */
        if (r->input)
            http1_input(&r->http, copy, n);
        free(copy);
        data += r->input || r->closed ? n : 0;
        len -= r->input || r->closed ? n : 0;
        turn(r);
        need(r->closed || r->input || len == 0, "input stopped for ever");
    }
    if (!r->closed)
        http1_eof(&r->http);
    if (!r->closed)
        turn(r);
    need(r->closed, "open after the end of input");
    uv_run(loop_uv(loop), UV_RUN_NOWAIT);
}

static void run(struct run *r, struct http1_env *env, const uint8_t *data, size_t len)
{
    current = r;
    buf_init(&r->out, MAX_OUT);
    buf_init(&r->seen, MAX_OUT);
    r->http.env = env;
    r->http.transport = &transport;
    r->http.transport_env = r;
    http1_init(&r->http);
    feed(r, data, len);
    http1_clear(&r->http);
}

/* Whether 100 (Continue) is sent depends on when the body comes. */
static void drop_continues(struct buf *b)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct buf rest = BUF_INIT(MAX_OUT);
    const char *at = buf_str(b), *end = at + b->len, *hit;
    while ((hit = memmem(at, (size_t)(end - at), text, sizeof text - 1))) {
        buf_add(&rest, at, (size_t)(hit - at));
        at = hit + sizeof text - 1;
    }
    buf_add(&rest, at, (size_t)(end - at));
    buf_clear(b);
    *b = rest;
}

static bool same(const struct buf *a, const struct buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct clock_source still = {no_time, no_time, no_chance, NULL, NULL};
    if (!loop) {
        clock_install(&still);
        loop = loop_new();
    }
    if (size < CUTS)
        return 0;
    struct http1_env env = {.loop = loop, .handler = {.begin = begin}, .scheme = "http",
                            .authority = "h:1", .deadlines = http1_default_deadlines};
    struct run whole = {0}, parts = {.cuts = data};
    run(&whole, &env, data + CUTS, size - CUTS);
    run(&parts, &env, data + CUTS, size - CUTS);
    drop_continues(&whole.out);
    drop_continues(&parts.out);
    if (!same(&whole.seen, &parts.seen) || !same(&whole.out, &parts.out)) {
        fprintf(stderr, "--- whole:\n%s\n%s\n--- parts:\n%s\n%s\n", buf_str(&whole.seen),
                buf_str(&whole.out), buf_str(&parts.seen), buf_str(&parts.out));
        need(false, "the cuts make a difference");
    }
    buf_clear(&whole.out);
    buf_clear(&whole.seen);
    buf_clear(&parts.out);
    buf_clear(&parts.seen);
    return 0;
}
