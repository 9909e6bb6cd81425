/* SPDX-License-Identifier: Apache-2.0 */
/* The writer thread. What is queued while one commit runs goes into the next transaction, so a
 * hundred requests that write at once cost one sync of the disk. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "world/kv_impl.h"

enum {
    GROUP_MAX_JOBS = 1000,
    GROUP_MAX_BYTES = 64 << 20,
    QUEUE_MAX_BYTES = 256 << 20,    /* past it, writes are refused */
    PURGE_MAX = 500,                /* expired entries removed at a time */
};
static const int64_t PURGE_EVERY_NS = 10 * 1000000000LL;

/* --- applying one write, inside a transaction --- */

static int64_t put_expiry(const struct kv_put *put)
{
    if (put->expires_ms || put->ttl_s <= 0)
        return put->expires_ms;
    int64_t ms;
    if (__builtin_mul_overflow(put->ttl_s, 1000, &ms)
        || __builtin_add_overflow(ms, kv_now_ms(), &ms))
        return 0; /* past the end of time is never */
    return ms;
}

static uint64_t next_generation(struct kv_db *db)
{
    uint64_t now = (uint64_t)clock_wall_ns();
    db->generation = now > db->generation ? now : db->generation + 1;
    return db->generation;
}

/* The old value of `old` with put's after or before it. */
static int join_values(struct kv_db *db, const struct kv_put *put, const struct kv_row *old,
                       uint8_t **ret_value, size_t *ret_len, struct err *err)
{
    struct kv_blob *blob = NULL;
    size_t old_len = old->value_len;
    int r = old->blob ? kv_blob_open(db->table, old->blob, &blob, &old_len, err) : 0;
    if (r < 0)
        return r;
    *ret_len = old_len + put->value_len;
    if (*ret_len > KV_VALUE_MAX) {
        kv_blob_close(blob);
        return KV_PAYLOAD_TOO_LARGE;
    }
    uint8_t *value = xmalloc(*ret_len);
    uint8_t *old_at = put->mode == KV_APPEND ? value : value + put->value_len;
    uint8_t *new_at = put->mode == KV_APPEND ? value + old_len : value;
    if (put->value_len)
        memcpy(new_at, put->value, put->value_len);
    if (blob)
        r = kv_blob_read(blob, old_at, old_len, 0, err);
    else if (old_len)
        memcpy(old_at, old->value, old_len);
    kv_blob_close(blob);
    if (r < 0) {
        free(value);
        return r;
    }
    *ret_value = value;
    return KV_OK;
}

/* A kv_result, or a negative error: then the transaction is lost. */
static int apply_put(struct kv_db *db, const struct kv_put *put, uint64_t *ret_generation,
                     struct err *err)
{
    struct kv_row old = {0};
    int found = kv_table_get(db->table, put->store, put->key, &old, err);
    if (found < 0)
        return found;
    bool exists = found && !kv_expired(&old, kv_now_ms());
    struct kv_row row = {
        .expires_ms = put_expiry(put), .blob = old.blob,
        .metadata = put->metadata, .metadata_len = put->metadata_len,
        .value = put->value, .value_len = put->value_len,
    };
    cleanup(free_p) uint8_t *joined = NULL;
    int result = KV_OK;
    if (exists && (put->mode == KV_ADD
                   || (put->has_generation && put->if_generation != old.generation)))
        result = KV_PRECONDITION_FAILED;
    else if (exists && (put->mode == KV_APPEND || put->mode == KV_PREPEND))
        result = join_values(db, put, &old, &joined, &row.value_len, err);
    kv_table_release(db->table);
    if (result != KV_OK)
        return result;
    if (joined)
        row.value = joined;
    row.generation = *ret_generation = next_generation(db);
    int r = kv_table_put(db->table, put->store, put->key, &row, err);
    return r < 0 ? r : KV_OK;
}

