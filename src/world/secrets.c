/* SPDX-License-Identifier: Apache-2.0 */
#include "world/secrets.h"

#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include "base/mem.h"
#include "crypto/seal.h"
#include "world/overrides.h"
#include "world/state.h"

struct item {
    char *store, *key;
    struct secret *value;       /* NULL: declared, but without a value */
    bool local;
};

/* Sorted by store, then key. */
struct list {
    struct item *items;
    size_t count, cap;
};

struct secrets {
    struct manifest *m;
    struct overrides *overrides;
    char *key_path;
    struct err *warnings;
    size_t warning_count;
    uv_mutex_t lock;
    /* under lock: */
    struct list base;           /* what the manifest says */
    struct list current;        /* with the stored ones */
    uint64_t stamp;
    struct err error;
    bool has_error;
};

static bool name_valid(const char *name, size_t len)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
    if (len < 1 || len > SECRET_NAME_MAX)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!name[i] || !strchr(allowed, name[i]))
            return false;
    return true;
}

/* --- lists --- */

static void list_clear(struct list *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->items[i].store);
        free(l->items[i].key);
        secret_unref(l->items[i].value);
    }
    free(l->items);
    *l = (struct list){0};
}

static int compare(const char *a, size_t a_len, const char *b)
{
    size_t b_len = strlen(b);
    int c = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return c ? c : (a_len > b_len) - (a_len < b_len);
}

struct name {
    const char *store, *key;
    size_t store_len, key_len;
};

static struct name name_of(const char *store, const char *key)
{
    return (struct name){store, key, strlen(store), strlen(key)};
}

/* Where the name is, or where it belongs. */
static size_t position(const struct list *l, const struct name *n, bool *ret_found)
{
    size_t low = 0, high = l->count;
    *ret_found = false;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = compare(n->store, n->store_len, l->items[mid].store);
        c = c ? c : compare(n->key, n->key_len, l->items[mid].key);
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

/* Takes the caller's reference to value. */
static void list_set(struct list *l, const char *store, const char *key, struct secret *value,
                     bool local)
{
    bool found;
    struct name name = name_of(store, key);
    size_t at = position(l, &name, &found);
    if (found) {
        secret_unref(l->items[at].value);
        l->items[at].value = value;
        l->items[at].local = local;
        return;
    }
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->items = xreallocarray(l->items, l->cap, sizeof *l->items);
    }
    memmove(l->items + at + 1, l->items + at, (l->count - at) * sizeof *l->items);
    l->count++;
    l->items[at] = (struct item){xstrdup(store), xstrdup(key), value, local};
}

static void list_copy(struct list *to, const struct list *from)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct item *it = &from->items[i];
        list_set(to, it->store, it->key, it->value ? secret_ref(it->value) : NULL, it->local);
    }
}

/* --- reading the manifest's --- */

static void warn(struct secrets *s, const struct err *err)
{
    s->warnings = xreallocarray(s->warnings, s->warning_count + 1, sizeof *s->warnings);
    s->warnings[s->warning_count++] = *err;
}

static int read_source(struct secrets *s, const struct manifest_source *source,
                       struct secret **ret_value, struct err *err)
{
    struct buf plain = BUF_INIT(SECRET_MAX);
    /* All the room at once: a buffer that grows leaves copies behind. */
    size_t room = SECRET_MAX;
    buf_reserve(&plain, room);
    int r = manifest_source_read(s->m, source, &plain, err);
    if (r == 0)
        *ret_value = secret_new(buf_str(&plain), plain.len);
    secret_wipe(plain.data, room);
    buf_clear(&plain);
    return r;
}

static void add_pair(struct secrets *s, const char *store, const struct manifest_pair *pair)
{
    struct secret *value = NULL;
    struct err err;
    const struct manifest_source *source = &pair->value;
    int r = 0;
    if (source->text || source->file || source->env)
        r = read_source(s, source, &value, &err);
    if (r < 0) {
        r = err_wrap(&err, r, "secret '%s' has no value", pair->key);
        if (!err.hint[0])
            err_hint(&err, "edgectl secret put %s %s", store, pair->key);
        warn(s, &err);
    }
    list_set(&s->base, store, pair->key, value, false);
}

static int read_store(struct secrets *s, const struct manifest_store *store, struct err *err)
{
    for (size_t i = 0; i < store->count; i++)
        add_pair(s, store->name, &store->pairs[i]);
    if (!store->json_file)
        return 0;
    struct manifest_pair *pairs;
    size_t count;
    int r = manifest_store_read(store, MANIFEST_SECRET, &pairs, &count, err);
    if (r < 0)
        return err_wrap(err, r, "secret store '%s'", store->name);
    for (size_t i = 0; i < count; i++)
        add_pair(s, store->name, &pairs[i]);
    manifest_pairs_free(pairs, count);
    return 0;
}

/* --- reading the stored ones --- */

struct unsealing {
    struct secrets *s;
    struct seal *seal;
    struct list list;
    int result;
    struct err *err;
};

static void unseal_one(void *env, const struct pair *pair)
{
    struct unsealing *u = env;
    if (u->result < 0)
        return;
    if (!u->seal)
        u->result = seal_open(u->s->key_path, false, &u->seal, u->err);
    struct secret *value;
    struct seal_label label = {pair->store, pair->key};
    if (u->result == 0)
        u->result = seal_unseal(u->seal, &label, pair->value, pair->len, &value, u->err);
    if (u->result == 0)
        list_set(&u->list, pair->store, pair->key, value, true);
}

