/* SPDX-License-Identifier: Apache-2.0 */
/* Stores of data: secrets are parameters of Systems Manager; config of a target that names a
 * CloudFront KeyValueStore is in that, where CloudFront Functions read it within seconds. Every
 * write there names the version of the whole store (its ETag) and gets the next one. Source:
 * CloudFront KeyValueStore API reference, 2022-07-26. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/aws_target.h"

enum { BATCH = 50, TRIES = 5, ETAG_MAX = 256 };

/* The ARN that the target names for a config store. */
static int store_arn(const struct aws_target *t, const struct store_ref *store, const char **ret,
                     struct err *err)
{
    if (store->kind == STORE_KV) {
        int r = err_set(err, ERR_USAGE, "Lambda@Edge has no KV store of its own: '%s' is elsewhere",
                        store->name);
        err_hint(err, "use the tools of the store that the target names for it");
        return r;
    }
    *ret = manifest_remote_id(t->base.o.manifest->target, "config", store->name, NULL);
    if (*ret)
        return 0;
    int r = err_set(err, ERR_USAGE, "config '%s' is shipped with the release on AWS", store->name);
    err_hint(err, "change it in the manifest and deploy; or name the ARN of a CloudFront "
             "KeyValueStore in targets.%s.config.%s", t->base.o.name, store->name);
    return r;
}

static int get_json(struct aws_target *t, const char *path, json_t **ret, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_KVS, &s, err);
    return r < 0 ? r
                 : aws_call_json(s, &(struct api_request){.method = "GET", .path = path}, ret, err);
}

static int list_pairs(struct aws_target *t, const char *arn, const char *prefix, entry_fn *fn,
                      void *env, struct err *err)
{
    cleanup(free_p) char *next = NULL;
    do {
        cleanup(free_p) char *path =
            next ? api_path("/key-value-stores/%s/keys?MaxResults=50&NextToken=%s", arn, next)
                 : api_path("/key-value-stores/%s/keys?MaxResults=50", arn);
        cleanup(json_decref_p) json_t *page = NULL;
        int r = get_json(t, path, &page, err);
        size_t i;
        const json_t *one;
        if (r < 0)
            return r;
        json_array_foreach(json_object_get(page, "Items"), i, one) {
            cleanup(free_p) char *key = xstrdup(aws_text(one, "Key"));
            cleanup(free_p) char *value = xstrdup(aws_text(one, "Value"));
            if (prefix && strncmp(key, prefix, strlen(prefix)) != 0)
                continue;
            if (!fn(env, &(struct entry){.key = key, .value = value, .len = strlen(value)}))
                return 0;
        }
        free(next);
        const char *token = aws_text(page, "NextToken");
        next = *token ? xstrdup(token) : NULL;
    } while (next);
    return 0;
}

int aws_list(struct target *target, struct store_ref store, const char *prefix, entry_fn *fn,
             void *env, struct err *err)
{
    const char *arn;
    if (store.kind == STORE_SECRET)
        return aws_secrets_list(target, store, prefix, fn, env, err);
    int r = store_arn(aws_of(target), &store, &arn, err);
    return r < 0 ? r : list_pairs(aws_of(target), arn, prefix, fn, env, err);
}