static int apply_delete(struct kv_db *db, const struct kv_put *put, struct err *err)
{
    struct kv_row old;
    int found = kv_table_get(db->table, put->store, put->key, &old, err);
    if (found < 0)
        return found;
    kv_table_release(db->table);
    if (!found)
        return KV_NOT_FOUND;
    bool expired = kv_expired(&old, kv_now_ms());
    int r = kv_table_delete(db->table, put->store, put->key, old.blob, err);
    return r < 0 ? r : expired ? KV_NOT_FOUND : KV_OK;
}

static int apply_batch(struct kv_db *db, struct kv_job *job, struct err *err)
{
    const struct kv_batch *batch = job->batch;
    for (size_t i = 0; i < batch->count; i++) {
        const struct kv_put *put = &batch->puts[i];
        job->failed = i;
        int r = apply_put(db, put, &job->generation, err);
        if (r == KV_OK && batch->marks) {
            int marked = kv_table_set_seed(db->table, put->store, put->key,
                                           batch->marks[i].digest, err);
            r = marked < 0 ? marked : r;
        }
        if (r != KV_OK)
            return r;
    }
    return KV_OK;
}

static int apply(struct kv_db *db, struct kv_job *job, struct err *err)
{
    switch (job->kind) {
    case JOB_PUT: return apply_put(db, &job->put, &job->generation, err);
    case JOB_DELETE: return apply_delete(db, &job->put, err);
    case JOB_BATCH: return apply_batch(db, job, err);
    }
    return KV_INTERNAL_ERROR;
}

/* --- one transaction --- */

/* 0 when the whole list was applied and committed; each job has its result. */
static int commit_list(struct kv_db *db, struct kv_job *list, struct err *err)
{
    int r = db_begin(db->conn, err);
    if (r < 0)
        return r;
    r = kv_table_generation(db->table, &db->generation, err);
    bool whole = true;
    for (struct kv_job *j = list; j && r >= 0; j = j->next) {
        r = apply(db, j, err);
        j->result = r < 0 ? KV_INTERNAL_ERROR : (enum kv_result)r;
        whole = whole && (j->kind != JOB_BATCH || r == KV_OK);
    }
    if (r >= 0 && whole)
        r = kv_table_set_generation(db->table, db->generation, err);
    if (r >= 0 && whole)
        return db_commit(db->conn, err);
    kv_table_release(db->table);
    db_rollback(db->conn);
    return r < 0 ? r : 0;
}

static void fail_list(struct kv_db *db, struct kv_job *list, const struct err *err)
{
    for (struct kv_job *j = list; j; j = j->next)
        j->result = KV_INTERNAL_ERROR;
    kv_db_set_error(db, err);
}

/* When a group fails, each of its writes is tried alone: one that is too big for what is left of
 * the disk must not take the others with it. */
static void run_group(struct kv_db *db, struct kv_job *list)
{
    struct err err;
    if (commit_list(db, list, &err) == 0)
        return;
    if (!list->next) {
        fail_list(db, list, &err);
        return;
    }
    for (struct kv_job *j = list; j; j = j->next) {
        struct kv_job *next = j->next;
        j->next = NULL;
        if (commit_list(db, j, &err) < 0)
            fail_list(db, j, &err);
        j->next = next;
    }
}

static void purge_expired(struct kv_db *db)
{
    int64_t now = clock_mono_ns();
    struct err err;
    if (now - db->purged_ns < PURGE_EVERY_NS)
        return;
    db->purged_ns = now;
    /* A failure here is found again, and told, by the next write. */
    if (db_begin(db->conn, &err) < 0)
        return;
    if (kv_table_purge(db->table, kv_now_ms(), PURGE_MAX, &err) < 0)
        db_rollback(db->conn);
    else
        (void)!db_commit(db->conn, &err);
}

/* --- completions --- */

static void job_free(struct kv_job *job)
{
    free(job->taken);
    free(job);
}

static void deliver(void *env)
{
    for (struct kv_job *job = env; job;) {
        struct kv_job *next = job->next;
        job->done(job->env, job->result, job->generation);
        job_free(job);
        job = next;
    }
}

