/* SPDX-License-Identifier: Apache-2.0 */
/* A backend for other guests, by path: /echo, /count, /status/N, /slow/MS, /stream/N/MS, /bytes/N,
 * /gzip, /badgzip, /trailers, /cut. */
#include "edge.h"

static void sleep_ms(unsigned ms)
{
    uint32_t index;
    if (ms)
        fastly_async_io_select(NULL, 0, ms, &index);
}

/* The request as it came: line, headers in order, body. */
static void echo(const struct edge_request *req)
{
    struct edge_response resp = edge_response_new(200);
    edge_response_set(&resp, "content-type", "text/plain");
    edge_print(&resp, "%s %s\n", req->method, req->url);
    static char names[65536];
    size_t len = 0;
    int64_t next;
    fastly_http_req_header_names_get(req->handle, names, sizeof(names), 0, &next, &len);
    for (char *name = names; name < names + len; name += strlen(name) + 1) {
        static char values[65536];
        size_t values_len = 0;
        fastly_http_req_header_values_get(req->handle, name, strlen(name), values, sizeof(values),
                                          0, &next, &values_len);
        for (char *value = values; value < values + values_len; value += strlen(value) + 1)
            edge_print(&resp, "%s: %s\n", name, value);
    }
    edge_print(&resp, "\n");
    fastly_http_body_append(resp.body, req->body);
    edge_send(&resp);
}

/* Reads all of the request before it answers with its length, unlike /echo. */
static void count(const struct edge_request *req)
{
    size_t len = 0;
    edge_body_text(req->body, &len);
    struct edge_response resp = edge_response_new(200);
    edge_print(&resp, "%zu", len);
    edge_send(&resp);
}

static void stream(unsigned count, unsigned ms)
{
    struct edge_response resp = edge_response_new(200);
    edge_stream(&resp);
    for (unsigned i = 0; i < count; i++) {
        edge_print(&resp, "chunk %u\n", i);
        sleep_ms(ms);
    }
    edge_finish(&resp);
}

static void bytes(size_t count)
{
    char *data = malloc(count + 1);
    for (size_t i = 0; i < count; i++)
        data[i] = (char)('a' + i % 26);
    edge_respond(200, "application/octet-stream", data, count);
}

static void gzip(bool good)
{
    /* "hello gzip\n" */
    static const unsigned char data[] = {
        0x1f, 0x8b, 0x08, 0, 0, 0, 0, 0, 0, 0x03, 0xcb, 0x48, 0xcd, 0xc9, 0xc9, 0x57,
        0x48, 0xaf, 0xca, 0x2c, 0xe0, 0x02, 0, 0x39, 0x7c, 0x63, 0x56, 0x0b, 0, 0, 0};
    struct edge_response resp = edge_response_new(200);
    edge_response_set(&resp, "content-encoding", "gzip");
    uint32_t n;
    if (good)
        fastly_http_body_write(resp.body, data, sizeof(data), EDGE_BODY_BACK, &n);
    else
        edge_print(&resp, "this is not gzip");
    edge_send(&resp);
}

static void trailers(void)
{
    struct edge_response resp = edge_response_new(200);
    edge_response_set(&resp, "trailer", "x-sum");
    edge_stream(&resp);
    edge_print(&resp, "text");
    fastly_http_body_trailer_append(resp.body, "x-sum", 5, "42", 2);
    edge_finish(&resp);
}

static void cut(void)
{
    struct edge_response resp = edge_response_new(200);
    edge_stream(&resp);
    edge_print(&resp, "half a mess");
    sleep_ms(50);
    fastly_http_body_abandon(resp.body);
}

int main(void)
{
    struct edge_request req = edge_request();
    unsigned a = 0, b = 0;
    if (strcmp(req.path, "/echo") == 0)
        echo(&req);
    else if (strcmp(req.path, "/count") == 0)
        count(&req);
    else if (sscanf(req.path, "/status/%u", &a) == 1)
        edge_respond_text(a, "");
    else if (sscanf(req.path, "/stream/%u/%u", &a, &b) == 2)
        stream(a, b);
    else if (sscanf(req.path, "/bytes/%u", &a) == 1)
        bytes(a);
    else if (sscanf(req.path, "/slow/%u", &a) == 1)
        sleep_ms(a), edge_respond_text(200, "slow");
    else if (strcmp(req.path, "/gzip") == 0 || strcmp(req.path, "/badgzip") == 0)
        gzip(req.path[1] == 'g');
    else if (strcmp(req.path, "/trailers") == 0)
        trailers();
    else if (strcmp(req.path, "/cut") == 0)
        cut();
    else
        edge_respond_text(404, "");
}
