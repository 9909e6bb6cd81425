/* SPDX-License-Identifier: Apache-2.0 */
#include "world/kv.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "manifest/rules.h"
#include "store/state_schema.h"
#include "world/kv_impl.h"
#include "world/state.h"

bool kv_key_valid(const char *key, size_t len)
{
    return rule_kv_key(key, len) == NULL;
}

const char *kv_result_text(enum kv_result result)
{
    switch (result) {
    case KV_UNINITIALIZED: return "not answered yet";
    case KV_OK: return "ok";
    case KV_BAD_REQUEST: return "not a valid key or entry";
    case KV_NOT_FOUND: return "no such key";
    case KV_PRECONDITION_FAILED: return "the key exists already or has another generation";
    case KV_PAYLOAD_TOO_LARGE: return "the value is larger than 25 MiB";
    case KV_INTERNAL_ERROR: return "the store could not be used";
    case KV_TOO_MANY_REQUESTS: return "too many writes are waiting";
    }
    return "unknown result";
}

/* --- the database --- */

int64_t kv_now_ms(void)
{
    return clock_wall_ns() / 1000000;
}

bool kv_expired(const struct kv_row *row, int64_t now_ms)
{
    return row->expires_ms != 0 && row->expires_ms <= now_ms;
}

void kv_db_set_error(struct kv_db *db, const struct err *err)
{
    uv_mutex_lock(&db->lock);
    db->error = *err;
    db->has_error = true;
    uv_mutex_unlock(&db->lock);
}

bool kv_db_take_error(struct kv_db *db, struct err *err)
{
    uv_mutex_lock(&db->lock);
    bool has = db->has_error;
    if (has && err)
        *err = db->error;
    db->has_error = false;
    uv_mutex_unlock(&db->lock);
    return has;
}

void kv_db_ref(struct kv_db *db)
{
    atomic_fetch_add(&db->refs, 1);
}

void kv_db_unref(struct kv_db *db)
{
    if (atomic_fetch_sub(&db->refs, 1) > 1)
        return;
    while (db->spares) {
        struct kv_spare *s = db->spares;
        db->spares = s->next;
        kv_table_free(s->table);
        db_close(s->conn);
        free(s);
    }
    kv_table_free(db->table);
    db_close(db->conn);
    uv_cond_destroy(&db->work);
    uv_cond_destroy(&db->finished);
    uv_mutex_destroy(&db->lock);
    free(db->path);
    free(db);
}

