/* SPDX-License-Identifier: Apache-2.0 */
/* KV, config, secrets, logs and the cache of an app on this machine. */
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/mem.h"
#include "provider/common.h"
#include "provider/journal.h"
#include "provider/local.h"

enum { BATCH = 500, BATCH_BYTES = 16 << 20, LOG_LINE_MAX = 1 << 20 };

static int not_found(struct local *l, const char *what, const char *name, struct err *err)
{
    return err_set(err, ERR_USAGE, "app '%s' has no %s '%s' on this machine", l->app, what, name);
}

/* --- KV --- */

static int list_kv(struct local *l, const char *store, const char *prefix, entry_fn *fn, void *env,
                   struct err *err)
{
    cleanup(free_p) char *after = xstrdup("");
    for (bool more = true; more;) {
        cleanup(json_decref_p) json_t *page = NULL;
        cleanup(free_p) char *path = api_path("/v1/apps/%s/kv/%s?prefix=%s&after=%s", l->app, store,
                                              prefix ? prefix : "", after);
        int r = local_call(l, "GET", path, NULL, &page, err);
        if (r < 0)
            return r;
        size_t i;
        json_t *key;
        json_array_foreach(json_object_get(page, "keys"), i, key) {
            struct entry e = {.key = (char *)json_string_value(key)};
            if (!fn(env, &e))
                return 0;
            free(after);
            after = xstrdup(e.key);
        }
        more = json_is_true(json_object_get(page, "more"));
    }
    return 0;
}

/* The bytes of a member that is text, or base64 under "<name>_base64". */
static int record_bytes(const json_t *record, const char *name, struct buf *to, struct err *err)
{
    cleanup(free_p) char *coded = xasprintf("%s_base64", name);
    const json_t *text = json_object_get(record, name), *base64 = json_object_get(record, coded);
    if (text && !buf_add(to, json_string_value(text), json_string_length(text)))
        return err_set(err, ERR_LIMIT, "the value has more than %zu bytes", to->max);
    if (!base64)
        return 0;
    size_t len;
    cleanup(free_p) void *bytes = base64_decode(json_string_value(base64),
                                                json_string_length(base64), &len);
    if (!bytes)
        return err_set(err, ERR_NETWORK, "the edgectl that serves answered bad base64");
    return buf_add(to, bytes, len)
               ? 0 : err_set(err, ERR_LIMIT, "the value has more than %zu bytes", to->max);
}

static int get_kv(struct local *l, const char *store, const char *key, struct buf *value,
                  struct entry *ret, struct err *err)
{
    cleanup(free_p) char *path = api_path("/v1/apps/%s/kv/%s/%s", l->app, store, key);
    cleanup(json_decref_p) json_t *record = NULL;
    int r = local_call(l, "GET", path, NULL, &record, err);
    if (r <= 0)
        return r;
    r = record_bytes(record, "value", value, err);
    if (r < 0)
        return r;
    struct buf metadata = BUF_INIT(1 << 16);
    r = record_bytes(record, "metadata", &metadata, err);
    ret->expires_ms = json_integer_value(json_object_get(record, "expiration")) * 1000;
    if (r == 0 && metadata.len)
        ret->metadata = buf_take(&metadata);
    buf_clear(&metadata);
    return r < 0 ? r : 1;
}

static json_t *text_or_base64(const void *data, size_t len, bool *ret_coded)
{
    json_t *text = json_stringn(data ? data : "", len);
    *ret_coded = !text;
    if (text)
        return text;
    cleanup(free_p) char *coded = base64_encode(data, len);
    return json_string(coded);
}

static void add_record(struct buf *lines, const struct entry *e)
{
    bool coded;
    json_t *value = text_or_base64(e->value, e->len, &coded);
    json_t *record = json_pack("{ss so}", "key", e->key, coded ? "value_base64" : "value", value);
    if (e->metadata)
        json_object_set_new(record, "metadata", json_string(e->metadata));
    if (e->expires_ms)
        json_object_set_new(record, "expiration", json_integer(e->expires_ms / 1000));
    cleanup(free_p) char *line = json_dumps(record, JSON_COMPACT);
    json_decref(record);
    buf_add_str(lines, line);
    buf_add_char(lines, '\n');
}

