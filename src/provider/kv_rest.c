/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/kv_rest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "bundle/bundle.h"
#include "provider/common.h"

/* Requests of the smallest plan end at 1 MB; JSON makes some text longer. */
enum { BATCH_COUNT = 100, BATCH_BYTES = 256 * 1024, PAGE = 1000, READ_COUNT = 20 };

static const int64_t NS_PER_MS = 1000000;

struct kv_rest {
    struct api *api;
    const struct target *t;         /* borrowed */
    char *store;                    /* as the manifest has it */
    char *set;                      /* "edgectl:BINDING" */
    char *url;
};

/* --- where, and by what right --- */

static const char *first_variable(const struct target_options *o, const char *own,
                                  const char *const *others)
{
    const char *value = target_variable(o, own);
    for (; !value && *others; others++)
        value = target_variable(o, *others);
    return value;
}

const char *kv_rest_url(const struct target_options *o, const char *store, const char *binding)
{
    static const char *const others[] = {"UPSTASH_REDIS_REST_URL", "KV_REST_API_URL", NULL};
    const char *remote = manifest_remote_id(o->manifest->target, "kv", store, NULL);
    cleanup(free_p) char *own = xasprintf("%s_URL", binding);
    return remote ? remote : first_variable(o, own, others);
}

int kv_rest_token(const struct target_options *o, const char *binding, const char **ret,
                  struct err *err)
{
    static const char *const others[] = {"UPSTASH_REDIS_REST_TOKEN", "KV_REST_API_TOKEN", NULL};
    cleanup(free_p) char *own = xasprintf("%s_TOKEN", binding);
    *ret = first_variable(o, own, others);
    if (*ret)
        return 0;
    int r = err_set(err, ERR_CREDENTIALS, "the app's KV store is a REST store, and its token is "
                    "neither at the target nor here: %s is not set", own);
    err_hint(err, "set %s, or UPSTASH_REDIS_REST_TOKEN for all stores, once", own);
    return r;
}

static bool explain(const struct api_response *r, struct buf *words)
{
    cleanup(json_decref_p) json_t *body = json_loadb(r->body, r->len, 0, NULL);
    const char *error = json_text(body, "error");
    return error && buf_add_str(words, error);
}

static int open_api(struct kv_rest *k, const char *token, struct err *err)
{
    struct api_options options = {
        .name = "the KV store's database", .base = k->url, .base_from = "the KV store's URL",
        .explain = explain,
        .hint_credentials = "the token is that of another database, or one that only reads"};
    api_options_for(&k->t->o, &options);
    cleanup(headers_clear) struct headers headers = {0};
    char *bearer = xasprintf("Bearer %s", token);
    headers_add_str(&headers, "authorization", bearer);
    headers_add_str(&headers, "upstash-encoding", "base64");
    options.headers = &headers;
    int r = api_new(&options, &k->api, err);
    if (r == 0)
        api_hide(k->api, token, strlen(token));
    secret_wipe(bearer, strlen(bearer));
    free(bearer);
    secret_wipe(headers.list[0].value, headers.list[0].value_len);
    return r;
}

static int no_database(const struct target *t, const char *store, const char *binding,
                       struct err *err)
{
    int r = err_set(err, ERR_MANIFEST, "%s has no KV store of its own, and nothing says which "
                    "database stands for '%s'", t->provider->title, store);
    err_hint(err, "name its REST URL in targets.%s.kv.%s, or set %s_URL or UPSTASH_REDIS_REST_URL",
             t->o.name, store, binding);
    return r;
}

int kv_rest_open(const struct target *t, const char *store, struct kv_rest **ret, struct err *err)
{
    cleanup(free_p) char *binding = bundle_binding_name(t->o.manifest, "kv", store, NULL);
    if (!binding) {
        int r = err_set(err, ERR_MANIFEST, "the manifest has no KV store '%s'", store);
        err_hint(err, "the app finds a store by the name that it has there: declare it first");
        return r;
    }
    const char *token, *url = kv_rest_url(&t->o, store, binding);
    if (!url)
        return no_database(t, store, binding, err);
    int r = kv_rest_token(&t->o, binding, &token, err);
    if (r < 0)
        return r;
    cleanup(kv_rest_close_p) struct kv_rest *k = xnew(struct kv_rest);
    k->t = t;
    k->store = xstrdup(store);
    k->set = xasprintf("edgectl:%s", binding);
    k->url = xstrdup(url);
    r = open_api(k, token, err);
    if (r == 0)
        *ret = TAKE(k);
    return r;
}

void kv_rest_close(struct kv_rest *k)
{
    if (!k)
        return;
    api_free(k->api);
    free(k->store);
    free(k->set);
    free(k->url);
    free(k);
}

