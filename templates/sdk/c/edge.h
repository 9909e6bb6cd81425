/* SPDX-License-Identifier: Apache-2.0 */
/* edge.h: edge apps in C. Include it, write main(), build with clang for wasm32-wasi. One run of
 * main() answers one request; for all that is not here, the hostcalls of edge_abi.h mix freely.
 *
 *     #include "edge.h"
 *
 *     int main(void)
 *     {
 *         struct edge_request req = edge_request();
 *         edge_respond_text(200, edge_query(&req, "name") ? "Hello again\n" : "Hello\n");
 *     }
 *
 * Memory: text that a function returns comes from malloc. The whole memory of the program goes when
 * the request is done, so there is no need to free it. All text is NUL-terminated.
 * Failure: functions that give text return NULL when there is none; the others say. */
#ifndef EDGE_H
#define EDGE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "edge_abi.h"

struct edge_request {
    uint32_t handle, body;
    const char *method;
    const char *url;            /* absolute for a client's request */
    const char *path;           /* "/..." without the query */
    const char *query;          /* after the '?', "" if there is none; see edge_query */
};

struct edge_response {
    uint32_t handle, body;
    unsigned status;            /* 0: the fetch failed, and `error` says how */
    enum edge_status error;
};

/* --- requests --- */

/* The client's request. */
static inline struct edge_request edge_request(void);
/* A new request, to be changed and given to edge_fetch. Only the path and query of the URL matter
 * when the backend sets the host: "/items?page=2" is enough for a host override. */
static inline struct edge_request edge_request_new(const char *method, const char *url);
/* First value of a header, NULL if it is not there. */
static inline char *edge_header(const struct edge_request *req, const char *name);
/* Set a header (all earlier values go); a NULL value removes it. */
static inline void edge_request_set(struct edge_request *req, const char *name, const char *value);
/* The decoded value of a query parameter, "" for one without value, NULL if it is not there. */
static inline char *edge_query(const struct edge_request *req, const char *name);
/* The value of a cookie, NULL if it is not there. */
static inline char *edge_cookie(const struct edge_request *req, const char *name);
/* Where the client is: JSON text {"city":"...","country_code":"..", ...}; NULL if unknown. */
static inline char *edge_geo(const struct edge_request *req);

/* --- responses --- */

/* Answer the client with plain text, in one call. */
static inline void edge_respond_text(unsigned status, const char *text);
/* Answer the client with any bytes. */
static inline void edge_respond(unsigned status, const char *content_type, const void *data,
                                size_t len);
/* The same in steps: make it, set headers, add to the body, send. */
static inline struct edge_response edge_response_new(unsigned status);
static inline void edge_response_set(struct edge_response *resp, const char *name,
                                     const char *value);
static inline char *edge_response_header(const struct edge_response *resp, const char *name);
__attribute__((format(printf, 2, 3))) static inline void
edge_print(struct edge_response *resp, const char *format, ...);
/* Send it to the client; also passes on what edge_fetch returned. The program may go on after. */
static inline void edge_send(struct edge_response *resp);
/* Send the head now; edge_print then streams, and edge_finish is the good end. */
static inline void edge_stream(struct edge_response *resp);
static inline void edge_finish(struct edge_response *resp);

/* --- backends --- */

/* Send the request (consumed) to the backend of that name and wait for the head of its answer. */
static inline struct edge_response edge_fetch(struct edge_request *req, const char *backend);
/* All that is left of a body; *len may be NULL. */
static inline char *edge_body_text(uint32_t body, size_t *len);

/* --- stores --- */

/* The value of a key; NULL if there is no such key or store. *len may be NULL. */
static inline char *edge_kv_get(const char *store, const char *key, size_t *len);
/* Store a value; ttl_s is how long it lives, 0 = for ever. EDGE_KV_OK, or what went wrong. */
static inline enum edge_kv_error edge_kv_put(const char *store, const char *key, const void *data,
                                             size_t len, uint32_t ttl_s);
static inline enum edge_kv_error edge_kv_delete(const char *store, const char *key);
/* The value of a key in a config store; NULL if there is none. */
static inline char *edge_config(const char *store, const char *key);
/* A secret's text; NULL if there is none. */
static inline char *edge_secret(const char *store, const char *name);
/* Compare two texts in a time that does not tell where they differ. False if either is NULL. */
static inline bool edge_same_secret(const char *a, const char *b);

