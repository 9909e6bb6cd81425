/* SPDX-License-Identifier: Apache-2.0 */
#include "world/world.h"

#include <stdlib.h>
#include "base/mem.h"
#include "world/config.h"
#include "world/secrets.h"

static int open_stores(struct world *w, struct manifest *m, const struct world_dirs *dirs,
                       struct err *err)
{
    int r = kv_seed(w->kv, m, err);
    if (r < 0)
        return r;
    r = configs_open(m, dirs->config, &w->configs, err);
    return r < 0 ? r : secrets_open(m, dirs->secrets, &w->secrets, err);
}

int world_open(struct manifest *m, const struct world_dirs *dirs, struct kv_db *kv,
               struct core_cache *cache, struct world **ret, struct err *err)
{
    struct world *w = xnew(struct world);
    atomic_init(&w->refs, 1);
    w->kv = kv;
    w->cache = cache;
    int r = open_stores(w, m, dirs, err);
    if (r < 0)
        world_unref(w);
    else
        *ret = w;
    return r;
}

const struct err *world_warning(const struct world *w, size_t i)
{
    return secrets_warning(w->secrets, i);
}

bool world_take_error(struct world *w, struct err *err)
{
    return kv_db_take_error(w->kv, err) || configs_take_error(w->configs, err) ||
           secrets_take_error(w->secrets, err);
}

struct world *world_ref(struct world *w)
{
    atomic_fetch_add(&w->refs, 1);
    return w;
}

void world_unref(struct world *w)
{
    if (!w || atomic_fetch_sub(&w->refs, 1) != 1)
        return;
    configs_close(w->configs);
    secrets_close(w->secrets);
    free(w);
}