int kv_db_open(const char *dir, struct kv_db **ret_db, struct err *err)
{
    int r = state_dir_make(dir, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = xasprintf("%s/%s", dir, STATE_DB_NAME);
    struct db *conn;
    r = db_open(path, DB_WRITE, &state_schema, &conn, err);
    if (r < 0)
        return r;
    struct kv_db *db = xnew(struct kv_db);
    db->path = TAKE(path);
    db->conn = conn;
    db->table = kv_table_new(conn);
    atomic_init(&db->refs, 1);
    uv_mutex_init(&db->lock);
    uv_cond_init(&db->work);
    uv_cond_init(&db->finished);
    db->tail = &db->head;
    kv_writer_start(db);
    *ret_db = db;
    return 0;
}

void kv_db_close(struct kv_db *db)
{
    if (!db)
        return;
    kv_writer_stop(db);
    kv_db_unref(db);
}

/* --- readers --- */

int kv_reader_open(struct kv_db *db, struct loop *loop, struct kv_reader **ret_reader,
                   struct err *err)
{
    struct db *conn;
    int r = db_open(db->path, DB_READ, &state_schema, &conn, err);
    if (r < 0)
        return r;
    struct kv_reader *reader = xnew(struct kv_reader);
    *reader = (struct kv_reader){.db = db, .loop = loop, .conn = conn};
    reader->table = kv_table_new(conn);
    *ret_reader = reader;
    return 0;
}

void kv_reader_close(struct kv_reader *r)
{
    if (!r)
        return;
    kv_table_free(r->table);
    db_close(r->conn);
    free(r);
}

void kv_reader_close_p(struct kv_reader **r)
{
    kv_reader_close(*r);
}

int kv_reader_hold(struct kv_reader *r, struct err *err)
{
    int result = db_hold(r->conn, err);
    r->held = result == 0;
    return result;
}

void kv_reader_release(struct kv_reader *r)
{
    db_release(r->conn);
    r->held = false;
}

struct kv_entry *kv_entry_new(const struct kv_row *row)
{
    struct kv_entry *e = xnew(struct kv_entry);
    e->value_len = row->value_len;
    if (row->metadata) {
        e->metadata = xmemdup(row->metadata, row->metadata_len);
        e->metadata_len = row->metadata_len;
    }
    e->generation = row->generation;
    e->expires_ms = row->expires_ms;
    return e;
}

void kv_entry_free(struct kv_entry *e)
{
    if (!e)
        return;
    body_unref(e->value);
    free(e->metadata);
    free(e);
}

void kv_entry_free_p(struct kv_entry **e)
{
    kv_entry_free(*e);
}

/* Read the value on this thread: what stands in the row, or all of what is kept apart. */
static int fill_value(struct kv_reader *r, const struct kv_row *row, struct kv_entry *e,
                      struct err *err)
{
    e->value = body_new();
    if (!row->blob) {
        body_write(e->value, row->value, row->value_len);
        body_end(e->value);
        return 0;
    }
    struct kv_blob *blob;
    size_t len;
    int failed = kv_blob_open(r->table, row->blob, &blob, &len, err);
    if (failed)
        return failed;
    uint8_t *data = xmalloc(len);
    failed = kv_blob_read(blob, data, len, 0, err);
    kv_blob_close(blob);
    e->value_len = len;
    body_write_take(e->value, data, len);
    body_end(e->value);
    return failed;
}

static enum kv_result internal_error(struct kv_reader *r, const struct err *err)
{
    kv_table_release(r->table);
    kv_db_set_error(r->db, err);
    return KV_INTERNAL_ERROR;
}

/* KV_OK with the row, which the caller releases. */
static enum kv_result find(struct kv_reader *r, const char *store, const char *key,
                           struct kv_row *ret_row)
{
    struct err err;
    int found = kv_table_get(r->table, store, key, ret_row, &err);
    if (found < 0)
        return internal_error(r, &err);
    if (found && !kv_expired(ret_row, kv_now_ms()))
        return KV_OK;
    kv_table_release(r->table);
    return KV_NOT_FOUND;
}

enum kv_result kv_get(struct kv_reader *r, const char *store, const char *key,
                      struct kv_entry **ret_entry)
{
    struct kv_row row;
    struct err err;
    enum kv_result result = find(r, store, key, &row);
    if (result != KV_OK)
        return result;
    if (row.blob && r->loop && !r->held) {
        kv_table_release(r->table);
        return kv_get_big(r, store, key, ret_entry);
    }
    cleanup(kv_entry_free_p) struct kv_entry *e = kv_entry_new(&row);
    if (fill_value(r, &row, e, &err) < 0)
        return internal_error(r, &err);
    kv_table_release(r->table);
    *ret_entry = TAKE(e);
    return KV_OK;
}

enum kv_result kv_head(struct kv_reader *r, const char *store, const char *key,
                       struct kv_entry **ret_entry)
{
    struct kv_row row;
    struct err err;
    enum kv_result result = find(r, store, key, &row);
    if (result != KV_OK)
        return result;
    struct kv_blob *blob = NULL;
    if (row.blob && kv_blob_open(r->table, row.blob, &blob, &row.value_len, &err) < 0)
        return internal_error(r, &err);
    kv_blob_close(blob);
    *ret_entry = kv_entry_new(&row);
    kv_table_release(r->table);
    return KV_OK;
}

/* --- listings --- */

static bool add_key(void *env, const char *key, size_t len)
{
    struct kv_page *page = env;
    if ((page->count & (page->count - 1)) == 0)
        page->keys = xreallocarray(page->keys, page->count ? page->count * 2 : 1, sizeof(char *));
    page->keys[page->count++] = xstrndup(key, len);
    return true;
}

void kv_page_clear(struct kv_page *page)
{
    for (size_t i = 0; i < page->count; i++)
        free(page->keys[i]);
    free(page->keys);
    *page = (struct kv_page){0};
}

static enum kv_result page_result(struct kv_reader *r, int failed, struct kv_page *page,
                                  const struct err *err)
{
    if (failed == 0)
        return KV_OK;
    kv_page_clear(page);
    kv_db_set_error(r->db, err);
    return KV_INTERNAL_ERROR;
}

enum kv_result kv_list(struct kv_reader *r, const char *store, const char *prefix,
                       const char *cursor, size_t limit, struct kv_page *ret_page)
{
    limit = limit < KV_LIST_MAX ? limit : KV_LIST_MAX;
    struct kv_table_query query = {
        .store = store,
        .prefix = prefix ? prefix : "",
        .after = cursor ? cursor : "",
        .now_ms = kv_now_ms(),
        .limit = limit + 1,     /* one more tells whether more follow */
    };
    struct err err;
    *ret_page = (struct kv_page){0};
    int failed = kv_table_list(r->table, &query, add_key, ret_page, &err);
    if (failed == 0 && ret_page->count > limit) {
        free(ret_page->keys[--ret_page->count]);
        ret_page->more = true;
    }
    return page_result(r, failed, ret_page, &err);
}

enum kv_result kv_stores(struct kv_reader *r, struct kv_page *ret_page)
{
    struct err err;
    *ret_page = (struct kv_page){0};
    int failed = kv_table_stores(r->table, add_key, ret_page, &err);
    return page_result(r, failed, ret_page, &err);
}
