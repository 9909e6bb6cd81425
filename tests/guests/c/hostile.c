/* SPDX-License-Identifier: Apache-2.0 */
/* Guests that misbehave, by path; /fine is a neighbour. */
#include "check.h"

#include <unistd.h>
#include <wasi/api.h>

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

/* As programs do that do not look at what malloc says. */
__attribute__((noinline)) static void grow_and_die(void)
{
    while (__builtin_wasm_memory_grow(0, 16) != (size_t)-1)
        sink++;
    __builtin_trap();
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
        fastly_http_req_uri_set(req, LIT("http://x/"));
        fastly_http_body_new(&body);
        status = fastly_http_req_send_async(req, body, LIT("silent"), &pending);
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

/* Asleep by WASI's own means. */
static void nap(void)
{
    sleep(3600);
}

/* A timeout in the past of a clock is due at once: this never lets go of the loop by itself. */
static void spin_sleep(void)
{
    for (;;)
        usleep(0);
}

static void wait_for_backend(void)
{
    struct edge_request req = edge_request_new("GET", "/");
    struct edge_response resp = edge_fetch(&req, "silent");
    edge_respond_text(resp.status, "the backend answered");
}

/* The head and some of the body, and then nothing: the sandbox ends with the stream open. */
static void open_stream(void)
{
    struct edge_response resp = edge_response_new(200);
    edge_stream(&resp);
    edge_print(&resp, "begun\n");
}

static void slow_read(const struct edge_request *req)
{
    static char block[65536];
    size_t total = 0;
    uint32_t n;
    while (fastly_http_body_read(req->body, block, sizeof(block), &n) == EDGE_OK && n) {
        total += n;
        usleep(1000);
    }
    struct edge_response resp = edge_response_new(200);
    edge_print(&resp, "%zu bytes\n", total);
    edge_send(&resp);
}

/* More bytes than one would think that a call may be asked for. */
static void big_random(void)
{
    size_t size = 12 << 20;
    uint8_t *to = malloc(size);
    for (;;)
        sink += (uint32_t)__wasi_random_get(to, size);
}

static void call_nothing(void)
{
    void (*volatile function)(void) = (void (*)(void))12345;
    function();
}

static void twice(void)
{
    uint32_t a, b;
    fastly_http_resp_new(&a);
    fastly_http_resp_new(&b);
    uint32_t first = fastly_http_resp_send_downstream(a, body_of("first\n"), 0);
    uint32_t second = fastly_http_resp_send_downstream(b, body_of("second\n"), 0);
    edge_log("hostile", "sent twice: %u %u", first, second);
}

int main(void)
{
    struct edge_request req = edge_request();
    const char *p = req.path + 1;
    if (strcmp(p, "loop") == 0)
        loop();
    else if (strcmp(p, "nap") == 0)
        nap();
    else if (strcmp(p, "spin-sleep") == 0)
        spin_sleep();
    else if (strcmp(p, "wait") == 0)
        wait_for_backend();
    else if (strcmp(p, "open-stream") == 0)
        open_stream();
    else if (strcmp(p, "no-read") == 0)
        edge_respond_text(200, "unread\n");
    else if (strcmp(p, "slow-read") == 0)
        slow_read(&req);
    else if (strcmp(p, "big-random") == 0)
        big_random();
    else if (strcmp(p, "call-nothing") == 0)
        call_nothing();
    else if (strcmp(p, "twice") == 0)
        twice();
    else if (strcmp(p, "exit") == 0)
        _Exit(7);
    else if (strcmp(p, "nothing") == 0)
        return 0;
    else if (strcmp(p, "call-loop") == 0)
        call_loop();
    else if (strcmp(p, "recurse") == 0)
        sink = recurse(0);
    else if (strcmp(p, "recurse-host") == 0)
        sink = recurse_host(0);
    else if (strcmp(p, "grow") == 0)
        grow();
    else if (strcmp(p, "grow-and-die") == 0)
        grow_and_die();
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
        sink = 100 / sink;
    else if (strcmp(p, "fine") == 0)
        edge_respond_text(200, "fine\n");
    else
        edge_respond_text(404, "");
}
