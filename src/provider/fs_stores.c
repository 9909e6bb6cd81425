/* SPDX-License-Identifier: Apache-2.0 */
/* The stores of a release. KV stores are the app's, for good. Config and secret stores belong to
 * their content: another content is another store, and the version that links it brings it back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/fs.h"

enum { DIGITS = 12 };

void fs_links_clear(struct fs_links *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->list[i].store);
        free(l->list[i].id);
    }
    free(l->list);
    *l = (struct fs_links){0};
}

/* --- finding and making --- */

const char *fs_store_path(enum store_kind kind)
{
    return kind == STORE_KV ? "/resources/stores/kv"
           : kind == STORE_CONFIG ? "/resources/stores/config" : "/resources/stores/secret";
}

static struct fs_call ask(struct fs *f, enum store_kind kind, const char *name)
{
    cleanup(free_p) char *query = api_path("?name=%s", name);
    return fs_start(f, "GET", xasprintf("%s%s", fs_store_path(kind), query), NULL, false);
}

/* Config stores come as an array, the others as {data}, in pages. */
static const json_t *stores_of(const json_t *root)
{
    return json_is_array(root) ? root : json_object_get(root, "data");
}

static char *next_page(enum store_kind kind, const json_t *root)
{
    const char *cursor = json_text(json_object_get(root, "meta"), "next_cursor");
    cleanup(free_p) char *query = cursor && *cursor ? api_path("?limit=100&cursor=%s", cursor)
                                                    : NULL;
    return query ? xasprintf("%s%s", fs_store_path(kind), query) : NULL;
}

static char *id_in(const json_t *list, const char *name)
{
    size_t i;
    json_t *store;
    json_array_foreach((json_t *)list, i, store)
        if (json_text(store, "name") && strcmp(json_text(store, "name"), name) == 0)
            return json_text_copy(store, "id");
    return NULL;
}

/* The filter is not relied on. */
static int answered(struct fs *f, struct fs_call *call, enum store_kind kind, const char *name,
                    char **ret_id, struct err *err)
{
    cleanup(json_decref_p) json_t *root = NULL;
    int r = fs_wait(f, call, &root, err);
    while (r > 0) {
        *ret_id = id_in(stores_of(root), name);
        char *path = *ret_id ? NULL : next_page(kind, root);
        if (!path)
            return 0;
        json_decref(root);
        root = NULL;
        struct fs_call next = fs_start(f, "GET", path, NULL, false);
        r = fs_wait(f, &next, &root, err);
    }
    return r;
}

int fs_store_list(struct fs *f, enum store_kind kind, json_t **ret, struct err *err)
{
    cleanup(json_decref_p) json_t *all = json_array();
    char *path = xasprintf("%s%s", fs_store_path(kind), kind == STORE_CONFIG ? "" : "?limit=100");
    while (path) {
        cleanup(json_decref_p) json_t *root = NULL;
        int r = fs_do(f, "GET", path, NULL, &root, err);
        if (r < 0)
            return r;
        json_array_extend(all, (json_t *)stores_of(root));
        path = next_page(kind, root);
    }
    *ret = TAKE(all);
    return 0;
}

int fs_store_find(struct fs *f, enum store_kind kind, const char *name, char **ret_id,
                  struct err *err)
{
    *ret_id = NULL;
    struct fs_call call = ask(f, kind, name);
    return answered(f, &call, kind, name, ret_id, err);
}

struct making {
    struct fs *f;
    enum store_kind kind;
    const char *name;
    char **ret_id;
};

static int make_store(void *env, struct err *err)
{
    const struct making *m = env;
    struct api_body *body = m->kind == STORE_CONFIG
                                ? api_body_form("name", m->name, (char *)NULL)
                                : api_body_json(json_pack("{s:s}", "name", m->name));
    cleanup(json_decref_p) json_t *root = NULL;
    int r = fs_do(m->f, "POST", xstrdup(fs_store_path(m->kind)), body, &root, err);
    *m->ret_id = r == 0 ? json_text_copy(root, "id") : NULL;
    if (r == 0 && !*m->ret_id)
        r = err_set(err, ERR_NETWORK, "Fastly made the store %s without an id", m->name);
    return r;
}

static int find_store(void *env, struct err *err)
{
    const struct making *m = env;
    int r = fs_store_find(m->f, m->kind, m->name, m->ret_id, err);
    return r < 0 ? r : *m->ret_id != NULL;
}

int fs_store_make(struct fs *f, enum store_kind kind, const char *name, char **ret_id,
                  struct err *err)
{
    struct making m = {f, kind, name, ret_id};
    return make_once(f->api, make_store, find_store, &m, err);
}

/* --- of a release --- */

