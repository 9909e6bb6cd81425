/* SPDX-License-Identifier: Apache-2.0 */
/* CloudFront KeyValueStores. One is made, found and deleted by its name in the account (XML, at
 * CloudFront); what is in it is read and written by its ARN (JSON, at a host of its own). Every
 * write there names the version of the whole store (its ETag) and gets the next one. Sources:
 * CloudFront API reference 2020-05-31, CloudFront KeyValueStore API reference 2022-07-26. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/aws_distribution.h"
#include "provider/aws_target.h"

#define STORES "/2020-05-31/key-value-store"

/* Quotas: CloudFront Developer Guide, "Quotas on CloudFront KeyValueStores". */
enum { KEY_MAX = 512, VALUE_MAX = 1024 };
enum { BATCH = 50, TRIES = 5, ETAG_MAX = 256, READY_LIMIT_S = 600 };

bool aws_kvs_is_arn(const char *id)
{
    return strncmp(id, "arn:", 4) == 0;
}

/* --- the store itself --- */

/* 1 found, 0 not. `etag` may be NULL. */
static int describe(struct aws_target *t, const char *name, struct xml **ret, struct buf *etag,
                    struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = api_path(STORES "/%s", name);
    r = aws_find_xml(s, path, "EntityNotFound", ret, etag, err);
    return r > 0 && !xml_get(*ret, "ARN")
               ? err_set(err, ERR_NETWORK, "Amazon CloudFront answered without an ARN")
               : r;
}

int aws_kvs_find(struct aws_target *t, const char *id, char **ret_arn, struct err *err)
{
    if (aws_kvs_is_arn(id)) {
        *ret_arn = xstrdup(id);
        return 1;
    }
    cleanup(xml_free_p) struct xml *x = NULL;
    int r = describe(t, id, &x, NULL, err);
    if (r > 0)
        *ret_arn = xstrdup(xml_get(x, "ARN"));
    return r;
}

/* Until it takes data. Some minutes, as a rule seconds. */
static int settle(struct aws_target *t, const char *name, char **ret_arn, struct err *err)
{
    struct aws_wait w = {0};
    cleanup(free_p) char *what = xasprintf("the KeyValueStore %s to be ready", name);
    for (;;) {
        cleanup(xml_free_p) struct xml *x = NULL;
        int r = describe(t, name, &x, NULL, err);
        if (r == 0)
            r = err_set(err, ERR_DRIFT, "the KeyValueStore %s is gone", name);
        if (r < 0)
            return r;
        const char *status = xml_get(x, "Status");
        if (!status || strcmp(status, "READY") == 0) {
            *ret_arn = xstrdup(xml_get(x, "ARN"));
            return 0;
        }
        if (strcmp(status, "PROVISIONING") != 0)
            return err_set(err, ERR_FAILURE, "Amazon CloudFront could not make the KeyValueStore "
                           "%s: it is %s", name, status);
        r = aws_wait(t, &w, what, READY_LIMIT_S, err);
        if (r < 0)
            return r;
    }
}

int aws_kvs_make(struct aws_target *t, const char *name, const char *comment, char **ret_arn,
                 struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    if (r < 0)
        return r;
    cleanup(xml_free_p) struct xml *root = xml_new("CreateKeyValueStoreRequest");
    xml_set_attribute(root, "xmlns", AWS_CLOUDFRONT_NS);
    xml_add(root, "Name", name);
    xml_add(root, "Comment", comment);
    aws_add_tag(t, xml_add(root, "Tags", NULL));
    cleanup(api_response_clear) struct api_response answer = {0};
    /* There is one of a name: when an answer was lost, the next try is told so. */
    r = api_do(aws_service_api(s),
               &(struct api_request){.method = "POST", .path = STORES, .repeatable = true,
                                     .body = aws_body_xml(root)}, &answer, err);
    if (r < 0)
        return r;
    if (answer.status != 201 && !aws_error_is(&answer, "EntityAlreadyExists"))
        return aws_fail(s, "POST", STORES, &answer, err);
    return settle(t, name, ret_arn, err);
}

int aws_kvs_owned(struct aws_target *t, const char *name, struct err *err)
{
    cleanup(xml_free_p) struct xml *x = NULL;
    int r = describe(t, name, &x, NULL, err);
    return r <= 0 ? r : aws_tagged(t, xml_get(x, "ARN"), err);
}

int aws_kvs_delete(struct aws_target *t, const char *name, struct err *err)
{
    cleanup(xml_free_p) struct xml *x = NULL;
    cleanup(buf_clear) struct buf etag = BUF_INIT(ETAG_MAX);
    int r = describe(t, name, &x, &etag, err);
    cleanup(free_p) char *path = api_path(STORES "/%s", name);
    return r <= 0 ? r : aws_delete_tagged(t, path, &etag, err);
}

/* --- reading what is in it --- */

int aws_kvs_list(struct aws_target *t, const char *arn, const char *prefix, entry_fn *fn,
                 void *env, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_KVS, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *next = NULL;
    do {
        cleanup(free_p) char *path =
            next ? api_path("/key-value-stores/%s/keys?MaxResults=50&NextToken=%s", arn, next)
                 : api_path("/key-value-stores/%s/keys?MaxResults=50", arn);
        cleanup(json_decref_p) json_t *page = NULL;
        r = aws_call_json(s, &(struct api_request){.method = "GET", .path = path}, &page, err);
        size_t i;
        const json_t *one;
        if (r < 0)
            return r;
        json_array_foreach(json_object_get(page, "Items"), i, one) {
            const json_t *text = json_object_get(one, "Value");
            cleanup(free_p) char *key = xstrdup(aws_text(one, "Key"));
            cleanup(free_p) char *value = xstrdup(aws_text(one, "Value"));
            if (prefix && strncmp(key, prefix, strlen(prefix)) != 0)
                continue;
            if (!fn(env, &(struct entry){.key = key, .value = value,
                                         .len = json_string_length(text)}))
                return 0;
        }
        free(next);
        const char *token = aws_text(page, "NextToken");
        next = *token ? xstrdup(token) : NULL;
    } while (next);
    return 0;
}

