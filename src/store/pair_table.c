/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pair_table.h"

#include <sqlite3.h>

static const struct {
    const char *each, *put, *delete, *what;
} table[] = {
    [PAIR_CONFIG] = {
        "SELECT store, key, value FROM config ORDER BY store, key",
        "INSERT INTO config (store, key, value) VALUES (?1, ?2, ?3)"
        " ON CONFLICT (store, key) DO UPDATE SET value = excluded.value",
        "DELETE FROM config WHERE store = ?1 AND key = ?2",
        "cannot use the local config",
    },
    [PAIR_SECRET] = {
        "SELECT store, key, value FROM secret ORDER BY store, key",
        "INSERT INTO secret (store, key, value) VALUES (?1, ?2, ?3)"
        " ON CONFLICT (store, key) DO UPDATE SET value = excluded.value",
        "DELETE FROM secret WHERE store = ?1 AND key = ?2",
        "cannot use the stored secrets",
    },
};

static void finalize_p(sqlite3_stmt **st)
{
    sqlite3_finalize(*st);
}

int pair_table_each(struct db *db, enum pair_kind kind, pair_fn *fn, void *env, struct err *err)
{
    cleanup(finalize_p) sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db_handle(db), table[kind].each, -1, &st, NULL);
    if (rc != SQLITE_OK)
        return db_fail(db, err, table[kind].what);
    while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct pair pair = {
            .store = (const char *)sqlite3_column_text(st, 0),
            .key = (const char *)sqlite3_column_text(st, 1),
            .value = sqlite3_column_blob(st, 2),
            .len = (size_t)sqlite3_column_bytes(st, 2),
        };
        fn(env, &pair);
    }
    return rc == SQLITE_DONE ? 0 : db_fail(db, err, table[kind].what);
}

static int run(struct db *db, enum pair_kind kind, const char *sql, const struct pair *pair,
               struct err *err)
{
    cleanup(finalize_p) sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v2(db_handle(db), sql, -1, &st, NULL) != SQLITE_OK)
        return db_fail(db, err, table[kind].what);
    sqlite3_bind_text(st, 1, pair->store, -1, SQLITE_STATIC);
    sqlite3_bind_text(st, 2, pair->key, -1, SQLITE_STATIC);
    if (pair->value)
        sqlite3_bind_blob64(st, 3, pair->value, pair->len, SQLITE_STATIC);
    if (sqlite3_step(st) != SQLITE_DONE)
        return db_fail(db, err, table[kind].what);
    return 0;
}

int pair_table_put(struct db *db, enum pair_kind kind, const struct pair *pair, struct err *err)
{
    struct pair bound = *pair;
    if (!bound.value)
        bound.value = ""; /* empty is not NULL */
    return run(db, kind, table[kind].put, &bound, err);
}

int pair_table_delete(struct db *db, enum pair_kind kind, const char *store, const char *key,
                      struct err *err)
{
    struct pair pair = {.store = store, .key = key};
    int r = run(db, kind, table[kind].delete, &pair, err);
    return r < 0 ? r : sqlite3_changes(db_handle(db)) > 0;
}
