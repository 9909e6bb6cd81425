/* SPDX-License-Identifier: Apache-2.0 */
#include "store/kv_table.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

/* Values longer than this are kept apart. A loop reads shorter ones in tens of microseconds. */
enum { INLINE_MAX = 32 * 1024 };

enum statement {
    GET, PUT, DELETE, BLOB_PUT, BLOB_DELETE, LIST, STORES, EXPIRED, GENERATION, SET_GENERATION,
    SEED, SET_SEED, STATEMENTS
};

/* LIST: keys from ?2 on, up to but not including ?3 (NULL = no upper bound). */
static const char *const sql[STATEMENTS] = {
    [GET] = "SELECT generation, expires_ms, blob, metadata, value FROM kv"
            " WHERE store = ?1 AND key = ?2",
    [PUT] = "INSERT INTO kv (store, key, generation, expires_ms, blob, metadata, value)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (store, key) DO UPDATE SET"
            " generation = excluded.generation, expires_ms = excluded.expires_ms,"
            " blob = excluded.blob, metadata = excluded.metadata, value = excluded.value",
    [DELETE] = "DELETE FROM kv WHERE store = ?1 AND key = ?2",
    [BLOB_PUT] = "INSERT INTO kv_blob (data) VALUES (?1)",
    [BLOB_DELETE] = "DELETE FROM kv_blob WHERE id = ?1",
    [LIST] = "SELECT key FROM kv WHERE store = ?1 AND key >= ?2"
             " AND (?3 IS NULL OR key < ?3) AND (expires_ms = 0 OR expires_ms > ?4)"
             " ORDER BY key LIMIT ?5",
    [STORES] = "WITH RECURSIVE s(name) AS (SELECT min(store) FROM kv UNION ALL"
               " SELECT (SELECT min(store) FROM kv WHERE store > s.name) FROM s"
               " WHERE s.name IS NOT NULL) SELECT name FROM s WHERE name IS NOT NULL",
    [EXPIRED] = "SELECT store, key, blob FROM kv WHERE expires_ms > 0 AND expires_ms <= ?1"
                " LIMIT 1",
    [GENERATION] = "SELECT last FROM kv_generation",
    [SET_GENERATION] = "UPDATE kv_generation SET last = ?1",
    [SEED] = "SELECT digest FROM kv_seed WHERE store = ?1 AND key = ?2",
    [SET_SEED] = "INSERT INTO kv_seed (store, key, digest) VALUES (?1, ?2, ?3)"
                 " ON CONFLICT (store, key) DO UPDATE SET digest = excluded.digest",
};

struct kv_table {
    struct db *db;
    sqlite3_stmt *st[STATEMENTS];   /* made at first use */
};

struct kv_blob {
    struct db *db;
    sqlite3_blob *handle;
};

struct kv_table *kv_table_new(struct db *db)
{
    struct kv_table *t = xnew(struct kv_table);
    t->db = db;
    return t;
}

