/* SPDX-License-Identifier: Apache-2.0 */
#include "world/core_cache.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "world/core_cache_impl.h"

struct core_cache *core_cache_new(uint64_t max_bytes)
{
    struct core_cache *c = xnew(struct core_cache);
    uv_mutex_init(&c->lock);
    c->max_bytes = max_bytes;
    c->seed = random_u64();
    return c;
}

void core_cache_free(struct core_cache *c)
{
    if (!c)
        return;
    while (c->oldest)
        cache_entry_remove(c, c->oldest);
    free(c->buckets);
    uv_mutex_destroy(&c->lock);
    free(c);
}

void cache_trim(struct core_cache *c)
{
    struct cache_entry *e = c->oldest;
    while (e && c->bytes > c->max_bytes) {
        struct cache_entry *newer = e->newer;
        if (cache_entry_idle(e))
            cache_entry_remove(c, e);
        e = newer;
    }
}

uint64_t core_cache_bytes(struct core_cache *c)
{
    uv_mutex_lock(&c->lock);
    uint64_t bytes = c->bytes;
    uv_mutex_unlock(&c->lock);
    return bytes;
}

/* --- objects --- */

/* " a b " from "a  b": a key is looked for with a space on either side. */
static char *surrogates_canonical(const char *keys)
{
    if (!keys || !*keys)
        return NULL;
    char *text = xmalloc(strlen(keys) + 3);
    char *to = text;
    *to++ = ' ';
    for (const char *p = keys; *p; p++)
        if (*p != ' ' || to[-1] != ' ')
            *to++ = *p;
    if (to[-1] != ' ')
        *to++ = ' ';
    *to = '\0';
    return text;
}

/* Takes a reference to `data`, which is the caller's. */
static struct cache_object *object_new(struct core_cache *c, const struct cache_write *w,
                                       struct cache_data *data)
{
    struct cache_object *o = xnew(struct cache_object);
    o->cache = c;
    o->refs = 1;
    o->inserted_ns = clock_mono_ns();
    o->max_age_ns = w->max_age_ns;
    o->initial_age_ns = w->initial_age_ns;
    o->stale_ns = w->stale_while_revalidate_ns;
    o->metadata = w->metadata_len ? xmemdup(w->metadata, w->metadata_len) : NULL;
    o->metadata_len = w->metadata_len;
    o->surrogates = surrogates_canonical(w->surrogates);
    o->data = data;
    return o;
}

void cache_object_release(struct cache_object *o)
{
    if (--o->refs > 0)
        return;
    cache_data_unref(o->data);
    free(o->metadata);
    free(o->surrogates);
    free(o);
}

void cache_object_unref(struct cache_object *o)
{
    if (!o)
        return;
    struct core_cache *c = o->cache;
    uv_mutex_lock(&c->lock);
    cache_object_release(o);
    uv_mutex_unlock(&c->lock);
}

static uint64_t add_sat(uint64_t a, uint64_t b)
{
    return a + b < a ? UINT64_MAX : a + b;
}

static uint64_t age_of(const struct cache_object *o)
{
    return add_sat((uint64_t)(clock_mono_ns() - o->inserted_ns), o->initial_age_ns);
}

static bool is_fresh(const struct cache_object *o)
{
    return !o->soft_purged && age_of(o) < o->max_age_ns;
}

static bool is_usable(const struct cache_object *o)
{
    return age_of(o) < add_sat(o->max_age_ns, o->stale_ns);
}

void cache_object_info(struct cache_object *o, struct cache_info *ret)
{
    uv_mutex_lock(&o->cache->lock);
    *ret = (struct cache_info){
        .fresh = is_fresh(o),
        .usable = is_usable(o),
        .age_ns = age_of(o),
        .max_age_ns = o->max_age_ns,
        .stale_while_revalidate_ns = o->stale_ns,
        .hits = o->hits,
        .metadata = o->metadata,
        .metadata_len = o->metadata_len,
    };
    ret->has_length = cache_data_length(o->data, &ret->length);
    uv_mutex_unlock(&o->cache->lock);
}

/* --- looking up --- */

static struct cache_object *give(struct cache_object *o)
{
    o->refs++;
    if (is_usable(o))
        o->hits++;
    return o;
}

