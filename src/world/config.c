/* SPDX-License-Identifier: Apache-2.0 */
#include "world/config.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <uv.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "world/overrides.h"

enum { KEY_MAX_CHARS = 256, VALUE_MAX_CHARS = 8000 };

struct item {
    char *key, *value;
    size_t key_len, value_len;
    bool local;
};

struct config {
    atomic_int refs;
    struct item *items;         /* sorted by key */
    size_t count, cap;
};

/* What tells one state of a file from another without reading it. */
struct file_mark {
    struct timespec mtime;
    off_t size;
    ino_t inode;
};

struct slot {
    const struct manifest_store *store;
    struct config *base;        /* what the manifest says */
    struct config *current;     /* with the overrides */
    struct file_mark mark;
};

struct configs {
    struct manifest *m;
    struct overrides *overrides;
    uv_mutex_t lock;
    /* under lock: */
    struct slot *slots;         /* one per store, in the manifest's order */
    uint64_t stamp;
    struct err error;
    bool has_error;
};

/* --- one store's content --- */

static struct config *config_new(void)
{
    struct config *s = xnew(struct config);
    atomic_init(&s->refs, 1);
    return s;
}

static struct config *config_ref(struct config *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void config_close(struct config *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (size_t i = 0; i < s->count; i++) {
        free(s->items[i].key);
        free(s->items[i].value);
    }
    free(s->items);
    free(s);
}

void config_close_p(struct config **s)
{
    config_close(*s);
}

static int compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int c = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return c ? c : (a_len > b_len) - (a_len < b_len);
}

/* Where the key is, or where it belongs. */
static size_t position(const struct config *s, const char *key, size_t len, bool *ret_found)
{
    size_t low = 0, high = s->count;
    *ret_found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = compare(key, len, s->items[mid].key, s->items[mid].key_len);
        if (c == 0) {
            *ret_found = true;
            return mid;
        }
        if (c < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return low;
}

static void set_item(struct config *s, const char *key, const char *value, size_t len, bool local)
{
    bool found;
    size_t key_len = strlen(key), at = position(s, key, key_len, &found);
    if (found) {
        free(s->items[at].key);
        free(s->items[at].value);
    } else {
        if (s->count == s->cap) {
            s->cap = s->cap ? s->cap * 2 : 16;
            s->items = xreallocarray(s->items, s->cap, sizeof *s->items);
        }
        memmove(s->items + at + 1, s->items + at, (s->count - at) * sizeof *s->items);
        s->count++;
    }
    s->items[at] = (struct item){
        .key = xstrndup(key, key_len), .key_len = key_len,
        .value = xstrndup(value, len), .value_len = len, .local = local,
    };
}

bool config_get(const struct config *s, const char *key, size_t len, const char **ret_value,
                size_t *ret_len)
{
    bool found;
    size_t at = position(s, key, len, &found);
    if (!found)
        return false;
    *ret_value = s->items[at].value;
    *ret_len = s->items[at].value_len;
    return true;
}

bool config_item(const struct config *s, size_t i, struct config_item *ret_item)
{
    if (i >= s->count)
        return false;
    const struct item *it = &s->items[i];
    *ret_item = (struct config_item){it->key, it->value, it->value_len, it->local};
    return true;
}

static bool too_long(const char *text, size_t len, size_t max)
{
    size_t chars = 0;
    for (size_t i = 0; i < len; i++)
        chars += ((unsigned char)text[i] & 0xc0) != 0x80;
    return chars > max;
}

int config_check(const char *key, const char *value, size_t value_len, struct err *err)
{
    size_t len = strlen(key);
    if (len == 0 || !utf8_valid(key, len))
        return err_set(err, ERR_USAGE, "a config key is UTF-8 text of at least one character");
    if (too_long(key, len, KEY_MAX_CHARS))
        return err_set(err, ERR_USAGE, "config key '%.40s...' has more than %d characters", key,
                       KEY_MAX_CHARS);
    if (!utf8_valid(value, value_len))
        return err_set(err, ERR_USAGE, "the value of config key '%.256s' is not UTF-8 text", key);
    if (too_long(value, value_len, VALUE_MAX_CHARS))
        return err_set(err, ERR_USAGE,
                       "the value of config key '%.256s' has more than %d characters",
                       key, VALUE_MAX_CHARS);
    return 0;
}

/* --- reading --- */

static int read_base(const struct configs *c, const struct manifest_store *store,
                     struct config **ret_base, struct err *err)
{
    struct manifest_pair *from_file = NULL;
    size_t count = store->count;
    if (store->json_file) {
        int r = manifest_store_read(store, MANIFEST_CONFIG, &from_file, &count, err);
        if (r < 0)
            return r;
    }
    const struct manifest_pair *pairs = from_file ? from_file : store->pairs;
    cleanup(config_close_p) struct config *base = config_new();
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        cleanup(buf_clear) struct buf value = BUF_INIT(4 * VALUE_MAX_CHARS);
        r = manifest_source_read(c->m, &pairs[i].value, &value, err);
        if (r == 0)
            set_item(base, pairs[i].key, buf_str(&value), value.len, false);
    }
    if (from_file)
        manifest_pairs_free(from_file, count);
    if (r < 0)
        return r;
    *ret_base = TAKE(base);
    return 0;
}

