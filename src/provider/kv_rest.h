/* SPDX-License-Identifier: Apache-2.0 */
/* A KV store where the provider has none: a Redis behind Upstash's REST interface, a POST with a
 * list of commands to /pipeline or, all or nothing, to /multi-exec (upstash.com/docs/redis, "REST
 * API"). The layout is that of templates/hosts/node/upstash.js, which reads and writes the same
 * entries as the guest's host; BINDING is the name that the bundle binds the store by:
 *
 *     edgectl:BINDING:KEY   a hash: v value, e "b" if v is base64, m metadata, g generation; it
 *                           expires with the entry
 *     edgectl:BINDING       a sorted set, all scores 0: the keys, in byte order
 *
 * Only commands of Redis 6.2 are used, which is what Upstash has. */
#ifndef EDGECTL_PROVIDER_KV_REST_H
#define EDGECTL_PROVIDER_KV_REST_H

#include "provider/provider.h"

struct kv_rest;

/* Where the database is: what the target names for the store, else the variable BINDING_URL, else
 * UPSTASH_REDIS_REST_URL, else KV_REST_API_URL. NULL when none says so. Borrowed. */
const char *kv_rest_url(const struct target_options *o, const char *store, const char *binding);
/* The token: the variable BINDING_TOKEN ("KV_SESSIONS_TOKEN"), else UPSTASH_REDIS_REST_TOKEN, else
 * KV_REST_API_TOKEN. Borrowed. -ERR_CREDENTIALS when none is set. */
must_use int kv_rest_token(const struct target_options *o, const char *binding, const char **ret,
                           struct err *err);

/* No remote call. -ERR_MANIFEST: the manifest has no such store, or its database is not known;
 * -ERR_CREDENTIALS: there is no token here. */
must_use int kv_rest_open(const struct target *t, const char *store, struct kv_rest **ret,
                          struct err *err);
/* NULL is allowed. */
void kv_rest_close(struct kv_rest *k);
void kv_rest_close_p(struct kv_rest **k);

/* As the functions of a driver, see provider.h. A value that the database does not take for its
 * size is -ERR_LIMIT. */
must_use int kv_rest_list(struct kv_rest *k, const char *prefix, entry_fn *fn, void *env,
                          struct err *err);
must_use int kv_rest_get(struct kv_rest *k, const char *key, struct buf *value, struct entry *ret,
                         struct err *err);
must_use int kv_rest_get_many(struct kv_rest *k, const char *const *keys, size_t count,
                              entry_fn *fn, void *env, struct err *err);
must_use int kv_rest_put(struct kv_rest *k, const struct entry *entries, size_t count,
                         struct err *err);
must_use int kv_rest_remove(struct kv_rest *k, const char *const *keys, size_t count,
                            struct err *err);

/* Adds the step that puts the manifest's first content into a store that is empty, or that a run
 * which was killed has begun to fill. Reads the database, unless the journal knows. Without a token
 * here, a store whose content is not known to be there is left as it is, with a note. */
must_use int kv_rest_plan_seed(struct target *t, const char *store, struct steps *steps,
                               struct err *err);

#endif
