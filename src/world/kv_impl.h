/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the KV store share: the database object and the writer's queue. */
#ifndef EDGECTL_WORLD_KV_IMPL_H
#define EDGECTL_WORLD_KV_IMPL_H

#include <stdatomic.h>
#include "store/kv_table.h"
#include "world/kv.h"

/* The content of a seed when it was applied; written together with its put. */
struct kv_seed_mark {
    uint8_t digest[KV_DIGEST_SIZE];
};

enum kv_job_kind { JOB_PUT, JOB_DELETE, JOB_BATCH };

/* One queued write. Strings and value lie behind the struct, unless taken or borrowed. */
struct kv_job {
    struct kv_job *next;
    enum kv_job_kind kind;
    struct kv_put put;
    void *taken;                /* freed with the job */
    size_t bytes;               /* memory held, for the queue's bound */
    const struct kv_batch *batch;
    size_t failed;              /* of a batch */
    struct loop *loop;          /* NULL: a thread waits for `finished` */
    bool finished;              /* under the database's lock */
    kv_done_fn *done;
    void *env;
    enum kv_result result;
    uint64_t generation;
};

/* A connection for reading big values, on whichever thread. */
struct kv_spare {
    struct kv_spare *next;
    struct db *conn;
    struct kv_table *table;
};

struct kv_db {
    atomic_int refs;            /* the owner, and each big value under way */
    char *path;
    uv_mutex_t lock;
    /* under lock: */
    uv_cond_t work, finished;
    struct kv_job *head, **tail;
    size_t queued_bytes;
    bool sleeping, stopping;
    struct kv_spare *spares;
    size_t spare_count;
    struct err error;           /* see kv_db_take_error */
    bool has_error;
    /* the writer thread's alone: */
    uv_thread_t thread;
    struct db *conn;
    struct kv_table *table;
    uint64_t generation;        /* last one given */
    int64_t purged_ns;
};

struct kv_reader {
    struct kv_db *db;
    struct loop *loop;
    struct db *conn;
    struct kv_table *table;
    bool held;
};

void kv_db_ref(struct kv_db *db);
void kv_db_unref(struct kv_db *db);
/* Keep *err for kv_db_take_error. */
void kv_db_set_error(struct kv_db *db, const struct err *err);
/* Start and stop the writer thread; stopping finishes what is queued. */
void kv_writer_start(struct kv_db *db);
void kv_writer_stop(struct kv_db *db);

/* Read the entry by a spare connection and a worker thread; result as kv_get. */
enum kv_result kv_get_big(struct kv_reader *r, const char *store, const char *key,
                          struct kv_entry **ret_entry);
/* An entry with the row's metadata, and no value yet. */
struct kv_entry *kv_entry_new(const struct kv_row *row);
/* Now, as expiry counts it. */
int64_t kv_now_ms(void);
bool kv_expired(const struct kv_row *row, int64_t now_ms);

#endif
