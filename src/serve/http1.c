/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/http1.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "serve/http1_answer.h"

#define SECOND INT64_C(1000000000)

enum {
    OUT_MAX = 4 << 20,          /* a head as big as a guest can make it, and a batch */
    KEEP = 8 << 10,             /* memory that an idle connection may keep */
    IN_PIPELINED = 64 << 10,    /* unparsed bytes behind the request being answered */
    IN_MAX = 2 << 20,
    DISCARD_MAX = 1 << 20,      /* upload bytes read for nothing to keep a connection alive */
};

const struct http1_deadlines http1_default_deadlines = {
    .head = 10 * SECOND,
    .idle = 75 * SECOND,
    .body = 20 * SECOND,
    .body_rate = 500,
    .stall = 60 * SECOND,
    .linger = 2 * SECOND,
};

static void run(struct http1 *h, char *data, size_t len);

static void on_turn(void *env)
{
    run(env, NULL, 0);
}

void http1_schedule(void *env)
{
    struct http1 *h = env;
    if (h->busy)
        h->again = true;
    else if (!h->closed)
        loop_defer(h->env->loop, &h->turn);
}

/* --- the end --- */

void http1_drop_upload(struct http1 *h, const char *failure)
{
    struct body *b = TAKE(h->upload);
    if (!b)
        return;
    body_on_drain(b, NULL, NULL);
    body_on_wanted(b, NULL, NULL);
    if (failure)
        body_fail(b, failure);
    body_unref(b);
}

static void finish(struct http1 *h, bool gone)
{
    struct exchange *ex = TAKE(h->ex);
    ex->wire_data = NULL;
    exchange_finish(ex, gone);
}

static void teardown(struct http1 *h, bool reset)
{
    if (h->closed)
        return;
    h->closed = true;
    task_cancel(&h->turn);
    timer_stop(&h->timer);
    http1_drop_upload(h, "the client went away");
    /* The client may close as soon as it has read all of the answer, before we looked again. */
    bool sent = h->ex && h->ex->responded && !h->answer && !h->cut && h->out.len == 0;
    if (h->answer)
        http1_drop_answer(h);
    if (h->ex)
        finish(h, !sent);
    h->transport->close(h->transport_env, reset);
}

/* All is said. Closing with input on the way makes the kernel answer it by a reset, which could
 * overtake our last bytes: in that case read on for a while. */
static void end_connection(struct http1 *h)
{
    bool more_input = h->deaf || h->upload || h->cur_len;
    if (h->eof || !more_input) {
        teardown(h, false);
        return;
    }
    h->lingering = true;
    h->linger_since = clock_mono_ns();
    http1_drop_upload(h, "the answer was complete before the request");
    h->cur_len = 0;
    h->transport->shutdown(h->transport_env);
}

/* What comes in cannot be read any further. The client is told, unless an answer has begun: that
 * one may still be whole, as it need not depend on the rest of the request. */
static void refuse_message(struct http1 *h, int status, const char *why)
{
    h->closing = h->deaf = true;
    h->cur_len = 0;
    http1_drop_upload(h, why);
    if (h->ex && h->ex->responded)
        return;
    if (h->ex)
        finish(h, true);
    http1_put_refusal(h, status, why);
}

/* --- input --- */

static bool receive_body(struct http1 *h)
{
    if (h->cur_len == 0)
        return false;
    size_t body_len = 0;
    const char *why = NULL;
    ssize_t used = http1_decode(&h->decoder, h->cur, h->cur_len, &body_len,
                                body_trailers(h->upload), &why);
    if (used < 0) {
        refuse_message(h, 400, why);
        return true;
    }
    if (used > 0)
        h->continue_due = false;
    h->body_bytes += (uint64_t)used;
    if (body_len)
        body_write(h->upload, h->cur, body_len);
    h->cur += used;
    h->cur_len -= (size_t)used;
    if (h->decoder.state == HTTP1_DONE) {
        body_end(h->upload);
        http1_drop_upload(h, NULL);
        return true;
    }
    if (!h->ex && body_reader_gone(h->upload)) {
        h->discarded += (uint64_t)used;
        h->closing = h->closing || h->discarded + h->decoder.left > DISCARD_MAX;
    }
    return used > 0;
}

static bool receive_raw(struct http1 *h)
{
    body_write(h->upload, h->cur, h->cur_len);
    h->cur_len = 0;
    return false;
}

static void begin(struct http1 *h, struct exchange *ex)
{
    ex->client = h->client;
    ex->server = h->server;
    ex->tls = exchange_tls_ref(h->tls);
    ex->began_ns = clock_mono_ns();
    h->ex = ex;
    h->discarded = 0;
    http1_decoder_init(&h->decoder, &h->req);
    if (h->decoder.state == HTTP1_DONE) {
        body_end(ex->body);
    } else {
        h->upload = body_ref(ex->body);
        if (h->req.framing == HTTP1_LENGTH)
            body_set_length(ex->body, h->req.length);
        else
            body_set_no_length(ex->body);
        h->continue_due = h->req.expect_continue;
        h->body_since = ex->began_ns;
        h->body_bytes = 0;
        body_on_drain(ex->body, http1_schedule, h);
        body_on_wanted(ex->body, http1_send_continue, h);
        receive_body(h); /* a body that came with its head is there when the handler looks */
    }
    if (h->ex)
        h->env->handler.begin(h->env->handler.env, exchange_ref(ex));
}

