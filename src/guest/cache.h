/* SPDX-License-Identifier: Apache-2.0 */
/* Handles of fastly_cache: what a lookup found, and what the guest owes for it. */
#ifndef EDGECTL_GUEST_CACHE_H
#define EDGECTL_GUEST_CACHE_H

#include "guest/session.h"
#include "world/core_cache.h"

/* Behind ITEM_CACHE, and behind ITEM_CACHE_BUSY (NULL once that was waited for). */
struct cache_item {
    struct guest *g;
    struct cache_object *found;         /* NULL if nothing is */
    struct cache_obligation *obligation;    /* NULL if there is none */
    bool has_length;                    /* of the object, as known when it was found */
    uint64_t length;
    bool always_range;
    uint32_t body;                      /* handle of the last body given, or HANDLE_INVALID */
    struct cache_watch *watch;          /* while it waits: for others, or for more of a body */
    /* To look again: */
    bool looking;
    void *key;
    size_t key_len;
    struct headers request;
};

/* A transaction, looked up at once. Copies key and headers (NULL = none) while it must wait. */
struct cache_item *cache_item_transact(struct guest *g, const struct cache_key *key,
                                       const struct headers *request);
/* Something found (takes the reference), or not (NULL). */
struct cache_item *cache_item_found(struct guest *g, struct cache_object *found);
/* Drops the obligation, too. NULL is allowed. */
void cache_item_free(struct cache_item *ci);

/* Options of an insert or update, read from guest memory. */
struct cache_options {
    struct cache_write write;
    const struct headers *request;      /* NULL if not given; borrowed from the request handle */
    char *vary, *surrogates;            /* behind `write` */
};
/* `may_name_request`: else request headers are HC_INVAL. Metadata stays borrowed from guest
 * memory. */
enum hc_status cache_options_read(struct instance *in, uint64_t mask, uint64_t record,
                                  bool may_name_request, struct cache_options *ret);
void cache_options_clear(struct cache_options *o);

#endif
