/* SPDX-License-Identifier: Apache-2.0 */
/* The core cache that guests program: one per process, shared by all loops, kept in memory, least
 * recently used out first. Semantics: abi README section 10 (Core cache).
 *
 * Under a key stand variants, told apart by the request headers that the vary rules of earlier
 * inserts name. Readers get an object's body while it is still being written, on whichever loop.
 * A transaction on a missing or stale variant gives one caller the obligation to fill it; the
 * others wait until it is met or dropped.
 *
 * Every function may be called from any loop's thread; an obligation, a watch and a body belong to
 * the loop they were made for. */
#ifndef EDGECTL_WORLD_CORE_CACHE_H
#define EDGECTL_WORLD_CORE_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/body.h"
#include "base/headers.h"
#include "base/loop.h"

enum {
    CORE_CACHE_KEY_MAX = 4096,
    CORE_CACHE_SURROGATE_MAX = 1024,        /* one surrogate key */
    CORE_CACHE_SURROGATES_MAX = 16 * 1024,  /* all of an object, with the spaces */
};

struct core_cache;
struct cache_object;        /* something found: stays readable whatever happens to the cache */
struct cache_obligation;
struct cache_watch;

/* `max_bytes`: what all objects may hold in memory together, one at most half of it. */
struct core_cache *core_cache_new(uint64_t max_bytes);
/* No object, obligation or watch is left, and no body of it is being read or written. NULL is
 * allowed. */
void core_cache_free(struct core_cache *c);

struct cache_key {
    const void *data;
    size_t len;                     /* at most CORE_CACHE_KEY_MAX */
};

/* How to store an object. Everything is borrowed for the call. */
struct cache_write {
    uint64_t max_age_ns, initial_age_ns, stale_while_revalidate_ns;
    const char *vary_rule;          /* header names separated by spaces, NUL-terminated; or NULL */
    const void *metadata;
    size_t metadata_len;
    const char *surrogates;         /* keys separated by spaces, NUL-terminated; or NULL */
    bool has_length;
    uint64_t length;
};

/* One surrogate key: graphic ASCII, not too long. */
bool cache_surrogate_valid(const char *key, size_t len);

/* --- looking up --- */

/* Called on `loop`, never inside the call that was given it. */
struct cache_notify {
    struct loop *loop;
    loop_fn *fn;
    void *env;
};

/* What is stored for the key and these request headers (NULL = none), fresh or not; or NULL. */
struct cache_object *core_cache_lookup(struct core_cache *c, const struct cache_key *key,
                                       const struct headers *request);

struct cache_answer {
    struct cache_object *found;             /* to use; may be stale; or NULL */
    struct cache_obligation *obligation;    /* to insert, update or drop; or NULL */
    struct cache_watch *watch;              /* with neither: look again when notified */
};

/* Look up, and collapse with what others are doing. The caller owns what is in the answer. */
struct cache_answer core_cache_transact(struct core_cache *c, const struct cache_key *key,
                                        const struct headers *request,
                                        const struct cache_notify *notify);

/* Whether a transaction on that key, with those request headers, waits for this obligation to be
 * met or dropped. */
bool cache_obligation_holds_up(struct cache_obligation *o, const struct cache_key *key,
                               const struct headers *request);

/* No notice will come any more. A watch that has given its notice must be closed too. */
void cache_watch_close(struct cache_watch *w);

/* --- storing --- */

/* Takes the reference to `source`, which belongs to the calling loop; the object can be read while
 * that still grows. */
void core_cache_insert(struct core_cache *c, const struct cache_key *key,
                       const struct headers *request, const struct cache_write *write,
                       struct body *source);
/* Meets the obligation, which is freed. The object is for reading it back; the caller owns it. */
struct cache_object *cache_obligation_insert(struct cache_obligation *o,
                                             const struct cache_write *write, struct body *source);
/* Meets the obligation with the stale object's body under new terms. False: there is none, and the
 * obligation stays. */
bool cache_obligation_update(struct cache_obligation *o, const struct cache_write *write);
/* Give up: someone who waits gets it. NULL is allowed. */
void cache_obligation_drop(struct cache_obligation *o);

/* Forget, or (soft) make stale, all objects with a surrogate key. How many. */
size_t core_cache_purge(struct core_cache *c, const char *surrogate, size_t len, bool soft);
/* The same for all objects, whatever their keys. */
size_t core_cache_purge_all(struct core_cache *c, bool soft);
/* Bytes held now, for tests and the admin page. */
uint64_t core_cache_bytes(struct core_cache *c);

/* --- objects --- */

/* NULL is allowed. */
void cache_object_unref(struct cache_object *o);

struct cache_info {
    bool fresh;
    bool usable;                    /* fresh, or stale but to be revalidated */
    uint64_t age_ns, max_age_ns, stale_while_revalidate_ns;
    uint64_t hits;                  /* lookups that found it usable */
    const void *metadata;           /* borrowed from the object */
    size_t metadata_len;
    bool has_length;                /* given with the insert, or the body is complete */
    uint64_t length;
};
void cache_object_info(struct cache_object *o, struct cache_info *ret);

/* Inclusive bounds; `to` alone counts from the end. */
struct cache_range {
    bool has_from, has_to;
    uint64_t from, to;
    bool always;                    /* also while the length is unknown; else all is given */
};

enum cache_read { CACHE_READ_OK, CACHE_READ_WAIT, CACHE_READ_ERROR };

/* OK: *ret_body is a body of the range (of everything, if the range does not fit), read on
 * notify->loop. WAIT: too little is there yet; *ret_watch tells when to ask again. ERROR: it ended
 * before the range began. */
enum cache_read cache_object_read(struct cache_object *o, const struct cache_range *range,
                                  const struct cache_notify *notify, struct body **ret_body,
                                  struct cache_watch **ret_watch);

#endif
