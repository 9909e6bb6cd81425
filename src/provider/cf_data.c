/* SPDX-License-Identifier: Apache-2.0 */
/* KV namespaces; and config and secrets, which are bindings of a version: a change makes a new
 * version without traffic, never the API that deploys by itself. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "provider/cf.h"

const char cf_settings_message[] = "settings by edgectl";

enum { BATCH_COUNT = 1000, BATCH_BYTES = 32 << 20, VALUE_MAX = 25 << 20, READ_COUNT = 100,
       EXPIRES_MIN_S = 70 };
static const int64_t NS_PER_S = 1000000000;

static json_t *result_of(const json_t *root)
{
    return json_object_get(root, "result");
}

/* --- KV --- */

static bool has_expired(const struct entry *e)
{
    return e->expires_ms && e->expires_ms <= clock_wall_ns() / NS_PER_S * 1000;
}

static json_t *pair_json(const struct entry *e)
{
    json_t *pair = json_pack("{s:s}", "key", e->key);
    const char *value = e->value ? e->value : "";
    if (utf8_valid(value, e->len)) {
        json_object_set_new(pair, "value", json_stringn(value, e->len));
    } else {
        cleanup(free_p) char *text = base64_encode(value, e->len);
        json_object_set_new(pair, "value", json_string(text));
        json_object_set_new(pair, "base64", json_true());
    }
    /* What has less than a minute to live is refused, with all of the batch. */
    int64_t soonest = clock_wall_ns() / NS_PER_S + EXPIRES_MIN_S;
    if (e->expires_ms)
        json_object_set_new(pair, "expiration", json_integer(e->expires_ms / 1000 > soonest
                                                                 ? e->expires_ms / 1000
                                                                 : soonest));
    if (e->metadata)
        json_object_set_new(pair, "metadata", json_string(e->metadata));
    return pair;
}

static int check_bulk(const json_t *root, struct err *err)
{
    json_t *left = json_object_get(result_of(root), "unsuccessful_keys");
    size_t n = json_array_size(left);
    if (n == 0)
        return 0;
    const char *first = json_string_value(json_array_get(left, 0));
    return err_set(err, ERR_NETWORK, "Cloudflare left %zu keys out, first '%s'", n,
                   first ? first : "?");
}

static int bulk(struct cf *c, const char *method, const char *namespace_id, const char *rest,
                json_t *list, struct err *err)
{
    cleanup(free_p) char *path = api_path("/storage/kv/namespaces/%s", namespace_id);
    cleanup(free_p) char *whole = xasprintf("%s%s", path, rest);
    struct cf_call call = cf_start(c, method, cf_account_path(c, whole), api_body_json(list), true);
    cleanup(json_decref_p) json_t *root = NULL;
    int r = cf_wait(c, &call, &root, err);
    if (r == 0)
        return err_set(err, ERR_FAILURE, "the KV namespace %s is not there", namespace_id);
    return r < 0 ? r : check_bulk(root, err);
}

int cf_kv_put(struct cf *c, const char *namespace_id, const struct entry *entries, size_t count,
              struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0;) {
        json_t *list = json_array();
        size_t bytes = 0, n = 0;
        for (; i < count && n < BATCH_COUNT && (n == 0 || bytes + entries[i].len < BATCH_BYTES);
             i++, n++) {
            bytes += entries[i].len;
            if (!has_expired(&entries[i]))
                json_array_append_new(list, pair_json(&entries[i]));
        }
        if (json_array_size(list))
            r = bulk(c, "PUT", namespace_id, "/bulk", list, err);
        else
            json_decref(list);
    }
    return r;
}

int cf_kv_remove(struct cf *c, const char *namespace_id, const char *const *keys, size_t count,
                 struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0;) {
        json_t *list = json_array();
        for (size_t n = 0; i < count && n < BATCH_COUNT; i++, n++)
            json_array_append_new(list, json_string(keys[i]));
        r = bulk(c, "POST", namespace_id, "/bulk/delete", list, err);
    }
    return r;
}

