/* SPDX-License-Identifier: Apache-2.0 */
/* What a guest can do with its response, by path; tests/serve/life.bats looks from outside. */
#include "check.h"

static void sleep_ms(unsigned ms)
{
    uint32_t index;
    fastly_async_io_select(NULL, 0, ms, &index);
}

static uint32_t response(unsigned status)
{
    uint32_t h;
    fastly_http_resp_new(&h);
    fastly_http_resp_status_set(h, status);
    return h;
}

/* A second final response is an error; the client has the first. */
static void twice(void)
{
    uint32_t status = fastly_http_resp_send_downstream(response(200), body_of("first"), 0);
    uint32_t again = fastly_http_resp_send_downstream(response(500), body_of("second"), 0);
    edge_log("life", "twice %u %u", status, again);
}

static void early_hints(void)
{
    uint32_t hints = response(103);
    fastly_http_resp_header_insert(hints, LIT("link"), LIT("</a.css>; rel=preload"));
    uint32_t a = fastly_http_resp_send_downstream(hints, body_of(""), 0);
    uint32_t b = fastly_http_resp_send_downstream(response(103), body_of(""), 0);
    uint32_t c = fastly_http_resp_send_downstream(response(102), body_of(""), 0);
    struct edge_response resp = edge_response_new(200);
    edge_print(&resp, "hints %u %u %u\n", a, b, c);
    edge_send(&resp);
}

static void stream(void)
{
    struct edge_response resp = edge_response_new(200);
    edge_stream(&resp);
    for (int i = 0; i < 3; i++) {
        edge_print(&resp, "part %d\n", i);
        sleep_ms(100);
    }
    uint32_t more = body_of("appended\n");
    fastly_http_body_append(resp.body, more);
    fastly_http_body_trailer_append(resp.body, LIT("x-end"), LIT("good"));
    edge_finish(&resp);
}

static void cut(bool trap)
{
    struct edge_response resp = edge_response_new(200);
    edge_stream(&resp);
    edge_print(&resp, "half");
    sleep_ms(50);
    if (trap)
        __builtin_trap();
    fastly_http_body_abandon(resp.body);
}

/* The request body comes back as it arrives. */
static void duplex(const struct edge_request *req)
{
    struct edge_response resp = edge_response_new(200);
    edge_stream(&resp);
    static char buf[4096];
    uint32_t n = 1, written;
    while (n > 0 && fastly_http_body_read(req->body, buf, sizeof(buf), &n) == EDGE_OK)
        fastly_http_body_write(resp.body, buf, n, EDGE_BODY_BACK, &written);
    edge_finish(&resp);
}

static void framing(void)
{
    uint32_t h = response(200);
    fastly_http_resp_header_insert(h, LIT("content-length"), LIT("99"));
    fastly_http_resp_header_insert(h, LIT("transfer-encoding"), LIT("chunked"));
    fastly_http_resp_send_downstream(h, body_of("automatic"), 0);
}

static void manual(void)
{
    uint32_t h = response(200);
    fastly_http_resp_framing_headers_mode_set(h, EDGE_FRAMING_FROM_HEADERS);
    fastly_http_resp_header_insert(h, LIT("transfer-encoding"), LIT("chunked"));
    fastly_http_resp_send_downstream(h, body_of("manual"), 0);
}

static void close_after(void)
{
    uint32_t h = response(200);
    fastly_http_resp_http_keepalive_mode_set(h, EDGE_KEEPALIVE_NONE);
    fastly_http_resp_send_downstream(h, body_of("bye"), 0);
}

/* Work after the answer: the client does not wait for it. */
static void after(void)
{
    edge_respond_text(200, "answered");
    sleep_ms(300);
    edge_log("life", "after");
}