static int put_kv(struct local *l, const char *store, const struct entry *entries, size_t count,
                  struct err *err)
{
    cleanup(free_p) char *path = api_path("/v1/apps/%s/kv/%s", l->app, store);
    for (size_t i = 0; i < count;) {
        cleanup(buf_clear) struct buf lines = BUF_INIT(64 << 20);
        for (size_t n = 0; i < count && n < BATCH && lines.len < BATCH_BYTES; n++)
            add_record(&lines, &entries[i++]);
        if (lines.overflow)
            return err_set(err, ERR_LIMIT, "an entry is too large");
        int r = local_call(l, "POST", path,
                           api_body_text("application/x-ndjson", lines.data, lines.len), NULL, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- config --- */

static int config_json(struct local *l, const char *store, json_t **ret, struct err *err)
{
    cleanup(free_p) char *path = api_path("/v1/apps/%s/config/%s", l->app, store);
    int r = local_call(l, "GET", path, NULL, ret, err);
    return r == 0 ? not_found(l, "config store", store, err) : r;
}

static int list_config(struct local *l, const char *store, const char *prefix, entry_fn *fn,
                       void *env, struct err *err)
{
    cleanup(json_decref_p) json_t *all = NULL;
    int r = config_json(l, store, &all, err);
    const char *key;
    json_t *item;
    if (r < 0)
        return r;
    json_object_foreach(all, key, item) {
        const json_t *value = json_object_get(item, "value");
        struct entry e = {.key = (char *)key, .value = (char *)json_string_value(value),
                          .len = json_string_length(value)};
        if (prefix && strncmp(key, prefix, strlen(prefix)) != 0)
            continue;
        if (!fn(env, &e))
            break;
    }
    return 0;
}

static int get_config(struct local *l, const char *store, const char *key, struct buf *value,
                      struct err *err)
{
    cleanup(json_decref_p) json_t *all = NULL;
    int r = config_json(l, store, &all, err);
    const json_t *text = json_object_get(json_object_get(all, key), "value");
    if (r < 0)
        return r;
    if (text)
        buf_add(value, json_string_value(text), json_string_length(text));
    return text != NULL;
}

static int put_config(struct local *l, const char *store, const struct entry *entries, size_t count,
                      struct err *err)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < count; i++) {
        cleanup(free_p) char *path = api_path("/v1/apps/%s/config/%s/%s", l->app, store,
                                              entries[i].key);
        r = local_call(l, "PUT", path,
                       api_body_text("text/plain", entries[i].value, entries[i].len), NULL, err);
    }
    return r < 0 ? r : 0;
}

/* --- secrets --- */

static int list_secrets(struct local *l, const char *store, entry_fn *fn, void *env,
                        struct err *err)
{
    cleanup(json_decref_p) json_t *app = NULL;
    int r = local_app(l, &app, err);
    size_t i;
    json_t *item;
    if (r <= 0)
        return r;
    json_t *arm = json_array_get(json_object_get(json_object_get(app, "split"), "arms"), 0);
    const char *stable = json_string_value(json_object_get(arm, "version"));
    json_array_foreach(json_object_get(app, "versions"), i, item) {
        size_t k;
        json_t *secret;
        if (!stable || strcmp(json_string_value(json_object_get(item, "id")), stable) != 0)
            continue;
        json_array_foreach(json_object_get(item, "secrets"), k, secret) {
            const char *in = json_string_value(json_object_get(secret, "store"));
            struct entry e = {
                .key = (char *)json_string_value(json_object_get(secret, "key")),
                .digest = (char *)json_string_value(json_object_get(secret, "digest")),
            };
            if (in && strcmp(in, store) == 0 && !fn(env, &e))
                return 0;
        }
    }
    return 0;
}

static int put_secrets(struct local *l, const char *store, const struct entry *entries,
                       size_t count, struct err *err)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < count; i++) {
        const struct entry *e = &entries[i];
        char digest[HASH_HEX_SIZE];
        secret_print(e->secret, store, e->key, digest);
        cleanup(free_p) char *path = api_path("/v1/apps/%s/secrets/%s/%s/%s", l->app, store, e->key,
                                              digest);
        r = local_call(l, "PUT", path,
                       api_body_text("application/octet-stream", secret_expose(e->secret),
                                     secret_len(e->secret)), NULL, err);
        if (r >= 0)
            r = target_note_secret(&l->target, store, e->key, digest, err);
    }
    return r < 0 ? r : 0;
}

