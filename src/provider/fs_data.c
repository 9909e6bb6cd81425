/* SPDX-License-Identifier: Apache-2.0 */
/* KV stores by name; config and secret stores as the active version has them linked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "crypto/sealed_box.h"
#include "provider/fs.h"

enum { BATCH_COUNT = 1000, BATCH_BYTES = 16 << 20, CONFIG_BATCH = 1000, VALUE_MAX = 25 << 20 };

/* --- KV --- */

static void add_line(const struct entry *e, struct api_body *body)
{
    cleanup(free_p) char *value = base64_encode(e->value, e->len);
    json_t *line = json_pack("{s:s, s:s}", "key", e->key, "value", value);
    if (e->metadata)
        json_object_set_new(line, "metadata", json_string(e->metadata));
    int64_t left = e->expires_ms / 1000 - clock_wall_ns() / 1000000000;
    if (e->expires_ms)
        json_object_set_new(line, "time_to_live_sec", json_integer(left > 1 ? left : 1));
    cleanup(free_p) char *text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    api_body_add(body, text, strlen(text));
    api_body_add_borrowed(body, "\n", 1);
}

static int put_batch(struct fs *f, const char *id, struct api_body *body, struct err *err)
{
    cleanup(json_decref_p) json_t *root = NULL;
    int r = fs_do(f, "PUT", api_path("/resources/stores/kv/%s/batch", id), body, &root, err);
    json_t *errors = json_object_get(root, "errors");
    if (r == 0 && json_array_size(errors)) {
        const char *why = json_text(json_array_get(errors, 0), "reason");
        r = err_set(err, ERR_FAILURE, "Fastly left %zu keys out, the first: %s",
                    json_array_size(errors), why ? why : "no reason given");
    }
    return r;
}

int fs_kv_put(struct fs *f, const char *id, const struct entry *entries, size_t count,
              struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0;) {
        struct api_body *body = api_body_new("application/x-ndjson");
        size_t bytes = 0, n = 0;
        for (; i < count && n < BATCH_COUNT && (n == 0 || bytes + entries[i].len < BATCH_BYTES);
             i++, n++) {
            bytes += entries[i].len;
            add_line(&entries[i], body);
        }
        r = put_batch(f, id, body, err);
    }
    return r;
}

static int kv_id(struct fs *f, const char *store, char **ret_id, struct err *err)
{
    const char *remote = manifest_remote_id(f->t.o.manifest->target, "kv", store, NULL);
    if (remote) {
        *ret_id = xstrdup(remote);
        return 0;
    }
    cleanup(free_p) char *name = xasprintf("%s-%s", f->t.o.manifest->name, store);
    int r = fs_store_find(f, STORE_KV, name, ret_id, err);
    if (r == 0 && !*ret_id) {
        r = err_set(err, ERR_FAILURE, "KV store '%s' is not there yet: no store %s", store, name);
        err_hint(err, "`edgectl deploy --target %s` makes it", f->t.o.name);
    }
    return r;
}

/* "&NAME=VALUE"; nothing without a value. */
static char *query_part(const char *name, const char *value)
{
    cleanup(free_p) char *text = value && *value ? api_path("=%s", value) : NULL;
    return text ? xasprintf("&%s%s", name, text) : xstrdup("");
}

static int kv_list(struct fs *f, const char *id, const char *prefix, entry_fn *fn, void *env,
                   struct err *err)
{
    cleanup(free_p) char *path = api_path("/resources/stores/kv/%s/keys?limit=1000", id);
    cleanup(free_p) char *with = query_part("prefix", prefix);
    cleanup(free_p) char *cursor = NULL;
    for (;;) {
        cleanup(json_decref_p) json_t *root = NULL;
        cleanup(free_p) char *at = query_part("cursor", cursor);
        int r = fs_do(f, "GET", xasprintf("%s&consistency=strong%s%s", path, with, at), NULL, &root,
                      err);
        if (r < 0)
            return r;
        size_t i;
        json_t *key;
        json_array_foreach(json_object_get(root, "data"), i, key) {
            if (!json_is_string(key))
                continue;
            cleanup(entry_clear) struct entry e = {.key = xstrdup(json_string_value(key))};
            if (!fn(env, &e))
                return 0;
        }
        free(cursor);
        cursor = json_text_copy(json_object_get(root, "meta"), "next_cursor");
        if (!cursor)
            return 0;
    }
}