static struct file_mark mark_of(const struct manifest_store *store)
{
    struct stat st;
    if (!store->json_file || stat(store->json_file, &st) < 0)
        return (struct file_mark){0};
    return (struct file_mark){st.st_mtim, st.st_size, st.st_ino};
}

static bool same_mark(const struct file_mark *a, const struct file_mark *b)
{
    return a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec
        && a->size == b->size && a->inode == b->inode;
}

static struct slot *slot_named(struct configs *c, const char *name, size_t len)
{
    for (size_t i = 0; i < c->m->config_count; i++) {
        const char *have = c->m->configs[i].name;
        if (strlen(have) == len && memcmp(have, name, len) == 0)
            return &c->slots[i];
    }
    return NULL;
}

static void add_override(void *env, const struct pair *pair)
{
    struct configs *c = env;
    struct slot *slot = slot_named(c, pair->store, strlen(pair->store));
    if (slot)
        set_item(slot->current, pair->key, pair->value ? pair->value : "", pair->len, true);
}

/* Put the overrides over the bases, for all stores: a change is rare and one read gives all. */
static int apply_overrides(struct configs *c, struct err *err)
{
    uint64_t stamp = overrides_stamp(c->overrides, PAIR_CONFIG);
    struct config **before = xcalloc(c->m->config_count, sizeof *before);
    for (size_t i = 0; i < c->m->config_count; i++) {
        struct slot *slot = &c->slots[i];
        before[i] = slot->current;
        slot->current = config_new();
        for (size_t k = 0; k < slot->base->count; k++) {
            const struct item *it = &slot->base->items[k];
            set_item(slot->current, it->key, it->value, it->value_len, false);
        }
    }
    int r = overrides_each(c->overrides, PAIR_CONFIG, add_override, c, err);
    for (size_t i = 0; i < c->m->config_count; i++) {
        struct config **old = r < 0 && before[i] ? &c->slots[i].current : &before[i];
        config_close(*old);
        if (r < 0 && before[i])
            c->slots[i].current = before[i];
    }
    free(before);
    c->stamp = stamp; /* also after a failure: not again at every open */
    return r;
}

/* Read the slot's file again if it has changed. 1 if so. */
static int refresh_base(struct configs *c, struct slot *slot, struct err *err)
{
    if (!slot->store->json_file)
        return 0;
    struct file_mark mark = mark_of(slot->store);
    if (same_mark(&mark, &slot->mark))
        return 0;
    slot->mark = mark;
    struct config *base;
    int r = read_base(c, slot->store, &base, err);
    if (r < 0)
        return r;
    config_close(slot->base);
    slot->base = base;
    return 1;
}

struct config *config_open(struct configs *c, const char *name, size_t len)
{
    struct err err;
    uv_mutex_lock(&c->lock);
    struct slot *slot = slot_named(c, name, len);
    struct config *store = NULL;
    if (slot) {
        int r = refresh_base(c, slot, &err);
        if (r > 0 || c->stamp != overrides_stamp(c->overrides, PAIR_CONFIG)) {
            int applied = apply_overrides(c, &err);
            r = r < 0 ? r : applied;
        }
        if (r < 0) {
            c->error = err;
            c->has_error = true;
        }
        store = config_ref(slot->current);
    }
    uv_mutex_unlock(&c->lock);
    return store;
}

bool configs_take_error(struct configs *c, struct err *err)
{
    uv_mutex_lock(&c->lock);
    bool has = c->has_error;
    if (has)
        *err = c->error;
    c->has_error = false;
    uv_mutex_unlock(&c->lock);
    return has;
}

/* --- life --- */

int configs_open(struct manifest *m, const char *state_dir, struct configs **ret_configs,
                 struct err *err)
{
    cleanup(configs_close_p) struct configs *c = xnew(struct configs);
    uv_mutex_init(&c->lock);
    c->m = manifest_ref(m);
    c->slots = xcalloc(m->config_count, sizeof *c->slots);
    for (size_t i = 0; i < m->config_count; i++) {
        struct slot *slot = &c->slots[i];
        slot->store = &m->configs[i];
        slot->mark = mark_of(slot->store);
        int r = read_base(c, slot->store, &slot->base, err);
        if (r < 0)
            return err_wrap(err, r, "config store '%s'", slot->store->name);
    }
    int r = overrides_open(state_dir, &c->overrides, err);
    if (r == 0)
        r = apply_overrides(c, err);
    if (r < 0)
        return r;
    *ret_configs = TAKE(c);
    return 0;
}

void configs_close(struct configs *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->m->config_count; i++) {
        config_close(c->slots[i].base);
        config_close(c->slots[i].current);
    }
    free(c->slots);
    overrides_close(c->overrides);
    uv_mutex_destroy(&c->lock);
    manifest_unref(c->m);
    free(c);
}

void configs_close_p(struct configs **c)
{
    configs_close(*c);
}