static int kv_namespace(struct cf *c, const char *store, const char **ret_id, struct err *err)
{
    int r = cf_account(c, err);
    if (r == 0)
        r = cf_namespace_find(c, store, ret_id, err);
    if (r != 0)
        return r < 0 ? r : 0;
    cleanup(free_p) char *title = cf_namespace_title(c, store);
    r = err_set(err, ERR_FAILURE, "KV store '%s' is not there yet: no namespace %s", store, title);
    err_hint(err, "`edgectl deploy --target %s` makes it", c->t.o.name);
    return r;
}

static bool give_key(const json_t *item, entry_fn *fn, void *env)
{
    json_t *metadata = json_object_get(item, "metadata");
    cleanup(entry_clear) struct entry e = {.key = xstrdup(json_text(item, "name"))};
    if (json_is_string(metadata))
        e.metadata = xstrdup(json_string_value(metadata));
    else if (metadata)
        e.metadata = json_dumps(metadata, JSON_COMPACT | JSON_ENCODE_ANY);
    e.expires_ms = json_integer_value(json_object_get(item, "expiration")) * 1000;
    return fn(env, &e);
}

static int kv_list(struct cf *c, const char *store, const char *prefix, entry_fn *fn, void *env,
                   struct err *err)
{
    const char *id;
    int r = kv_namespace(c, store, &id, err);
    cleanup(free_p) char *cursor = xstrdup("");
    while (r == 0) {
        cleanup(free_p) char *begins = prefix && *prefix ? api_path("&prefix=%s", prefix)
                                                         : xstrdup("");
        cleanup(free_p) char *from = *cursor ? api_path("&cursor=%s", cursor) : xstrdup("");
        cleanup(free_p) char *keys = api_path("/storage/kv/namespaces/%s/keys?limit=1000", id);
        cleanup(free_p) char *path = xasprintf("%s%s%s", keys, begins, from);
        cleanup(json_decref_p) json_t *root = NULL;
        r = cf_do(c, "GET", cf_account_path(c, path), NULL, &root, err);
        size_t i;
        json_t *item;
        json_array_foreach(result_of(root), i, item)
            if (json_text(item, "name") && !give_key(item, fn, env))
                return 0;
        free(cursor);
        cursor = json_text_copy(json_object_get(root, "result_info"), "cursor");
        if (!cursor)
            break;
    }
    return r;
}

int cf_kv_get(struct cf *c, const char *id, const char *key, struct buf *value, struct entry *ret,
              struct err *err)
{
    cleanup(free_p) char *value_rest = api_path("/storage/kv/namespaces/%s/values/%s", id, key);
    cleanup(free_p) char *meta_rest = api_path("/storage/kv/namespaces/%s/metadata/%s", id, key);
    cleanup(free_p) char *path = cf_account_path(c, value_rest);
    struct cf_call metadata = cf_start(c, "GET", cf_account_path(c, meta_rest), NULL, false);
    cleanup(api_response_clear) struct api_response answer = {0};
    cleanup(json_decref_p) json_t *root = NULL;
    int r = api_do(c->api, &(struct api_request){.method = "GET", .path = path,
                                                 .max_answer = VALUE_MAX + 1}, &answer, err);
    if (r == 0)
        r = cf_wait(c, &metadata, &root, err);
    cf_drop(&metadata);
    if (r < 0 || answer.status == 404)
        return r < 0 ? r : 0;
    if (answer.status != 200)
        return api_fail(c->api, "GET", path, &answer, err);
    if (!buf_add(value, answer.body, answer.len))
        return err_set(err, ERR_LIMIT, "the value of '%s' has %zu bytes", key, answer.len);
    if (ret) {
        *ret = (struct entry){.key = xstrdup(key), .len = answer.len};
        const json_t *text = result_of(root);
        if (json_is_string(text))
            ret->metadata = xstrdup(json_string_value(text));
        else if (text && !json_is_null(text))
            ret->metadata = json_dumps(text, JSON_COMPACT | JSON_ENCODE_ANY);
    }
    return 1;
}

/* What was no UTF-8 comes as U+FFFD, as does what was that. */
static bool is_mangled(const json_t *text)
{
    return memmem(json_string_value(text), json_string_length(text), "\xEF\xBF\xBD", 3) != NULL;
}