static void pass_pending(const char *backend)
{
    uint32_t req, pending;
    fastly_http_req_new(&req);
    fastly_http_req_uri_set(req, LIT("http://x/echo"));
    fastly_http_req_send_async(req, body_of(""), backend, strlen(backend), &pending);
    fastly_http_req_pending_req_header_append(pending, LIT("x-any"), LIT("added"),
                                              EDGE_PENDING_ANY);
    fastly_http_req_pending_req_header_insert(pending, LIT("x-kind"), LIT("response"),
                                              EDGE_PENDING_RESPONSE);
    fastly_http_req_pending_req_header_insert(pending, LIT("x-kind"), LIT("error"),
                                              EDGE_PENDING_ERROR);
    fastly_http_req_pending_req_header_remove(pending, LIT("content-type"), EDGE_PENDING_RESPONSE);
    fastly_http_resp_send_downstream_pending(pending);
}

/* Requests after the first come to this same instance. */
static void reuse(void)
{
    for (unsigned count = 1;; count++) {
        struct edge_response resp = edge_response_new(200);
        edge_print(&resp, "request %u of this instance\n", count);
        edge_send(&resp);
        uint32_t promise, req, body;
        struct edge_next_request_options options = {.timeout_ms = 2000};
        if (fastly_http_downstream_next_request(EDGE_NEXT_REQUEST_TIMEOUT, &options, &promise) !=
                EDGE_OK ||
            fastly_http_downstream_next_request_wait(promise, &req, &body) != EDGE_OK)
            return;
    }
}

/* Ask for another request and leave without taking it. */
static void leave(void)
{
    uint32_t promise;
    struct edge_response resp = edge_response_new(200);
    edge_print(&resp, "leaving\n");
    edge_send(&resp);
    fastly_http_downstream_next_request(0, NULL, &promise);
    sleep_ms(500);
}

/* The record of the JavaScript SDK is one u32, here at the end of memory; a second promise while
 * one is open is too many; a wait before the answer is not possible. */
static void promises(void)
{
    uint32_t promise, other, req, body;
    uint32_t *short_record = end_of_memory(4);
    *short_record = 100;
    is(fastly_http_downstream_next_request(
           EDGE_NEXT_REQUEST_TIMEOUT, (struct edge_next_request_options *)short_record, &promise),
       EDGE_OK);
    is(fastly_http_downstream_next_request(0, NULL, &other), EDGE_LIMIT_EXCEEDED);
    is(fastly_http_downstream_next_request_wait(promise, &req, &body), EDGE_UNSUPPORTED);
    is(fastly_http_downstream_next_request_abandon(4242), EDGE_BADF);
    check_done();
}

int main(void)
{
    struct edge_request req = edge_request();
    const char *p = req.path + 1;
    if (strcmp(p, "twice") == 0)
        twice();
    else if (strcmp(p, "hints") == 0)
        early_hints();
    else if (strcmp(p, "stream") == 0)
        stream();
    else if (strcmp(p, "abandon") == 0 || strcmp(p, "trap-late") == 0)
        cut(*p == 't');
    else if (strcmp(p, "trap") == 0)
        __builtin_trap();
    else if (strcmp(p, "duplex") == 0)
        duplex(&req);
    else if (strcmp(p, "framing") == 0)
        framing();
    else if (strcmp(p, "manual") == 0)
        manual();
    else if (strcmp(p, "close") == 0)
        close_after();
    else if (strcmp(p, "after") == 0)
        after();
    else if (strcmp(p, "exit") == 0)
        exit(0);
    else if (strcmp(p, "exit-bad") == 0)
        exit(3);
    else if (strcmp(p, "pending") == 0)
        pass_pending("origin");
    else if (strcmp(p, "pending-refused") == 0)
        pass_pending("refused");
    else if (strcmp(p, "reuse") == 0)
        reuse();
    else if (strcmp(p, "leave") == 0)
        leave();
    else if (strcmp(p, "promises") == 0)
        promises();
    else if (strcmp(p, "nothing") != 0)
        edge_respond_text(404, "");
}