struct cache_object *core_cache_lookup(struct core_cache *c, const struct cache_key *key,
                                       const struct headers *request)
{
    struct cache_object *found = NULL;
    uv_mutex_lock(&c->lock);
    struct cache_walk w = cache_variant_walk(cache_entry_get(c, key, false), request);
    for (struct cache_variant *v; !found && (v = cache_variant_next(&w));) {
        struct cache_object *o = cache_variant_object(c, v);
        if (o)
            found = give(o);
    }
    cache_variant_walk_end(&w);
    uv_mutex_unlock(&c->lock);
    return found;
}

static struct cache_obligation *oblige(struct cache_entry *e, struct cache_variant *v,
                                       const struct headers *request, struct core_cache *c)
{
    struct cache_obligation *o = xnew(struct cache_obligation);
    o->cache = c;
    o->entry = e;
    o->variant = v;
    if (request)
        headers_copy(&o->request, request);
    v->obligated = true;
    e->obligations++;
    return o;
}

/* What a request finds under a key, of the variants that match it. */
struct candidates {
    struct cache_object *fresh;
    struct cache_object *stale_in_work;     /* stale but usable, and someone revalidates it */
    struct cache_variant *stale;            /* stale but usable, nobody does */
    bool in_work;                           /* someone fetches one */
};

static struct candidates look(struct core_cache *c, struct cache_entry *e,
                              const struct headers *request)
{
    struct candidates found = {0};
    struct cache_walk w = cache_variant_walk(e, request);
    for (struct cache_variant *v; !found.fresh && (v = cache_variant_next(&w));) {
        struct cache_object *o = cache_variant_object(c, v);
        found.in_work = found.in_work || v->obligated;
        if (!o || !is_usable(o))
            continue;
        if (is_fresh(o))
            found.fresh = o;
        else if (v->obligated && !found.stale_in_work)
            found.stale_in_work = o;
        else if (!v->obligated && !found.stale)
            found.stale = v;
    }
    cache_variant_walk_end(&w);
    return found;
}

struct cache_answer core_cache_transact(struct core_cache *c, const struct cache_key *key,
                                        const struct headers *request,
                                        const struct cache_notify *notify)
{
    struct cache_answer answer = {0};
    uv_mutex_lock(&c->lock);
    struct cache_entry *e = cache_entry_get(c, key, true);
    struct candidates found = look(c, e, request);
    if (found.fresh) {
        answer.found = give(found.fresh);
    } else if (found.stale_in_work) {
        answer.found = give(found.stale_in_work);
    } else if (found.in_work) {
        answer.watch = cache_watch_new(c, notify);
        cache_watch_add(&e->watches, answer.watch);
    } else if (found.stale) {
        answer.found = give(found.stale->object);
        answer.obligation = oblige(e, found.stale, request, c);
    } else {
        /* The answer will most likely vary as the last one did. */
        const char *rule = e->variants ? e->variants->rule : "";
        answer.obligation = oblige(e, cache_variant_get(e, rule, request), request, c);
    }
    uv_mutex_unlock(&c->lock);
    return answer;
}

bool cache_obligation_holds_up(struct cache_obligation *o, const struct cache_key *key,
                               const struct headers *request)
{
    struct cache_entry *e = o->entry;
    bool holds = false;
    uv_mutex_lock(&o->cache->lock);
    if (e->key_len == key->len && memcmp(e->key, key->data, key->len) == 0) {
        struct cache_walk w = cache_variant_walk(e, request);
        for (struct cache_variant *v; (v = cache_variant_next(&w));)
            holds = holds || v == o->variant;
        cache_variant_walk_end(&w);
    }
    uv_mutex_unlock(&o->cache->lock);
    return holds;
}

/* --- storing --- */

/* A new object for the key, with the caller's data; returns it borrowed. */
static struct cache_object *store(struct core_cache *c, struct cache_entry *e,
                                  const struct headers *request, const struct cache_write *w,
                                  struct cache_data *data)
{
    cleanup(free_p) char *rule = vary_canonical(w->vary_rule);
    struct cache_object *o = object_new(c, w, data);
    cache_variant_store(c, cache_variant_get(e, rule, request), o);
    return o;
}