static int give_one(struct cf *c, const char *id, const char *key, entry_fn *fn, void *env,
                    bool *ret_enough, struct err *err)
{
    cleanup(buf_clear) struct buf value = BUF_INIT(VALUE_MAX);
    cleanup(entry_clear) struct entry e = {0};
    int r = cf_kv_get(c, id, key, &value, &e, err);
    if (r <= 0)
        return r;
    struct entry given = {.key = e.key, .value = (void *)buf_str(&value), .len = value.len,
                          .metadata = e.metadata};
    *ret_enough = !fn(env, &given);
    return 0;
}

static int give_read(struct cf *c, const char *id, const char *key, const json_t *found,
                     entry_fn *fn, void *env, bool *ret_enough, struct err *err)
{
    const json_t *text = json_object_get(found, "value");
    const json_t *metadata = json_object_get(found, "metadata");
    if (!json_is_string(text))
        return 0; /* it is not there */
    if (is_mangled(text))
        return give_one(c, id, key, fn, env, ret_enough, err);
    cleanup(free_p) char *its = json_is_string(metadata) ? xstrdup(json_string_value(metadata))
                                : metadata && !json_is_null(metadata)
                                    ? json_dumps(metadata, JSON_COMPACT | JSON_ENCODE_ANY)
                                    : NULL;
    struct entry e = {.key = (char *)key, .value = (void *)json_string_value(text),
                      .len = json_string_length(text), .metadata = its,
                      .expires_ms = json_integer_value(json_object_get(found, "expiration")) *
                                    1000};
    *ret_enough = !fn(env, &e);
    return 0;
}

