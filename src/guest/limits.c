/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "guest/session.h"

/* --- the providers' own answers --- */

enum over { OVER_URL, OVER_HEADERS, OVER_REQUEST, OVER_RESPONSE, OVER_CPU, OVER_WALL, OVER_MEMORY };

struct answer {
    int status;                 /* 0: the provider has none */
    const char *header, *value; /* what tells it apart; NULL: none */
    const char *body;
};

#define VERCEL(code, text) "x-vercel-error", code, text "\n\n" code "\n"
#define LAMBDA(code) "x-cache", code " from cloudfront"

/* Statuses and codes: developers.cloudflare.com/workers/observability/errors (1102),
 * fastly.com/documentation/reference/compute/errors, vercel.com/docs/errors, and CloudFront's
 * "Troubleshooting error response status codes" (503 for a function's limits, 502 for an answer
 * that is not valid). */
static const struct answer answers[LIMITS_COUNT][OVER_MEMORY + 1] = {
    [LIMITS_CLOUDFLARE] = {
        [OVER_URL] = {414, NULL, NULL, "URI Too Long\n"},
        [OVER_HEADERS] = {431, NULL, NULL, "Request Header Fields Too Large\n"},
        [OVER_REQUEST] = {413, NULL, NULL, "Request entity too large\n"},
        [OVER_CPU] = {503, NULL, NULL, "error code: 1102\nWorker exceeded resource limits\n"},
        [OVER_MEMORY] = {503, NULL, NULL, "error code: 1102\nWorker exceeded resource limits\n"},
    },
    [LIMITS_FASTLY] = {
        [OVER_URL] = {414, NULL, NULL, "URI Too Long\n"},
        [OVER_HEADERS] = {431, NULL, NULL, "Request Header Fields Too Large\n"},
        [OVER_CPU] = {503, NULL, NULL,
                      "{\"diagnostic\": \"instance_limit\", \"limit\": \"vcpu\"}\n"},
        [OVER_WALL] = {503, NULL, NULL,
                       "{\"diagnostic\": \"instance_limit\", \"limit\": \"timeout\"}\n"},
        [OVER_MEMORY] = {500, NULL, NULL,
                         "{\"diagnostic\": \"instance_error\", \"error\": \"heap_exhausted\"}\n"},
    },
    [LIMITS_LAMBDA_EDGE] = {
        [OVER_URL] = {414, LAMBDA("Error"), "URI Too Long\n"},
        [OVER_HEADERS] = {494, LAMBDA("Error"), "Request Header Too Large\n"},
        [OVER_RESPONSE] = {502, LAMBDA("LambdaValidationError"),
                           "The Lambda function returned an invalid response: the body is too "
                           "large.\n"},
        [OVER_CPU] = {503, LAMBDA("LambdaLimitExceeded"), "The function exceeded its timeout.\n"},
        [OVER_WALL] = {503, LAMBDA("LambdaLimitExceeded"), "The function exceeded its timeout.\n"},
        [OVER_MEMORY] = {503, LAMBDA("LambdaExecutionError"),
                         "The function failed: it ran out of memory.\n"},
    },
    [LIMITS_VERCEL] = {
        [OVER_URL] = {414, VERCEL("URL_TOO_LONG", "URI Too Long")},
        [OVER_HEADERS] = {431, VERCEL("REQUEST_HEADER_TOO_LARGE",
                                      "Request Header Fields Too Large")},
        [OVER_REQUEST] = {413, VERCEL("FUNCTION_PAYLOAD_TOO_LARGE", "Request Entity Too Large")},
        [OVER_WALL] = {504, VERCEL("FUNCTION_INVOCATION_TIMEOUT",
                                   "An error occurred with your deployment")},
        [OVER_MEMORY] = {500, VERCEL("FUNCTION_INVOCATION_FAILED",
                                     "A server error has occurred")},
    },
};

static const struct answer *answer_for(enum limit_profile profile, enum over over)
{
    static const enum limit_profile whose[LIMITS_COUNT] = {
        [LIMITS_CLOUDFLARE] = LIMITS_CLOUDFLARE, [LIMITS_CLOUDFLARE_FREE] = LIMITS_CLOUDFLARE,
        [LIMITS_FASTLY] = LIMITS_FASTLY, [LIMITS_LAMBDA_EDGE] = LIMITS_LAMBDA_EDGE,
        [LIMITS_LAMBDA_EDGE_VIEWER] = LIMITS_LAMBDA_EDGE, [LIMITS_VERCEL] = LIMITS_VERCEL,
    };
    const struct answer *a = &answers[whose[profile]][over];
    return a->status ? a : NULL;
}