void core_cache_insert(struct core_cache *c, const struct cache_key *key,
                       const struct headers *request, const struct cache_write *write,
                       struct body *source)
{
    uv_mutex_lock(&c->lock);
    struct cache_data *data = cache_data_new(c, write);
    struct cache_entry *e = cache_entry_get(c, key, true);
    store(c, e, request, write, data);
    data->refs++; /* trimming may drop the object */
    cache_watch_fire(&e->watches);
    cache_trim(c);
    uv_mutex_unlock(&c->lock);
    cache_data_fill(data, source);
    uv_mutex_lock(&c->lock);
    cache_data_unref(data);
    uv_mutex_unlock(&c->lock);
}

/* The variant is free for others; those who wait look again. */
static void discharge(struct cache_obligation *o)
{
    o->variant->obligated = false;
    cache_variant_tidy(o->entry, o->variant);
    o->entry->obligations--;
    cache_watch_fire(&o->entry->watches);
}

static void obligation_free(struct cache_obligation *o)
{
    headers_clear(&o->request);
    free(o);
}

struct cache_object *cache_obligation_insert(struct cache_obligation *o,
                                             const struct cache_write *write, struct body *source)
{
    struct core_cache *c = o->cache;
    uv_mutex_lock(&c->lock);
    struct cache_data *data = cache_data_new(c, write);
    struct cache_object *object = store(c, o->entry, &o->request, write, data);
    object->refs++;
    discharge(o);
    cache_trim(c);
    uv_mutex_unlock(&c->lock);
    cache_data_fill(data, source); /* our reference to the object holds it */
    obligation_free(o);
    return object;
}

bool cache_obligation_update(struct cache_obligation *o, const struct cache_write *write)
{
    struct core_cache *c = o->cache;
    uv_mutex_lock(&c->lock);
    struct cache_object *old = cache_variant_object(c, o->variant);
    if (old) {
        old->data->refs++;
        store(c, o->entry, &o->request, write, old->data);
        discharge(o);
        cache_trim(c);
    }
    uv_mutex_unlock(&c->lock);
    if (old)
        obligation_free(o);
    return old != NULL;
}

void cache_obligation_drop(struct cache_obligation *o)
{
    if (!o)
        return;
    struct core_cache *c = o->cache;
    uv_mutex_lock(&c->lock);
    discharge(o);
    cache_entry_tidy(c, o->entry);
    uv_mutex_unlock(&c->lock);
    obligation_free(o);
}

/* --- purging --- */

bool cache_surrogate_valid(const char *key, size_t len)
{
    if (len == 0 || len > CORE_CACHE_SURROGATE_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (key[i] <= ' ' || key[i] > '~')
            return false;
    return true;
}

/* `wanted` NULL: whatever its keys are. */
static size_t purge_entry(struct core_cache *c, struct cache_entry *e, const char *wanted,
                          bool soft)
{
    size_t count = 0;
    for (struct cache_variant *v = e->variants, *next; v; v = next) {
        next = v->next;
        struct cache_object *o = cache_variant_object(c, v);
        if (!o || (wanted && (!o->surrogates || !strstr(o->surrogates, wanted))))
            continue;
        count++;
        if (soft) {
            o->soft_purged = true;
            continue;
        }
        cache_variant_store(c, v, NULL);
        cache_variant_tidy(e, v);
    }
    return count;
}

static size_t purge(struct core_cache *c, const char *wanted, bool soft)
{
    size_t count = 0;
    uv_mutex_lock(&c->lock);
    for (struct cache_entry *e = c->oldest, *newer; e; e = newer) {
        newer = e->newer;
        count += purge_entry(c, e, wanted, soft);
        cache_entry_tidy(c, e);
    }
    uv_mutex_unlock(&c->lock);
    return count;
}

size_t core_cache_purge(struct core_cache *c, const char *surrogate, size_t len, bool soft)
{
    assert(cache_surrogate_valid(surrogate, len));
    cleanup(free_p) char *wanted = xasprintf(" %.*s ", (int)len, surrogate);
    return purge(c, wanted, soft);
}

size_t core_cache_purge_all(struct core_cache *c, bool soft)
{
    return purge(c, NULL, soft);
}
