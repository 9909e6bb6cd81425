/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies in the core cache: filled by one loop while read by any number of others. Chunks never
 * change once they are in the list, so readers copy from them without the lock. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "world/core_cache_impl.h"

/* --- watches --- */

struct cache_watch *cache_watch_new(struct core_cache *c, const struct cache_notify *notify)
{
    struct cache_watch *w = xnew(struct cache_watch);
    w->cache = c;
    w->notify = *notify;
    return w;
}

void cache_watch_add(struct cache_watch **list, struct cache_watch *w)
{
    if (w->link || w->posted)
        return;
    w->next = *list;
    if (w->next)
        w->next->link = &w->next;
    w->link = list;
    *list = w;
}

static void cache_watch_remove(struct cache_watch *w)
{
    if (!w->link)
        return;
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
    w->link = NULL;
}

static void deliver(void *env)
{
    struct cache_watch *w = env;
    uv_mutex_lock(&w->cache->lock);
    w->posted = false;
    uv_mutex_unlock(&w->cache->lock);
    if (w->closed)
        free(w);
    else
        w->notify.fn(w->notify.env);
}

void cache_watch_fire(struct cache_watch **list)
{
    while (*list) {
        struct cache_watch *w = *list;
        cache_watch_remove(w);
        w->posted = true;
        loop_post(w->notify.loop, deliver, w);
    }
}

void cache_watch_close(struct cache_watch *w)
{
    if (!w)
        return;
    uv_mutex_lock(&w->cache->lock);
    cache_watch_remove(w);
    bool posted = w->posted;
    uv_mutex_unlock(&w->cache->lock);
    w->closed = true;
    if (!posted)
        free(w);
}

/* --- data --- */

struct cache_data *cache_data_new(struct core_cache *c, const struct cache_write *write)
{
    struct cache_data *d = xnew(struct cache_data);
    d->cache = c;
    d->refs = 1;
    d->tail = &d->head;
    d->has_length = write->has_length;
    d->length = write->length;
    return d;
}

void cache_data_unref(struct cache_data *d)
{
    if (--d->refs > 0)
        return;
    while (d->head) {
        struct cache_chunk *c = d->head;
        d->head = c->next;
        free(c);
    }
    free(d);
}

void cache_data_store(struct cache_data *d)
{
    if (d->stored++ == 0)
        d->cache->bytes += d->len;
}

void cache_data_unstore(struct cache_data *d)
{
    if (--d->stored == 0)
        d->cache->bytes -= d->len;
}

bool cache_data_length(const struct cache_data *d, uint64_t *ret)
{
    if (d->state != CACHE_COMPLETE && !d->has_length)
        return false;
    *ret = d->state == CACHE_COMPLETE ? d->len : d->length;
    return true;
}

/* --- filling --- */

struct filler {
    struct cache_data *data;
    struct body *source;
};

static void filler_end(struct filler *f, enum cache_fill state)
{
    struct core_cache *c = f->data->cache;
    uv_mutex_lock(&c->lock);
    if (state == CACHE_COMPLETE && f->data->has_length && f->data->len != f->data->length)
        state = CACHE_BROKEN;
    f->data->state = state;
    cache_watch_fire(&f->data->watches);
    cache_data_unref(f->data);
    uv_mutex_unlock(&c->lock);
    body_on_readable(f->source, NULL, NULL);
    body_stop(f->source);
    body_unref(f->source);
    free(f);
}

/* False when the object has become too big, or bigger than promised. */
static bool append(struct cache_data *d, const uint8_t *bytes, size_t len)
{
    struct cache_chunk *chunk = xmalloc(sizeof *chunk + len);
    chunk->next = NULL;
    chunk->len = len;
    memcpy(chunk->data, bytes, len);
    struct core_cache *c = d->cache;
    uv_mutex_lock(&c->lock);
    d->len += len;
    bool fits = d->len <= c->max_bytes / 2 && (!d->has_length || d->len <= d->length);
    bool wanted = d->stored || d->refs > 1; /* more than the filler knows of it */
    if (wanted) {
        *d->tail = chunk;
        d->tail = &chunk->next;
    }
    if (d->stored) {
        c->bytes += len;
        cache_trim(c);
    }
    cache_watch_fire(&d->watches);
    uv_mutex_unlock(&c->lock);
    if (!wanted)
        free(chunk);
    return fits;
}

static void fill(void *env)
{
    struct filler *f = env;
    const uint8_t *bytes;
    size_t len;
    for (;;) {
        switch (body_peek(f->source, &bytes, &len)) {
        case BODY_DATA:
            if (!append(f->data, bytes, len)) {
                filler_end(f, CACHE_BROKEN);
                return;
            }
            body_consume(f->source, len);
            break;
        case BODY_WAIT:
            return;
        case BODY_END:
            filler_end(f, CACHE_COMPLETE);
            return;
        case BODY_ERROR:
            filler_end(f, CACHE_BROKEN);
            return;
        }
    }
}

void cache_data_fill(struct cache_data *d, struct body *source)
{
    struct filler *f = xnew(struct filler);
    f->data = d;
    f->source = source;
    uv_mutex_lock(&d->cache->lock);
    d->refs++;
    uv_mutex_unlock(&d->cache->lock);
    body_on_readable(source, fill, f);
    fill(f);
}

/* --- reading --- */

