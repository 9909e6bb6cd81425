/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/http1_answer.h"

#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "serve/http1_response.h"

enum {
    OUT_BATCH = 64 << 10,       /* stop collecting small pieces for one write */
    OUT_COPY = 16 << 10,        /* pieces up to this size are copied behind the head */
};

static const char *date_now(struct http1_env *env)
{
    int64_t now = clock_wall_ns() / INT64_C(1000000000);
    if (now != env->date_s) {
        env->date_s = now;
        http1_format_date(env->date, now);
    }
    return env->date;
}

/* `len` bytes of the answer have been put into `out` or been written behind it. */
static void answer_taken(struct http1 *h, size_t len)
{
    body_consume(h->answer, len);
    h->ex->sent_bytes += len;
    if (h->delivery == HTTP1_COUNTED) {
        h->length_left -= len;
    } else if (h->delivery == HTTP1_IN_CHUNKS) {
        h->piece_left -= len;
        if (h->piece_left == 0)
            buf_add(&h->out, "\r\n", 2);
    }
}

void http1_drop_answer(struct http1 *h)
{
    struct body *b = TAKE(h->answer);
    body_on_readable(b, NULL, NULL);
    body_stop(b);
    body_unref(b);
}

static void answer_ended(struct http1 *h, bool whole)
{
    if (h->delivery == HTTP1_COUNTED && h->length_left > 0)
        whole = false;
    if (whole && h->delivery == HTTP1_IN_CHUNKS)
        http1_put_trailers(&h->out, body_trailers(h->answer));
    if (!whole) {
        h->cut = true;
        h->reset = h->delivery == HTTP1_UNTIL_CLOSE;
    }
    http1_drop_answer(h);
}

static void put_chunk_size(struct buf *out, size_t n)
{
    char text[18], *p = text + sizeof text;
    *--p = '\n';
    *--p = '\r';
    do
        *--p = "0123456789abcdef"[n & 15];
    while ((n >>= 4) != 0);
    buf_add(out, p, (size_t)(text + sizeof text - p));
}

/* Moves what the answer has now into `out`, up to a batch. A big piece is not copied: *data is set
 * to it and its length returned, to be written right behind `out`. */
static size_t collect(struct http1 *h, const uint8_t **data)
{
    while (h->answer && h->out.len < OUT_BATCH) {
        size_t len;
        enum body_read r = body_peek(h->answer, data, &len);
        if (r == BODY_WAIT)
            return 0;
        if (r != BODY_DATA) {
            answer_ended(h, r == BODY_END);
            return 0;
        }
        if (h->delivery == HTTP1_COUNTED && len >= h->length_left) {
            if (h->length_left == 0) { /* more than was promised */
                h->closing = true;
                http1_drop_answer(h);
                return 0;
            }
            len = (size_t)h->length_left;
        }
        if (h->delivery == HTTP1_IN_CHUNKS) {
            if (h->piece_left == 0) {
                put_chunk_size(&h->out, len);
                h->piece_left = len;
            }
            len = len < h->piece_left ? len : h->piece_left;
        }
        if (len > OUT_COPY)
            return len;
        buf_add(&h->out, *data, len);
        answer_taken(h, len);
    }
    return 0;
}

void http1_flush(struct http1 *h)
{
    while (!h->broken && !h->blocked) {
        const uint8_t *data = NULL;
        size_t extra = collect(h, &data);
        if (h->out.len + extra == 0)
            return;
        struct iovec iov[2] = {{h->out.data, h->out.len}, {(void *)(uintptr_t)data, extra}};
        size_t head = h->out.len;
        int count = head && extra ? 2 : 1;
        ssize_t n = h->transport->write(h->transport_env, head ? iov : iov + 1, count);
        if (n < 0) {
            h->broken = true;
            return;
        }
        size_t sent = (size_t)n;
        if (sent < head) {
            buf_consume(&h->out, sent);
        } else {
            buf_reset(&h->out);
            if (sent > head)
                answer_taken(h, sent - head);
        }
        if (sent || !h->stall_since)
            h->stall_since = 0;
        h->blocked = sent < head + extra;
        if (h->blocked && !h->stall_since)
            h->stall_since = clock_mono_ns();
    }
}