/* Empty lines before a request line are allowed (RFC 9112, 2.2). */
static void skip_empty_lines(struct http1 *h)
{
    while (h->cur_len >= 2 && h->cur[0] == '\r' && h->cur[1] == '\n') {
        h->cur += 2;
        h->cur_len -= 2;
        h->searched = 0;
    }
}

static bool receive_head(struct http1 *h)
{
    struct http1_refusal no = {400, "this is not an HTTP/1 request head"};
    skip_empty_lines(h);
    if (h->cur_len == 0)
        return false;
    ssize_t used = 0;
    /* A head that trickles in is parsed when it first appears and when it has ended: each time
     * would be quadratic. */
    if (h->cur[0] == '\n') {
        used = -1;
    } else if (h->searched == 0 || h->eof || http1_head_ends(h->cur, h->cur_len, h->searched)) {
        struct exchange *ex = exchange_new(h->env->loop, &http1_wire, h);
        used = http1_read_head(h->cur, h->cur_len, h->env->scheme, h->env->authority, ex, &h->req,
                               &no);
        if (used > 0) {
            h->cur += used;
            h->cur_len -= (size_t)used;
            h->searched = 0;
            h->head_since = 0;
            begin(h, ex);
            return true;
        }
        exchange_unref(ex);
    }
    if (used < 0 || http1_head_too_long(h->cur, h->cur_len, &no)) {
        refuse_message(h, no.status, no.why);
        return true;
    }
    h->searched = h->cur_len;
    if (!h->head_since)
        h->head_since = clock_mono_ns();
    return false;
}

static bool receive(struct http1 *h)
{
    if (h->lingering || h->deaf) {
        h->cur_len = 0;
        return false;
    }
    if (h->upload)
        return h->tunnel ? receive_raw(h) : receive_body(h);
    return !h->ex && !h->closing && receive_head(h);
}

/* The client has said all it will say, and `cur` is what nothing could be made of. */
static bool at_eof(struct http1 *h)
{
    if (h->upload && h->tunnel) {
        body_end(h->upload);
        http1_drop_upload(h, NULL);
        return false;
    }
    if (h->upload) {
        teardown(h, true); /* half a request */
        return false;
    }
    if (h->ex || h->closing)
        return false;
    if (h->cur_len)
        refuse_message(h, 400, "the request head ends in the middle");
    h->closing = true;
    return true;
}

/* --- the life of a connection --- */

/* One step forward; false when there is nothing to do for now. */
static bool step(struct http1 *h)
{
    if (h->broken || (h->cut && h->out.len == 0)) {
        teardown(h, h->broken || h->reset);
        return false;
    }
    bool sent = !h->answer && h->out.len == 0;
    if (h->ex && h->ex->responded && sent) {
        finish(h, false);
        h->served = true;
        h->idle_since = clock_mono_ns();
        return true;
    }
    if (receive(h))
        return true;
    if (h->eof && at_eof(h))
        return true;
    if (!h->closed && h->closing && !h->ex && sent && !h->lingering &&
        (!h->upload || body_reader_gone(h->upload)))
        end_connection(h);
    else if (h->lingering && h->eof)
        teardown(h, false);
    return false;
}

static void update_watch(struct http1 *h)
{
    bool input = !h->eof;
    if (h->upload)
        input = input && !body_full(h->upload);
    else if (h->ex && !h->deaf)
        input = input && h->in.len < IN_PIPELINED;
    if (input && !h->reading && h->upload) { /* we paused it: the client's rate counts anew */
        h->body_since = clock_mono_ns();
        h->body_bytes = 0;
    }
    if (!input && h->reading && !h->hup) /* a FIN would stand behind what we do not read */
        h->probe_at = clock_mono_ns() + SECOND;
    h->reading = input;
    h->transport->watch(h->transport_env, input, h->blocked);
}

static void trim(struct buf *b)
{
    if (b->len == 0 && b->cap > KEEP)
        buf_clear(b);
}

/* An exchange is going on, and what the socket tells does not tell whether its client is there. */
static bool probing(const struct http1 *h)
{
    return h->ex && (h->hup || !h->reading);
}

static void arm(struct http1 *h);

static void run(struct http1 *h, char *data, size_t len)
{
    if (h->closed)
        return;
    if (h->busy) { /* the handler drains or cuts connections from inside its own request */
        assert(len == 0);
        h->again = true;
        return;
    }
    h->busy = true;
    task_cancel(&h->turn);
    bool own = h->in.len > 0 || len == 0;
    if (own && len)
        buf_add(&h->in, data, len);
    h->cur = own ? h->in.data : data;
    h->cur_len = own ? h->in.len : len;
    do {
        h->again = false;
        http1_flush(h);
    } while (step(h) || (h->again && !h->closed));
    h->busy = false;
    if (h->closed)
        return;
    if (own)
        buf_consume(&h->in, h->in.len - h->cur_len);
    else if (h->cur_len)
        buf_add(&h->in, h->cur, h->cur_len);
    h->cur_len = 0;
    trim(&h->in);
    trim(&h->out);
    update_watch(h);
    arm(h);
}

