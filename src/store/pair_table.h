/* SPDX-License-Identifier: Apache-2.0 */
/* Two small tables of (store, key, value): local config overrides, and sealed secrets. */
#ifndef EDGECTL_STORE_PAIR_TABLE_H
#define EDGECTL_STORE_PAIR_TABLE_H

#include <stddef.h>
#include <stdint.h>
#include "store/db.h"

enum pair_kind { PAIR_CONFIG, PAIR_SECRET };

struct pair {
    const char *store, *key;        /* borrowed */
    const void *value;
    size_t len;
};

typedef void pair_fn(void *env, const struct pair *pair);

/* Every pair, by store, then key, in byte order. */
must_use int pair_table_each(struct db *db, enum pair_kind kind, pair_fn *fn, void *env,
                             struct err *err);
/* These need a transaction. */
must_use int pair_table_put(struct db *db, enum pair_kind kind, const struct pair *pair,
                            struct err *err);
/* 1 if it was there. */
must_use int pair_table_delete(struct db *db, enum pair_kind kind, const char *store,
                               const char *key, struct err *err);

#endif