void kv_rest_close_p(struct kv_rest **k)
{
    kv_rest_close(*k);
}

/* --- asking --- */

/* Too much for the database is told in words only, with 400 or 413. */
static bool is_too_large(const char *words)
{
    return strcasestr(words, "max request size") || strcasestr(words, "too large");
}

static int refused(const struct kv_rest *k, const char *why, struct err *err)
{
    int r = err_set(err, is_too_large(why) ? ERR_LIMIT : ERR_FAILURE, "KV store '%s': the database "
                    "says: %.300s", k->store, why);
    if (r == -ERR_LIMIT)
        err_hint(err, "a larger plan of the database takes larger values");
    return r;
}

/* The results of all commands, in their order: a list, which the caller decrefs. `commands` is
 * taken. Every list that is sent here may be sent again. */
static int ask(struct kv_rest *k, const char *path, json_t *commands, json_t **ret, struct err *err)
{
    size_t count = json_array_size(commands), i;
    cleanup(api_response_clear) struct api_response answer = {0};
    struct api_request request = {.method = "POST", .path = path, .repeatable = true,
                                  .body = api_body_json(commands), .max_answer = 128 << 20};
    int r = api_do(k->api, &request, &answer, err);
    if (r == 0 && (answer.status < 200 || answer.status >= 300)) {
        r = api_fail(k->api, "POST", path, &answer, err);
        if (r == -ERR_FAILURE && err && is_too_large(err->msg)) {
            err->code = ERR_LIMIT;
            r = -ERR_LIMIT;
        }
    }
    cleanup(json_decref_p) json_t *root = NULL;
    if (r == 0)
        r = api_json(k->api, "POST", path, &answer, &root, err);
    if (r < 0)
        return target_interrupted(k->t) ? err_set(err, ERR_INTERRUPTED, "interrupted")
                                        : err_wrap(err, r, "KV store '%s'", k->store);
    if (json_array_size(root) != count)
        return err_set(err, ERR_NETWORK, "KV store '%s': %s answers %zu commands with %zu results",
                       k->store, k->url, count, json_array_size(root));
    cleanup(json_decref_p) json_t *results = json_array();
    const json_t *one;
    json_array_foreach(root, i, one) {
        const char *why = json_text(one, "error");
        if (why)
            return refused(k, why, err);
        json_t *result = json_object_get(one, "result");
        json_array_append(results, result ? result : json_null());
    }
    *ret = TAKE(results);
    return 0;
}

/* Bytes of a result: text comes in base64. NULL for none, and for what is something else; the
 * caller frees. */
static char *bytes_of(const json_t *result, size_t *ret_len)
{
    const char *text = json_string_value(result);
    return text ? base64_decode(text, json_string_length(result), ret_len) : NULL;
}

static char *hash_of(const struct kv_rest *k, const char *key)
{
    return xasprintf("%s:%s", k->set, key);
}

/* PTTL's answer as a time; -1 when there is no such entry. */
static int64_t expiry(const json_t *result)
{
    json_int_t left = json_is_integer(result) ? json_integer_value(result) : -2;
    if (left < 0)
        return left == -1 ? 0 : -1;
    return clock_wall_ns() / NS_PER_MS + left;
}

/* --- reading --- */

static int keys_from(struct kv_rest *k, const char *from, json_t **ret, struct err *err)
{
    cleanup(json_decref_p) json_t *answer = NULL;
    int r = ask(k, "/pipeline",
                json_pack("[[s, s, s, s, s, s, s, i]]", "ZRANGE", k->set, from, "+", "BYLEX",
                          "LIMIT", "0", PAGE), &answer, err);
    if (r == 0)
        *ret = json_incref(json_array_get(answer, 0));
    return r;
}

/* Entries that have expired are in the set still. */
static int give_page(struct kv_rest *k, char *const *keys, size_t count, entry_fn *fn, void *env,
                     bool *ret_enough, struct err *err)
{
    cleanup(json_decref_p) json_t *answer = NULL;
    json_t *commands = json_array();
    for (size_t i = 0; i < count; i++) {
        cleanup(free_p) char *hash = hash_of(k, keys[i]);
        json_array_append_new(commands, json_pack("[s, s]", "PTTL", hash));
    }
    if (!count) {
        json_decref(commands);
        return 0;
    }
    int r = ask(k, "/pipeline", commands, &answer, err);
    for (size_t i = 0; r == 0 && i < count && !*ret_enough; i++) {
        int64_t until = expiry(json_array_get(answer, i));
        *ret_enough = until >= 0 && !fn(env, &(struct entry){.key = keys[i], .expires_ms = until});
    }
    return r;
}

