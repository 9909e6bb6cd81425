/* SPDX-License-Identifier: Apache-2.0 */
/* Data by kind: KV is a database elsewhere, secrets are variables of the project; config of a
 * target that names an Edge Config, and notes, are items of one. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/kv_rest.h"
#include "provider/vc.h"

/* --- Edge Config --- */

static char *slug(const struct vc *v)
{
    return xasprintf("edgectl-%s", v->creds.project);
}

int vc_notes_find(struct vc *v, char **ret, struct err *err)
{
    cleanup(json_decref_p) json_t *list = NULL;
    cleanup(free_p) char *name = slug(v);
    int r = vc_do(v, "GET", xstrdup("/v1/edge-config"), NULL, true, &list, err);
    size_t i;
    const json_t *one;
    if (r < 0)
        return r;
    json_array_foreach(list, i, one) {
        const char *its = json_text(one, "slug"), *id = json_text(one, "id");
        if (its && id && strcmp(its, name) == 0) {
            *ret = xstrdup(id);
            return 1;
        }
    }
    return 0;
}

static int make_notes(struct vc *v, char **ret, struct err *err)
{
    cleanup(json_decref_p) json_t *answer = NULL;
    cleanup(free_p) char *name = slug(v);
    int r = vc_do(v, "POST", xstrdup("/v1/edge-config"),
                  json_pack("{s:s, s:{}}", "slug", name, "items"), false, &answer, err);
    const char *id = r == 0 ? json_text(answer, "id") : NULL;
    if (r == 0 && !id)
        r = err_set(err, ERR_NETWORK, "Vercel made an Edge Config without an id");
    if (r == 0)
        *ret = xstrdup(id);
    return r;
}

/* `value` NULL deletes. */
static json_t *change_of(const char *key, json_t *value)
{
    return value ? json_pack("{s:s, s:s, s:o}", "operation", "upsert", "key", key, "value", value)
                 : json_pack("{s:s, s:s}", "operation", "delete", "key", key);
}

static int change_items(struct vc *v, const char *config, json_t *items, struct err *err)
{
    return vc_do(v, "PATCH", api_path("/v1/edge-config/%s/items", config),
                 json_pack("{s:o}", "items", items), true, NULL, err);
}

/* Keys there are [A-Za-z0-9_-]+; what else a note's name has becomes '_'. */
static char *note_key(const char *key)
{
    char *name = xasprintf("note-%s", key);
    for (char *p = name; *p; p++) {
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", *p))
            *p = '_';
    }
    return name;
}

int vc_put_note(struct target *target, const char *key, const char *text, struct err *err)
{
    struct vc *v = vc_of(target);
    cleanup(free_p) char *config = NULL;
    cleanup(free_p) char *name = note_key(key);
    int r = vc_notes_find(v, &config, err);
    if (r == 0 && !*text)
        return 0;
    if (r == 0)
        r = make_notes(v, &config, err);
    return r < 0 ? r
                 : change_items(v, config,
                                json_pack("[o]", change_of(name, *text ? json_string(text) : NULL)),
                                err);
}

static int read_item(struct vc *v, const char *config, const char *key, struct buf *value,
                     struct err *err)
{
    cleanup(json_decref_p) json_t *item = NULL;
    int r = vc_find(v, api_path("/v1/edge-config/%s/item/%s", config, key), &item, err);
    const json_t *its = json_object_get(item, "value");
    if (r <= 0 || !its)
        return r < 0 ? r : 0;
    cleanup(free_p) char *text = json_is_string(its) ? xstrdup(json_string_value(its))
                                                     : json_dumps(its, JSON_ENCODE_ANY);
    buf_add_str(value, text);
    return 1;
}

int vc_get_note(struct target *target, const char *key, struct buf *text, struct err *err)
{
    struct vc *v = vc_of(target);
    cleanup(free_p) char *config = NULL;
    cleanup(free_p) char *name = note_key(key);
    int r = vc_notes_find(v, &config, err);
    return r <= 0 ? r : read_item(v, config, name, text, err);
}

/* --- data --- */

/* The Edge Config that the target names for a config store. */
static int config_id(const struct vc *v, const struct store_ref *store, const char **ret,
                     struct err *err)
{
    *ret = manifest_remote_id(v->t.o.manifest->target, "config", store->name, NULL);
    if (*ret)
        return 0;
    int r = err_set(err, ERR_USAGE, "config '%s' is shipped with the release on Vercel",
                    store->name);
    err_hint(err, "change it in the manifest and deploy; or name an Edge Config in "
             "targets.%s.config.%s", v->t.o.name, store->name);
    return r;
}