static int kv_get(struct fs *f, const char *id, const char *key, struct buf *value,
                  struct entry *ret, struct err *err)
{
    cleanup(free_p) char *path = api_path("/resources/stores/kv/%s/keys/%s", id, key);
    cleanup(api_response_clear) struct api_response answer = {0};
    int r = api_do(f->api, &(struct api_request){.method = "GET", .path = path,
                                                  .max_answer = VALUE_MAX + 1}, &answer, err);
    if (r < 0 || answer.status == 404)
        return r;
    if (answer.status != 200)
        return api_fail(f->api, "GET", path, &answer, err);
    if (!buf_add(value, answer.body, answer.len))
        return err_set(err, ERR_LIMIT, "the value of '%s' has %zu bytes", key, answer.len);
    if (ret) {
        const char *metadata = headers_get(&answer.headers, "metadata");
        *ret = (struct entry){.key = xstrdup(key), .len = answer.len,
                              .metadata = metadata ? xstrdup(metadata) : NULL};
    }
    return 1;
}

/* --- what the active version links --- */

/* Where the stable version is. */
static int serving(struct fs *f, const struct fs_service **ret, struct err *err)
{
    struct fs_rollout w;
    *ret = &f->front;
    if (!f->router || !fs_router_is_active(f))
        return 0;
    int r = fs_rollout_read(f, &w, err);
    *ret = &f->slots[w.stable == 'b'];
    return r;
}

static int linked_id(struct fs *f, enum store_kind kind, const char *store, char **ret_id,
                     struct err *err)
{
    const char *section = kind == STORE_CONFIG ? "config"
                          : strcmp(store, "secrets") == 0 ? "secrets" : "secret-stores";
    const char *remote = manifest_remote_id(f->t.o.manifest->target, section, store, NULL);
    if (remote) {
        *ret_id = xstrdup(remote);
        return 0;
    }
    const struct fs_service *s = NULL;
    int r = fs_read_all(f, err);
    r = r < 0 ? r : serving(f, &s, err);
    if (r == 0 && s->active) {
        char number[16];
        snprintf(number, sizeof number, "%d", s->active);
        cleanup(json_decref_p) json_t *list = NULL;
        r = fs_do(f, "GET", api_path("/service/%s/version/%s/resource", s->id, number), NULL, &list,
                  err);
        size_t i;
        json_t *link;
        json_array_foreach(list, i, link)
            if (json_text(link, "name") && strcmp(json_text(link, "name"), store) == 0)
                *ret_id = json_text_copy(link, "resource_id");
    }
    if (r == 0 && !*ret_id) {
        r = err_set(err, ERR_FAILURE, "%s store '%s' is not there yet: no active version of %s has "
                                      "it", kind == STORE_CONFIG ? "config" : "secret", store,
                    f->front.name);
        err_hint(err, "`edgectl deploy --target %s` makes it", f->t.o.name);
    }
    return r;
}

/* --- config --- */

static int config_batch(struct fs *f, const char *id, json_t *items, struct err *err)
{
    if (json_array_size(items) == 0) {
        json_decref(items);
        return 0;
    }
    return fs_do(f, "PATCH", api_path("/resources/stores/config/%s/items", id),
                 api_body_json(json_pack("{s:o}", "items", items)), NULL, err);
}

int fs_config_put(struct fs *f, const char *id, const struct entry *entries, size_t count,
                  struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0;) {
        json_t *items = json_array();
        for (size_t n = 0; i < count && n < CONFIG_BATCH; i++, n++)
            json_array_append_new(items, json_pack("{s:s, s:o, s:s}", "item_key", entries[i].key,
                                                   "item_value",
                                                   json_stringn(entries[i].value, entries[i].len),
                                                   "op", "upsert"));
        r = config_batch(f, id, items, err);
    }
    return r;
}

static int config_remove(struct fs *f, const char *id, const char *const *keys, size_t count,
                         struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < count && r >= 0; i++) {
        struct fs_call call = fs_start(
            f, "DELETE", api_path("/resources/stores/config/%s/item/%s", id, keys[i]), NULL, false);
        cleanup(json_decref_p) json_t *root = NULL;
        r = fs_wait(f, &call, &root, err);
    }
    return r < 0 ? r : 0;
}

static int config_list(struct fs *f, const char *id, const char *prefix, entry_fn *fn, void *env,
                       struct err *err)
{
    cleanup(json_decref_p) json_t *list = NULL;
    int r = fs_do(f, "GET", api_path("/resources/stores/config/%s/items", id), NULL, &list, err);
    size_t i;
    json_t *item;
    json_array_foreach(list, i, item) {
        const char *key = json_text(item, "item_key");
        json_t *value = json_object_get(item, "item_value");
        if (!key || (prefix && strncmp(key, prefix, strlen(prefix)) != 0))
            continue;
        cleanup(entry_clear) struct entry e = {.key = xstrdup(key)};
        e.len = json_string_length(value);
        e.value = json_is_string(value) ? xmemdup(json_string_value(value), e.len + 1) : NULL;
        if (!fn(env, &e))
            break;
    }
    return r;
}