/* Copies a range of the data into a body as fast as its reader takes it. */
struct feeder {
    struct cache_data *data;
    struct body *out;
    struct cache_watch *watch;
    struct cache_chunk *at;         /* where it stands, NULL = before the first */
    size_t used;                    /* bytes of `at` */
    uint64_t skip, left;            /* bytes before, and in, the range */
    bool bounded;                   /* left must come down to 0 */
    bool feeding;
};

static void feeder_free(struct feeder *f)
{
    struct core_cache *c = f->data->cache;
    body_on_drain(f->out, NULL, NULL);
    body_unref(f->out);
    cache_watch_close(f->watch);
    uv_mutex_lock(&c->lock);
    cache_data_unref(f->data);
    uv_mutex_unlock(&c->lock);
    free(f);
}

/* The next bytes of the range, or why there are none. */
static enum body_read next_bytes(struct feeder *f, const uint8_t **ret, size_t *ret_len)
{
    if (f->left == 0)
        return BODY_END;
    for (;;) {
        struct cache_chunk *c = f->at;
        if (!c || f->used == c->len)
            c = c ? c->next : f->data->head;
        if (!c)
            break;
        if (c != f->at) {
            f->at = c;
            f->used = 0;
        }
        size_t have = c->len - f->used;
        if (f->skip >= have) {
            f->skip -= have;
            f->used = c->len;
            continue;
        }
        f->used += f->skip;
        have -= f->skip;
        f->skip = 0;
        *ret = c->data + f->used;
        *ret_len = have < f->left ? have : (size_t)f->left;
        f->used += *ret_len;
        f->left -= *ret_len;
        return BODY_DATA;
    }
    if (f->data->state == CACHE_FILLING) {
        cache_watch_add(&f->data->watches, f->watch);
        return BODY_WAIT;
    }
    return f->data->state == CACHE_BROKEN || f->bounded ? BODY_ERROR : BODY_END;
}

static void feed(struct feeder *f)
{
    const uint8_t *bytes;
    size_t len;
    f->feeding = true;
    while (!body_reader_gone(f->out) && !body_full(f->out)) {
        uv_mutex_lock(&f->data->cache->lock);
        enum body_read r = next_bytes(f, &bytes, &len);
        uv_mutex_unlock(&f->data->cache->lock);
        if (r == BODY_DATA) {
            body_write(f->out, bytes, len);
            continue;
        }
        f->feeding = false;
        if (r == BODY_WAIT)
            return;
        body_on_drain(f->out, NULL, NULL);
        if (r == BODY_END)
            body_end(f->out);
        else
            body_fail(f->out, "the cached object is incomplete");
        feeder_free(f);
        return;
    }
    f->feeding = false;
    if (body_reader_gone(f->out))
        feeder_free(f);
}

static void on_more(void *env)
{
    feed(env);
}

static void on_drain(void *env)
{
    struct feeder *f = env;
    if (!f->feeding) /* feed() looks for itself */
        feed(f);
}

static struct body *start_feeder(struct cache_data *d, const struct feeder *range,
                                 const struct cache_notify *notify)
{
    struct feeder *f = xmemdup(range, sizeof *range);
    f->data = d;
    f->out = body_new();
    f->watch = cache_watch_new(d->cache, &(struct cache_notify){notify->loop, on_more, f});
    struct body *out = body_ref(f->out);
    uv_mutex_lock(&d->cache->lock);
    d->refs++;
    uint64_t length;
    bool known = cache_data_length(d, &length);
    uv_mutex_unlock(&d->cache->lock);
    if (f->bounded)
        body_set_length(out, f->left);
    else if (known && length >= f->skip)
        body_set_length(out, length - f->skip);
    body_on_drain(out, on_drain, f);
    feed(f);
    return out;
}

/* The bounds of a range as bytes to skip and to give. WAIT while that cannot be known. */
static enum cache_read resolve(const struct cache_data *d, const struct cache_range *r,
                               struct feeder *ret)
{
    uint64_t length;
    bool known = cache_data_length(d, &length);
    *ret = (struct feeder){.left = UINT64_MAX};
    if ((!r->has_from && !r->has_to) || (!known && !r->always))
        return CACHE_READ_OK;
    if (!r->has_from) {
        if (!known)
            return d->state == CACHE_FILLING ? CACHE_READ_WAIT : CACHE_READ_ERROR;
        if (r->to < 1 || r->to > length)
            return CACHE_READ_OK;
        *ret = (struct feeder){.skip = length - r->to, .left = r->to, .bounded = true};
        return CACHE_READ_OK;
    }
    if (known && (r->from >= length || (r->has_to && (r->to < r->from || r->to >= length))))
        return CACHE_READ_OK;
    if (!known && d->len <= r->from)
        return d->state == CACHE_FILLING ? CACHE_READ_WAIT : CACHE_READ_ERROR;
    ret->skip = r->from;
    if (r->has_to) {
        ret->left = r->to < r->from ? 0 : r->to - r->from + 1;
        ret->bounded = true;
    }
    return CACHE_READ_OK;
}

enum cache_read cache_object_read(struct cache_object *o, const struct cache_range *range,
                                  const struct cache_notify *notify, struct body **ret_body,
                                  struct cache_watch **ret_watch)
{
    struct feeder f;
    uv_mutex_lock(&o->cache->lock);
    enum cache_read r = resolve(o->data, range, &f);
    if (r == CACHE_READ_WAIT) {
        *ret_watch = cache_watch_new(o->cache, notify);
        cache_watch_add(&o->data->watches, *ret_watch);
    }
    uv_mutex_unlock(&o->cache->lock);
    if (r == CACHE_READ_OK)
        *ret_body = start_feeder(o->data, &f, notify);
    return r;
}