/* Why stands in a header of ours: the provider would not say. */
static void show(struct exchange *ex, const struct answer *a, const char *why)
{
    struct headers h = {0};
    struct body *body = body_new();
    headers_add_str(&h, "content-type", "text/plain; charset=utf-8");
    if (a->header)
        headers_add_str(&h, a->header, a->value);
    headers_add_str(&h, "x-edgectl-limit", why);
    body_write(body, a->body, strlen(a->body));
    body_end(body);
    exchange_respond(ex, &(struct response_head){.status = a->status, .headers = &h}, body);
    headers_clear(&h);
}

/* --- requests --- */

static bool within(enum limit_profile profile, enum limit_kind kind, enum over over, uint64_t value,
                   const char *what, struct exchange *ex)
{
    struct err err = {0};
    const struct answer *a = answer_for(profile, over);
    if (!a || limit_check(profile, kind, value, what, &err) == 0)
        return true;
    show(ex, a, err.msg);
    return false;
}

static bool headers_within(enum limit_profile profile, struct exchange *ex)
{
    uint64_t total = 0;
    for (size_t i = 0; i < ex->headers.count; i++) {
        const struct header *h = &ex->headers.list[i];
        uint64_t len = (uint64_t)h->name_len + h->value_len;
        total += len;
        if (!within(profile, LIMIT_HEADER, OVER_HEADERS, len, "a request header has", ex))
            return false;
    }
    return within(profile, LIMIT_HEADERS, OVER_HEADERS, total, "the request headers have", ex);
}

bool guest_limits_admit(enum limit_profile profile, struct exchange *ex)
{
    if (profile == LIMITS_NONE)
        return true;
    const char *path = strstr(ex->uri, "://");
    path = path ? strchr(path + 3, '/') : NULL;
    int64_t length = body_known_length(ex->body);
    return within(profile, LIMIT_URL, OVER_URL, path ? strlen(path) : 0, "the URL has", ex) &&
           headers_within(profile, ex) &&
           within(profile, LIMIT_REQUEST_BODY, OVER_REQUEST, length > 0 ? (uint64_t)length : 0,
                  "the request body has", ex);
}

/* A body that ends, or breaks, after so many bytes of another. */
struct cut {
    struct body *from, *to;
    uint64_t left;
    bool breaks, moving;
};

static void cut_free(struct cut *c)
{
    body_on_readable(c->from, NULL, NULL);
    body_on_drain(c->to, NULL, NULL);
    body_stop(c->from);
    body_unref(c->from);
    body_unref(c->to);
    free(c);
}

static void cut_move(void *env)
{
    struct cut *c = env;
    const uint8_t *data;
    size_t len;
    /* The reader, woken by a piece, may want the next one or leave at once: that is seen below. */
    if (c->moving)
        return;
    c->moving = true;
    while (!body_full(c->to)) {
        enum body_read r = body_reader_gone(c->to) ? BODY_ERROR : body_peek(c->from, &data, &len);
        if (r == BODY_WAIT)
            break;
        if (r == BODY_DATA && len <= c->left) {
            body_write(c->to, data, len);
            body_consume(c->from, len);
            c->left -= len;
            continue;
        }
        if (r == BODY_DATA && !c->breaks)
            body_write(c->to, data, (size_t)c->left);
        if (r == BODY_END || (r == BODY_DATA && !c->breaks))
            body_end(c->to);
        else
            body_fail(c->to, r == BODY_DATA ? "it is longer than the provider allows"
                                            : "it was cut short");
        cut_free(c);
        return;
    }
    c->moving = false;
}

struct body *guest_limits_body(enum limit_profile profile, struct body *source)
{
    const struct limit *l = limit_find(profile, LIMIT_REQUEST_BODY);
    int64_t length = body_known_length(source);
    if (!l || (length >= 0 && (uint64_t)length <= l->value))
        return source;
    struct cut *c = xnew(struct cut);
    *c = (struct cut){source, body_new(), l->value, answer_for(profile, OVER_REQUEST) != NULL,
                      false};
    struct body *to = body_ref(c->to);
    body_set_no_length(to);
    body_on_readable(source, cut_move, c);
    body_on_drain(to, cut_move, c);
    cut_move(c);
    return to;
}