int kv_rest_list(struct kv_rest *k, const char *prefix, entry_fn *fn, void *env, struct err *err)
{
    size_t prefix_len = prefix ? strlen(prefix) : 0;
    cleanup(free_p) char *from = xasprintf("[%s", prefix ? prefix : "");
    bool enough = false;
    for (;;) {
        cleanup(json_decref_p) json_t *page = NULL;
        int r = keys_from(k, from, &page, err);
        if (r < 0)
            return r;
        size_t found = json_array_size(page), ours = 0;
        char **keys = xcalloc(found + 1, sizeof *keys);
        for (; ours < found; ours++) {
            size_t len;
            keys[ours] = bytes_of(json_array_get(page, ours), &len);
            if (!keys[ours] || (prefix && strncmp(keys[ours], prefix, prefix_len) != 0))
                break;
        }
        r = give_page(k, keys, ours, fn, env, &enough, err);
        bool more = found == PAGE && ours == found && !enough;
        if (more) {
            free(from);
            from = xasprintf("(%s", keys[ours - 1]);
        }
        for (size_t i = 0; i < found; i++)
            free(keys[i]);
        free(keys);
        if (r < 0 || !more)
            return r;
    }
}

/* One entry, from what HMGET of v, e and m, and PTTL answer: 1 there, 0 not. */
static int read_entry(const struct kv_rest *k, const char *key, const json_t *fields,
                      const json_t *ttl, struct entry *ret, struct err *err)
{
    size_t len = 0, kind_len = 0, metadata_len = 0;
    cleanup(free_p) char *text = bytes_of(json_array_get(fields, 0), &len);
    cleanup(free_p) char *kind = bytes_of(json_array_get(fields, 1), &kind_len);
    cleanup(free_p) char *metadata = bytes_of(json_array_get(fields, 2), &metadata_len);
    int64_t until = expiry(ttl);
    if (!text || until < 0)
        return 0;
    if (kind && strcmp(kind, "b") == 0) {
        char *bytes = base64_decode(text, len, &len);
        free(text);
        text = bytes;
    }
    if (!text)
        return err_set(err, ERR_FAILURE, "KV store '%s': the value of '%s' is not what edgectl "
                       "writes: no base64", k->store, key);
    *ret = (struct entry){.key = xstrdup(key), .value = TAKE(text), .len = len,
                          .expires_ms = until, .metadata = metadata_len ? TAKE(metadata) : NULL};
    return 1;
}

int kv_rest_get_many(struct kv_rest *k, const char *const *keys, size_t count, entry_fn *fn,
                     void *env, struct err *err)
{
    for (size_t done = 0; done < count;) {
        size_t n = count - done < READ_COUNT ? count - done : READ_COUNT;
        json_t *commands = json_array();
        for (size_t i = 0; i < n; i++) {
            cleanup(free_p) char *hash = hash_of(k, keys[done + i]);
            json_array_append_new(commands, json_pack("[s, s, s, s, s]", "HMGET", hash, "v", "e",
                                                      "m"));
            json_array_append_new(commands, json_pack("[s, s]", "PTTL", hash));
        }
        cleanup(json_decref_p) json_t *answer = NULL;
        int r = ask(k, "/pipeline", commands, &answer, err);
        for (size_t i = 0; r >= 0 && i < n; i++) {
            cleanup(entry_clear) struct entry e = {0};
            r = read_entry(k, keys[done + i], json_array_get(answer, 2 * i),
                           json_array_get(answer, 2 * i + 1), &e, err);
            if (r > 0 && !fn(env, &e))
                return 0;
        }
        if (r < 0)
            return r;
        done += n;
    }
    return 0;
}

struct getting {
    struct buf *value;
    struct entry *ret;
    int found;                      /* 1, or -1: it did not fit */
};

static bool take_value(void *env, const struct entry *e)
{
    struct getting *g = env;
    g->found = buf_add(g->value, e->value, e->len) ? 1 : -1;
    if (g->ret && g->found > 0)
        *g->ret = (struct entry){.key = xstrdup(e->key), .len = e->len,
                                 .expires_ms = e->expires_ms,
                                 .metadata = e->metadata ? xstrdup(e->metadata) : NULL};
    return true;
}

int kv_rest_get(struct kv_rest *k, const char *key, struct buf *value, struct entry *ret,
                struct err *err)
{
    struct getting g = {value, ret, 0};
    int r = kv_rest_get_many(k, &key, 1, take_value, &g, err);
    if (r == 0 && g.found < 0)
        return err_set(err, ERR_LIMIT, "the value of '%s' is too large to be read", key);
    return r < 0 ? r : g.found;
}

/* --- writing --- */

