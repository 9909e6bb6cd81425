/* SPDX-License-Identifier: Apache-2.0 */
/* The index of the core cache: keys in a hash table and in order of use, and under each key its
 * variants. Everything here is under the cache's lock. */
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "world/core_cache_impl.h"

enum { BUCKETS_FIRST = 1024, VARIANTS_MAX = 256 };

/* --- vary rules --- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *vary_canonical(const char *rule)
{
    cleanup(free_p) char *text = xstrdup(rule ? rule : "");
    cleanup(free_p) char **names = xreallocarray(NULL, strlen(text) / 2 + 1, sizeof(char *));
    size_t count = 0;
    char *rest = text;
    for (char *p = text; *p; p++)
        if (*p >= 'A' && *p <= 'Z')
            *p += 'a' - 'A';
    for (char *name; (name = strtok_r(rest, " ", &rest));)
        names[count++] = name;
    qsort(names, count, sizeof *names, by_name);
    struct buf out = BUF_INIT(SIZE_MAX);
    for (size_t i = 0; i < count; i++) {
        if (i && strcmp(names[i], names[i - 1]) == 0)
            continue;
        if (out.len)
            buf_add_char(&out, ' ');
        buf_add_str(&out, names[i]);
    }
    return buf_take(&out);
}

/* The lines of the rule's headers, each with its length, so that no two sets look the same. */
static uint8_t *vary_signature(const char *rule, const struct headers *request, size_t *ret_len)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    for (const char *p = rule; *p;) {
        size_t len = strcspn(p, " ");
        long i = request ? headers_find(request, p, len, 0) : -1;
        for (; i >= 0; i = headers_find(request, p, len, (size_t)i + 1)) {
            const struct header *h = &request->list[i];
            buf_add(&out, &h->value_len, sizeof h->value_len);
            buf_add(&out, h->value, h->value_len);
        }
        buf_add(&out, &(uint32_t){UINT32_MAX}, sizeof(uint32_t));
        p += len + (p[len] == ' ');
    }
    *ret_len = out.len;
    return (uint8_t *)buf_take(&out);
}

/* --- variants --- */

struct cache_walk cache_variant_walk(struct cache_entry *e, const struct headers *request)
{
    return (struct cache_walk){.request = request, .next = e ? e->variants : NULL};
}

void cache_variant_walk_end(struct cache_walk *w)
{
    free(w->signature);
    w->signature = NULL;
    w->rule = NULL;
}

struct cache_variant *cache_variant_next(struct cache_walk *w)
{
    while (w->next) {
        struct cache_variant *v = w->next;
        w->next = v->next;
        if (!w->rule || strcmp(w->rule, v->rule) != 0) {
            free(w->signature);
            w->signature = vary_signature(v->rule, w->request, &w->signature_len);
        }
        w->rule = v->rule;
        if (v->signature_len == w->signature_len &&
            memcmp(v->signature, w->signature, v->signature_len) == 0)
            return v;
    }
    cache_variant_walk_end(w);
    return NULL;
}

static struct cache_variant **variant_link(struct cache_entry *e, const struct cache_variant *v)
{
    struct cache_variant **link = &e->variants;
    while (*link != v)
        link = &(*link)->next;
    return link;
}

static void variant_free(struct cache_entry *e, struct cache_variant *v)
{
    *variant_link(e, v) = v->next;
    e->variant_count--;
    free(v->rule);
    free(v->signature);
    free(v);
}

void cache_variant_tidy(struct cache_entry *e, struct cache_variant *v)
{
    if (!v->object && !v->obligated)
        variant_free(e, v);
}

static void variant_to_front(struct cache_entry *e, struct cache_variant *v)
{
    *variant_link(e, v) = v->next;
    v->next = e->variants;
    e->variants = v;
}

struct cache_variant *cache_variant_get(struct cache_entry *e, const char *rule,
                                  const struct headers *request)
{
    size_t len;
    cleanup(free_p) uint8_t *signature = vary_signature(rule, request, &len);
    for (struct cache_variant *v = e->variants; v; v = v->next) {
        if (strcmp(v->rule, rule) != 0 || v->signature_len != len ||
            memcmp(v->signature, signature, len) != 0)
            continue;
        variant_to_front(e, v);
        return v;
    }
    struct cache_variant *v = xnew(struct cache_variant);
    v->rule = xstrdup(rule);
    v->signature = TAKE(signature);
    v->signature_len = len;
    v->next = e->variants;
    e->variants = v;
    e->variant_count++;
    return v;
}