/* --- by kind --- */

int local_list(struct target *t, struct store_ref store, const char *prefix, entry_fn *fn,
               void *env, struct err *err)
{
    struct local *l = local_of(t);
    switch (store.kind) {
    case STORE_KV: return list_kv(l, store.name, prefix, fn, env, err);
    case STORE_CONFIG: return list_config(l, store.name, prefix, fn, env, err);
    case STORE_SECRET: return list_secrets(l, store.name, fn, env, err);
    }
    return 0;
}

int local_get(struct target *t, struct store_ref store, const char *key, struct buf *value,
              struct entry *ret, struct err *err)
{
    struct local *l = local_of(t);
    *ret = (struct entry){0};
    switch (store.kind) {
    case STORE_KV: return get_kv(l, store.name, key, value, ret, err);
    case STORE_CONFIG: return get_config(l, store.name, key, value, err);
    case STORE_SECRET: break;
    }
    return err_set(err, ERR_USAGE, "the value of a secret cannot be read back");
}

int local_put(struct target *t, struct store_ref store, const struct entry *entries, size_t count,
              struct err *err)
{
    struct local *l = local_of(t);
    switch (store.kind) {
    case STORE_KV: return put_kv(l, store.name, entries, count, err);
    case STORE_CONFIG: return put_config(l, store.name, entries, count, err);
    case STORE_SECRET: return put_secrets(l, store.name, entries, count, err);
    }
    return 0;
}

int local_remove(struct target *t, struct store_ref store, const char *const *keys, size_t count,
                 struct err *err)
{
    struct local *l = local_of(t);
    int r = 0;
    for (size_t i = 0; r >= 0 && i < count; i++) {
        if (store.kind == STORE_SECRET) {
            r = target_note_secret(t, store.name, keys[i], NULL, err);
            continue;
        }
        cleanup(free_p) char *path = api_path(
            store.kind == STORE_KV ? "/v1/apps/%s/kv/%s/%s" : "/v1/apps/%s/config/%s/%s", l->app,
            store.name, keys[i]);
        r = local_call(l, "DELETE", path, NULL, NULL, err);
    }
    return r < 0 ? r : 0;
}

/* --- the cache --- */

int local_purge(struct target *t, const char *key, bool soft, struct err *err)
{
    struct local *l = local_of(t);
    cleanup(free_p) char *path = api_path("/v1/apps/%s/purge", l->app);
    json_t *body = json_pack("{ss* sb}", "key", key, "soft", soft);
    int r = local_call(l, "POST", path, api_body_json(body), NULL, err);
    return r < 0 ? r : 0;
}

/* --- logs --- */

struct tail {
    struct target *target;
    log_fn *fn;
    void *env;
    struct buf line;
};

static bool tell_line(struct tail *tail)
{
    cleanup(json_decref_p) json_t *json = json_loadb(buf_str(&tail->line), tail->line.len, 0, NULL);
    const json_t *text = json_object_get(json, "text");
    const char *version = json_string_value(json_object_get(json, "version"));
    const char *stream = json_string_value(json_object_get(json, "stream"));
    struct log_line line = {
        .time_ms = json_integer_value(json_object_get(json, "time_ms")),
        .version = version ? version : "", .request = "", .stream = stream ? stream : "",
        .text = text ? json_string_value(text) : "", .len = json_string_length(text),
    };
    return !text || tail->fn(tail->env, &line);
}

static bool on_data(void *env, const char *data, size_t len)
{
    struct tail *tail = env;
    for (size_t i = 0; i < len; i++) {
        if (data[i] != '\n') {
            buf_add_char(&tail->line, data[i]);
            continue;
        }
        if (!tell_line(tail))
            return false;
        buf_reset(&tail->line);
    }
    return !target_interrupted(tail->target);
}

int local_tail(struct target *t, const char *version, log_fn *fn, void *env, struct err *err)
{
    struct local *l = local_of(t);
    struct tail tail = {.target = t, .fn = fn, .env = env, .line = BUF_INIT(LOG_LINE_MAX)};
    cleanup(free_p) char *path = version
        ? api_path("/v1/apps/%s/logs?version=%s", l->app, version)
        : api_path("/v1/apps/%s/logs", l->app);
    int r = local_stream(l, path, on_data, &tail, err);
    buf_clear(&tail.line);
    return r;
}
