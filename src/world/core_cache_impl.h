/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the core cache share. Lock order: there is one lock, the cache's. Whatever is
 * not marked otherwise is under it. */
#ifndef EDGECTL_WORLD_CORE_CACHE_IMPL_H
#define EDGECTL_WORLD_CORE_CACHE_IMPL_H

#include <uv.h>
#include "world/core_cache.h"

/* One who waits, in a list. It leaves the list when it fires. */
struct cache_watch {
    struct core_cache *cache;
    struct cache_watch *next, **link;   /* link: NULL when in no list */
    struct cache_notify notify;
    bool posted;                        /* a notice is on its way to the loop */
    bool closed;                        /* the loop's thread only */
};

struct cache_chunk {
    struct cache_chunk *next;
    size_t len;
    uint8_t data[];                     /* constant */
};

enum cache_fill { CACHE_FILLING, CACHE_COMPLETE, CACHE_BROKEN };

/* A body kept for many readers. */
struct cache_data {
    struct core_cache *cache;
    int refs;
    int stored;                         /* variants that hold it: its bytes are the cache's */
    enum cache_fill state;
    struct cache_chunk *head, **tail;
    uint64_t len;
    bool has_length;                    /* promised by the writer */
    uint64_t length;
    struct cache_watch *watches;        /* readers that wait for more */
};

struct cache_object {
    struct core_cache *cache;
    int refs;
    int64_t inserted_ns;                /* on the monotonic clock */
    uint64_t max_age_ns, initial_age_ns, stale_ns;
    bool soft_purged;
    uint64_t hits;
    uint8_t *metadata;                  /* constant */
    size_t metadata_len;
    char *surrogates;                   /* " a b c ", or NULL */
    struct cache_data *data;
};

/* What a vary rule looks at: sorted header names in lower case, "accept cookie". */
struct cache_variant {
    struct cache_variant *next;
    char *rule;
    uint8_t *signature;                 /* the values of those headers */
    size_t signature_len;
    struct cache_object *object;        /* NULL: only being fetched */
    bool obligated;
};

/* All that is stored under a key. */
struct cache_entry {
    struct cache_entry *hash_next;
    struct cache_entry *newer, *older;  /* by use */
    uint64_t hash;
    struct cache_variant *variants;     /* most recently written first */
    size_t variant_count;
    struct cache_watch *watches;        /* transactions that wait */
    int obligations;
    size_t key_len;
    uint8_t key[];
};

struct core_cache {
    uv_mutex_t lock;
    uint64_t bytes, max_bytes;
    struct cache_entry **buckets;
    size_t bucket_count, entry_count;
    struct cache_entry *newest, *oldest;
    uint64_t seed;                      /* of the hash; constant */
};

struct cache_obligation {
    struct core_cache *cache;
    struct cache_entry *entry;          /* stays while `obligations` counts this one */
    struct cache_variant *variant;      /* stays while it is obligated */
    struct headers request;             /* the owner's */
};

/* --- watches (cache_data.c) --- */
struct cache_watch *cache_watch_new(struct core_cache *c, const struct cache_notify *notify);
void cache_watch_add(struct cache_watch **list, struct cache_watch *w);
/* Notify all and empty the list. */
void cache_watch_fire(struct cache_watch **list);

/* --- data (cache_data.c) --- */
struct cache_data *cache_data_new(struct core_cache *c, const struct cache_write *write);
void cache_data_unref(struct cache_data *d);
/* Begin to copy `source` (takes the reference) into d, on the calling loop. Not under the lock. */
void cache_data_fill(struct cache_data *d, struct body *source);
/* Count its bytes as the cache's, or no longer. */
void cache_data_store(struct cache_data *d);
void cache_data_unstore(struct cache_data *d);
bool cache_data_length(const struct cache_data *d, uint64_t *ret);

/* --- the index (core_cache.c) --- */
/* Make room: drop what was not used for longest. */
void cache_trim(struct core_cache *c);

/* --- entries and variants (cache_entry.c) --- */
/* Moved to the newest end. NULL if there is none and it is not to be made. */
struct cache_entry *cache_entry_get(struct core_cache *c, const struct cache_key *key, bool make);
/* Free it if nothing is left in it and nobody cares for it. */
void cache_entry_tidy(struct core_cache *c, struct cache_entry *e);
/* Nobody is at work on it: it may go. */
bool cache_entry_idle(const struct cache_entry *e);
void cache_entry_remove(struct core_cache *c, struct cache_entry *e);

/* A walk over the variants that a request matches, most recently written first. */
struct cache_walk {
    const struct headers *request;
    struct cache_variant *next;
    const char *rule;                   /* that `signature` was made by */
    uint8_t *signature;
    size_t signature_len;
};
struct cache_walk cache_variant_walk(struct cache_entry *e, const struct headers *request);
struct cache_variant *cache_variant_next(struct cache_walk *w);
void cache_variant_walk_end(struct cache_walk *w);

/* The variant of this rule (canonical) and these headers, moved to the front; made if need be. */
struct cache_variant *cache_variant_get(struct cache_entry *e, const char *rule,
                                  const struct headers *request);
/* What it holds, unless that has broken; borrowed. */
struct cache_object *cache_variant_object(struct core_cache *c, struct cache_variant *v);
/* Takes the reference to `o` (NULL = empty it). */
void cache_variant_store(struct core_cache *c, struct cache_variant *v, struct cache_object *o);
/* Take it out of the list and free it, if it is empty and not obligated. */
void cache_variant_tidy(struct cache_entry *e, struct cache_variant *v);

/* Header names of a vary rule (NULL = none) in canonical form; freed by the caller. */
char *vary_canonical(const char *rule);

/* Drop a reference under the lock. */
void cache_object_release(struct cache_object *o);

#endif
