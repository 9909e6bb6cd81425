/* SPDX-License-Identifier: Apache-2.0 */
/* What an app in another platform's runtime reaches this machine's stores by: KV and secrets as the
 * manifest names them, over HTTP. Only `edgectl dev --runtime` runs it, on a port of its own.
 *
 *   x-edgectl-token    that of the config store `edgectl-dev`; without it everything is a 403
 *   x-edgectl-kv       store; GET, PUT, DELETE /KEY, and GET / for the list
 *   x-edgectl-secret   store; GET /KEY
 *
 * Names, keys and metadata are percent-encoded. The answer's x-edgectl-result is the kv_error. */
#include "edge.h"

/* A header's text, decoded; NULL if it is not there. */
static char *text_of(const struct edge_request *req, const char *name)
{
    const char *value = edge_header(req, name);
    return value ? edge_decode_(value, strlen(value)) : NULL;
}

static uint64_t number_of(const struct edge_request *req, const char *name)
{
    const char *value = edge_header(req, name);
    return value ? strtoull(value, NULL, 10) : 0;
}

static void answer(unsigned result)
{
    struct edge_response resp = edge_response_new(result == EDGE_KV_OK ? 200 : 400);
    char text[12];
    snprintf(text, sizeof(text), "%u", result);
    edge_response_set(&resp, "x-edgectl-result", text);
    edge_send(&resp);
}

/* An entry's metadata as a header can have it. */
static void set_metadata(struct edge_response *resp, const char *metadata, size_t len)
{
    char *text = (char *)edge_alloc_(len * 3 + 1), *to = text;
    for (size_t i = 0; i < len; i++)
        to += sprintf(to, "%%%02x", (unsigned char)metadata[i]);
    edge_response_set(resp, "x-edgectl-metadata", len ? text : NULL);
}

static void get(uint32_t kv, const char *key)
{
    static char metadata[2048];
    struct edge_kv_lookup_config config = {0};
    struct edge_response resp = edge_response_new(200);
    uint32_t pending, error = EDGE_KV_UNINITIALIZED;
    uint64_t generation = 0;
    size_t len = 0;
    if (fastly_kv_store_lookup(kv, key, strlen(key), 0, &config, &pending) != EDGE_OK ||
        fastly_kv_store_lookup_wait_v2(pending, &resp.body, metadata, sizeof(metadata), &len,
                                       &generation, &error) != EDGE_OK ||
        error != EDGE_KV_OK) {
        answer(error ? error : EDGE_KV_BAD_REQUEST);
        return;
    }
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)generation);
    edge_response_set(&resp, "x-edgectl-result", "1");
    edge_response_set(&resp, "x-edgectl-generation", text);
    set_metadata(&resp, metadata, len);
    edge_send(&resp);
}

static void put(const struct edge_request *req, uint32_t kv, const char *key)
{
    const char *metadata = text_of(req, "x-edgectl-metadata");
    struct edge_kv_insert_config config = {
        .mode = (uint32_t)number_of(req, "x-edgectl-mode"),
        .metadata = metadata,
        .metadata_len = metadata ? strlen(metadata) : 0,
        .time_to_live_s = (uint32_t)number_of(req, "x-edgectl-ttl"),
        .if_generation_match = number_of(req, "x-edgectl-if-generation"),
    };
    uint32_t mask = (metadata && *metadata ? EDGE_KV_METADATA : 0) |
                    (config.time_to_live_s ? EDGE_KV_TIME_TO_LIVE : 0) |
                    (config.if_generation_match ? EDGE_KV_IF_GENERATION_MATCH : 0);
    uint32_t pending, error = EDGE_KV_UNINITIALIZED;
    if (fastly_kv_store_insert(kv, key, strlen(key), req->body, mask, &config, &pending) != EDGE_OK ||
        fastly_kv_store_insert_wait(pending, &error) != EDGE_OK)
        error = EDGE_KV_BAD_REQUEST;
    answer(error);
}

static void delete(uint32_t kv, const char *key)
{
    struct edge_kv_delete_config config = {0};
    uint32_t pending, error = EDGE_KV_UNINITIALIZED;
    if (fastly_kv_store_delete(kv, key, strlen(key), 0, &config, &pending) != EDGE_OK ||
        fastly_kv_store_delete_wait(pending, &error) != EDGE_OK)
        error = EDGE_KV_BAD_REQUEST;
    answer(error);
}

/* The body is the hostcall's JSON: {"data": [keys], "meta": {"next_cursor": ...}}. */
static void list(const struct edge_request *req, uint32_t kv)
{
    const char *cursor = text_of(req, "x-edgectl-cursor"), *prefix = text_of(req, "x-edgectl-prefix");
    struct edge_kv_list_config config = {
        .cursor = cursor,
        .cursor_len = cursor ? strlen(cursor) : 0,
        .limit = (uint32_t)number_of(req, "x-edgectl-limit"),
        .prefix = prefix,
        .prefix_len = prefix ? strlen(prefix) : 0,
    };
    uint32_t mask = (cursor ? EDGE_KV_LIST_CURSOR : 0) | (config.limit ? EDGE_KV_LIST_LIMIT : 0) |
                    (prefix && *prefix ? EDGE_KV_LIST_PREFIX : 0);
    struct edge_response resp = edge_response_new(200);
    uint32_t pending, error = EDGE_KV_UNINITIALIZED;
    if (fastly_kv_store_list(kv, mask, &config, &pending) != EDGE_OK ||
        fastly_kv_store_list_wait(pending, &resp.body, &error) != EDGE_OK || error != EDGE_KV_OK) {
        answer(error ? error : EDGE_KV_BAD_REQUEST);
        return;
    }
    edge_response_set(&resp, "x-edgectl-result", "1");
    edge_send(&resp);
}

static void serve_kv(const struct edge_request *req, const char *store, const char *key)
{
    uint32_t kv;
    if (fastly_kv_store_open(store, strlen(store), &kv) != EDGE_OK)
        edge_respond_text(404, "There is no such store.\n");
    else if (strcmp(req->method, "PUT") == 0)
        put(req, kv, key);
    else if (strcmp(req->method, "DELETE") == 0)
        delete(kv, key);
    else if (*key)
        get(kv, key);
    else
        list(req, kv);
}

static void serve_secret(const char *store, const char *key)
{
    uint32_t handle, secret;
    size_t len = 0;
    static char value[65536];
    if (fastly_secret_store_open(store, strlen(store), &handle) != EDGE_OK ||
        fastly_secret_store_get(handle, key, strlen(key), &secret) != EDGE_OK ||
        fastly_secret_store_plaintext(secret, value, sizeof(value), &len) != EDGE_OK)
        edge_respond_text(404, "There is no such secret.\n");
    else
        edge_respond(200, "application/octet-stream", value, len);
}

int main(void)
{
    struct edge_request req = edge_request();
    const char *token = edge_config("edgectl-dev", "token");
    const char *kv = text_of(&req, "x-edgectl-kv"), *secret = text_of(&req, "x-edgectl-secret");
    const char *key = edge_decode_(req.path + 1, strlen(req.path + 1));
    if (!token || !*token || !edge_same_secret(edge_header(&req, "x-edgectl-token"), token))
        edge_respond_text(403, "This is for the app that edgectl runs.\n");
    else if (kv)
        serve_kv(&req, kv, key);
    else if (secret)
        serve_secret(secret, key);
    else
        edge_respond_text(400, "x-edgectl-kv or x-edgectl-secret names a store.\n");
}
