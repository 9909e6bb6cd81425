/* SPDX-License-Identifier: Apache-2.0 */
/* What `edgectl config put` and `edgectl secret put` keep in the state folder: values that override
 * or extend those of the manifest. Running servers see a change by its counter. */
#ifndef EDGECTL_WORLD_OVERRIDES_H
#define EDGECTL_WORLD_OVERRIDES_H

#include "base/err.h"
#include "store/pair_table.h"

struct overrides;

/* `dir`: the state folder, made if need be. */
must_use int overrides_open(const char *dir, struct overrides **ret_overrides, struct err *err);
/* NULL is allowed. */
void overrides_close(struct overrides *o);
void overrides_close_p(struct overrides **o);

/* Changes whenever the table may have changed. Any thread; costs a memory read. */
uint64_t overrides_stamp(const struct overrides *o, enum pair_kind kind);
/* Every pair, by store, then key. Any thread, one at a time. */
must_use int overrides_each(struct overrides *o, enum pair_kind kind, pair_fn *fn, void *env,
                            struct err *err);
/* Put all of them, or none. Durable when it returns 0. */
must_use int overrides_put(struct overrides *o, enum pair_kind kind, const struct pair *pairs,
                           size_t count, struct err *err);
/* 1 if it was there, 0 if not. */
must_use int overrides_delete(struct overrides *o, enum pair_kind kind, const char *store,
                              const char *key, struct err *err);

#endif