int aws_get(struct target *target, struct store_ref store, const char *key, struct buf *value,
            struct entry *ret, struct err *err)
{
    struct aws_target *t = aws_of(target);
    struct aws_service *s;
    const char *arn;
    int r = store_arn(t, &store, &arn, err);
    if (r == 0)
        r = aws_service(t, AWS_KVS, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = api_path("/key-value-stores/%s/keys/%s", arn, key);
    cleanup(api_response_clear) struct api_response answer = {0};
    r = api_do(aws_service_api(s), &(struct api_request){.method = "GET", .path = path}, &answer,
               err);
    if (r < 0)
        return r;
    if (answer.status == 404 && aws_error_is(&answer, "ResourceNotFoundException"))
        return 0;
    if (answer.status != 200)
        return aws_fail(s, "GET", path, &answer, err);
    cleanup(json_decref_p) json_t *pair = NULL;
    r = api_json(aws_service_api(s), "GET", path, &answer, &pair, err);
    if (r < 0)
        return r;
    buf_add_str(value, aws_text(pair, "Value"));
    *ret = (struct entry){.key = xstrdup(key)};
    return 1;
}

/* --- changing --- */

static int read_etag(struct aws_target *t, const char *arn, struct buf *etag, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_KVS, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = api_path("/key-value-stores/%s", arn);
    cleanup(api_response_clear) struct api_response answer = {0};
    r = api_do(aws_service_api(s), &(struct api_request){.method = "GET", .path = path}, &answer,
               err);
    if (r < 0)
        return r;
    if (answer.status != 200)
        return aws_fail(s, "GET", path, &answer, err);
    const char *tag = headers_get(&answer.headers, "etag");
    buf_reset(etag);
    buf_add_str(etag, tag ? tag : "");
    return 0;
}

/* Takes `body`. `etag` becomes that of the changed store. */
static int write_batch(struct aws_target *t, const char *arn, json_t *body, struct buf *etag,
                       struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_KVS, &s, err);
    if (r < 0) {
        json_decref(body);
        return r;
    }
    cleanup(free_p) char *path = api_path("/key-value-stores/%s/keys", arn);
    cleanup(headers_clear) struct headers headers = {0};
    headers_add_str(&headers, "If-Match", buf_str(etag));
    struct api_request request = {.method = "POST", .path = path, .headers = &headers,
                                  .body = api_body_json(body), .repeatable = true};
    cleanup(api_response_clear) struct api_response answer = {0};
    r = api_do(aws_service_api(s), &request, &answer, err);
    if (r < 0)
        return r;
    if (answer.status != 200)
        return aws_fail(s, "POST", path, &answer, err);
    const char *tag = headers_get(&answer.headers, "etag");
    buf_reset(etag);
    buf_add_str(etag, tag ? tag : "");
    return 0;
}

/* Makes the pieces of a batch from item `i` on. */
typedef json_t *batch_fn(const void *items, size_t i, size_t count);

static int write_all(struct aws_target *t, const char *arn, batch_fn *batch, const void *items,
                     size_t count, struct err *err)
{
    cleanup(buf_clear) struct buf etag = BUF_INIT(ETAG_MAX);
    int r = read_etag(t, arn, &etag, err);
    int tries = 0;
    for (size_t i = 0; r == 0 && i < count;) {
        size_t n = count - i < BATCH ? count - i : BATCH;
        r = write_batch(t, arn, batch(items, i, n), &etag, err);
        if (r == -ERR_DRIFT && ++tries < TRIES) {
            /* Others write other keys: ours go on top of theirs. */
            r = read_etag(t, arn, &etag, err);
            continue;
        }
        i += n;
        tries = 0;
    }
    return r;
}

static json_t *put_batch(const void *items, size_t from, size_t count)
{
    const struct entry *entries = items;
    json_t *puts = json_array();
    for (size_t i = from; i < from + count; i++)
        json_array_append_new(puts, json_pack("{s:s, s:o}", "Key", entries[i].key, "Value",
                                              json_stringn(entries[i].value, entries[i].len)));
    return json_pack("{s:o}", "Puts", puts);
}

static json_t *delete_batch(const void *items, size_t from, size_t count)
{
    const char *const *keys = items;
    json_t *deletes = json_array();
    for (size_t i = from; i < from + count; i++)
        json_array_append_new(deletes, json_pack("{s:s}", "Key", keys[i]));
    return json_pack("{s:o}", "Deletes", deletes);
}

int aws_put(struct target *target, struct store_ref store, const struct entry *entries,
            size_t count, struct err *err)
{
    const char *arn;
    if (store.kind == STORE_SECRET)
        return aws_secrets_put(target, store, entries, count, err);
    int r = store_arn(aws_of(target), &store, &arn, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        cleanup(json_decref_p) json_t *text = json_stringn(entries[i].value, entries[i].len);
        if (!text)
            return err_set(err, ERR_FAILURE, "config '%s': a KeyValueStore only takes text",
                           entries[i].key);
    }
    return r < 0 ? r : write_all(aws_of(target), arn, put_batch, entries, count, err);
}

int aws_remove(struct target *target, struct store_ref store, const char *const *keys,
               size_t count, struct err *err)
{
    const char *arn;
    if (store.kind == STORE_SECRET)
        return aws_secrets_remove(target, store, keys, count, err);
    int r = store_arn(aws_of(target), &store, &arn, err);
    return r < 0 ? r : write_all(aws_of(target), arn, delete_batch, keys, count, err);
}
