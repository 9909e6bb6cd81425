/* SPDX-License-Identifier: Apache-2.0 */
/* The KV tables on one connection: what is stored and how, with none of the guest's rules
 * (those are in world/kv.c). Functions return 1 for found, 0 for not found or done, or a negative
 * error. */
#ifndef EDGECTL_STORE_KV_TABLE_H
#define EDGECTL_STORE_KV_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "store/db.h"

struct kv_table;

/* One entry. What it points to is borrowed. */
struct kv_row {
    uint64_t generation;
    int64_t expires_ms;         /* wall time, 0 = never */
    int64_t blob;               /* > 0: the value is kept apart under this number */
    const void *metadata;       /* NULL when none */
    size_t metadata_len;
    const void *value;          /* not NULL unless kept apart */
    size_t value_len;           /* known when blob is 0 */
};

/* Borrows the connection; free it before db_close. NULL may be freed. */
struct kv_table *kv_table_new(struct db *db);
void kv_table_free(struct kv_table *t);

/* The row stays valid, and with it a read transaction open, until kv_table_release. Expired rows
 * are found too. */
must_use int kv_table_get(struct kv_table *t, const char *store, const char *key,
                          struct kv_row *ret_row, struct err *err);
void kv_table_release(struct kv_table *t);

/* A value kept apart: its length, and `len` bytes of it from `offset`. Between open and close the
 * connection sees one state. */
struct kv_blob;
must_use int kv_blob_open(struct kv_table *t, int64_t number, struct kv_blob **ret_blob,
                          size_t *ret_len, struct err *err);
must_use int kv_blob_read(struct kv_blob *b, void *to, size_t len, size_t offset, struct err *err);
void kv_blob_close(struct kv_blob *b);

/* The rest of the writing side needs a transaction (db_begin). */

/* Write the entry, in place of the old one. row->blob is the old entry's number, 0 when there was
 * none; where the value is kept is decided here. */
must_use int kv_table_put(struct kv_table *t, const char *store, const char *key,
                          const struct kv_row *row, struct err *err);
/* `blob` as for kv_table_put. */
must_use int kv_table_delete(struct kv_table *t, const char *store, const char *key, int64_t blob,
                             struct err *err);
/* Remove up to `limit` entries that expired before now_ms. */
must_use int kv_table_purge(struct kv_table *t, int64_t now_ms, int limit, struct err *err);
/* The last generation given to any entry, by any process. */
must_use int kv_table_generation(struct kv_table *t, uint64_t *ret_last, struct err *err);
must_use int kv_table_set_generation(struct kv_table *t, uint64_t last, struct err *err);

struct kv_table_query {
    const char *store;
    const char *prefix;         /* "" = any */
    const char *after;          /* "" = from the start */
    int64_t now_ms;             /* leave out what has expired */
    size_t limit;
};

/* Gets each key in byte order; false ends the listing. */
typedef bool kv_table_key_fn(void *env, const char *key, size_t len);
must_use int kv_table_list(struct kv_table *t, const struct kv_table_query *query,
                           kv_table_key_fn *fn, void *env, struct err *err);
/* The names of the stores that hold something, in byte order. */
must_use int kv_table_stores(struct kv_table *t, kv_table_key_fn *fn, void *env, struct err *err);

/* What a seed was when it was last applied: 1 and the digest, or 0. */
enum { KV_DIGEST_SIZE = 32 };
must_use int kv_table_seed(struct kv_table *t, const char *store, const char *key,
                           uint8_t ret_digest[KV_DIGEST_SIZE], struct err *err);
must_use int kv_table_set_seed(struct kv_table *t, const char *store, const char *key,
                               const uint8_t digest[KV_DIGEST_SIZE], struct err *err);

#endif
