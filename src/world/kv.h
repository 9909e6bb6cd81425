/* SPDX-License-Identifier: Apache-2.0 */
/* KV stores as a guest sees them, kept in SQLite by src/store. Reads are synchronous on a per-loop
 * handle; writes go to one writer thread with group commit and complete on the caller's loop once
 * they are durable (what was acknowledged survives kill -9). Semantics: abi README section 10. */
#ifndef EDGECTL_WORLD_KV_H
#define EDGECTL_WORLD_KV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/body.h"
#include "base/err.h"
#include "base/loop.h"
#include "manifest/manifest.h"

enum { KV_KEY_MAX = 1024, KV_METADATA_MAX = 2000, KV_VALUE_MAX = 25 * 1024 * 1024 };

/* enum kv_error of the guest ABI; numbers are the ABI's. */
enum kv_result {
    KV_UNINITIALIZED, KV_OK, KV_BAD_REQUEST, KV_NOT_FOUND, KV_PRECONDITION_FAILED,
    KV_PAYLOAD_TOO_LARGE, KV_INTERNAL_ERROR, KV_TOO_MANY_REQUESTS,
};

enum kv_mode { KV_OVERWRITE, KV_ADD, KV_APPEND, KV_PREPEND };

struct kv_db;       /* one database file, any number of stores; shared by all threads */
struct kv_reader;   /* one per loop thread */

struct kv_entry {
    struct body *value;             /* complete, or still being read from disk for big values;
                                     * NULL from kv_head */
    uint64_t value_len;
    void *metadata;                 /* NULL when none */
    size_t metadata_len;
    uint64_t generation;            /* ns time of the write, unique per key */
    int64_t expires_ms;             /* wall time, 0 = never */
};

struct kv_put {
    const char *store;
    const char *key;                /* NUL-terminated, validated by kv_key_valid */
    enum kv_mode mode;
    const void *value;              /* borrowed until kv_write_* returns: it is copied */
    size_t value_len;
    bool value_take;                /* instead, `value` is from malloc and freed by kv_write_put */
    const void *metadata;           /* NULL = none */
    size_t metadata_len;
    int64_t ttl_s;                  /* 0 = none */
    int64_t expires_ms;             /* wall time, instead of ttl_s; 0 = none */
    bool has_generation;            /* write only if the existing entry has this generation */
    uint64_t if_generation;
};

typedef void kv_done_fn(void *env, enum kv_result result, uint64_t generation);

/* Open or make the database in directory `dir` (made with mode 0700). Starts the writer thread. */
must_use int kv_db_open(const char *dir, struct kv_db **ret_db, struct err *err);
/* Finishes what is queued, then stops the thread. Before loop_free of any loop with a write under
 * way, and after the readers were closed. NULL is allowed. */
void kv_db_close(struct kv_db *db);
/* Why the last KV_INTERNAL_ERROR came (disk full, file damaged ...): true, with *err, when there
 * was one since the last call. Any thread. */
bool kv_db_take_error(struct kv_db *db, struct err *err);

/* A reader for the thread of `loop`. With NULL (command line, tests) values are always complete
 * when kv_get returns. */
must_use int kv_reader_open(struct kv_db *db, struct loop *loop, struct kv_reader **ret_reader,
                            struct err *err);
/* Values still being read from disk go on until the loop is freed. NULL is allowed. */
void kv_reader_close(struct kv_reader *r);
void kv_reader_close_p(struct kv_reader **r);
/* Let all reads see one state until kv_reader_release: for exports. */
must_use int kv_reader_hold(struct kv_reader *r, struct err *err);
void kv_reader_release(struct kv_reader *r);

/* Key rules of section 10: 1..1024 bytes of UTF-8 and no forbidden characters or parts. */
bool kv_key_valid(const char *key, size_t len);

/* KV_OK with *ret_entry (kv_entry_free), or another result. Expired entries are not found. Values
 * over 32 KiB arrive in pieces from another thread, while the loop runs; their length is known. */
enum kv_result kv_get(struct kv_reader *r, const char *store, const char *key,
                      struct kv_entry **ret_entry);
/* As kv_get, without the value. */
enum kv_result kv_head(struct kv_reader *r, const char *store, const char *key,
                       struct kv_entry **ret_entry);
/* Drops the entry's reference to its body. NULL is allowed. */
void kv_entry_free(struct kv_entry *e);
void kv_entry_free_p(struct kv_entry **e);

/* Queue a write; `done` runs on `loop`'s thread after the commit, never inside this call. Writes
 * from one thread are applied in order. */
void kv_write_put(struct kv_db *db, const struct kv_put *put, struct loop *loop, kv_done_fn *done,
                  void *env);
void kv_write_delete(struct kv_db *db, const char *store, const char *key, struct loop *loop,
                     kv_done_fn *done, void *env);

struct kv_page {
    char **keys;
    size_t count;
    bool more;                      /* keys follow after the last one */
};

/* Keys in byte order, after `cursor` (NULL = from the start), with `prefix` (NULL = any). At most
 * KV_LIST_MAX at a time, whatever the limit. */
enum { KV_LIST_MAX = 10000 };
enum kv_result kv_list(struct kv_reader *r, const char *store, const char *prefix,
                       const char *cursor, size_t limit, struct kv_page *ret_page);
void kv_page_clear(struct kv_page *page);
/* The names of the stores that hold something. */
enum kv_result kv_stores(struct kv_reader *r, struct kv_page *ret_page);

/* Blocking forms for the command line and for seeding: same rules, same durability. */
enum kv_result kv_put_now(struct kv_db *db, const struct kv_put *put, uint64_t *ret_generation);
enum kv_result kv_delete_now(struct kv_db *db, const char *store, const char *key);

/* Several puts, all or none, in one transaction. On failure *ret_failed is the index of the first
 * put that could not be done. */
struct kv_batch {
    const struct kv_put *puts;
    size_t count;
    const struct kv_seed_mark *marks;   /* one per put, or NULL; see kv_seed */
};
enum kv_result kv_batch_now(struct kv_db *db, const struct kv_batch *batch, size_t *ret_failed);

/* Write the manifest's KV entries and seed files into the database: each entry when its key is not
 * there, or when the entry has changed since it was last applied. So what guests and users wrote
 * stays. All or nothing. */
must_use int kv_seed(struct kv_db *db, const struct manifest *m, struct err *err);

/* "no such key", "precondition failed" ...: for messages. */
const char *kv_result_text(enum kv_result result);

#endif
