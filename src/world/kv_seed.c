/* SPDX-License-Identifier: Apache-2.0 */
/* Seeding: the manifest's first content of the KV stores. An entry is written when its key is not
 * there, or when the entry itself is another than when it was last applied; what users and guests
 * changed meanwhile stays. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "crypto/hash.h"
#include "world/kv_impl.h"

/* The puts that are due, gathered first and then written in one transaction. */
struct seeding {
    const struct manifest *m;
    struct kv_reader *reader;
    struct kv_put *puts;
    struct kv_seed_mark *marks;
    size_t count, cap;
};

static void seeding_clear(struct seeding *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free((char *)s->puts[i].key);
        free((void *)s->puts[i].value);
        free((void *)s->puts[i].metadata);
    }
    free(s->puts);
    free(s->marks);
}

static void digest(const struct manifest_kv_entry *e, const struct buf *value,
                   struct kv_seed_mark *ret_mark)
{
    _Static_assert((int)HASH_SIZE == (int)KV_DIGEST_SIZE, "the digest of a seed is one hash");
    uint64_t len = value->len;
    cleanup(hash_free_p) struct hash *h = hash_new();
    hash_add(h, &len, sizeof len);
    hash_add(h, value->data, value->len);
    if (e->metadata)
        hash_add(h, e->metadata, strlen(e->metadata) + 1);
    hash_final(h, ret_mark->digest);
}

/* 1 if the entry has to be written, 0 if not. */
static int is_due(struct seeding *s, const char *store, const char *key,
                  const struct kv_seed_mark *mark, struct err *err)
{
    struct kv_table *t = s->reader->table;
    struct kv_row row;
    int found = kv_table_get(t, store, key, &row, err);
    if (found < 0)
        return found;
    bool there = found && !kv_expired(&row, kv_now_ms());
    kv_table_release(t);
    struct kv_seed_mark applied;
    int known = there ? kv_table_seed(t, store, key, applied.digest, err) : 0;
    if (known < 0)
        return known;
    return !known || memcmp(applied.digest, mark->digest, KV_DIGEST_SIZE) != 0;
}

static int check_entry(const struct manifest_kv_entry *e, struct err *err)
{
    if (!kv_key_valid(e->key, strlen(e->key)))
        return err_set(err, ERR_MANIFEST, "'%.256s' is not a valid key", e->key);
    if (e->metadata && strlen(e->metadata) > KV_METADATA_MAX)
        return err_set(err, ERR_MANIFEST, "the metadata of key '%.256s' has more than %d bytes",
                       e->key, KV_METADATA_MAX);
    return 0;
}

static int add_entry(struct seeding *s, const char *store, const struct manifest_kv_entry *e,
                     struct err *err)
{
    cleanup(buf_clear) struct buf value = BUF_INIT(KV_VALUE_MAX);
    struct kv_seed_mark mark;
    int r = check_entry(e, err);
    if (r == 0)
        r = manifest_source_read(s->m, &e->value, &value, err);
    if (r < 0)
        return err_wrap(err, r, "KV store '%s', key '%.256s'", store, e->key);
    digest(e, &value, &mark);
    r = is_due(s, store, e->key, &mark, err);
    if (r <= 0)
        return r;
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 16;
        s->puts = xreallocarray(s->puts, s->cap, sizeof *s->puts);
        s->marks = xreallocarray(s->marks, s->cap, sizeof *s->marks);
    }
    struct kv_put *put = &s->puts[s->count];
    *put = (struct kv_put){.store = store, .key = xstrdup(e->key), .value_len = value.len};
    put->value = buf_take(&value);
    if (e->metadata) {
        put->metadata_len = strlen(e->metadata);
        put->metadata = xstrdup(e->metadata);
    }
    s->marks[s->count++] = mark;
    return 0;
}

struct indexed {
    const struct manifest_kv_entry *entry;
    size_t index;
};

static int by_key(const void *a, const void *b)
{
    const struct indexed *x = a, *y = b;
    int c = strcmp(x->entry->key, y->entry->key);
    return c ? c : (x->index > y->index) - (x->index < y->index);
}

/* Of entries with one key only the last counts: the manifest's own win over its seed file's. */
static int add_store(struct seeding *s, const struct manifest_kv *kv, struct err *err)
{
    cleanup(manifest_kv_list_clear) struct manifest_kv_list list = {0};
    int r = manifest_kv_read(s->m, kv, &list, err);
    if (r < 0)
        return r;
    cleanup(free_p) struct indexed *order = xcalloc(list.count, sizeof *order);
    for (size_t i = 0; i < list.count; i++)
        order[i] = (struct indexed){&list.entries[i], i};
    qsort(order, list.count, sizeof *order, by_key);
    for (size_t i = 0; i < list.count && r == 0; i++) {
        bool last = i + 1 == list.count
            || strcmp(order[i].entry->key, order[i + 1].entry->key) != 0;
        if (last)
            r = add_entry(s, kv->stored_as ? kv->stored_as : kv->name, order[i].entry, err);
    }
    return r;
}

int kv_seed(struct kv_db *db, const struct manifest *m, struct err *err)
{
    cleanup(kv_reader_close_p) struct kv_reader *reader = NULL;
    cleanup(seeding_clear) struct seeding s = {.m = m};
    int r = kv_reader_open(db, NULL, &reader, err);
    s.reader = reader;
    for (size_t i = 0; i < m->kv_count && r == 0; i++)
        r = add_store(&s, &m->kv[i], err);
    if (r < 0 || s.count == 0)
        return r;
    struct kv_batch batch = {.puts = s.puts, .count = s.count, .marks = s.marks};
    size_t failed;
    enum kv_result result = kv_batch_now(db, &batch, &failed);
    if (result == KV_OK)
        return 0;
    if (result == KV_INTERNAL_ERROR && kv_db_take_error(db, err))
        return err_wrap(err, err ? -(int)err->code : -ERR_IO, "seeding the KV stores");
    return err_set(err, ERR_MANIFEST, "KV store '%s', key '%.256s': %s", s.puts[failed].store,
                   s.puts[failed].key, kv_result_text(result));
}
