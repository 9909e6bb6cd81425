/* SPDX-License-Identifier: Apache-2.0 */
/* All that guests can observe besides their own request: the stores of this project, as one version
 * of its manifest names them. Shared by all loops; each loop has its own view. */
#ifndef EDGECTL_WORLD_WORLD_H
#define EDGECTL_WORLD_WORLD_H

#include <stdatomic.h>
#include "base/err.h"
#include "manifest/manifest.h"
#include "world/kv.h"

struct configs;
struct secrets;
struct core_cache;

struct world {
    atomic_int refs;
    struct kv_db *kv;               /* borrowed: outlives every world */
    struct core_cache *cache;       /* borrowed */
    struct configs *configs;
    struct secrets *secrets;
};

/* What a loop's thread has of its own. */
struct world_view {
    struct kv_reader *kv;
};

struct world_dirs {
    const char *config, *secrets;   /* state folders with overrides; the same one in a project */
};

/* Opens config and secret stores, and writes the manifest's seeds into the KV database. Takes a
 * reference to the manifest. One reference for the caller. */
must_use int world_open(struct manifest *m, const struct world_dirs *dirs, struct kv_db *kv,
                        struct core_cache *cache, struct world **ret, struct err *err);
/* What a user should know of this world's start, item i: a secret without a value ... NULL past
 * the end. */
const struct err *world_warning(const struct world *w, size_t i);
/* What went wrong in its stores since the last call, and was told to nobody but the guest (disk
 * full, a file that was changed and is bad now): true with *err, one at a time. Any thread. */
bool world_take_error(struct world *w, struct err *err);
struct world *world_ref(struct world *w);
/* NULL is allowed. Any thread. */
void world_unref(struct world *w);

#endif