/* --- log --- */

/* One line to a log endpoint. */
__attribute__((format(printf, 2, 3))) static inline void
edge_log(const char *endpoint, const char *format, ...);

/* ---------------------------------------------------------------------------------------------
 * Implementation. */

static inline void *edge_alloc_(size_t size)
{
    void *p = malloc(size);
    if (!p)
        abort();
    return p;
}

/* Calls `call(buf, size, &len)`, which is an expression over those three names, with a buffer that
 * fits; yields NUL-terminated text or NULL. */
#define EDGE_TEXT_(call)                                \
    __extension__({                                     \
        size_t size = 1024, len = 0;                    \
        char *buf = (char *)edge_alloc_(size + 1);      \
        uint32_t status_ = (call);                      \
        if (status_ == EDGE_BUFLEN && len > size) {     \
            size = len;                                 \
            free(buf);                                  \
            buf = (char *)edge_alloc_(size + 1);        \
            status_ = (call);                           \
        }                                               \
        if (status_ == EDGE_OK) {                       \
            buf[len] = '\0';                            \
        } else {                                        \
            free(buf);                                  \
            buf = NULL;                                 \
        }                                               \
        buf;                                            \
    })

static inline const char *edge_or_empty_(const char *text)
{
    return text ? text : "";
}

/* Fill in path and query from the URL. */
static inline void edge_request_split_(struct edge_request *req)
{
    const char *scheme_end = strstr(req->url, "://");
    const char *path = strchr(scheme_end ? scheme_end + 3 : req->url, '/');
    const char *mark = strchr(req->url, '?');
    req->query = mark ? mark + 1 : "";
    if (!path || (mark && path > mark))
        req->path = "/";
    else
        req->path = mark ? strndup(path, (size_t)(mark - path)) : path;
}

static inline struct edge_request edge_request(void)
{
    struct edge_request req = {0};
    if (fastly_http_req_body_downstream_get(&req.handle, &req.body) != EDGE_OK)
        abort();
    req.method = edge_or_empty_(
        EDGE_TEXT_(fastly_http_req_method_get(req.handle, buf, size, &len)));
    req.url = edge_or_empty_(EDGE_TEXT_(fastly_http_req_uri_get(req.handle, buf, size, &len)));
    edge_request_split_(&req);
    return req;
}

static inline struct edge_request edge_request_new(const char *method, const char *url)
{
    struct edge_request req = {.method = method, .url = url};
    if (fastly_http_req_new(&req.handle) != EDGE_OK || fastly_http_body_new(&req.body) != EDGE_OK)
        abort();
    fastly_http_req_method_set(req.handle, method, strlen(method));
    fastly_http_req_uri_set(req.handle, url, strlen(url));
    edge_request_split_(&req);
    return req;
}

static inline char *edge_header(const struct edge_request *req, const char *name)
{
    return EDGE_TEXT_(
        fastly_http_req_header_value_get(req->handle, name, strlen(name), buf, size, &len));
}

static inline void edge_request_set(struct edge_request *req, const char *name, const char *value)
{
    if (value)
        fastly_http_req_header_insert(req->handle, name, strlen(name), value, strlen(value));
    else
        fastly_http_req_header_remove(req->handle, name, strlen(name));
}

static inline int edge_hex_(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decoding, and '+' as space; text in broken escapes stays as it is. */
static inline char *edge_decode_(const char *text, size_t len)
{
    char *to = (char *)edge_alloc_(len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        bool escape = text[i] == '%' && i + 2 < len && edge_hex_(text[i + 1]) >= 0 &&
                      edge_hex_(text[i + 2]) >= 0;
        if (escape) {
            to[n++] = (char)(edge_hex_(text[i + 1]) << 4 | edge_hex_(text[i + 2]));
            i += 2;
        } else {
            to[n++] = text[i] == '+' ? ' ' : text[i];
        }
    }
    to[n] = '\0';
    return to;
}

static inline char *edge_query(const struct edge_request *req, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *p = req->query; *p;) {
        size_t len = strcspn(p, "&");
        if (len >= name_len && memcmp(p, name, name_len) == 0) {
            if (len == name_len)
                return edge_decode_("", 0);
            if (p[name_len] == '=')
                return edge_decode_(p + name_len + 1, len - name_len - 1);
        }
        p += len + (p[len] == '&');
    }
    return NULL;
}

