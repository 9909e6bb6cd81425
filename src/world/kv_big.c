/* SPDX-License-Identifier: Apache-2.0 */
/* Big values: read in pieces by libuv's worker threads, on a connection of their own, so that the
 * loop neither waits for the disk nor holds its own reads to an old state meanwhile. The whole
 * value is read without waiting for the guest: a slow guest must not keep the log from being
 * folded back. */
#include <assert.h>
#include <stdlib.h>
#include "base/mem.h"
#include "store/state_schema.h"
#include "world/kv_impl.h"

enum { PIECE = 1 << 20, SPARE_MAX = 4 };

struct big_read {
    uv_work_t work;
    struct kv_db *db;
    struct kv_spare *spare;
    struct kv_blob *blob;
    struct body *value;         /* our reference, as its writer */
    size_t len, offset;
    uint8_t *piece;             /* what the worker has read */
    size_t piece_len;
    bool failed;
};

static int spare_take(struct kv_db *db, struct kv_spare **ret_spare, struct err *err)
{
    uv_mutex_lock(&db->lock);
    struct kv_spare *s = db->spares;
    if (s) {
        db->spares = s->next;
        db->spare_count--;
    }
    uv_mutex_unlock(&db->lock);
    if (!s) {
        struct db *conn;
        int r = db_open(db->path, DB_READ, &state_schema, &conn, err);
        if (r < 0)
            return r;
        s = xnew(struct kv_spare);
        s->conn = conn;
        s->table = kv_table_new(conn);
    }
    *ret_spare = s;
    return 0;
}

static void spare_give(struct kv_db *db, struct kv_spare *s)
{
    db_release(s->conn);
    uv_mutex_lock(&db->lock);
    bool keep = db->spare_count < SPARE_MAX;
    if (keep) {
        s->next = db->spares;
        db->spares = s;
        db->spare_count++;
    }
    uv_mutex_unlock(&db->lock);
    if (keep)
        return;
    kv_table_free(s->table);
    db_close(s->conn);
    free(s);
}

static void read_piece(uv_work_t *work)
{
    struct big_read *b = work->data;
    struct err err;
    size_t left = b->len - b->offset;
    b->piece_len = left < PIECE ? left : PIECE;
    b->piece = xmalloc(b->piece_len);
    if (kv_blob_read(b->blob, b->piece, b->piece_len, b->offset, &err) < 0) {
        kv_db_set_error(b->db, &err);
        b->failed = true;
    }
}

static void finish(struct big_read *b)
{
    kv_blob_close(b->blob);
    spare_give(b->db, b->spare);
    body_unref(b->value);
    kv_db_unref(b->db);
    free(b);
}

static void piece_done(uv_work_t *work, int status)
{
    struct big_read *b = work->data;
    if (b->failed || status < 0) {
        free(b->piece);
        body_fail(b->value, "the stored value could not be read");
        finish(b);
        return;
    }
    b->offset += b->piece_len;
    body_write_take(b->value, TAKE(b->piece), b->piece_len);
    if (b->offset < b->len && !body_reader_gone(b->value)) {
        uv_queue_work(work->loop, work, read_piece, piece_done);
        return;
    }
    body_end(b->value);
    finish(b);
}

static int start(struct kv_reader *r, struct kv_spare *spare, int64_t number,
                 struct kv_entry *entry, struct err *err)
{
    struct kv_blob *blob;
    size_t len;
    int failed = kv_blob_open(spare->table, number, &blob, &len, err);
    if (failed)
        return failed;
    struct big_read *b = xnew(struct big_read);
    *b = (struct big_read){.db = r->db, .spare = spare, .blob = blob, .len = len};
    entry->value = body_new();
    entry->value_len = len;
    body_set_length(entry->value, len);
    b->value = body_ref(entry->value);
    kv_db_ref(r->db);
    b->work.data = b;
    int queued = uv_queue_work(loop_uv(r->loop), &b->work, read_piece, piece_done);
    assert(queued == 0); /* it fails only without a work function */
    return 0;
}

enum kv_result kv_get_big(struct kv_reader *r, const char *store, const char *key,
                          struct kv_entry **ret_entry)
{
    struct kv_spare *spare;
    struct kv_row row;
    struct err err;
    if (spare_take(r->db, &spare, &err) < 0) {
        kv_db_set_error(r->db, &err);
        return KV_INTERNAL_ERROR;
    }
    /* Looked up again, since it may have been replaced: the value must be the one described. */
    int found = db_hold(spare->conn, &err);
    if (found == 0)
        found = kv_table_get(spare->table, store, key, &row, &err);
    if (found == 0 || (found > 0 && kv_expired(&row, kv_now_ms()))) {
        kv_table_release(spare->table);
        spare_give(r->db, spare);
        return KV_NOT_FOUND;
    }
    cleanup(kv_entry_free_p) struct kv_entry *e = found > 0 ? kv_entry_new(&row) : NULL;
    if (found > 0 && row.blob) {
        found = start(r, spare, row.blob, e, &err);
        kv_table_release(spare->table);
        if (found == 0) {
            *ret_entry = TAKE(e);
            return KV_OK;
        }
    } else if (found > 0) {
        e->value = body_new();
        body_write(e->value, row.value, row.value_len);
        body_end(e->value);
        *ret_entry = TAKE(e);
    }
    kv_table_release(spare->table);
    spare_give(r->db, spare);
    if (found > 0)
        return KV_OK;
    kv_db_set_error(r->db, &err);
    return KV_INTERNAL_ERROR;
}
