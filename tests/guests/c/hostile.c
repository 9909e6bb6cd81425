/* SPDX-License-Identifier: Apache-2.0 */
/* Guests that misbehave, by path; /fine is a neighbour. */
#include "check.h"

/* Volatile, so that nothing here is seen through. */
static volatile uint32_t sink;

static void loop(void)
{
    for (;;)
        sink++;
}

/* A loop that only makes hostcalls. */
static void call_loop(void)
{
    uint64_t ms;
    for (;;)
        fastly_compute_runtime_get_vcpu_ms(&ms);
}

__attribute__((noinline)) static uint32_t recurse(uint32_t n)
{
    volatile char frame[1024];
    if (sink == 0xFFFFFFFF)
        return n;
    frame[n % sizeof(frame)] = (char)n;
    return recurse(n + 1) + (uint32_t)frame[0];
}

/* Not a tail call, and no frame in linear memory: the host's own stack must end it. */
__attribute__((noinline)) static uint32_t recurse_host(uint32_t n)
{
    if (sink == 0xFFFFFFFF)
        return n;
    return recurse_host(n + 1) + sink;
}

static void grow(void)
{
    size_t pages = 0;
    while (__builtin_wasm_memory_grow(0, 16) != (size_t)-1)
        pages += 16;
    struct edge_response resp = edge_response_new(200);
    edge_print(&resp, "refused after %zu pages\n", __builtin_wasm_memory_size(0));
    edge_send(&resp);
    (void)pages;
}

static void leak(void)
{
    uint32_t h, n;
    int made = 0;
    for (int i = 0; i < 10000; i++)
        made += fastly_http_body_new(&h) == EDGE_OK && fastly_http_req_new(&h) == EDGE_OK &&
                fastly_http_resp_new(&h) == EDGE_OK &&
                fastly_http_req_header_insert(0, LIT("x"), LIT("y")) == EDGE_OK;
    (void)n;
    struct edge_response resp = edge_response_new(200);
    edge_print(&resp, "%d\n", made);
    edge_send(&resp);
}

/* Pending requests are limited: past 16384 the answer is LIMIT_EXCEEDED, not death. */
static void flood(void)
{
    uint32_t req, body, pending, status = 0;
    int sent = 0;
    for (; sent < 20000 && status == EDGE_OK; sent++) {
        fastly_http_req_new(&req);
        fastly_http_req_uri_set(req, LIT("http://x/slow/2000"));
        fastly_http_body_new(&body);
        status = fastly_http_req_send_async(req, body, LIT("refused"), &pending);
    }
    struct edge_response resp = edge_response_new(200);
    edge_print(&resp, "%d sends, then status %u\n", sent - 1, status);
    edge_send(&resp);
}

static void big_write(void)
{
    static char block[1 << 20];
    uint32_t body, n;
    fastly_http_body_new(&body);
    uint32_t status = EDGE_OK;
    int written = 0;
    for (; written < 4096 && status == EDGE_OK; written++)
        status = fastly_http_body_write(body, block, sizeof(block), EDGE_BODY_BACK, &n);
    struct edge_response resp = edge_response_new(200);
    edge_print(&resp, "%d MiB, then status %u\n", written, status);
    edge_send(&resp);
}

int main(void)
{
    struct edge_request req = edge_request();
    const char *p = req.path + 1;
    if (strcmp(p, "loop") == 0)
        loop();
    else if (strcmp(p, "call-loop") == 0)
        call_loop();
    else if (strcmp(p, "recurse") == 0)
        sink = recurse(0);
    else if (strcmp(p, "recurse-host") == 0)
        sink = recurse_host(0);
    else if (strcmp(p, "grow") == 0)
        grow();
    else if (strcmp(p, "leak") == 0)
        leak();
    else if (strcmp(p, "flood") == 0)
        flood();
    else if (strcmp(p, "big-write") == 0)
        big_write();
    else if (strcmp(p, "load") == 0)
        sink = *(volatile uint32_t *)0xFFFFFFF0;
    else if (strcmp(p, "abort") == 0)
        abort();
    else if (strcmp(p, "divide") == 0)
        sink = 1 / sink;
    else if (strcmp(p, "fine") == 0)
        edge_respond_text(200, "fine\n");
    else
        edge_respond_text(404, "");
}