static inline char *edge_cookie(const struct edge_request *req, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *p = edge_or_empty_(edge_header(req, "cookie")); *p;) {
        p += strspn(p, "; ");
        size_t len = strcspn(p, ";");
        if (len > name_len && p[name_len] == '=' && memcmp(p, name, name_len) == 0)
            return strndup(p + name_len + 1, len - name_len - 1);
        p += len;
    }
    return NULL;
}

static inline char *edge_geo(const struct edge_request *req)
{
    char ip[16];
    uint32_t ip_len;
    if (fastly_http_downstream_downstream_client_ip_addr(req->handle, ip, &ip_len) != EDGE_OK)
        return NULL;
    char *json = EDGE_TEXT_(fastly_geo_lookup(ip, ip_len, buf, size, &len));
    return json && *json ? json : NULL;
}

static inline struct edge_response edge_response_new(unsigned status)
{
    struct edge_response resp = {.status = status};
    if (fastly_http_resp_new(&resp.handle) != EDGE_OK ||
        fastly_http_body_new(&resp.body) != EDGE_OK)
        abort();
    fastly_http_resp_status_set(resp.handle, status);
    return resp;
}

static inline void edge_response_set(struct edge_response *resp, const char *name,
                                     const char *value)
{
    if (value)
        fastly_http_resp_header_insert(resp->handle, name, strlen(name), value, strlen(value));
    else
        fastly_http_resp_header_remove(resp->handle, name, strlen(name));
}

static inline char *edge_response_header(const struct edge_response *resp, const char *name)
{
    return EDGE_TEXT_(
        fastly_http_resp_header_value_get(resp->handle, name, strlen(name), buf, size, &len));
}

static inline void edge_body_write_(uint32_t body, const void *data, size_t len)
{
    const char *p = (const char *)data;
    uint32_t n;
    while (len > 0) {
        if (fastly_http_body_write(body, p, len, EDGE_BODY_BACK, &n) != EDGE_OK || n == 0)
            return;
        p += n;
        len -= n;
    }
}

static inline void edge_print(struct edge_response *resp, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    char *text = NULL;
    int len = vasprintf(&text, format, ap);
    va_end(ap);
    if (len < 0)
        abort();
    edge_body_write_(resp->body, text, (size_t)len);
    free(text);
}

static inline void edge_send(struct edge_response *resp)
{
    fastly_http_resp_send_downstream(resp->handle, resp->body, 0);
}

static inline void edge_stream(struct edge_response *resp)
{
    fastly_http_resp_send_downstream(resp->handle, resp->body, 1);
}

static inline void edge_finish(struct edge_response *resp)
{
    fastly_http_body_close(resp->body);
}

static inline void edge_respond(unsigned status, const char *content_type, const void *data,
                                size_t len)
{
    struct edge_response resp = edge_response_new(status);
    edge_response_set(&resp, "content-type", content_type);
    edge_body_write_(resp.body, data, len);
    edge_send(&resp);
}

static inline void edge_respond_text(unsigned status, const char *text)
{
    edge_respond(status, "text/plain; charset=utf-8", text, strlen(text));
}

static inline struct edge_response edge_fetch(struct edge_request *req, const char *backend)
{
    struct edge_response resp = {.handle = EDGE_INVALID_HANDLE, .body = EDGE_INVALID_HANDLE};
    resp.error = (enum edge_status)fastly_http_req_send(req->handle, req->body, backend,
                                                        strlen(backend), &resp.handle, &resp.body);
    uint16_t status = 0;
    if (resp.error == EDGE_OK)
        resp.error = (enum edge_status)fastly_http_resp_status_get(resp.handle, &status);
    resp.status = status;
    return resp;
}

static inline char *edge_body_text(uint32_t body, size_t *len)
{
    size_t size = 4096, used = 0;
    char *text = (char *)edge_alloc_(size + 1);
    for (;;) {
        uint32_t n = 0;
        if (fastly_http_body_read(body, text + used, size - used, &n) != EDGE_OK)
            return NULL;
        if (n == 0)
            break;
        used += n;
        if (used == size) {
            size *= 2;
            text = (char *)realloc(text, size + 1);
            if (!text)
                abort();
        }
    }
    text[used] = '\0';
    if (len)
        *len = used;
    return text;
}