int aws_kvs_get(struct aws_target *t, const char *arn, const char *key, struct buf *value,
                struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_KVS, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = api_path("/key-value-stores/%s/keys/%s", arn, key);
    cleanup(json_decref_p) json_t *pair = NULL;
    r = aws_find_json(s, path, "ResourceNotFoundException", &pair, err);
    if (r > 0)
        buf_add_str(value, aws_text(pair, "Value"));
    return r;
}

int aws_kvs_etag(struct aws_target *t, const char *arn, struct buf *etag, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_KVS, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = api_path("/key-value-stores/%s", arn);
    return aws_call_tagged(s, &(struct api_request){.method = "GET", .path = path}, etag, err);
}

/* --- changing it --- */

/* One write, on top of the store as `etag` has it, which becomes that of the changed store. Takes
 * `body`, NULL for none. */
static int write_once(struct aws_target *t, const char *method, const char *path, json_t *body,
                      struct buf *etag, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_KVS, &s, err);
    if (r < 0) {
        json_decref(body);
        return r;
    }
    cleanup(headers_clear) struct headers headers = {0};
    headers_add_str(&headers, "If-Match", buf_str(etag));
    struct api_request request = {.method = method, .path = path, .headers = &headers,
                                  .body = body ? api_body_json(body) : NULL, .repeatable = true};
    return aws_call_tagged(s, &request, etag, err);
}

/* Makes the body of a batch of `count` from item `i` on. */
typedef json_t *batch_fn(const void *items, size_t i, size_t count);

static int write_all(struct aws_target *t, const char *arn, batch_fn *batch, const void *items,
                     size_t count, struct err *err)
{
    cleanup(buf_clear) struct buf etag = BUF_INIT(ETAG_MAX);
    cleanup(free_p) char *path = api_path("/key-value-stores/%s/keys", arn);
    int r = count ? aws_kvs_etag(t, arn, &etag, err) : 0;
    int tries = 0;
    for (size_t i = 0; r == 0 && i < count;) {
        size_t n = count - i < BATCH ? count - i : BATCH;
        r = write_once(t, "POST", path, batch(items, i, n), &etag, err);
        if (r == -ERR_DRIFT && ++tries < TRIES) {
            /* Others write other keys: ours go on top of theirs. */
            r = aws_kvs_etag(t, arn, &etag, err);
            continue;
        }
        i += n;
        tries = 0;
    }
    return r;
}

int aws_kvs_put_on(struct aws_target *t, const char *arn, const char *key, const char *value,
                   struct buf *etag, struct err *err)
{
    cleanup(free_p) char *path = api_path("/key-value-stores/%s/keys/%s", arn, key);
    return write_once(t, "PUT", path, json_pack("{s:s}", "Value", value), etag, err);
}

static int check_entry(const struct entry *e, struct err *err)
{
    cleanup(json_decref_p) json_t *text = json_stringn(e->value, e->len);
    if (!text)
        return err_set(err, ERR_FAILURE, "key '%.256s': a KeyValueStore only takes text", e->key);
    if (e->metadata || e->expires_ms)
        return err_set(err, ERR_USAGE, "key '%.256s': a KeyValueStore keeps no %s", e->key,
                       e->metadata ? "metadata" : "time of expiry");
    if (strlen(e->key) > KEY_MAX || e->len > VALUE_MAX) {
        int r = err_set(err, ERR_LIMIT, "key '%.256s': a KeyValueStore takes keys of %d bytes and "
                        "values of %d, this is %zu and %zu", e->key, KEY_MAX, VALUE_MAX,
                        strlen(e->key), e->len);
        err_hint(err, "keep large values behind a URL (a REST store, see edgectl.yaml(5)), or in "
                 "the release");
        return r;
    }
    return 0;
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

int aws_kvs_check(const struct entry *entries, size_t count, struct err *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = check_entry(&entries[i], err);
    return r;
}

int aws_kvs_put(struct aws_target *t, const char *arn, const struct entry *entries, size_t count,
                struct err *err)
{
    int r = aws_kvs_check(entries, count, err);
    return r < 0 ? r : write_all(t, arn, put_batch, entries, count, err);
}

static json_t *delete_batch(const void *items, size_t from, size_t count)
{
    const char *const *keys = items;
    json_t *deletes = json_array();
    for (size_t i = from; i < from + count; i++)
        json_array_append_new(deletes, json_pack("{s:s}", "Key", keys[i]));
    return json_pack("{s:o}", "Deletes", deletes);
}

int aws_kvs_remove(struct aws_target *t, const char *arn, const char *const *keys, size_t count,
                   struct err *err)
{
    /* Whether a key that is not there may be deleted is not said anywhere: it is not tried. */
    const char **there = xcalloc(count + 1, sizeof *there);
    size_t n = 0;
    int r = 0;
    for (size_t i = 0; r >= 0 && i < count; i++) {
        cleanup(buf_clear) struct buf value = BUF_INIT(VALUE_MAX * 8);
        r = aws_kvs_get(t, arn, keys[i], &value, err);
        if (r > 0)
            there[n++] = keys[i];
    }
    if (r >= 0)
        r = write_all(t, arn, delete_batch, there, n, err);
    free(there);
    return r;
}