static void finish_waiting(struct kv_db *db, struct kv_job *list)
{
    uv_mutex_lock(&db->lock);
    while (list) {
        struct kv_job *next = list->next;
        list->finished = true; /* its owner may free it once the lock is free */
        list = next;
    }
    uv_cond_broadcast(&db->finished);
    uv_mutex_unlock(&db->lock);
}

/* One post per loop, however many writes of it were in the group. */
static void complete(struct kv_db *db, struct kv_job *list)
{
    while (list) {
        struct loop *loop = list->loop;
        struct kv_job *mine = NULL, **mine_tail = &mine, *rest = NULL, **rest_tail = &rest;
        for (struct kv_job *j = list; j; j = j->next) {
            struct kv_job ***tail = j->loop == loop ? &mine_tail : &rest_tail;
            **tail = j;
            *tail = &j->next;
        }
        *mine_tail = *rest_tail = NULL;
        list = rest;
        if (loop)
            loop_post(loop, deliver, mine);
        else
            finish_waiting(db, mine);
    }
}

/* --- the queue --- */

/* The next group, taken off the queue; NULL when the thread shall end. A batch goes alone, so that
 * it can be rolled back alone. */
static struct kv_job *take_group(struct kv_db *db)
{
    uv_mutex_lock(&db->lock);
    while (!db->head && !db->stopping) {
        db->sleeping = true;
        uv_cond_wait(&db->work, &db->lock);
        db->sleeping = false;
    }
    struct kv_job *list = db->head, **end = &db->head;
    size_t count = 0, bytes = 0;
    while (*end && count < GROUP_MAX_JOBS && bytes < GROUP_MAX_BYTES) {
        bool batch = (*end)->kind == JOB_BATCH;
        if (batch && count > 0)
            break;
        bytes += (*end)->bytes;
        count++;
        end = &(*end)->next;
        if (batch)
            break;
    }
    db->head = list ? *end : NULL;
    if (list)
        *end = NULL;
    if (!db->head)
        db->tail = &db->head;
    db->queued_bytes -= bytes;
    uv_mutex_unlock(&db->lock);
    return list;
}

static void writer_main(void *env)
{
    struct kv_db *db = env;
    struct kv_job *list;
    while ((list = take_group(db))) {
        run_group(db, list);
        complete(db, list);
        db_checkpoint(db->conn);
        purge_expired(db);
    }
}