/* --- what a guest may use --- */

static uint64_t stricter(uint64_t a, uint64_t b)
{
    return !a ? b : !b || a < b ? a : b;
}

uint64_t guest_limits_time_ms(enum limit_profile profile, enum limit_kind kind, uint64_t asked,
                              uint64_t own)
{
    const struct limit *most = kind == LIMIT_CPU && asked ? limit_find(profile, LIMIT_CPU_ASKED)
                                                          : NULL;
    const struct limit *l = most ? most : limit_find(profile, kind);
    if (!l)
        return asked ? asked : own;
    return asked ? stricter(asked, l->value) : l->value;
}

uint64_t guest_limits_memory(enum limit_profile profile, uint64_t asked)
{
    const struct limit *l = limit_find(profile, LIMIT_MEMORY);
    return l ? stricter(asked, l->value) : asked;
}

uint64_t guest_limit(const struct guest *g, enum limit_kind kind, uint64_t own)
{
    const struct limit *l = limit_find(g->env->limits, kind);
    return l && l->value < own ? l->value : own;
}

bool guest_limits_count(const struct guest *g, enum limit_kind kind, uint64_t *count)
{
    const struct limit *l = limit_find(g->env->limits, kind);
    ++*count;
    return !l || *count <= l->value;
}

/* --- the answer --- */

bool guest_limits_ended(enum limit_profile profile, struct exchange *ex,
                        const struct instance_outcome *out)
{
    enum over over = out->end == INSTANCE_CPU_LIMIT      ? OVER_CPU
                     : out->end == INSTANCE_MEMORY_LIMIT ? OVER_MEMORY
                                                         : OVER_WALL;
    const struct answer *a = profile != LIMITS_NONE ? answer_for(profile, over) : NULL;
    if (!a || (over == OVER_WALL && out->end != INSTANCE_STOPPED))
        return false;
    show(ex, a, out->message);
    return true;
}

/* An answer that is held until all of it is here. */
struct held {
    struct exchange *ex;
    struct body *from;
    struct headers headers;
    struct response_head head;
    struct buf data;
    enum limit_profile profile;
};

static void held_free(struct held *h)
{
    body_on_readable(h->from, NULL, NULL);
    body_stop(h->from);
    body_unref(h->from);
    headers_clear(&h->headers);
    buf_clear(&h->data);
    exchange_unref(h->ex);
    free(h);
}

static void held_send(struct held *h)
{
    struct body *body = body_new();
    size_t len = h->data.len;
    body_write_take(body, buf_take(&h->data), len);
    body_end(body);
    exchange_respond(h->ex, &h->head, body);
}

static void held_refuse(struct held *h, uint64_t limit)
{
    char why[160];
    snprintf(why, sizeof why, "the answer has more than %" PRIu64 " bytes; %s allows no more",
             limit, limit_profile_name(h->profile));
    show(h->ex, answer_for(h->profile, OVER_RESPONSE), why);
}

static void held_collect(void *env)
{
    struct held *h = env;
    const uint8_t *data;
    size_t len;
    for (;;) {
        switch (body_peek(h->from, &data, &len)) {
        case BODY_WAIT:
            return;
        case BODY_DATA:
            if (buf_add(&h->data, data, len)) {
                body_consume(h->from, len);
                continue;
            }
            held_refuse(h, h->data.max);
            break;
        case BODY_END:
            held_send(h);
            break;
        case BODY_ERROR:
            exchange_abort(h->ex);
            break;
        }
        held_free(h);
        return;
    }
}

void guest_limits_respond(enum limit_profile profile, struct exchange *ex,
                          const struct response_head *head, struct body *body)
{
    const struct limit *l = limit_find(profile, LIMIT_RESPONSE_BODY);
    if (!l || !body) {
        exchange_respond(ex, head, body);
        return;
    }
    struct held *h = xnew(struct held);
    h->ex = exchange_ref(ex);
    h->from = body;
    h->profile = profile;
    h->head = *head;
    headers_copy(&h->headers, head->headers);
    h->head.headers = &h->headers;
    buf_init(&h->data, l->value);
    body_on_readable(body, held_collect, h);
    held_collect(h);
}