/* --- deadlines: one timer, moved only when the next one comes sooner than it --- */

static bool upload_watched(const struct http1 *h)
{
    return h->upload && h->reading && !h->continue_due && !h->tunnel;
}

/* Before the answer a minimum rate holds. A conversation in both directions only must not die. */
static int64_t upload_window(const struct http1 *h)
{
    bool answered = !h->ex || h->ex->responded;
    return answered ? h->env->deadlines.idle : h->env->deadlines.body;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t next_deadline(const struct http1 *h)
{
    const struct http1_deadlines *d = &h->env->deadlines;
    int64_t t = INT64_MAX;
    if (h->lingering)
        return h->linger_since + d->linger;
    if (h->blocked)
        t = h->stall_since + d->stall;
    if (upload_watched(h))
        t = sooner(t, h->body_since + upload_window(h));
    if (!h->ex && !h->upload && !h->closing)
        t = sooner(t, h->head_since ? h->head_since + d->head : h->idle_since + d->idle);
    if (probing(h))
        t = sooner(t, h->probe_at);
    return t;
}

static void probe(struct http1 *h, int64_t now)
{
    if (h->transport->peer_gone(h->transport_env)) {
        teardown(h, true);
        return;
    }
    if (!h->hup)
        h->probe_wait = SECOND;
    else
        h->probe_wait = h->probe_wait ? sooner(2 * h->probe_wait, SECOND) : SECOND / 200;
    h->probe_at = now + h->probe_wait;
}

static void check_upload(struct http1 *h, int64_t now)
{
    bool answered = !h->ex || h->ex->responded;
    uint64_t seconds = (uint64_t)(upload_window(h) / 1000000);
    uint64_t need = answered ? 1 : seconds * h->env->deadlines.body_rate / 1000;
    if (h->body_bytes < need) {
        refuse_message(h, 408, "the request body came too slowly");
        return;
    }
    h->body_since = now;
    h->body_bytes = 0;
}

static void on_timer(void *env)
{
    struct http1 *h = env;
    const struct http1_deadlines *d = &h->env->deadlines;
    int64_t now = clock_mono_ns();
    if (h->lingering ? now >= h->linger_since + d->linger
                     : h->blocked && now >= h->stall_since + d->stall) {
        teardown(h, !h->lingering);
        return;
    }
    if (upload_watched(h) && now >= h->body_since + upload_window(h))
        check_upload(h, now);
    if (!h->ex && !h->upload && !h->closing) {
        if (h->head_since && now >= h->head_since + d->head)
            refuse_message(h, 408, "the request head came too slowly");
        else if (!h->head_since && now >= h->idle_since + d->idle)
            h->closing = true;
    }
    if (probing(h) && now >= h->probe_at)
        probe(h, now);
    run(h, NULL, 0);
}

static void arm(struct http1 *h)
{
    int64_t due = next_deadline(h);
    if (due == INT64_MAX || (h->timer.loop && h->timer.due_ns <= due))
        return;
    int64_t wait = due - clock_mono_ns();
    timer_start(h->env->loop, &h->timer, wait > 0 ? wait : 0, on_timer, h);
}

/* --- from the transport --- */

void http1_init(struct http1 *h)
{
    buf_init(&h->in, IN_MAX);
    buf_init(&h->out, OUT_MAX);
    h->turn = (struct task){.fn = on_turn, .env = h};
    h->idle_since = clock_mono_ns();
    update_watch(h);
    arm(h);
}

void http1_clear(struct http1 *h)
{
    assert(h->closed);
    buf_clear(&h->in);
    buf_clear(&h->out);
}

void http1_input(struct http1 *h, char *data, size_t len)
{
    run(h, data, len);
}

void http1_eof(struct http1 *h)
{
    h->eof = true;
    if (!h->hup && !h->closed)
        http1_hup(h);
    run(h, NULL, 0);
}

void http1_hup(struct http1 *h)
{
    h->hup = true;
    if (h->closed || !h->ex)
        return;
    probe(h, clock_mono_ns());
    if (!h->closed)
        arm(h);
}

void http1_writable(struct http1 *h)
{
    h->blocked = false;
    run(h, NULL, 0);
}

void http1_broken(struct http1 *h)
{
    h->broken = true;
    run(h, NULL, 0);
}

void http1_drain(struct http1 *h)
{
    h->closing = true;
    h->cut = h->cut || h->tunnel; /* it would go on for ever */
    run(h, NULL, 0);
}

bool http1_idle(const struct http1 *h)
{
    return !h->ex && !h->upload && h->out.len == 0;
}

void http1_refuse(struct http1 *h, int status, const char *why)
{
    refuse_message(h, status, why);
    run(h, NULL, 0);
}