static size_t object_bytes(const struct cache_object *o)
{
    return sizeof *o + o->metadata_len + (o->surrogates ? strlen(o->surrogates) : 0) +
           sizeof(struct cache_variant) + sizeof(struct cache_entry) + sizeof(struct cache_data);
}

struct cache_object *cache_variant_object(struct core_cache *c, struct cache_variant *v)
{
    if (v->object && v->object->data->state == CACHE_BROKEN)
        cache_variant_store(c, v, NULL);
    return v->object;
}

void cache_variant_store(struct core_cache *c, struct cache_variant *v, struct cache_object *o)
{
    struct cache_object *old = v->object;
    v->object = o;
    if (o) {
        c->bytes += object_bytes(o);
        cache_data_store(o->data);
    }
    if (old) {
        c->bytes -= object_bytes(old);
        cache_data_unstore(old->data);
        cache_object_release(old);
    }
}

/* Keep a key with endless variants from filling the cache: the ones written longest ago go. */
static void limit_variants(struct core_cache *c, struct cache_entry *e)
{
    if (e->variant_count <= VARIANTS_MAX)
        return;
    struct cache_variant *last = NULL;
    for (struct cache_variant *v = e->variants; v; v = v->next)
        if (!v->obligated)
            last = v;
    if (!last)
        return;
    cache_variant_store(c, last, NULL);
    variant_free(e, last);
}

/* --- entries --- */

static uint64_t hash_of(const struct core_cache *c, const struct cache_key *key)
{
    uint64_t h = c->seed ^ 0xcbf29ce484222325u; /* FNV-1a */
    const uint8_t *p = key->data;
    for (size_t i = 0; i < key->len; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h ^ h >> 32;
}

static void unlink_use(struct core_cache *c, struct cache_entry *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
}

static void link_newest(struct core_cache *c, struct cache_entry *e)
{
    e->newer = NULL;
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static void grow(struct core_cache *c)
{
    size_t count = c->bucket_count ? c->bucket_count * 2 : BUCKETS_FIRST;
    struct cache_entry **buckets = xcalloc(count, sizeof *buckets);
    for (struct cache_entry *e = c->newest; e; e = e->older) {
        e->hash_next = buckets[e->hash & (count - 1)];
        buckets[e->hash & (count - 1)] = e;
    }
    free(c->buckets);
    c->buckets = buckets;
    c->bucket_count = count;
}

static struct cache_entry *cache_entry_add(struct core_cache *c, const struct cache_key *key,
                                           uint64_t hash)
{
    if (c->entry_count == c->bucket_count)
        grow(c);
    struct cache_entry *e = xcalloc(1, sizeof *e + key->len);
    e->hash = hash;
    e->key_len = key->len;
    if (key->len)
        memcpy(e->key, key->data, key->len);
    e->hash_next = c->buckets[hash & (c->bucket_count - 1)];
    c->buckets[hash & (c->bucket_count - 1)] = e;
    c->entry_count++;
    link_newest(c, e);
    return e;
}

struct cache_entry *cache_entry_get(struct core_cache *c, const struct cache_key *key, bool make)
{
    uint64_t hash = hash_of(c, key);
    struct cache_entry *e = c->bucket_count ? c->buckets[hash & (c->bucket_count - 1)] : NULL;
    while (e && (e->hash != hash || e->key_len != key->len || memcmp(e->key, key->data, key->len)))
        e = e->hash_next;
    if (!e)
        return make ? cache_entry_add(c, key, hash) : NULL;
    unlink_use(c, e);
    link_newest(c, e);
    limit_variants(c, e);
    return e;
}

bool cache_entry_idle(const struct cache_entry *e)
{
    return e->obligations == 0 && !e->watches;
}

void cache_entry_remove(struct core_cache *c, struct cache_entry *e)
{
    while (e->variants) {
        cache_variant_store(c, e->variants, NULL);
        variant_free(e, e->variants);
    }
    struct cache_entry **link = &c->buckets[e->hash & (c->bucket_count - 1)];
    while (*link != e)
        link = &(*link)->hash_next;
    *link = e->hash_next;
    unlink_use(c, e);
    c->entry_count--;
    free(e);
}

void cache_entry_tidy(struct core_cache *c, struct cache_entry *e)
{
    if (!e->variants && cache_entry_idle(e))
        cache_entry_remove(c, e);
}