/* A value as it is kept: UTF-8 as it is, so that other programs read it, else base64. */
static json_t *value_json(const struct entry *e, const char **ret_kind)
{
    json_t *text = json_stringn(e->value ? e->value : "", e->len);
    *ret_kind = text ? "" : "b";
    if (text)
        return text;
    cleanup(free_p) char *coded = base64_encode(e->value, e->len);
    return json_string(coded);
}

static void add_put(const struct kv_rest *k, json_t *commands, const struct entry *e,
                    int64_t generation)
{
    cleanup(free_p) char *hash = hash_of(k, e->key);
    char g[32];
    const char *kind;
    snprintf(g, sizeof g, "%lld", (long long)generation);
    json_t *value = value_json(e, &kind);
    json_array_append_new(commands, json_pack("[s, s]", "DEL", hash));
    json_array_append_new(commands,
                          json_pack("[s, s, s, o, s, s, s, s, s, s]", "HSET", hash, "v", value, "e",
                                    kind, "m", e->metadata ? e->metadata : "", "g", g));
    if (e->expires_ms)
        json_array_append_new(commands, json_pack("[s, s, I]", "PEXPIREAT", hash,
                                                  (json_int_t)e->expires_ms));
    json_array_append_new(commands, json_pack("[s, s, i, s]", "ZADD", k->set, 0, e->key));
}

int kv_rest_put(struct kv_rest *k, const struct entry *entries, size_t count, struct err *err)
{
    int64_t generation = clock_wall_ns();
    int r = 0;
    for (size_t i = 0; i < count && r == 0;) {
        json_t *commands = json_array();
        size_t bytes = 0, n = 0;
        for (; i < count && n < BATCH_COUNT && (n == 0 || bytes + entries[i].len <= BATCH_BYTES);
             i++, n++) {
            bytes += entries[i].len;
            add_put(k, commands, &entries[i], generation++);
        }
        cleanup(json_decref_p) json_t *answer = NULL;
        r = ask(k, "/multi-exec", commands, &answer, err);
    }
    return r;
}

int kv_rest_remove(struct kv_rest *k, const char *const *keys, size_t count, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < count && r == 0;) {
        json_t *commands = json_array();
        for (size_t n = 0; i < count && n < BATCH_COUNT; i++, n++) {
            cleanup(free_p) char *hash = hash_of(k, keys[i]);
            json_array_append_new(commands, json_pack("[s, s]", "DEL", hash));
            json_array_append_new(commands, json_pack("[s, s, s]", "ZREM", k->set, keys[i]));
        }
        cleanup(json_decref_p) json_t *answer = NULL;
        r = ask(k, "/multi-exec", commands, &answer, err);
    }
    return r;
}

/* --- first content --- */

static int put_entries(void *env, const struct entry *entries, size_t count, struct err *err)
{
    return kv_rest_put(env, entries, count, err);
}

static int run_seed(struct target *t, struct step *step, struct err *err)
{
    cleanup(kv_rest_close_p) struct kv_rest *k = NULL;
    int r = kv_rest_open(t, step->data, &k, err);
    return r < 0 ? r : target_kv_seed(t, step->data, k->url, put_entries, k, err);
}

static int is_empty(struct kv_rest *k, struct err *err)
{
    cleanup(json_decref_p) json_t *answer = NULL;
    int r = ask(k, "/pipeline", json_pack("[[s, s]]", "ZCARD", k->set), &answer, err);
    return r < 0 ? r : json_integer_value(json_array_get(answer, 0)) == 0;
}

static void note_unseeded(const struct target *t, const char *store)
{
    if (!t->o.note)
        return;
    cleanup(free_p) char *text = xasprintf(
        "the first content of the KV store '%s' is not put: its token is not here", store);
    t->o.note(t->o.env, text);
}

int kv_rest_plan_seed(struct target *t, const char *store, struct steps *steps, struct err *err)
{
    cleanup(kv_rest_close_p) struct kv_rest *k = NULL;
    if (!kv_of(t, store))
        return 0;
    cleanup(free_p) char *binding = bundle_binding_name(t->o.manifest, "kv", store, NULL);
    const char *token, *url = binding ? kv_rest_url(&t->o, store, binding) : NULL;
    int known = url ? target_kv_seed_known(t, store, url) : -1;
    if (known == 0)
        return 0;
    if (!url || kv_rest_token(&t->o, binding, &token, NULL) < 0) {
        note_unseeded(t, store);
        return 0;
    }
    int r = kv_rest_open(t, store, &k, err);
    int wanted = r < 0 ? r : known > 0 ? 1 : is_empty(k, err);
    if (wanted <= 0)
        return wanted;
    steps_add_named(steps, STEP_MAKE, xasprintf("kv-seed %s", store),
                    xasprintf("put the first content into the KV store %s", store),
                    run_seed, store);
    return 0;
}