/* At most READ_COUNT keys. What is too large for one answer is asked for singly. */
static int read_some(struct cf *c, const char *id, const char *const *keys, size_t count,
                     entry_fn *fn, void *env, bool *ret_enough, struct err *err)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(keys[i]));
    cleanup(free_p) char *rest = api_path("/storage/kv/namespaces/%s/bulk/get", id);
    struct cf_call call = cf_start(c, "POST", cf_account_path(c, rest),
                                   api_body_json(json_pack("{s:o, s:s, s:b}", "keys", list, "type",
                                                           "text", "withMetadata", 1)), true);
    cleanup(json_decref_p) json_t *root = NULL;
    int r = cf_wait(c, &call, &root, err);
    bool singly = r == -ERR_LIMIT;
    if (r == 0)
        return err_set(err, ERR_FAILURE, "the KV namespace %s is not there", id);
    if (r < 0 && !singly)
        return r;
    const json_t *values = json_object_get(result_of(root), "values");
    for (size_t i = 0; i < count && !*ret_enough; i++) {
        r = singly ? give_one(c, id, keys[i], fn, env, ret_enough, err)
                   : give_read(c, id, keys[i], json_object_get(values, keys[i]), fn, env,
                               ret_enough, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int cf_get_many(struct target *t, struct store_ref store, const char *const *keys, size_t count,
                entry_fn *fn, void *env, struct err *err)
{
    struct cf *c = cf_of(t);
    const char *id;
    bool enough = false;
    int r = kv_namespace(c, store.name, &id, err);
    for (size_t i = 0; r == 0 && i < count && !enough; i += READ_COUNT)
        r = read_some(c, id, keys + i, count - i < READ_COUNT ? count - i : READ_COUNT, fn, env,
                      &enough, err);
    return r;
}

/* --- bindings of the newest version --- */

void cf_wipe_json(json_t *value)
{
    size_t i;
    const char *key;
    json_t *item;
    if (json_is_string(value))
        explicit_bzero((char *)json_string_value(value), json_string_length(value));
    json_array_foreach(value, i, item)
        cf_wipe_json(item);
    json_object_foreach(value, key, item)
        cf_wipe_json(item);
}

int cf_secret_json(const struct secret *value, const char *what, json_t **ret, struct err *err)
{
    const char *text = (const char *)secret_expose(value);
    if (!utf8_valid(text, secret_len(value)) || memchr(text, '\0', secret_len(value))) {
        int r = err_set(err, ERR_MANIFEST, "secret '%s' is not text, and a Worker takes only that",
                        what);
        err_hint(err, "encode it, in base64 for example");
        return r;
    }
    *ret = json_pack("{s:s, s:o}", "type", "secret_text", "text",
                     json_stringn(text, secret_len(value)));
    return 0;
}

/* The names of bindings are the bundle's to make. */
static int binding_name(const struct cf *c, const char *kind, const char *store, const char *key,
                        char **ret, struct err *err)
{
    *ret = bundle_binding_name(c->t.o.manifest, kind, store, key);
    if (*ret)
        return 0;
    int r = err_set(err, ERR_MANIFEST, "the manifest has no %s '%s'%s%s%s", kind, store,
                    key ? ", key '" : "", key ? key : "", key ? "'" : "");
    err_hint(err, "on Cloudflare it is bound by name when the app is deployed: declare it first");
    return r;
}

static int patch(struct cf *c, json_t *env, struct err *err)
{
    cleanup(free_p) char *rest = api_path("/workers/workers/%s/versions/latest", c->script);
    json_t *patched = json_pack("{s:o, s:{s:s}}", "env", env, "annotations", "workers/message",
                                cf_settings_message);
    char *text = json_dumps(patched, JSON_COMPACT);
    struct api_body *body = api_body_text("application/merge-patch+json", text, strlen(text));
    explicit_bzero(text, strlen(text));
    free(text);
    cf_wipe_json(patched);
    json_decref(patched);
    return cf_do(c, "PATCH", cf_account_path(c, rest), body, NULL, err);
}

static int bindings(struct cf *c, json_t **ret, struct err *err)
{
    int r = cf_account(c, err);
    return r < 0 ? r : cf_do(c, "GET", cf_script_path(c, "/settings"), NULL, ret, err);
}

static json_t *binding_in(const json_t *root, const char *name)
{
    size_t i;
    json_t *b;
    json_array_foreach(json_object_get(result_of(root), "bindings"), i, b)
        if (json_text(b, "name") && strcmp(json_text(b, "name"), name) == 0)
            return b;
    return NULL;
}

/* The values of a config store, as they are bound now: JSON text in a variable. NULL for none; the
 * caller decrefs it and frees the name. */
static int config_values(struct cf *c, const char *store, char **ret_name, json_t **ret_values,
                         struct err *err)
{
    cleanup(json_decref_p) json_t *root = NULL;
    int r = binding_name(c, "config", store, NULL, ret_name, err);
    r = r < 0 ? r : bindings(c, &root, err);
    const char *text = json_text(binding_in(root, *ret_name), "text");
    *ret_values = text ? json_loads(text, 0, NULL) : NULL;
    return r;
}

static int config_list(struct cf *c, const char *store, const char *prefix, entry_fn *fn,
                       void *env, struct err *err)
{
    cleanup(free_p) char *name = NULL;
    cleanup(json_decref_p) json_t *values = NULL;
    json_t *value;
    int r = config_values(c, store, &name, &values, err);
    const char *key;
    json_object_foreach(values, key, value) {
        if (prefix && strncmp(key, prefix, strlen(prefix)) != 0)
            continue;
        cleanup(entry_clear) struct entry e = {.key = xstrdup(key)};
        e.len = json_string_length(value);
        e.value = json_is_string(value) ? xmemdup(json_string_value(value), e.len + 1) : NULL;
        if (!fn(env, &e))
            break;
    }
    return r;
}

static int config_get(struct cf *c, const char *store, const char *key, struct buf *value,
                      struct entry *ret, struct err *err)
{
    cleanup(free_p) char *name = NULL;
    cleanup(json_decref_p) json_t *values = NULL;
    int r = config_values(c, store, &name, &values, err);
    const json_t *found = json_object_get(values, key);
    if (r < 0 || !json_is_string(found))
        return r;
    buf_add(value, json_string_value(found), json_string_length(found));
    if (ret)
        *ret = (struct entry){.key = xstrdup(key), .len = json_string_length(found)};
    return 1;
}

static int config_change(struct cf *c, const char *store, const struct entry *entries,
                         const char *const *keys, size_t count, struct err *err)
{
    cleanup(free_p) char *name = NULL;
    cleanup(json_decref_p) json_t *values = NULL;
    int r = config_values(c, store, &name, &values, err);
    if (r < 0)
        return r;
    json_t *changed = values ? json_copy(values) : json_object();
    for (size_t i = 0; i < count; i++) {
        if (keys)
            json_object_del(changed, keys[i]);
        else
            json_object_set_new(changed, entries[i].key,
                                json_stringn(entries[i].value, entries[i].len));
    }
    if (values && json_equal(values, changed)) {
        json_decref(changed);
        return 0;
    }
    cleanup(free_p) char *text = json_dumps(changed, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(changed);
    return patch(c, json_pack("{s:{s:s, s:s}}", name, "type", "plain_text", "text", text), err);
}

/* --- secrets --- */

static int secret_list(struct cf *c, const char *store, const char *prefix, entry_fn *fn,
                       void *env, struct err *err)
{
    cleanup(json_decref_p) json_t *root = NULL;
    int r = bindings(c, &root, err);
    const struct manifest *m = c->t.o.manifest;
    for (size_t i = 0; i < m->secret_count && r == 0; i++) {
        for (size_t k = 0; strcmp(m->secrets[i].name, store) == 0 && k < m->secrets[i].count; k++) {
            const char *key = m->secrets[i].pairs[k].key;
            cleanup(free_p) char *name = bundle_binding_name(m, "secret", store, key);
            if (!name || !binding_in(root, name) ||
                (prefix && strncmp(key, prefix, strlen(prefix)) != 0))
                continue;
            cleanup(entry_clear) struct entry e = {.key = xstrdup(key)};
            if (!fn(env, &e))
                return 0;
        }
    }
    return r;
}

static int secret_change(struct cf *c, const char *store, const struct entry *entries,
                         const char *const *keys, size_t count, struct err *err)
{
    json_t *env = json_object();
    int r = cf_account(c, err);
    for (size_t i = 0; i < count && r == 0; i++) {
        cleanup(free_p) char *name = NULL;
        json_t *binding = NULL;
        r = binding_name(c, "secret", store, keys ? keys[i] : entries[i].key, &name, err);
        if (r == 0 && !keys)
            r = cf_secret_json(entries[i].secret, entries[i].key, &binding, err);
        if (r == 0)
            json_object_set_new(env, name, binding ? binding : json_null());
    }
    if (r == 0)
        return patch(c, env, err);
    cf_wipe_json(env);
    json_decref(env);
    return r;
}

/* --- by kind --- */

int cf_list(struct target *t, struct store_ref store, const char *prefix, entry_fn *fn, void *env,
            struct err *err)
{
    struct cf *c = cf_of(t);
    switch (store.kind) {
    case STORE_KV:
        return kv_list(c, store.name, prefix, fn, env, err);
    case STORE_CONFIG:
        return config_list(c, store.name, prefix, fn, env, err);
    default:
        return secret_list(c, store.name, prefix, fn, env, err);
    }
}

int cf_get(struct target *t, struct store_ref store, const char *key, struct buf *value,
           struct entry *ret, struct err *err)
{
    struct cf *c = cf_of(t);
    if (store.kind == STORE_SECRET)
        return err_set(err, ERR_USAGE, "Cloudflare gives no secret back");
    if (store.kind == STORE_CONFIG)
        return config_get(c, store.name, key, value, ret, err);
    const char *id;
    int r = kv_namespace(c, store.name, &id, err);
    return r < 0 ? r : cf_kv_get(c, id, key, value, ret, err);
}

int cf_put(struct target *t, struct store_ref store, const struct entry *entries, size_t count,
           struct err *err)
{
    struct cf *c = cf_of(t);
    const char *id;
    int r;
    switch (store.kind) {
    case STORE_KV:
        r = kv_namespace(c, store.name, &id, err);
        return r < 0 ? r : cf_kv_put(c, id, entries, count, err);
    case STORE_CONFIG:
        return config_change(c, store.name, entries, NULL, count, err);
    default:
        return secret_change(c, store.name, entries, NULL, count, err);
    }
}

int cf_remove(struct target *t, struct store_ref store, const char *const *keys, size_t count,
              struct err *err)
{
    struct cf *c = cf_of(t);
    if (store.kind == STORE_CONFIG)
        return config_change(c, store.name, NULL, keys, count, err);
    if (store.kind == STORE_SECRET)
        return secret_change(c, store.name, NULL, keys, count, err);
    const char *id;
    int r = kv_namespace(c, store.name, &id, err);
    return r < 0 ? r : cf_kv_remove(c, id, keys, count, err);
}