static int config_get(struct fs *f, const char *id, const char *key, struct buf *value,
                      struct entry *ret, struct err *err)
{
    struct fs_call call = fs_start(
        f, "GET", api_path("/resources/stores/config/%s/item/%s", id, key), NULL, false);
    cleanup(json_decref_p) json_t *item = NULL;
    int r = fs_wait(f, &call, &item, err);
    const json_t *text = json_object_get(item, "item_value");
    if (r <= 0 || !json_is_string(text))
        return r < 0 ? r : 0;
    buf_add(value, json_string_value(text), json_string_length(text));
    if (ret)
        *ret = (struct entry){.key = xstrdup(key), .len = json_string_length(text)};
    return 1;
}

/* --- secrets --- */

/* The key that signs the short-lived ones, as the fastly CLI has it built in. Another one is taken
 * only by name, for tests. */
static const char signing_key[] = "CrO/A92vkxEZjtTW7D/Sr+1EMf/q9BahC0sfLkWa+0k=";

static bool bytes_of(const char *text, uint8_t *to, size_t len)
{
    size_t n = 0;
    cleanup(free_p) void *bytes = text ? base64_decode(text, strlen(text), &n) : NULL;
    if (!bytes || n != len)
        return false;
    memcpy(to, bytes, len);
    return true;
}

static int signer_of(struct fs *f, uint8_t to[SEALED_KEY_SIZE], struct err *err)
{
    if (!target_variable(&f->t.o, "FASTLY_USE_API_SIGNING_KEY")) {
        bytes_of(signing_key, to, SEALED_KEY_SIZE);
        return 0;
    }
    cleanup(json_decref_p) json_t *root = NULL;
    int r = fs_do(f, "GET", xstrdup("/resources/stores/secret/signing-key"), NULL, &root, err);
    if (r == 0 && !bytes_of(json_text(root, "signing_key"), to, SEALED_KEY_SIZE))
        r = err_set(err, ERR_NETWORK, "Fastly gave a signing key that is none");
    return r;
}

/* It is good for about ten minutes. */
static const int64_t SEAL_KEY_NS = 300000000000;

static int fetch_client_key(struct fs *f, uint8_t to[SEALED_KEY_SIZE], struct err *err)
{
    uint8_t signer[SEALED_KEY_SIZE], signature[SEALED_SIGNATURE_SIZE];
    cleanup(json_decref_p) json_t *root = NULL;
    struct fs_call call = fs_start(f, "POST", xstrdup("/resources/stores/secret/client-key"), NULL,
                                   true);
    int r = fs_wait(f, &call, &root, err);
    r = r < 0 ? r : signer_of(f, signer, err);
    if (r < 0)
        return r;
    if (!bytes_of(json_text(root, "public_key"), to, SEALED_KEY_SIZE) ||
        !bytes_of(json_text(root, "signature"), signature, sizeof signature) ||
        !sealed_key_is_signed(to, signature, signer)) {
        r = err_set(err, ERR_FAILURE, "the key that secrets would be sealed with is not signed by "
                                      "Fastly; nothing was sent");
        err_hint(err, "is FASTLY_API_ENDPOINT right? Somebody in between may have given the key");
    }
    return r;
}

static int client_key(struct fs *f, uint8_t to[SEALED_KEY_SIZE], struct err *err)
{
    _Static_assert(sizeof f->seal_key == SEALED_KEY_SIZE, "a key of another size");
    if (!f->seal_ns || clock_mono_ns() - f->seal_ns > SEAL_KEY_NS) {
        int r = fetch_client_key(f, f->seal_key, err);
        f->seal_ns = r < 0 ? 0 : clock_mono_ns();
        if (r < 0)
            return r;
    }
    memcpy(to, f->seal_key, SEALED_KEY_SIZE);
    return 0;
}

int fs_secret_put(struct fs *f, const char *id, const char *key, const struct secret *value,
                  struct err *err)
{
    uint8_t box_key[SEALED_KEY_SIZE];
    int r = client_key(f, box_key, err);
    if (r < 0)
        return r;
    size_t len = secret_len(value) + SEALED_MORE;
    cleanup(free_p) uint8_t *box = xmalloc(len);
    if (!sealed_box(box_key, secret_expose(value), secret_len(value), box))
        return err_set(err, ERR_NETWORK, "Fastly gave a key that nothing can be sealed with");
    cleanup(free_p) char *box_text = base64_encode(box, len);
    cleanup(free_p) char *key_text = base64_encode(box_key, sizeof box_key);
    return fs_do(f, "PUT", api_path("/resources/stores/secret/%s/secrets", id),
                 api_body_json(json_pack("{s:s, s:s, s:s}", "name", key, "secret", box_text,
                                         "client_key", key_text)),
                 NULL, err);
}