void kv_writer_start(struct kv_db *db)
{
    /* Signals are for the main thread. SIGXFSZ too: held back, a write past the file size limit
     * fails with an error instead of ending the process. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    db->purged_ns = clock_mono_ns();
    if (uv_thread_create(&db->thread, writer_main, db) != 0)
        abort(); /* no threads left at start: nothing can work */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void kv_writer_stop(struct kv_db *db)
{
    uv_mutex_lock(&db->lock);
    db->stopping = true;
    uv_cond_signal(&db->work);
    uv_mutex_unlock(&db->lock);
    uv_thread_join(&db->thread);
}

/* False when the queue holds too much. */
static bool enqueue(struct kv_db *db, struct kv_job *job)
{
    uv_mutex_lock(&db->lock);
    bool room = db->queued_bytes < QUEUE_MAX_BYTES;
    if (room) {
        *db->tail = job;
        db->tail = &job->next;
        db->queued_bytes += job->bytes;
        if (db->sleeping)
            uv_cond_signal(&db->work);
    }
    uv_mutex_unlock(&db->lock);
    return room;
}

static enum kv_result check_put(const struct kv_put *put)
{
    if (!put->store[0] || !kv_key_valid(put->key, strlen(put->key)))
        return KV_BAD_REQUEST;
    if (put->metadata_len > KV_METADATA_MAX || put->ttl_s < 0)
        return KV_BAD_REQUEST;
    return put->value_len > KV_VALUE_MAX ? KV_PAYLOAD_TOO_LARGE : KV_OK;
}

/* Memory for a job with `extra` bytes behind it. */
static struct kv_job *job_new(size_t extra)
{
    struct kv_job *job = xmalloc(sizeof *job + extra);
    memset(job, 0, sizeof *job);
    job->bytes = sizeof *job + extra;
    return job;
}

static void *append(char **at, const void *data, size_t len)
{
    void *to = *at;
    if (len)
        memcpy(to, data, len);
    *at += len;
    return to;
}

static struct kv_job *put_job(const struct kv_put *put, bool too_large)
{
    size_t store_len = strlen(put->store) + 1, key_len = strlen(put->key) + 1;
    size_t copied = put->value_take || too_large ? 0 : put->value_len;
    size_t metadata_len = put->metadata_len <= KV_METADATA_MAX ? put->metadata_len : 0;
    struct kv_job *job = job_new(store_len + key_len + metadata_len + copied);
    char *at = (char *)(job + 1);
    job->kind = JOB_PUT;
    job->put = *put;
    job->put.store = append(&at, put->store, store_len);
    job->put.key = append(&at, put->key, key_len);
    if (put->metadata)
        job->put.metadata = append(&at, put->metadata, metadata_len);
    if (put->value_take) {
        job->taken = (void *)put->value;
        job->bytes += put->value_len;
    } else if (copied) {
        job->put.value = append(&at, put->value, copied);
    } else {
        job->put.value = "";
    }
    return job;
}

/* Queue the job, or have it answered with `checked` at once. */
static void submit(struct kv_db *db, struct kv_job *job, enum kv_result checked)
{
    job->result = checked == KV_OK ? KV_TOO_MANY_REQUESTS : checked;
    if (checked == KV_OK && enqueue(db, job))
        return;
    loop_post(job->loop, deliver, job);
}

void kv_write_put(struct kv_db *db, const struct kv_put *put, struct loop *loop, kv_done_fn *done,
                  void *env)
{
    enum kv_result checked = check_put(put);
    struct kv_job *job = put_job(put, checked == KV_PAYLOAD_TOO_LARGE);
    job->loop = loop;
    job->done = done;
    job->env = env;
    submit(db, job, checked);
}

void kv_write_delete(struct kv_db *db, const char *store, const char *key, struct loop *loop,
                     kv_done_fn *done, void *env)
{
    struct kv_put put = {.store = store, .key = key};
    enum kv_result checked = check_put(&put);
    struct kv_job *job = put_job(&put, false);
    job->kind = JOB_DELETE;
    job->loop = loop;
    job->done = done;
    job->env = env;
    submit(db, job, checked);
}

/* --- blocking forms --- */

/* The job is on the caller's stack and borrows everything. */
static enum kv_result run_now(struct kv_db *db, struct kv_job *job)
{
    if (!enqueue(db, job))
        return KV_TOO_MANY_REQUESTS;
    uv_mutex_lock(&db->lock);
    while (!job->finished)
        uv_cond_wait(&db->finished, &db->lock);
    uv_mutex_unlock(&db->lock);
    return job->result;
}

enum kv_result kv_put_now(struct kv_db *db, const struct kv_put *put, uint64_t *ret_generation)
{
    enum kv_result checked = check_put(put);
    struct kv_job job = {.kind = JOB_PUT, .put = *put, .bytes = put->value_len};
    enum kv_result result = checked == KV_OK ? run_now(db, &job) : checked;
    if (result == KV_OK && ret_generation)
        *ret_generation = job.generation;
    if (put->value_take)
        free((void *)put->value);
    return result;
}

enum kv_result kv_delete_now(struct kv_db *db, const char *store, const char *key)
{
    struct kv_put put = {.store = store, .key = key};
    enum kv_result checked = check_put(&put);
    struct kv_job job = {.kind = JOB_DELETE, .put = put};
    return checked == KV_OK ? run_now(db, &job) : checked;
}

enum kv_result kv_batch_now(struct kv_db *db, const struct kv_batch *batch, size_t *ret_failed)
{
    struct kv_job job = {.kind = JOB_BATCH, .batch = batch};
    for (size_t i = 0; i < batch->count; i++) {
        enum kv_result checked = check_put(&batch->puts[i]);
        *ret_failed = i;
        if (checked != KV_OK)
            return checked;
    }
    enum kv_result result = run_now(db, &job);
    *ret_failed = job.failed;
    return result;
}