/* Commands ask about many keys of one store, one after the other. */
static int open_kv(struct vc *v, const char *store, struct err *err)
{
    if (v->kv && strcmp(v->kv_store, store) == 0)
        return 0;
    kv_rest_close(TAKE(v->kv));
    free(TAKE(v->kv_store));
    int r = kv_rest_open(&v->t, store, &v->kv, err);
    if (r == 0)
        v->kv_store = xstrdup(store);
    return r;
}

int vc_list(struct target *target, struct store_ref store, const char *prefix, entry_fn *fn,
            void *env, struct err *err)
{
    struct vc *v = vc_of(target);
    const char *config;
    if (store.kind == STORE_KV) {
        int r = open_kv(v, store.name, err);
        return r < 0 ? r : kv_rest_list(v->kv, prefix, fn, env, err);
    }
    if (store.kind == STORE_SECRET)
        return vc_list_secrets(v, &store, prefix, fn, env, err);
    cleanup(json_decref_p) json_t *items = NULL;
    int r = config_id(v, &store, &config, err);
    if (r == 0)
        r = vc_do(v, "GET", api_path("/v1/edge-config/%s/items", config), NULL, true, &items, err);
    size_t i;
    const json_t *one;
    if (r < 0)
        return r;
    json_array_foreach(items, i, one) {
        const char *key = json_text(one, "key");
        if (!key || (prefix && strncmp(key, prefix, strlen(prefix)) != 0))
            continue;
        cleanup(free_p) char *name = xstrdup(key);
        if (!fn(env, &(struct entry){.key = name}))
            return 0;
    }
    return 0;
}

int vc_get(struct target *target, struct store_ref store, const char *key, struct buf *value,
           struct entry *ret, struct err *err)
{
    struct vc *v = vc_of(target);
    const char *config;
    if (store.kind == STORE_KV) {
        int r = open_kv(v, store.name, err);
        return r < 0 ? r : kv_rest_get(v->kv, key, value, ret, err);
    }
    if (store.kind == STORE_SECRET)
        return err_set(err, ERR_USAGE, "Vercel gives no secret back");
    int r = config_id(v, &store, &config, err);
    if (r == 0)
        r = read_item(v, config, key, value, err);
    if (r > 0 && ret)
        *ret = (struct entry){.key = xstrdup(key), .len = value->len};
    return r;
}

int vc_get_many(struct target *target, struct store_ref store, const char *const *keys,
                size_t count, entry_fn *fn, void *env, struct err *err)
{
    struct vc *v = vc_of(target);
    int r = open_kv(v, store.name, err);
    return r < 0 ? r : kv_rest_get_many(v->kv, keys, count, fn, env, err);
}

int vc_put(struct target *target, struct store_ref store, const struct entry *entries,
           size_t count, struct err *err)
{
    struct vc *v = vc_of(target);
    const char *config;
    if (store.kind == STORE_KV) {
        int r = open_kv(v, store.name, err);
        return r < 0 ? r : kv_rest_put(v->kv, entries, count, err);
    }
    if (store.kind == STORE_SECRET)
        return vc_put_secrets(v, &store, entries, count, err);
    int r = config_id(v, &store, &config, err);
    if (r < 0)
        return r;
    json_t *items = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *text = json_stringn(entries[i].value, entries[i].len);
        if (!text) {
            json_decref(items);
            return err_set(err, ERR_FAILURE, "config '%s': Edge Config only takes text",
                           entries[i].key);
        }
        json_array_append_new(items, change_of(entries[i].key, text));
    }
    return change_items(v, config, items, err);
}

int vc_remove(struct target *target, struct store_ref store, const char *const *keys, size_t count,
              struct err *err)
{
    struct vc *v = vc_of(target);
    const char *config;
    if (store.kind == STORE_KV) {
        int r = open_kv(v, store.name, err);
        return r < 0 ? r : kv_rest_remove(v->kv, keys, count, err);
    }
    if (store.kind == STORE_SECRET)
        return vc_remove_secrets(v, &store, keys, count, err);
    int r = config_id(v, &store, &config, err);
    if (r < 0)
        return r;
    json_t *items = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(items, change_of(keys[i], NULL));
    return change_items(v, config, items, err);
}