static int secret_list(struct fs *f, const char *id, const char *prefix, entry_fn *fn, void *env,
                       struct err *err)
{
    cleanup(free_p) char *path = api_path("/resources/stores/secret/%s/secrets?limit=200", id);
    cleanup(free_p) char *cursor = NULL;
    for (;;) {
        cleanup(json_decref_p) json_t *root = NULL;
        cleanup(free_p) char *at = query_part("cursor", cursor);
        int r = fs_do(f, "GET", xasprintf("%s%s", path, at), NULL, &root, err);
        if (r < 0)
            return r;
        size_t i;
        json_t *s;
        json_array_foreach(json_object_get(root, "data"), i, s) {
            const char *name = json_text(s, "name");
            if (!name || (prefix && strncmp(name, prefix, strlen(prefix)) != 0))
                continue;
            cleanup(entry_clear) struct entry e = {.key = xstrdup(name)};
            if (!fn(env, &e))
                return 0;
        }
        free(cursor);
        cursor = json_text_copy(json_object_get(root, "meta"), "next_cursor");
        if (!cursor)
            return 0;
    }
}

static int remove_each(struct fs *f, const char *fmt, const char *id, const char *const *keys,
                       size_t count, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < count && r >= 0; i++) {
        cleanup(json_decref_p) json_t *root = NULL;
        struct fs_call call = fs_start(f, "DELETE", api_path(fmt, id, keys[i]), NULL, false);
        r = fs_wait(f, &call, &root, err);
    }
    return r < 0 ? r : 0;
}

/* --- by kind --- */

static int id_of(struct fs *f, struct store_ref store, char **ret_id, struct err *err)
{
    *ret_id = NULL;
    return store.kind == STORE_KV ? kv_id(f, store.name, ret_id, err)
                                  : linked_id(f, store.kind, store.name, ret_id, err);
}

int fs_list(struct target *t, struct store_ref store, const char *prefix, entry_fn *fn, void *env,
            struct err *err)
{
    struct fs *f = fs_of(t);
    cleanup(free_p) char *id = NULL;
    int r = id_of(f, store, &id, err);
    if (r < 0)
        return r;
    return store.kind == STORE_KV       ? kv_list(f, id, prefix, fn, env, err)
           : store.kind == STORE_CONFIG ? config_list(f, id, prefix, fn, env, err)
                                        : secret_list(f, id, prefix, fn, env, err);
}

int fs_get(struct target *t, struct store_ref store, const char *key, struct buf *value,
           struct entry *ret, struct err *err)
{
    struct fs *f = fs_of(t);
    cleanup(free_p) char *id = NULL;
    if (store.kind == STORE_SECRET)
        return err_set(err, ERR_USAGE, "Fastly gives no secret back");
    int r = id_of(f, store, &id, err);
    if (r < 0)
        return r;
    return store.kind == STORE_KV ? kv_get(f, id, key, value, ret, err)
                                  : config_get(f, id, key, value, ret, err);
}

int fs_put(struct target *t, struct store_ref store, const struct entry *entries, size_t count,
           struct err *err)
{
    struct fs *f = fs_of(t);
    cleanup(free_p) char *id = NULL;
    int r = id_of(f, store, &id, err);
    if (r < 0)
        return r;
    if (store.kind == STORE_KV)
        return fs_kv_put(f, id, entries, count, err);
    if (store.kind == STORE_CONFIG)
        return fs_config_put(f, id, entries, count, err);
    for (size_t i = 0; i < count && r == 0; i++)
        r = fs_secret_put(f, id, entries[i].key, entries[i].secret, err);
    return r;
}

int fs_remove(struct target *t, struct store_ref store, const char *const *keys, size_t count,
              struct err *err)
{
    struct fs *f = fs_of(t);
    cleanup(free_p) char *id = NULL;
    int r = id_of(f, store, &id, err);
    if (r < 0)
        return r;
    if (store.kind == STORE_CONFIG)
        return config_remove(f, id, keys, count, err);
    return remove_each(f, store.kind == STORE_KV ? "/resources/stores/kv/%s/keys/%s?force=true"
                                                 : "/resources/stores/secret/%s/secrets/%s",
                       id, keys, count, err);
}