void kv_table_free(struct kv_table *t)
{
    if (!t)
        return;
    for (int i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(t->st[i]);
    free(t);
}

/* The statement, ready for binding; NULL if it cannot be prepared. */
static sqlite3_stmt *statement(struct kv_table *t, enum statement which)
{
    if (!t->st[which])
        sqlite3_prepare_v3(db_handle(t->db), sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                           &t->st[which], NULL);
    return t->st[which];
}

/* Bound text and blobs are borrowed for the one step that follows, hence SQLITE_STATIC. */
static void bind_str(sqlite3_stmt *st, int at, const char *s)
{
    sqlite3_bind_text(st, at, s, -1, SQLITE_STATIC);
}

static void bind_bytes(sqlite3_stmt *st, int at, const void *data, size_t len)
{
    sqlite3_bind_blob64(st, at, data ? data : "", len, SQLITE_STATIC);
}

static int run(struct kv_table *t, sqlite3_stmt *st, struct err *err)
{
    int rc = sqlite3_step(st);
    int r = rc == SQLITE_DONE ? 0 : db_fail(t->db, err, "cannot write to the KV store");
    sqlite3_reset(st);
    return r;
}

static int cannot_read(struct kv_table *t, sqlite3_stmt *st, struct err *err)
{
    int r = db_fail(t->db, err, "cannot read the KV store");
    sqlite3_reset(st);
    return r;
}

int kv_table_get(struct kv_table *t, const char *store, const char *key, struct kv_row *ret_row,
                 struct err *err)
{
    sqlite3_stmt *st = statement(t, GET);
    if (!st)
        return db_fail(t->db, err, "cannot read the KV store");
    bind_str(st, 1, store);
    bind_str(st, 2, key);
    int rc = sqlite3_step(st);
    if (rc == SQLITE_DONE) {
        sqlite3_reset(st);
        return 0;
    }
    if (rc != SQLITE_ROW)
        return cannot_read(t, st, err);
    *ret_row = (struct kv_row){
        .generation = (uint64_t)sqlite3_column_int64(st, 0),
        .expires_ms = sqlite3_column_int64(st, 1),
        .blob = sqlite3_column_int64(st, 2),
    };
    if (sqlite3_column_type(st, 3) != SQLITE_NULL) {
        const void *metadata = sqlite3_column_blob(st, 3);
        ret_row->metadata = metadata ? metadata : "";
        ret_row->metadata_len = (size_t)sqlite3_column_bytes(st, 3);
    }
    if (ret_row->blob == 0) {
        const void *value = sqlite3_column_blob(st, 4);
        ret_row->value = value ? value : "";
        ret_row->value_len = (size_t)sqlite3_column_bytes(st, 4);
    }
    return 1;
}

void kv_table_release(struct kv_table *t)
{
    sqlite3_reset(t->st[GET]);
}

int kv_blob_open(struct kv_table *t, int64_t number, struct kv_blob **ret_blob, size_t *ret_len,
                 struct err *err)
{
    sqlite3_blob *handle = NULL;
    if (sqlite3_blob_open(db_handle(t->db), "main", "kv_blob", "data", number, 0, &handle)
        != SQLITE_OK) {
        int r = db_fail(t->db, err, "cannot read a big value");
        sqlite3_blob_close(handle);
        return r;
    }
    struct kv_blob *b = xnew(struct kv_blob);
    *b = (struct kv_blob){.db = t->db, .handle = handle};
    *ret_len = (size_t)sqlite3_blob_bytes(handle);
    *ret_blob = b;
    return 0;
}

int kv_blob_read(struct kv_blob *b, void *to, size_t len, size_t offset, struct err *err)
{
    if (sqlite3_blob_read(b->handle, to, (int)len, (int)offset) != SQLITE_OK)
        return db_fail(b->db, err, "cannot read a big value");
    return 0;
}

void kv_blob_close(struct kv_blob *b)
{
    if (!b)
        return;
    sqlite3_blob_close(b->handle);
    free(b);
}

static int blob_delete(struct kv_table *t, int64_t number, struct err *err)
{
    sqlite3_stmt *st = statement(t, BLOB_DELETE);
    if (!st)
        return db_fail(t->db, err, "cannot write to the KV store");
    sqlite3_bind_int64(st, 1, number);
    return run(t, st, err);
}

static int blob_put(struct kv_table *t, const void *data, size_t len, int64_t *ret_number,
                    struct err *err)
{
    sqlite3_stmt *st = statement(t, BLOB_PUT);
    if (!st)
        return db_fail(t->db, err, "cannot write to the KV store");
    bind_bytes(st, 1, data, len);
    int r = run(t, st, err);
    if (r == 0)
        *ret_number = sqlite3_last_insert_rowid(db_handle(t->db));
    return r;
}

int kv_table_put(struct kv_table *t, const char *store, const char *key, const struct kv_row *row,
                 struct err *err)
{
    int64_t number = 0;
    int r = row->blob ? blob_delete(t, row->blob, err) : 0;
    if (r == 0 && row->value_len > INLINE_MAX)
        r = blob_put(t, row->value, row->value_len, &number, err);
    if (r < 0)
        return r;
    sqlite3_stmt *st = statement(t, PUT);
    if (!st)
        return db_fail(t->db, err, "cannot write to the KV store");
    bind_str(st, 1, store);
    bind_str(st, 2, key);
    sqlite3_bind_int64(st, 3, (int64_t)row->generation);
    sqlite3_bind_int64(st, 4, row->expires_ms);
    sqlite3_bind_int64(st, 5, number);
    if (row->metadata)
        bind_bytes(st, 6, row->metadata, row->metadata_len);
    else
        sqlite3_bind_null(st, 6);
    if (number)
        sqlite3_bind_null(st, 7);
    else
        bind_bytes(st, 7, row->value, row->value_len);
    return run(t, st, err);
}

int kv_table_delete(struct kv_table *t, const char *store, const char *key, int64_t blob,
                    struct err *err)
{
    int r = blob ? blob_delete(t, blob, err) : 0;
    sqlite3_stmt *st = statement(t, DELETE);
    if (r < 0)
        return r;
    if (!st)
        return db_fail(t->db, err, "cannot write to the KV store");
    bind_str(st, 1, store);
    bind_str(st, 2, key);
    return run(t, st, err);
}

int kv_table_purge(struct kv_table *t, int64_t now_ms, int limit, struct err *err)
{
    sqlite3_stmt *st = statement(t, EXPIRED);
    if (!st)
        return db_fail(t->db, err, "cannot read the KV store");
    /* One at a time: deleting under a running scan of the same index is undefined. */
    for (int i = 0; i < limit; i++) {
        sqlite3_bind_int64(st, 1, now_ms);
        int rc = sqlite3_step(st);
        if (rc == SQLITE_DONE)
            break;
        if (rc != SQLITE_ROW)
            return cannot_read(t, st, err);
        cleanup(free_p) char *store = xstrdup((const char *)sqlite3_column_text(st, 0));
        cleanup(free_p) char *key = xstrdup((const char *)sqlite3_column_text(st, 1));
        int64_t blob = sqlite3_column_int64(st, 2);
        sqlite3_reset(st);
        int r = kv_table_delete(t, store, key, blob, err);
        if (r < 0)
            return r;
    }
    sqlite3_reset(st);
    return 0;
}

int kv_table_generation(struct kv_table *t, uint64_t *ret_last, struct err *err)
{
    sqlite3_stmt *st = statement(t, GENERATION);
    if (!st || sqlite3_step(st) != SQLITE_ROW)
        return cannot_read(t, st, err);
    *ret_last = (uint64_t)sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    return 0;
}

int kv_table_set_generation(struct kv_table *t, uint64_t last, struct err *err)
{
    sqlite3_stmt *st = statement(t, SET_GENERATION);
    if (!st)
        return db_fail(t->db, err, "cannot write to the KV store");
    sqlite3_bind_int64(st, 1, (int64_t)last);
    return run(t, st, err);
}

static int each_key(struct kv_table *t, sqlite3_stmt *st, kv_table_key_fn *fn, void *env,
                    struct err *err)
{
    int rc;
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        const char *key = (const char *)sqlite3_column_text(st, 0);
        if (!fn(env, key, (size_t)sqlite3_column_bytes(st, 0)))
            break;
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        return cannot_read(t, st, err);
    sqlite3_reset(st);
    return 0;
}

/* The first string in byte order that follows all that begin with prefix: NULL if there is none. */
static char *prefix_end(const char *prefix)
{
    size_t len = strlen(prefix);
    char *end = xmemdup(prefix, len + 1);
    while (len > 0 && (unsigned char)end[len - 1] == 0xff)
        end[--len] = '\0';
    if (len == 0) {
        free(end);
        return NULL;
    }
    end[len - 1] = (char)((unsigned char)end[len - 1] + 1);
    return end;
}

int kv_table_list(struct kv_table *t, const struct kv_table_query *query, kv_table_key_fn *fn,
                  void *env, struct err *err)
{
    sqlite3_stmt *st = statement(t, LIST);
    if (!st)
        return db_fail(t->db, err, "cannot read the KV store");
    cleanup(free_p) char *end = prefix_end(query->prefix);
    bind_str(st, 1, query->store);
    /* With its NUL counted, `after` is the smallest string that follows it. */
    if (strcmp(query->after, query->prefix) >= 0 && query->after[0])
        sqlite3_bind_text(st, 2, query->after, (int)strlen(query->after) + 1, SQLITE_STATIC);
    else
        bind_str(st, 2, query->prefix);
    if (end)
        bind_str(st, 3, end);
    else
        sqlite3_bind_null(st, 3);
    sqlite3_bind_int64(st, 4, query->now_ms);
    sqlite3_bind_int64(st, 5, query->limit > INT64_MAX ? INT64_MAX : (int64_t)query->limit);
    return each_key(t, st, fn, env, err);
}

int kv_table_stores(struct kv_table *t, kv_table_key_fn *fn, void *env, struct err *err)
{
    sqlite3_stmt *st = statement(t, STORES);
    if (!st)
        return db_fail(t->db, err, "cannot read the KV store");
    return each_key(t, st, fn, env, err);
}

int kv_table_seed(struct kv_table *t, const char *store, const char *key,
                  uint8_t ret_digest[KV_DIGEST_SIZE], struct err *err)
{
    sqlite3_stmt *st = statement(t, SEED);
    if (!st)
        return db_fail(t->db, err, "cannot read the KV store");
    bind_str(st, 1, store);
    bind_str(st, 2, key);
    int rc = sqlite3_step(st);
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        return cannot_read(t, st, err);
    bool found = rc == SQLITE_ROW && sqlite3_column_bytes(st, 0) == KV_DIGEST_SIZE;
    if (found)
        memcpy(ret_digest, sqlite3_column_blob(st, 0), KV_DIGEST_SIZE);
    sqlite3_reset(st);
    return found;
}

int kv_table_set_seed(struct kv_table *t, const char *store, const char *key,
                      const uint8_t digest[KV_DIGEST_SIZE], struct err *err)
{
    sqlite3_stmt *st = statement(t, SET_SEED);
    if (!st)
        return db_fail(t->db, err, "cannot write to the KV store");
    bind_str(st, 1, store);
    bind_str(st, 2, key);
    bind_bytes(st, 3, digest, KV_DIGEST_SIZE);
    return run(t, st, err);
}
