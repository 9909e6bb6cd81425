/* SPDX-License-Identifier: Apache-2.0 */
/* Cache handles, and the options that come with writes. */
#include <stdlib.h>
#include "base/mem.h"
#include "guest/cache.h"
#include "guest/record.h"

/* --- items --- */

static void set_found(struct cache_item *ci, struct cache_object *found)
{
    struct cache_info info = {0};
    if (found)
        cache_object_info(found, &info);
    ci->found = found;
    ci->has_length = info.has_length;
    ci->length = info.length;
}

struct cache_item *cache_item_found(struct guest *g, struct cache_object *found)
{
    struct cache_item *ci = xnew(struct cache_item);
    ci->g = g;
    ci->body = HANDLE_INVALID;
    set_found(ci, found);
    return ci;
}

void cache_item_free(struct cache_item *ci)
{
    if (!ci)
        return;
    cache_watch_close(ci->watch);
    cache_obligation_drop(ci->obligation);
    cache_object_unref(ci->found);
    free(ci->key);
    headers_clear(&ci->request);
    free(ci);
}

static void look_again(void *env);

static void transact(struct cache_item *ci, const struct cache_key *key,
                     const struct headers *request)
{
    struct cache_notify notify = {ci->g->env->loop, look_again, ci};
    struct core_cache *cache = ci->g->app->world->cache;
    struct cache_answer answer = core_cache_transact(cache, key, request, &notify);
    ci->watch = answer.watch;
    ci->looking = answer.watch != NULL;
    ci->obligation = answer.obligation;
    set_found(ci, answer.found);
}

static void look_again(void *env)
{
    struct cache_item *ci = env;
    cache_watch_close(ci->watch);
    transact(ci, &(struct cache_key){ci->key, ci->key_len}, &ci->request);
    if (!ci->looking)
        guest_event(ci->g);
}

struct cache_item *cache_item_transact(struct guest *g, const struct cache_key *key,
                                       const struct headers *request)
{
    struct cache_item *ci = cache_item_found(g, NULL);
    transact(ci, key, request);
    if (ci->looking) {
        ci->key = xmemdup(key->data, key->len);
        ci->key_len = key->len;
        if (request)
            headers_copy(&ci->request, request);
    }
    return ci;
}

bool cache_item_ready(struct item *it)
{
    const struct cache_item *ci = it->ptr;
    return !ci || !ci->looking;
}

void cache_item_drop(struct guest *g, struct item *it)
{
    (void)g;
    cache_item_free(it->ptr);
}

/* --- write options --- */

enum {
    WRITE_REQUEST_HEADERS = 1 << 1,
    WRITE_VARY_RULE = 1 << 2,
    WRITE_INITIAL_AGE = 1 << 3,
    WRITE_STALE_WHILE_REVALIDATE = 1 << 4,
    WRITE_SURROGATE_KEYS = 1 << 5,
    WRITE_LENGTH = 1 << 6,
    WRITE_USER_METADATA = 1 << 7,
    WRITE_SENSITIVE_DATA = 1 << 8,
    WRITE_EDGE_MAX_AGE = 1 << 9,
    WRITE_SERVICE_ID = 1 << 10,
    WRITE_KNOWN = (1 << 11) - 2,
};

/* Header names separated by spaces. */
static enum hc_status read_vary(struct instance *in, uint64_t record, char **ret)
{
    uint32_t ptr, len;
    uint8_t *text;
    const char *name;
    TRY(record_u32(in, record, 12, &ptr));
    TRY(record_u32(in, record, 16, &len));
    TRY(mem_bytes(in, ptr, len, &text));
    for (uint32_t at = 0; at < len;) {
        const uint8_t *space = memchr(text + at, ' ', len - at);
        uint32_t n = space ? (uint32_t)(space - (text + at)) : len - at;
        if (n)
            TRY(header_name_in(in, ptr + at, n, &name));
        at += n + 1;
    }
    *ret = xstrndup((const char *)text, len);
    return HC_OK;
}

static enum hc_status read_surrogates(struct instance *in, uint64_t record, char **ret)
{
    uint32_t len;
    uint8_t *text;
    TRY(record_bytes(in, record, 40, &text, &len));
    if (len > CORE_CACHE_SURROGATES_MAX)
        return HC_INVAL;
    for (uint32_t at = 0; at < len;) {
        const uint8_t *space = memchr(text + at, ' ', len - at);
        uint32_t n = space ? (uint32_t)(space - (text + at)) : len - at;
        if (n && !cache_surrogate_valid((const char *)text + at, n))
            return HC_INVAL;
        at += n + 1;
    }
    *ret = xstrndup((const char *)text, len);
    return HC_OK;
}

static enum hc_status read_ages(struct instance *in, uint64_t mask, uint64_t record,
                                struct cache_write *w)
{
    uint64_t edge_max_age;
    TRY(record_u64(in, record, 0, &w->max_age_ns));
    if (mask & WRITE_INITIAL_AGE)
        TRY(record_u64(in, record, 24, &w->initial_age_ns));
    if (mask & WRITE_STALE_WHILE_REVALIDATE)
        TRY(record_u64(in, record, 32, &w->stale_while_revalidate_ns));
    if (mask & WRITE_EDGE_MAX_AGE) {
        TRY(record_u64(in, record, 64, &edge_max_age));
        if (edge_max_age > w->max_age_ns)
            return HC_INVAL;
    }
    return HC_OK;
}

static enum hc_status read_request(struct instance *in, uint64_t record, struct cache_options *o)
{
    uint32_t handle;
    TRY(record_u32(in, record, 8, &handle));
    const struct guest_request *r = table_get(&guest_of(in)->requests, handle);
    if (!r)
        return HC_BADF;
    o->request = &r->headers;
    return HC_OK;
}

static enum hc_status read_options(struct instance *in, uint64_t mask, uint64_t record,
                                   struct cache_options *o)
{
    struct cache_write *w = &o->write;
    uint8_t *metadata;
    uint32_t len;
    TRY(read_ages(in, mask, record, w));
    if (mask & WRITE_REQUEST_HEADERS)
        TRY(read_request(in, record, o));
    if (mask & WRITE_VARY_RULE)
        TRY(read_vary(in, record, &o->vary));
    if (mask & WRITE_SURROGATE_KEYS)
        TRY(read_surrogates(in, record, &o->surrogates));
    if (mask & WRITE_USER_METADATA) {
        TRY(record_bytes(in, record, 56, &metadata, &len));
        w->metadata = metadata;
        w->metadata_len = len;
    }
    if (mask & WRITE_LENGTH) {
        TRY(record_u64(in, record, 48, &w->length));
        w->has_length = true;
    }
    w->vary_rule = o->vary;
    w->surrogates = o->surrogates;
    return HC_OK;
}

enum hc_status cache_options_read(struct instance *in, uint64_t mask, uint64_t record,
                                  bool may_name_request, struct cache_options *ret)
{
    *ret = (struct cache_options){0};
    if (mask & ~(uint64_t)WRITE_KNOWN)
        return HC_INVAL;
    if ((mask & WRITE_REQUEST_HEADERS) && !may_name_request)
        return HC_INVAL;
    if (mask & WRITE_SERVICE_ID)
        return HC_UNSUPPORTED; /* another service's cache */
    return read_options(in, mask, record, ret);
}

void cache_options_clear(struct cache_options *o)
{
    free(o->vary);
    free(o->surrogates);
}
