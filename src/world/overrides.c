/* SPDX-License-Identifier: Apache-2.0 */
#include "world/overrides.h"

#include <stdlib.h>
#include "base/mem.h"
#include "store/stamp.h"
#include "store/state_schema.h"
#include "world/state.h"

struct overrides {
    char *path;
    struct stamp *stamp;
};

static enum stamp_kind stamp_of(enum pair_kind kind)
{
    return kind == PAIR_CONFIG ? STAMP_CONFIG : STAMP_SECRET;
}

int overrides_open(const char *dir, struct overrides **ret_overrides, struct err *err)
{
    int r = state_dir_make(dir, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *stamps = xasprintf("%s/state.stamp", dir);
    struct stamp *stamp;
    r = stamp_open(stamps, &stamp, err);
    if (r < 0)
        return r;
    struct overrides *o = xnew(struct overrides);
    o->path = xasprintf("%s/%s", dir, STATE_DB_NAME);
    o->stamp = stamp;
    *ret_overrides = o;
    return 0;
}

void overrides_close(struct overrides *o)
{
    if (!o)
        return;
    stamp_close(o->stamp);
    free(o->path);
    free(o);
}

void overrides_close_p(struct overrides **o)
{
    overrides_close(*o);
}

uint64_t overrides_stamp(const struct overrides *o, enum pair_kind kind)
{
    return stamp_read(o->stamp, stamp_of(kind));
}

/* The connection lives only as long as a change or a reload takes: both are rare. */
int overrides_each(struct overrides *o, enum pair_kind kind, pair_fn *fn, void *env,
                   struct err *err)
{
    cleanup(db_close_p) struct db *db = NULL;
    int r = db_open(o->path, DB_WRITE, &state_schema, &db, err);
    return r < 0 ? r : pair_table_each(db, kind, fn, env, err);
}

int overrides_put(struct overrides *o, enum pair_kind kind, const struct pair *pairs, size_t count,
                  struct err *err)
{
    cleanup(db_close_p) struct db *db = NULL;
    int r = db_open(o->path, DB_WRITE, &state_schema, &db, err);
    if (r == 0)
        r = db_begin(db, err);
    for (size_t i = 0; i < count && r == 0; i++)
        r = pair_table_put(db, kind, &pairs[i], err);
    if (r == 0)
        r = db_commit(db, err);
    if (r == 0)
        stamp_bump(o->stamp, stamp_of(kind));
    return r;
}

int overrides_delete(struct overrides *o, enum pair_kind kind, const char *store, const char *key,
                     struct err *err)
{
    cleanup(db_close_p) struct db *db = NULL;
    int r = db_open(o->path, DB_WRITE, &state_schema, &db, err);
    if (r == 0)
        r = db_begin(db, err);
    int found = r < 0 ? r : pair_table_delete(db, kind, store, key, err);
    if (found >= 0)
        r = db_commit(db, err);
    if (found < 0 || r < 0)
        return found < 0 ? found : r;
    stamp_bump(o->stamp, stamp_of(kind));
    return found;
}
