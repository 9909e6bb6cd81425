/* SPDX-License-Identifier: Apache-2.0 */
/* All that guests can observe besides their own request: the stores of this project. One world per
 * project and process, shared by all loops; each loop has its own view. */
#ifndef EDGECTL_WORLD_WORLD_H
#define EDGECTL_WORLD_WORLD_H

#include "base/err.h"
#include "manifest/manifest.h"
#include "world/kv.h"

struct configs;
struct secrets;
struct core_cache;

struct world {
    struct kv_db *kv;
    struct configs *configs;
    struct secrets *secrets;
    struct core_cache *cache;
};

struct world_view {
    struct world *world;
    struct kv_reader *kv;
};

#endif
