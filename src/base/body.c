/* SPDX-License-Identifier: Apache-2.0 */
#include "base/body.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

enum { FULL_CHUNKS = 8, FULL_BYTES = 1 << 20 };

struct chunk {
    struct chunk *next;
    uint8_t *data;          /* bytes, or NULL when `nested` */
    size_t len, used;
    struct body *nested;
    bool inline_data;       /* data lies behind the struct */
};

struct body {
    int refs;
    bool open, held, broken, stopped, was_full, waiting, end_read;
    struct chunk *head, **tail;
    size_t chunks, bytes;   /* own chunks only */
    size_t first_chunks, first_bytes;   /* of these, held before it became a stream */
    bool has_length, no_length;
    uint64_t length;        /* bytes still to come out, when has_length */
    struct headers trailers;
    const char *failure;
    body_fn *readable, *drain, *wanted;
    void *readable_env, *drain_env, *wanted_env;
};

struct body *body_new(void)
{
    struct body *b = xnew(struct body);
    b->refs = 1;
    b->open = true;
    b->tail = &b->head;
    return b;
}

struct body *body_new_held(void)
{
    struct body *b = body_new();
    b->open = false;
    b->held = true;
    return b;
}

void body_release(struct body *b, bool open)
{
    b->held = false;
    b->open = open;
    if (open) {
        b->first_chunks = b->chunks;
        b->first_bytes = b->bytes;
        b->was_full = false;
    }
}

struct body *body_ref(struct body *b)
{
    b->refs++;
    return b;
}

static void chunk_free(struct chunk *c)
{
    if (c->nested) {
        body_stop(c->nested);
        body_unref(c->nested);
    }
    if (!c->inline_data)
        free(c->data);
    free(c);
}

static void drop_chunks(struct body *b)
{
    struct chunk *c = b->head;
    b->head = NULL;
    b->tail = &b->head;
    b->chunks = b->bytes = b->first_chunks = b->first_bytes = 0;
    while (c) {
        struct chunk *next = c->next;
        chunk_free(c);
        c = next;
    }
}

void body_unref(struct body *b)
{
    if (!b || --b->refs > 0)
        return;
    drop_chunks(b);
    headers_clear(&b->trailers);
    free(b);
}

static void wake_reader(struct body *b)
{
    if (!b->waiting || !b->readable)
        return;
    b->waiting = false;
    b->readable(b->readable_env);
}

static void note_drained(struct body *b)
{
    if (!b->was_full || body_full(b))
        return;
    b->was_full = false;
    if (b->drain)
        b->drain(b->drain_env);
}

static void push_back(struct body *b, struct chunk *c)
{
    *b->tail = c;
    b->tail = &c->next;
    b->chunks++;
    b->bytes += c->len - c->used; /* a spliced chunk may have been read in part */
    b->was_full = b->was_full || body_full(b);
}

static struct chunk *chunk_copy(const void *data, size_t len)
{
    struct chunk *c = xmalloc(sizeof *c + len);
    *c = (struct chunk){.data = (uint8_t *)(c + 1), .len = len, .inline_data = true};
    memcpy(c->data, data, len);
    return c;
}

void body_write(struct body *b, const void *data, size_t len)
{
    assert(b->open || b->held || b->stopped);
    if (len == 0 || b->stopped)
        return;
    push_back(b, chunk_copy(data, len));
    wake_reader(b);
}

void body_write_take(struct body *b, void *data, size_t len)
{
    assert(b->open || b->held || b->stopped);
    if (len == 0 || b->stopped) {
        free(data);
        return;
    }
    struct chunk *c = xnew(struct chunk);
    c->data = data;
    c->len = len;
    push_back(b, c);
    wake_reader(b);
}

void body_write_front(struct body *b, const void *data, size_t len)
{
    if (len == 0 || b->stopped)
        return;
    struct chunk *c = chunk_copy(data, len);
    c->next = b->head;
    b->head = c;
    if (!c->next)
        b->tail = &c->next;
    b->chunks++;
    b->bytes += len;
    b->was_full = b->was_full || body_full(b);
    if (b->has_length)
        b->length += len;
    wake_reader(b);
}

static void nested_readable(void *env)
{
    wake_reader(env);
}

/* Move what a complete body holds to the end of b. A guest may append bodies to bodies without
 * end: only the open ones nest, so that nothing here recurses as deep as the guest likes. */
static void splice(struct body *b, struct body *src)
{
    while (src->head) {
        struct chunk *c = src->head;
        src->head = c->next;
        c->next = NULL;
        if (c->nested)
            body_on_readable(c->nested, nested_readable, b);
        push_back(b, c);
    }
    src->tail = &src->head;
    src->chunks = src->bytes = src->first_chunks = src->first_bytes = 0;
    b->no_length = b->no_length || src->no_length;
    headers_copy(&b->trailers, &src->trailers);
    body_unref(src);
    wake_reader(b);
}

void body_append(struct body *b, struct body *src)
{
    if (b->stopped) {
        body_stop(src);
        body_unref(src);
        return;
    }
    b->has_length = false;
    if (!src->open && !src->broken) {
        splice(b, src);
        return;
    }
    struct chunk *c = xnew(struct chunk);
    c->nested = src;
    push_back(b, c);
    body_on_readable(src, nested_readable, b);
    wake_reader(b);
}