/* The manifest's: known before the service is. */
static const char *app_name(const struct fs *f)
{
    return f->t.o.manifest->name;
}

static struct fs_link *add_link(struct fs_links *l, enum store_kind kind, const char *name,
                                char *store, const char *id, const struct bundle_binding *b)
{
    l->list = xreallocarray(l->list, l->count + 1, sizeof *l->list);
    struct fs_link *link = &l->list[l->count++];
    *link = (struct fs_link){.name = name, .store = store,
                             .id = id ? xstrdup(id) : NULL, .kind = kind, .binding = b};
    return link;
}

static struct fs_link *link_named(struct fs_links *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->list[i].kind == STORE_SECRET && strcmp(l->list[i].name, name) == 0)
            return &l->list[i];
    return NULL;
}

/* The digest of a whole secret store, from those of its values. */
static char *secrets_digest(const struct bundle *b, const char *store)
{
    struct hash *h = hash_new();
    for (size_t i = 0; i < b->binding_count; i++) {
        const struct bundle_binding *s = &b->bindings[i];
        if (strcmp(s->kind, "secret") != 0 || strcmp(s->store, store) != 0)
            continue;
        hash_add(h, s->key, strlen(s->key) + 1);
        hash_add(h, s->digest, strlen(s->digest) + 1);
    }
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    hash_final(h, digest);
    hash_free(h);
    hash_hex(digest, hex);
    return xstrdup(hex);
}

static void add_binding(struct fs *f, const struct bundle *bundle, const struct bundle_binding *b,
                        struct fs_links *l)
{
    if (strcmp(b->kind, "kv") == 0) {
        add_link(l, STORE_KV, b->store, xasprintf("%s-%s", app_name(f), b->store), b->remote, b);
    } else if (strcmp(b->kind, "config") == 0) {
        add_link(l, STORE_CONFIG, b->store,
                 xasprintf("%s-%s-%.*s", app_name(f), b->store, DIGITS, b->digest), b->remote, b);
    } else if (strcmp(b->kind, "secret") == 0 && !link_named(l, b->store)) {
        cleanup(free_p) char *digest = secrets_digest(bundle, b->store);
        const char *id = manifest_remote_id(f->t.o.manifest->target,
                                            strcmp(b->store, "secrets") == 0 ? "secrets"
                                                                             : "secret-stores",
                                            b->store, NULL);
        add_link(l, STORE_SECRET, b->store,
                 xasprintf("%s-%s-%.*s", app_name(f), b->store, DIGITS, digest), id, b);
    }
}

struct fs_call *fs_links_ask(struct fs *f, const struct shipment *s)
{
    struct fs_links *l = &f->links;
    fs_links_clear(l);
    for (size_t i = 0; i < s->bundle->binding_count; i++)
        add_binding(f, s->bundle, &s->bundle->bindings[i], l);
    struct fs_call *calls = xcalloc(l->count + 1, sizeof *calls);
    for (size_t i = 0; i < l->count; i++)
        if (!l->list[i].id)
            calls[i] = ask(f, l->list[i].kind, l->list[i].store);
    return calls;
}

int fs_links_read(struct fs *f, struct fs_call *calls, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < f->links.count && r == 0; i++)
        if (calls[i].call)
            r = answered(f, &calls[i], f->links.list[i].kind, f->links.list[i].store,
                         &f->links.list[i].id, err);
    return r;
}

/* --- filling --- */

static int fill_config(struct fs *f, const struct shipment *s, const struct fs_link *link,
                       struct err *err)
{
    const json_t *values = json_object_get(json_object_get(s->bundle->record, "config"),
                                           link->name);
    struct entry *entries = xcalloc(json_object_size(values) + 1, sizeof *entries);
    size_t n = 0;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)values, key, value)
        entries[n++] = (struct entry){.key = xstrdup(key), .len = json_string_length(value),
                                      .value = xstrdup(json_string_value(value))};
    int r = fs_config_put(f, link->id, entries, n, err);
    entries_free(entries, n);
    return r;
}

static int fill_secrets(struct fs *f, const struct shipment *s, const struct fs_link *link,
                        struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < s->secret_count && r == 0; i++) {
        const struct bundle_secret *secret = &s->secrets[i];
        if (strcmp(secret->store, link->name) != 0)
            continue;
        if (!secret->value) {
            r = err_set(err, ERR_MANIFEST, "secret '%s' of store '%s' has no value", secret->key,
                        secret->store);
            err_hint(err, "its release needs a store of its own, and values cannot be read back: "
                          "give it, or name a store of your own in targets.%s.secret-stores",
                     f->t.o.name);
        } else {
            r = fs_secret_put(f, link->id, secret->key, secret->value, err);
        }
    }
    return r;
}

