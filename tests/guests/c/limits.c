/* SPDX-License-Identifier: Apache-2.0 */
/* How far a guest gets, by path: /sends/N requests to the backend `origin`, /lookups/N in a config
 * store, /kv/KEY/VALUE/METADATA lengths of an entry to store, /kv-upload its value, /kv-lookups/N,
 * /count the bytes of the request, /bytes/N and /stream/N of an answer. Answers are the first status that is not ok, and how often it was ok before. */
#include "edge.h"

static void say(int status, unsigned count)
{
    struct edge_response resp = edge_response_new(200);
    edge_print(&resp, "status %d after %u\n", status, count);
    edge_send(&resp);
}

static int send_one(void)
{
    uint32_t req, body, resp, answer;
    fastly_http_req_new(&req);
    fastly_http_req_uri_set(req, "http://origin/status/200", 24);
    fastly_http_body_new(&body);
    int status = fastly_http_req_send(req, body, "origin", 6, &resp, &answer);
    if (status == 0)
        fastly_http_body_close(answer);
    return status;
}

static void sends(unsigned count)
{
    int status = 0;
    unsigned i = 0;
    while (i < count && (status = send_one()) == 0)
        i++;
    say(status, i);
}

static void lookups(unsigned count)
{
    uint32_t store;
    char value[100];
    size_t len;
    int status = fastly_config_store_open("settings", 8, &store);
    unsigned i = 0;
    while (i < count && (status = fastly_config_store_get(store, "plain", 5, value, sizeof value,
                                                          &len)) == 0)
        i++;
    say(status, i);
}

static char *text(unsigned len)
{
    char *p = malloc(len + 1);
    memset(p, 'x', len);
    return p;
}

static void kv(unsigned key, unsigned value, unsigned metadata)
{
    uint32_t store, body, op, n, error = 0;
    struct edge_kv_insert_config config = {.metadata = text(metadata), .metadata_len = metadata};
    fastly_kv_store_open("store", 5, &store);
    fastly_http_body_new(&body);
    fastly_http_body_write(body, text(value), value, EDGE_BODY_BACK, &n);
    int status = fastly_kv_store_insert(store, text(key), key, body,
                                        metadata ? EDGE_KV_METADATA : 0, &config, &op);
    if (status == 0)
        status = fastly_kv_store_insert_wait(op, &error);
    say(status, error);
}

/* The request's body as a value: none of it passes through the guest, which would cost CPU. */
static void upload(uint32_t body)
{
    uint32_t store, op, error = 0;
    struct edge_kv_insert_config config = {0};
    fastly_kv_store_open("store", 5, &store);
    int status = fastly_kv_store_insert(store, "big", 3, body, 0, &config, &op);
    if (status == 0)
        status = fastly_kv_store_insert_wait(op, &error);
    say(status, error);
}

static void lookups_in_kv(unsigned count)
{
    uint32_t store, op, body, generation, error;
    size_t len;
    char metadata[10];
    int status = fastly_kv_store_open("store", 5, &store);
    unsigned i = 0;
    while (i < count && (status = fastly_kv_store_lookup(store, "none", 4, 0, NULL, &op)) == 0) {
        fastly_kv_store_lookup_wait(op, &body, metadata, sizeof metadata, &len, &generation, &error);
        i++;
    }
    say(status, i);
}

static void stream(unsigned count)
{
    struct edge_response resp = edge_response_new(200);
    edge_stream(&resp);
    for (unsigned i = 0; i < count; i += 1000)
        edge_print(&resp, "%01000u", i);
    edge_finish(&resp);
}

int main(void)
{
    struct edge_request req = edge_request();
    unsigned a = 0, b = 0, c = 0;
    if (sscanf(req.path, "/sends/%u", &a) == 1)
        sends(a);
    else if (sscanf(req.path, "/lookups/%u", &a) == 1)
        lookups(a);
    else if (sscanf(req.path, "/kv/%u/%u/%u", &a, &b, &c) == 3)
        kv(a, b, c);
    else if (sscanf(req.path, "/kv-lookups/%u", &a) == 1)
        lookups_in_kv(a);
    else if (sscanf(req.path, "/bytes/%u", &a) == 1)
        edge_respond(200, "text/plain", text(a), a);
    else if (sscanf(req.path, "/stream/%u", &a) == 1)
        stream(a);
    else if (strcmp(req.path, "/kv-upload") == 0)
        upload(req.body);
    else if (strcmp(req.path, "/count") == 0) {
        size_t len = 0;
        edge_body_text(req.body, &len);
        say(0, (unsigned)len);
    } else
        edge_respond_text(404, "");
}