static int read_stored(struct secrets *s, struct err *err)
{
    struct unsealing u = {.s = s, .err = err};
    s->stamp = overrides_stamp(s->overrides, PAIR_SECRET);
    list_copy(&u.list, &s->base);
    int r = overrides_each(s->overrides, PAIR_SECRET, unseal_one, &u, err);
    seal_close(u.seal);
    if (r < 0 || u.result < 0) {
        list_clear(&u.list);
        return r < 0 ? r : u.result;
    }
    list_clear(&s->current);
    s->current = u.list;
    return 0;
}

/* Under lock: look for changes. */
static void refresh(struct secrets *s)
{
    struct err err;
    if (s->stamp == overrides_stamp(s->overrides, PAIR_SECRET) || read_stored(s, &err) == 0)
        return;
    s->error = err;
    s->has_error = true;
}

struct secret *secrets_lookup(struct secrets *s, const char *store, size_t store_len,
                              const char *key, size_t key_len)
{
    struct name name = {store, key, store_len, key_len};
    bool found;
    uv_mutex_lock(&s->lock);
    refresh(s);
    size_t at = position(&s->current, &name, &found);
    struct secret *value = found ? s->current.items[at].value : NULL;
    if (value)
        secret_ref(value);
    uv_mutex_unlock(&s->lock);
    return value;
}

const struct err *secrets_warning(const struct secrets *s, size_t i)
{
    return i < s->warning_count ? &s->warnings[i] : NULL;
}

bool secrets_take_error(struct secrets *s, struct err *err)
{
    uv_mutex_lock(&s->lock);
    bool has = s->has_error;
    if (has)
        *err = s->error;
    s->has_error = false;
    uv_mutex_unlock(&s->lock);
    return has;
}

/* --- the command line's side --- */

static char *key_path_in(const char *state_dir)
{
    return xasprintf("%s/secret.key", state_dir);
}

static int check_names(const char *store, const char *key, struct err *err)
{
    const char *const names[] = {store, key};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (name_valid(names[i], strlen(names[i])))
            continue;
        int r = err_set(err, ERR_USAGE, "'%.256s' is not a name for a secret%s", names[i],
                        i == 0 ? " store" : "");
        err_hint(err, "use 1 to %d letters, digits, '_', '.' and '-'", SECRET_NAME_MAX);
        return r;
    }
    return 0;
}

int secrets_put(const char *state_dir, const char *store, const char *key,
                const struct secret *value, struct err *err)
{
    cleanup(overrides_close_p) struct overrides *o = NULL;
    cleanup(seal_close_p) struct seal *seal = NULL;
    cleanup(free_p) char *key_path = key_path_in(state_dir);
    int r = check_names(store, key, err);
    if (r == 0 && secret_len(value) > SECRET_MAX)
        r = err_set(err, ERR_LIMIT, "a secret has at most %d bytes", SECRET_MAX);
    if (r == 0)
        r = overrides_open(state_dir, &o, err);
    if (r == 0)
        r = seal_open(key_path, true, &seal, err);
    if (r < 0)
        return r;
    struct seal_label label = {store, key};
    struct pair pair = {.store = store, .key = key};
    cleanup(free_p) uint8_t *sealed = seal_value(seal, &label, value, &pair.len);
    pair.value = sealed;
    return overrides_put(o, PAIR_SECRET, &pair, 1, err);
}

int secrets_delete(const char *state_dir, const char *store, const char *key, struct err *err)
{
    cleanup(overrides_close_p) struct overrides *o = NULL;
    int r = check_names(store, key, err);
    if (r == 0)
        r = overrides_open(state_dir, &o, err);
    return r < 0 ? r : overrides_delete(o, PAIR_SECRET, store, key, err);
}

int secrets_each(struct secrets *s, secrets_fn *fn, void *env, struct err *err)
{
    cleanup(seal_close_p) struct seal *seal = NULL;
    int r = seal_open(s->key_path, true, &seal, err);
    if (r < 0)
        return r;
    uv_mutex_lock(&s->lock);
    refresh(s);
    struct list list = {0};
    list_copy(&list, &s->current);
    uv_mutex_unlock(&s->lock);
    for (size_t i = 0; i < list.count; i++) {
        const struct item *it = &list.items[i];
        struct secret_info info = {
            .store = it->store, .key = it->key, .local = it->local, .set = it->value != NULL,
        };
        if (it->value)
            seal_print(seal, it->value, info.print);
        fn(env, &info);
    }
    list_clear(&list);
    return 0;
}

/* --- life --- */

int secrets_open(struct manifest *m, const char *state_dir, struct secrets **ret_secrets,
                 struct err *err)
{
    cleanup(secrets_close_p) struct secrets *s = xnew(struct secrets);
    uv_mutex_init(&s->lock);
    s->m = manifest_ref(m);
    s->key_path = key_path_in(state_dir);
    int r = overrides_open(state_dir, &s->overrides, err);
    for (size_t i = 0; i < m->secret_count && r == 0; i++)
        r = read_store(s, &m->secrets[i], err);
    if (r == 0)
        r = read_stored(s, err);
    if (r < 0)
        return r;
    *ret_secrets = TAKE(s);
    return 0;
}

void secrets_close(struct secrets *s)
{
    if (!s)
        return;
    list_clear(&s->base);
    list_clear(&s->current);
    overrides_close(s->overrides);
    uv_mutex_destroy(&s->lock);
    free(s->warnings);
    free(s->key_path);
    manifest_unref(s->m);
    free(s);
}

void secrets_close_p(struct secrets **s)
{
    secrets_close(*s);
}