static int fill_kv(struct fs *f, const struct fs_link *link, struct err *err)
{
    const struct manifest_kv *kv = kv_of(&f->t, link->name);
    if (!kv)
        return 0;
    struct entry *entries = NULL;
    size_t count = 0;
    int r = target_kv_seed_entries(&f->t, kv, &entries, &count, err);
    r = r < 0 ? r : fs_kv_put(f, link->id, entries, count, err);
    entries_free(entries, count);
    return r;
}

static struct fs_link *link_of_step(struct fs_links *l, const char *id)
{
    for (size_t i = 0; i < l->count; i++)
        if (strcmp(l->list[i].store, id) == 0)
            return &l->list[i];
    return NULL;
}

static const char about_to_make[] = "?";

/* Makes and fills one store; the fact says that it is whole, as nothing at the provider does. */
static int run_store(struct target *t, struct step *step, struct err *err)
{
    struct fs *f = fs_of(t);
    struct fs_link *link = link_of_step(&f->links, step->data);
    if (!link)
        return err_set(err, ERR_FAILURE, "the store %s is gone", (char *)step->data);
    /* Before it is made: nothing tells a KV store that was just made from one that was emptied. */
    int r = fact_set(t, "filling", link->store, link->id ? link->id : about_to_make, err);
    if (r == 0 && !link->id)
        r = fs_store_make(f, link->kind, link->store, &link->id, err);
    if (r == 0)
        r = link->kind == STORE_KV       ? fill_kv(f, link, err)
            : link->kind == STORE_CONFIG ? fill_config(f, t->shipment, link, err)
                                         : fill_secrets(f, t->shipment, link, err);
    if (r == 0)
        r = fact_set(t, "filled", link->store, link->id, err);
    return r < 0 ? r : fact_set(t, "filling", link->store, NULL, err);
}

static bool is_fact(const struct fs *f, const char *kind, const struct fs_link *link)
{
    const char *fact = fact_get(&f->t, kind, link->store);
    return fact && link->id && strcmp(fact, link->id) == 0;
}

/* How many entries are in a store; secrets come in pages. */
static int count_entries(struct fs *f, const struct fs_link *link, size_t *ret, struct err *err)
{
    cleanup(free_p) char *path = link->kind == STORE_CONFIG
                                     ? api_path("/resources/stores/config/%s/items", link->id)
                                     : api_path("/resources/stores/secret/%s/secrets?limit=200",
                                                link->id);
    cleanup(free_p) char *more = xstrdup("");
    *ret = 0;
    while (more) {
        cleanup(json_decref_p) json_t *root = NULL;
        int r = fs_do(f, "GET", xasprintf("%s%s", path, more), NULL, &root, err);
        if (r < 0)
            return r;
        *ret += json_array_size(stores_of(root));
        const char *cursor = json_text(json_object_get(root, "meta"), "next_cursor");
        free(more);
        more = cursor && *cursor ? api_path("&cursor=%s", cursor) : NULL;
    }
    return 0;
}

/* What is in a store already, against what belongs there. */
static int is_whole(struct fs *f, const struct shipment *s, const struct fs_link *link,
                    struct err *err)
{
    size_t have, want = 0;
    int r = count_entries(f, link, &have, err);
    if (r < 0)
        return r;
    if (link->kind == STORE_CONFIG)
        want = json_object_size(json_object_get(json_object_get(s->bundle->record, "config"),
                                                link->name));
    for (size_t i = 0; i < s->secret_count && link->kind == STORE_SECRET; i++)
        want += strcmp(s->secrets[i].store, link->name) == 0;
    return have >= want;
}

static int needs_filling(struct fs *f, const struct shipment *s, const struct fs_link *link,
                         struct err *err)
{
    if (!link->id || fact_get(&f->t, "filling", link->store))
        return 1;
    bool foreign = link->binding->remote || strcmp(link->id, link->store) == 0;
    if (foreign || is_fact(f, "filled", link) || link->kind == STORE_KV)
        return 0;
    /* Made by a run of another machine, which may have been cut off. */
    int whole = is_whole(f, s, link, err);
    return whole < 0 ? whole : !whole;
}

int fs_plan_stores(struct fs *f, const struct shipment *s, struct steps *steps, struct err *err)
{
    static const char *const names[] = {[STORE_KV] = "KV", [STORE_CONFIG] = "config",
                                        [STORE_SECRET] = "secret"};
    for (size_t i = 0; i < f->links.count; i++) {
        const struct fs_link *link = &f->links.list[i];
        int r = needs_filling(f, s, link, err);
        if (r < 0)
            return r;
        if (r > 0)
            steps_add_named(steps, STEP_MAKE, xasprintf("store %s", link->store),
                            xasprintf("make the %s store %s", names[link->kind], link->store),
                            run_store, link->store);
    }
    return 0;
}