/* Fewer bytes than were promised, and nothing open in the queue that may bring them. */
static bool ends_short(const struct body *b)
{
    for (const struct chunk *c = b->head; c; c = c->next)
        if (c->nested)
            return false;
    return b->has_length && !b->stopped && b->bytes < b->length;
}

void body_end(struct body *b)
{
    if (!b->open)
        return;
    if (ends_short(b)) {
        body_fail(b, "it ended before its declared length");
        return;
    }
    b->open = false;
    b->drain = NULL;
    wake_reader(b);
}

void body_fail(struct body *b, const char *reason)
{
    if (!b->open)
        return;
    b->open = false;
    b->drain = NULL;
    b->broken = true;
    b->failure = reason;
    wake_reader(b);
}

bool body_full(const struct body *b)
{
    return !b->stopped && (b->chunks - b->first_chunks >= FULL_CHUNKS ||
                           b->bytes - b->first_bytes >= FULL_BYTES);
}

void body_on_drain(struct body *b, body_fn *fn, void *env)
{
    b->drain = fn;
    b->drain_env = env;
}

void body_on_wanted(struct body *b, body_fn *fn, void *env)
{
    b->wanted = fn;
    b->wanted_env = env;
}

bool body_reader_gone(const struct body *b)
{
    return b->stopped;
}

void body_set_no_length(struct body *b)
{
    b->no_length = true;
}

void body_set_length(struct body *b, uint64_t length)
{
    b->has_length = true;
    b->length = length;
}

bool body_is_open(const struct body *b)
{
    return b->open;
}

bool body_is_complete(const struct body *b)
{
    bool complete = !b->open;
    for (const struct chunk *c = b->head; complete && c; c = c->next)
        complete = !c->nested || body_is_complete(c->nested);
    return complete;
}

static void pop_front(struct body *b)
{
    struct chunk *c = b->head;
    b->head = c->next;
    if (!b->head)
        b->tail = &b->head;
    b->chunks--;
    b->first_chunks -= b->first_chunks > 0;
    chunk_free(c);
}

/* The nested body at the head has ended well: its trailers join ours. */
static void finish_nested(struct body *b)
{
    struct body *src = b->head->nested;
    headers_copy(&b->trailers, &src->trailers);
    body_on_readable(src, NULL, NULL);
    pop_front(b);
    note_drained(b);
}

enum body_read body_peek(struct body *b, const uint8_t **data, size_t *len)
{
    while (b->head) {
        struct chunk *c = b->head;
        if (!c->nested) {
            *data = c->data + c->used;
            *len = c->len - c->used;
            return BODY_DATA;
        }
        enum body_read r = body_peek(c->nested, data, len);
        if (r == BODY_END) {
            finish_nested(b);
            continue;
        }
        if (r == BODY_WAIT)
            b->waiting = true;
        if (r == BODY_ERROR)
            b->failure = body_failure(c->nested);
        return r;
    }
    if (b->broken)
        return BODY_ERROR;
    if (!b->open)
        return BODY_END;
    b->waiting = true;
    if (b->wanted)
        b->wanted(b->wanted_env);
    return BODY_WAIT;
}

void body_consume(struct body *b, size_t len)
{
    if (b->has_length)
        b->length -= len < b->length ? len : b->length;
    struct chunk *c = b->head;
    if (c->nested) {
        body_consume(c->nested, len);
        return;
    }
    assert(len <= c->len - c->used);
    c->used += len;
    b->bytes -= len;
    b->first_bytes -= len < b->first_bytes ? len : b->first_bytes;
    if (c->used == c->len) {
        pop_front(b);
        note_drained(b);
    }
}

enum body_read body_read(struct body *b, void *to, size_t cap, size_t *len)
{
    const uint8_t *data;
    size_t have;
    enum body_read r = body_peek(b, &data, &have);
    if (r == BODY_END)
        b->end_read = true;
    if (r != BODY_DATA)
        return r;
    *len = have < cap ? have : cap;
    if (*len) {
        memcpy(to, data, *len);
        body_consume(b, *len);
    }
    return BODY_DATA;
}

bool body_end_read(const struct body *b)
{
    return b->end_read;
}

void body_on_readable(struct body *b, body_fn *fn, void *env)
{
    b->readable = fn;
    b->readable_env = env;
}

void body_stop(struct body *b)
{
    if (b->stopped)
        return;
    b->stopped = true;
    b->readable = NULL;
    drop_chunks(b);
    b->was_full = false;
    if (b->drain)
        b->drain(b->drain_env);
}

size_t body_queued(const struct body *b)
{
    size_t total = b->bytes;
    for (const struct chunk *c = b->head; c; c = c->next)
        if (c->nested)
            total += body_queued(c->nested);
    return total;
}

int64_t body_known_length(const struct body *b)
{
    if (b->broken || b->no_length)
        return -1;
    if (b->open)
        return b->has_length ? (int64_t)b->length : -1;
    uint64_t total = b->bytes;
    for (const struct chunk *c = b->head; c; c = c->next) {
        if (!c->nested)
            continue;
        int64_t n = body_known_length(c->nested);
        if (n < 0)
            return -1;
        total += (uint64_t)n;
    }
    return (int64_t)total;
}

struct headers *body_trailers(struct body *b)
{
    return &b->trailers;
}

const char *body_failure(const struct body *b)
{
    return b->failure;
}