/* --- what the handler does --- */

static void wire_interim(struct exchange *ex, int status, const struct headers *headers)
{
    struct http1 *h = ex->wire_data;
    if (h->out.len > OUT_BATCH)
        return; /* a client that reads nothing misses hints, and costs no memory */
    http1_put_interim(&h->out, status, headers);
    http1_flush(h);
    if (h->blocked || h->broken)
        http1_schedule(h);
}

void http1_send_continue(void *env)
{
    struct http1 *h = env;
    if (!h->continue_due)
        return;
    h->continue_due = false;
    http1_put_interim(&h->out, 100, NULL);
    if (!h->ex->responded)
        http1_flush(h);
    http1_schedule(h);
}

/* The final answer comes while the client waits for 100: may the body still be wanted? It is if
 * the answer is made from it, or is being made; if so 100 goes out first. If not, the client may
 * or may not send its body, and nobody can tell where the next request would begin. */
static void settle_expectation(struct http1 *h, struct body *answer)
{
    const uint8_t *data;
    size_t len;
    if (body_is_open(answer))
        http1_send_continue(h);
    else
        body_peek(answer, &data, &len); /* may call http1_send_continue */
    if (!h->continue_due)
        return;
    h->continue_due = false;
    h->closing = h->deaf = true;
    http1_drop_upload(h, "the answer came before 100 (Continue)");
}

static void wire_respond(struct exchange *ex, const struct response_head *head, struct body *body)
{
    struct http1 *h = ex->wire_data;
    if (h->continue_due)
        settle_expectation(h, body);
    struct http1_plan plan = http1_plan_response(head, body, ex->version, h->req.head_only,
                                                 h->req.keep_alive && !h->closing);
    http1_put_head(&h->out, head, &plan, ex->version, date_now(h->env));
    h->closing = plan.close;
    if (h->out.overflow) {
        buf_reset(&h->out);
        h->cut = h->reset = true;
    }
    if (plan.bodiless || h->cut) {
        body_stop(body);
        body_unref(body);
    } else {
        h->answer = body;
        h->delivery = (int)plan.delivery;
        h->length_left = plan.length;
        h->piece_left = 0;
        body_on_readable(body, http1_schedule, h);
    }
    /* A whole answer goes out now, also if the guest computes on; one that is being written gets
     * its first bytes into the same packet as its head. */
    if (plan.bodiless || (h->answer && !body_is_open(body)))
        http1_flush(h);
    http1_schedule(h);
}

static void wire_upgrade(struct exchange *ex, const struct headers *headers,
                         struct body *to_client, struct body *from_client)
{
    struct http1 *h = ex->wire_data;
    http1_put_switch(&h->out, headers);
    h->tunnel = h->closing = true;
    h->upload = from_client;
    h->answer = to_client;
    h->delivery = HTTP1_UNTIL_CLOSE;
    body_on_drain(from_client, http1_schedule, h);
    body_on_readable(to_client, http1_schedule, h);
    http1_schedule(h);
}

static void wire_abort(struct exchange *ex)
{
    struct http1 *h = ex->wire_data;
    if (h->answer)
        http1_drop_answer(h);
    buf_reset(&h->out);
    h->cut = h->reset = true;
    http1_schedule(h);
}

const struct exchange_wire http1_wire = {
    .interim = wire_interim,
    .respond = wire_respond,
    .abort = wire_abort,
    .upgrade = wire_upgrade,
};

/* --- without a handler --- */

void http1_put_refusal(struct http1 *h, int status, const char *why)
{
    struct headers headers = {0};
    struct body *body = body_new();
    struct response_head head = {.status = status, .headers = &headers, .close = true};
    headers_add_str(&headers, "content-type", "text/plain; charset=utf-8");
    body_write(body, why, strlen(why));
    body_write(body, "\n", 1);
    body_end(body);
    struct http1_plan plan = http1_plan_response(&head, body, 11, false, false);
    http1_put_head(&h->out, &head, &plan, 11, date_now(h->env));
    buf_add_str(&h->out, why);
    buf_add_char(&h->out, '\n');
    headers_clear(&headers);
    body_unref(body);
}