static inline char *edge_kv_get(const char *store, const char *key, size_t *len)
{
    uint32_t kv, pending, body = EDGE_INVALID_HANDLE, error = EDGE_KV_UNINITIALIZED;
    struct edge_kv_lookup_config config = {0};
    uint64_t generation;
    size_t metadata_len;
    if (fastly_kv_store_open(store, strlen(store), &kv) != EDGE_OK ||
        fastly_kv_store_lookup(kv, key, strlen(key), 0, &config, &pending) != EDGE_OK)
        return NULL;
    static char metadata[2048]; /* asked for by nobody, but a short buffer would fail the call */
    if (fastly_kv_store_lookup_wait_v2(pending, &body, metadata, sizeof(metadata), &metadata_len,
                                       &generation, &error) != EDGE_OK ||
        error != EDGE_KV_OK)
        return NULL;
    return edge_body_text(body, len);
}

static inline enum edge_kv_error edge_kv_put(const char *store, const char *key, const void *data,
                                             size_t len, uint32_t ttl_s)
{
    uint32_t kv, pending, body, error = EDGE_KV_UNINITIALIZED;
    struct edge_kv_insert_config config = {.mode = EDGE_KV_OVERWRITE, .time_to_live_s = ttl_s};
    if (fastly_kv_store_open(store, strlen(store), &kv) != EDGE_OK)
        return EDGE_KV_BAD_REQUEST;
    if (fastly_http_body_new(&body) != EDGE_OK)
        return EDGE_KV_INTERNAL_ERROR;
    edge_body_write_(body, data, len);
    if (fastly_kv_store_insert(kv, key, strlen(key), body, ttl_s ? EDGE_KV_TIME_TO_LIVE : 0,
                               &config, &pending) != EDGE_OK)
        return EDGE_KV_BAD_REQUEST;
    if (fastly_kv_store_insert_wait(pending, &error) != EDGE_OK)
        return EDGE_KV_INTERNAL_ERROR;
    return (enum edge_kv_error)error;
}

static inline enum edge_kv_error edge_kv_delete(const char *store, const char *key)
{
    uint32_t kv, pending, error = EDGE_KV_UNINITIALIZED;
    struct edge_kv_delete_config config = {0};
    if (fastly_kv_store_open(store, strlen(store), &kv) != EDGE_OK ||
        fastly_kv_store_delete(kv, key, strlen(key), 0, &config, &pending) != EDGE_OK)
        return EDGE_KV_BAD_REQUEST;
    if (fastly_kv_store_delete_wait(pending, &error) != EDGE_OK)
        return EDGE_KV_INTERNAL_ERROR;
    return (enum edge_kv_error)error;
}

static inline char *edge_config(const char *store, const char *key)
{
    uint32_t handle;
    if (fastly_config_store_open(store, strlen(store), &handle) != EDGE_OK)
        return NULL;
    return EDGE_TEXT_(fastly_config_store_get(handle, key, strlen(key), buf, size, &len));
}

static inline char *edge_secret(const char *store, const char *name)
{
    uint32_t handle, secret;
    if (fastly_secret_store_open(store, strlen(store), &handle) != EDGE_OK ||
        fastly_secret_store_get(handle, name, strlen(name), &secret) != EDGE_OK)
        return NULL;
    return EDGE_TEXT_(fastly_secret_store_plaintext(secret, buf, size, &len));
}

static inline bool edge_same_secret(const char *a, const char *b)
{
    if (!a || !b)
        return false;
    size_t a_len = strlen(a), b_len = strlen(b);
    unsigned difference = a_len != b_len;
    for (size_t i = 0; i < a_len; i++)
        difference |= (unsigned char)a[i] ^ (unsigned char)b[b_len ? i % b_len : 0];
    return difference == 0;
}

static inline void edge_log(const char *endpoint, const char *format, ...)
{
    uint32_t handle, n;
    va_list ap;
    va_start(ap, format);
    char *text = NULL;
    int len = vasprintf(&text, format, ap);
    va_end(ap);
    if (len >= 0 && fastly_log_endpoint_get(endpoint, strlen(endpoint), &handle) == EDGE_OK)
        fastly_log_write(handle, text, (size_t)len, &n);
    free(text);
}

#endif
