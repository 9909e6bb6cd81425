/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to backends: with tests/serve/probe.yaml, where `origin` and `impatient` are the guest
 * origin, and nothing listens at `refused`. */
#include "check.h"

static uint32_t request(const char *method, const char *path)
{
    uint32_t h;
    char url[256];
    int len = snprintf(url, sizeof(url), "http://probe.example%s", path);
    fastly_http_req_new(&h);
    fastly_http_req_method_set(h, method, strlen(method));
    fastly_http_req_uri_set(h, url, (size_t)len);
    return h;
}

static uint32_t get(const char *path) { return request("GET", path); }

static int status_of(uint32_t resp)
{
    uint16_t status = 0;
    return fastly_http_resp_status_get(resp, &status) == EDGE_OK ? status : -1;
}

static void sync_sends(void)
{
    uint32_t req = request("POST", "/echo?q=1"), body = body_of("payload"), resp = 77, answer = 77;
    fastly_http_req_header_append(req, LIT("x-two"), LIT("1"));
    fastly_http_req_header_append(req, LIT("x-two"), LIT("2"));
    is(fastly_http_req_send(req, body, LIT("origin"), &resp, &answer), EDGE_OK);
    is(status_of(resp), 200);
    char *text = edge_body_text(answer, NULL);
    ok(text && strstr(text, "POST http://probe.example/echo?q=1\n"));
    ok(text && strstr(text, "host: probe.example\n"));
    ok(text && strstr(text, "x-two: 1\nx-two: 2\n"));
    ok(text && strstr(text, "content-length: 7\n"));
    ok(text && strstr(text, "\n\npayload"));
    size_t n;
    char buf[64];
    is(fastly_http_req_method_get(req, buf, sizeof(buf), &n), EDGE_BADF); /* consumed */
    is(fastly_http_body_close(body), EDGE_BADF);
    is(fastly_http_resp_close(resp), EDGE_OK);

    struct edge_send_error_detail detail = {0};
    is(fastly_http_req_send_v2(get("/status/204"), body_of(""), LIT("origin"), &detail, &resp,
                               &answer), EDGE_OK);
    is(status_of(resp), 204);
    ok(body_is(answer, ""));
    is(fastly_http_req_send_v3(get("/status/503"), body_of(""), LIT("origin"), &detail, &resp,
                               &answer), EDGE_OK);
    is(status_of(resp), 503);
    uint64_t length = 0;
    is(fastly_http_req_send(get("/bytes/100000"), body_of(""), LIT("origin"), &resp, &answer),
       EDGE_OK);
    is(fastly_http_resp_header_value_get(resp, LIT("content-length"), buf, sizeof(buf), &n),
       EDGE_OK);
    is_text(buf, n, "100000");
    size_t len = 0;
    text = edge_body_text(answer, &len);
    is(len, 100000);
    (void)length;
}

static void failures(void)
{
    uint32_t req = get("/"), body = body_of("x"), resp = 77, answer = 77;
    size_t n;
    char buf[16];
    is(fastly_http_req_send(req, body, LIT("nowhere"), &resp, &answer), EDGE_INVAL);
    is(fastly_http_req_method_get(req, buf, sizeof(buf), &n), EDGE_BADF);
    is(fastly_http_body_close(body), EDGE_BADF);
    is(resp, 77);
    is(fastly_http_req_send(NO_SUCH_HANDLE, body_of(""), LIT("origin"), &resp, &answer), EDGE_BADF);
    is(fastly_http_req_send(get("/"), NO_SUCH_HANDLE, LIT("origin"), &resp, &answer), EDGE_BADF);
    struct edge_send_error_detail detail = {.mask = 0};
    is(fastly_http_req_send_v2(get("/"), body_of(""), LIT("refused"), &detail, &resp, &answer),
       EDGE_ERROR);
    is(detail.tag, EDGE_SEND_CONNECTION_REFUSED);
    detail.tag = 0;
    is(fastly_http_req_send_v2(get("/slow/3000"), body_of(""), LIT("impatient"), &detail, &resp,
                               &answer), EDGE_ERROR);
    is(detail.tag, EDGE_SEND_HTTP_RESPONSE_TIMEOUT);
    /* Cut short after the head: the body's reader learns of it. */
    is(fastly_http_req_send(get("/cut"), body_of(""), LIT("origin"), &resp, &answer), EDGE_OK);
    ok(edge_body_text(answer, NULL) == NULL);
}

static void pending(void)
{
    uint32_t p = 77, resp = 77, answer = 77, done = 9;
    is(fastly_http_req_send_async(get("/slow/200"), body_of(""), LIT("origin"), &p), EDGE_OK);
    is(fastly_http_req_pending_req_poll(p, &done, &resp, &answer), EDGE_OK);
    is(done, 0);
    is(resp, EDGE_INVALID_HANDLE);
    is(answer, EDGE_INVALID_HANDLE);
    is(fastly_async_io_is_ready(p, &done), EDGE_OK);
    is(done, 0);
    is(fastly_http_req_pending_req_wait(p, &resp, &answer), EDGE_OK);
    is(status_of(resp), 200);
    ok(body_is(answer, "slow"));
    is(fastly_http_req_pending_req_wait(p, &resp, &answer), EDGE_BADF);

    is(fastly_http_req_send_async_v2(get("/status/201"), body_of(""), LIT("origin"), 0, &p),
       EDGE_OK);
    struct edge_send_error_detail detail = {0};
    int polls = 0;
    do
        fastly_http_req_pending_req_poll_v2(p, &detail, &done, &resp, &answer);
    while (!done && ++polls < 1000000);
    is(status_of(resp), 201);
    is(fastly_http_req_pending_req_poll(p, &done, &resp, &answer), EDGE_BADF);

    is(fastly_http_req_send_async(get("/"), body_of(""), LIT("nowhere"), &p), EDGE_INVAL);
    is(fastly_http_req_send_async(get("/"), body_of(""), LIT("refused"), &p), EDGE_OK);
    is(fastly_http_req_pending_req_wait_v2(p, &detail, &resp, &answer), EDGE_ERROR);
    is(detail.tag, EDGE_SEND_CONNECTION_REFUSED);
}

static void selecting(void)
{
    uint32_t p[3], index = 9, resp, answer;
    is(fastly_http_req_pending_req_select(p, 0, &index, &resp, &answer), EDGE_INVAL);
    is(fastly_http_req_send_async(get("/slow/400"), body_of(""), LIT("origin"), &p[0]), EDGE_OK);
    is(fastly_http_req_send_async(get("/slow/50"), body_of(""), LIT("origin"), &p[1]), EDGE_OK);
    is(fastly_http_req_pending_req_select(p, 2, &index, &resp, &answer), EDGE_OK);
    is(index, 1);
    is(status_of(resp), 200);
    is(fastly_http_req_pending_req_select(p, 2, &index, &resp, &answer), EDGE_BADF);
    is(fastly_http_req_send_async(get("/"), body_of(""), LIT("refused"), &p[1]), EDGE_OK);
    is(fastly_http_req_pending_req_select(p, 2, &index, &resp, &answer), EDGE_OK);
    is(index, 1);
    is(resp, EDGE_INVALID_HANDLE);
    is(answer, EDGE_INVALID_HANDLE);
    struct edge_send_error_detail detail = {0};
    is(fastly_http_req_send_async(get("/"), body_of(""), LIT("refused"), &p[1]), EDGE_OK);
    is(fastly_http_req_pending_req_select_v2(p, 2, &detail, &index, &resp, &answer), EDGE_OK);
    is(index, 1);
    is(resp, EDGE_INVALID_HANDLE);
    is(detail.tag, EDGE_SEND_CONNECTION_REFUSED);
    is(fastly_async_io_select(p, 1, 20, &index), EDGE_OK);
    is(index, EDGE_SELECT_TIMEOUT);
    is(fastly_async_io_select(p, 1, 0, &index), EDGE_OK);
    is(index, 0);
    is(fastly_async_io_select(p, 0, 0, &index), EDGE_INVAL);
    is(fastly_async_io_select(p, 0, 10, &index), EDGE_OK);
    is(index, EDGE_SELECT_TIMEOUT);
    uint32_t body = body_of("ready");
    is(fastly_async_io_select(&body, 1, 0, &index), EDGE_OK);
    is(fastly_http_req_pending_req_wait(p[0], &resp, &answer), EDGE_OK);
}

/* What a body holds before it becomes a stream takes no room in it, and a writer that found room
 * goes on at once: the backend need not have read a byte. */
static void streaming_after_a_start(void)
{
    static char start[2 << 20];
    uint32_t body, p, n, ready = 9, resp, answer, parts = 0;
    fastly_http_body_new(&body);
    is(fastly_http_body_write(body, start, sizeof(start), EDGE_BODY_BACK, &n), EDGE_OK);
    is(fastly_http_req_send_async_streaming(request("POST", "/count"), body, LIT("origin"), &p),
       EDGE_OK);
    while (parts < 8 && fastly_async_io_is_ready(body, &ready) == EDGE_OK && ready == 1 &&
           fastly_http_body_write(body, LIT("more"), EDGE_BODY_BACK, &n) == EDGE_OK)
        parts++;
    is(parts, 8);
    is(fastly_http_body_close(body), EDGE_OK);
    is(fastly_http_req_pending_req_wait(p, &resp, &answer), EDGE_OK);
    char want[32], *text = edge_body_text(answer, NULL);
    snprintf(want, sizeof(want), "%zu", sizeof(start) + 8 * 4);
    ok(text && strstr(text, want));
}

static void streaming(void)
{
    uint32_t body, p, n, resp, answer;
    uint64_t length;
    size_t size;
    int64_t next;
    char buf[64];
    fastly_http_body_new(&body);
    is(fastly_http_req_send_async_streaming(request("POST", "/echo"), body, LIT("origin"), &p),
       EDGE_OK);
    is(fastly_http_body_write(body, LIT("one "), EDGE_BODY_FRONT, &n), EDGE_BADF);
    is(fastly_http_body_read(body, buf, sizeof(buf), &n), EDGE_BADF);
    is(fastly_http_body_known_length(body, &length), EDGE_NONE);
    is(fastly_http_body_trailer_names_get(body, buf, sizeof(buf), 0, &next, &size), EDGE_INVAL);
    is(fastly_http_body_write(body, LIT("one "), EDGE_BODY_BACK, &n), EDGE_OK);
    is(n, 4);
    is(fastly_http_body_append(body, body_of("two ")), EDGE_OK);
    is(fastly_http_body_write(body, LIT("three"), EDGE_BODY_BACK, &n), EDGE_OK);
    is(fastly_http_body_close(body), EDGE_OK);
    is(fastly_http_body_close(body), EDGE_BADF);
    is(fastly_http_req_pending_req_wait(p, &resp, &answer), EDGE_OK);
    char *text = edge_body_text(answer, NULL);
    ok(text && strstr(text, "transfer-encoding: chunked\n"));
    ok(text && strstr(text, "\n\none two three"));

    /* More than the queue holds: writes wait for the reader, nothing is lost. */
    fastly_http_body_new(&body);
    is(fastly_http_req_send_async_v2(request("POST", "/count"), body, LIT("origin"), 1, &p),
       EDGE_OK);
    static char block[100000];
    memset(block, 'z', sizeof(block));
    size_t written = 0;
    for (int i = 0; i < 100; i++)
        if (fastly_http_body_write(body, block, sizeof(block), EDGE_BODY_BACK, &n) == EDGE_OK)
            written += n;
    is(written, 100 * sizeof(block));
    is(fastly_http_body_close(body), EDGE_OK);
    is(fastly_http_req_pending_req_wait(p, &resp, &answer), EDGE_OK);
    ok(body_is(answer, "10000000"));
}

static void answers(void)
{
    uint32_t resp, answer;
    size_t n = 0;
    int64_t next;
    char buf[64];
    uint32_t req = get("/gzip");
    is(fastly_http_req_auto_decompress_response_set(req, EDGE_DECOMPRESS_GZIP), EDGE_OK);
    is(fastly_http_req_send(req, body_of(""), LIT("origin"), &resp, &answer), EDGE_OK);
    is(fastly_http_resp_header_value_get(resp, LIT("content-encoding"), buf, 64, &n), EDGE_INVAL);
    is(fastly_http_resp_header_value_get(resp, LIT("content-length"), buf, 64, &n), EDGE_INVAL);
    ok(body_is(answer, "hello gzip\n"));
    is(fastly_http_req_send(get("/gzip"), body_of(""), LIT("origin"), &resp, &answer), EDGE_OK);
    is(fastly_http_resp_header_value_get(resp, LIT("content-encoding"), buf, 64, &n), EDGE_OK);
    is_text(buf, n, "gzip");
    req = get("/badgzip");
    fastly_http_req_auto_decompress_response_set(req, EDGE_DECOMPRESS_GZIP);
    is(fastly_http_req_send(req, body_of(""), LIT("origin"), &resp, &answer), EDGE_OK);
    ok(edge_body_text(answer, NULL) == NULL);

    is(fastly_http_req_send(get("/trailers"), body_of(""), LIT("origin"), &resp, &answer), EDGE_OK);
    is(fastly_http_body_trailer_value_get(answer, LIT("x-sum"), buf, 64, &n), EDGE_AGAIN);
    is_text(edge_body_text(answer, &n), n, "text");
    is(fastly_http_body_trailer_value_get(answer, LIT("x-sum"), buf, 64, &n), EDGE_OK);
    is_text(buf, n, "42");
    is(fastly_http_body_trailer_names_get(answer, buf, 64, 0, &next, &n), EDGE_OK);
    is(n, 6);

    req = get("/status/200");
    uint16_t port = 0;
    uint32_t n32 = 0;
    fastly_http_req_cache_override_set(req, EDGE_OVERRIDE_PASS, 0, 0);
    is(fastly_http_req_send(req, body_of(""), LIT("origin"), &resp, &answer), EDGE_OK);
    is(fastly_http_resp_get_addr_dest_ip(resp, buf, &n32), EDGE_OK);
    is(n32, 4);
    is(fastly_http_resp_get_addr_dest_port(resp, &port), EDGE_OK);
    ok(port != 0);
    is(fastly_http_req_send(request("HEAD", "/bytes/10"), body_of(""), LIT("origin"), &resp,
                            &answer), EDGE_OK);
    ok(body_is(answer, ""));
}

static void getters(void)
{
    uint32_t n = 9;
    uint16_t port[2] = {0xAAAA, 0xAAAA};
    char buf[64];
    size_t len;
    is(fastly_backend_exists(LIT("nowhere"), &n), EDGE_OK);
    is(n, 0);
    is(fastly_backend_exists(LIT("described"), &n), EDGE_OK);
    is(n, 1);
    is(fastly_backend_is_dynamic(LIT("described"), &n), EDGE_OK);
    is(n, 0);
    is(fastly_backend_is_dynamic(LIT("nowhere"), &n), EDGE_INVAL);
    is(fastly_backend_is_healthy(LIT("described"), &n), EDGE_OK);
    is(n, EDGE_HEALTH_HEALTHY);
    is(fastly_backend_is_healthy(LIT("origin"), &n), EDGE_OK);
    is(n, EDGE_HEALTH_UNKNOWN);
    is(fastly_backend_get_host(LIT("described"), buf, sizeof(buf), &len), EDGE_OK);
    is_text(buf, len, "described.example");
    is(fastly_backend_get_host(LIT("described"), buf, 4, &len), EDGE_BUFLEN);
    is(len, 17);
    is(fastly_backend_get_override_host(LIT("described"), buf, sizeof(buf), &len), EDGE_OK);
    is_text(buf, len, "over.example");
    is(fastly_backend_get_override_host(LIT("origin"), buf, sizeof(buf), &len), EDGE_NONE);
    is(fastly_backend_get_port(LIT("described"), port), EDGE_OK);
    is(port[0], 8443);
    is(port[1], 0xAAAA);
    is(fastly_backend_is_ssl(LIT("described"), &n), EDGE_OK);
    is(n, 1);
    is(fastly_backend_is_ssl(LIT("origin"), &n), EDGE_OK);
    is(n, 0);
    is(fastly_backend_get_first_byte_timeout_ms(LIT("described"), &n), EDGE_OK);
    is(n, 1234);
    is(fastly_backend_get_between_bytes_timeout_ms(LIT("described"), &n), EDGE_OK);
    is(n, 4321);
    is(fastly_backend_get_connect_timeout_ms(LIT("described"), &n), EDGE_OK);
    ok(n > 0);
    is(fastly_backend_get_http_keepalive_time(LIT("described"), &n), EDGE_OK);
    is(n, 0);
    is(fastly_backend_get_tcp_keepalive_enable(LIT("described"), &n), EDGE_OK);
    is(n, 0);
    is(fastly_backend_get_ssl_min_version(LIT("described"), &n), EDGE_UNSUPPORTED);
    is(fastly_backend_get_port(LIT("nowhere"), port), EDGE_INVAL);
    is(fastly_backend_get_connect_timeout_ms(LIT("nowhere"), &n), EDGE_INVAL);
    is(fastly_backend_get_tcp_keepalive_time(LIT("nowhere"), &n), EDGE_INVAL);
    is(fastly_backend_get_ssl_max_version(LIT("nowhere"), &n), EDGE_INVAL);
}

/* What a dynamic backend was made with is what its getters give. */
static void getters_of_dynamic(void)
{
    struct edge_dynamic_backend_config config = {
        .connect_timeout_ms = 11, .first_byte_timeout_ms = 22, .between_bytes_timeout_ms = 33,
        .ssl_min_version = EDGE_TLS_12, .ssl_max_version = EDGE_TLS_13,
        .http_keepalive_time_ms = 44, .tcp_keepalive_enable = 1, .tcp_keepalive_interval_s = 55,
        .tcp_keepalive_probes = 66, .tcp_keepalive_time_s = 77};
    static const struct {
        uint32_t (*get)(const char *backend, size_t backend_len, uint32_t *out);
        uint32_t want;
    } values[] = {
        {fastly_backend_get_connect_timeout_ms, 11},
        {fastly_backend_get_first_byte_timeout_ms, 22},
        {fastly_backend_get_between_bytes_timeout_ms, 33},
        {fastly_backend_get_ssl_min_version, EDGE_TLS_12},
        {fastly_backend_get_ssl_max_version, EDGE_TLS_13},
        {fastly_backend_get_http_keepalive_time, 44},
        {fastly_backend_get_tcp_keepalive_enable, 1},
        {fastly_backend_get_tcp_keepalive_interval, 55},
        {fastly_backend_get_tcp_keepalive_probes, 66},
        {fastly_backend_get_tcp_keepalive_time, 77},
        {fastly_backend_is_ssl, 1},
        {fastly_backend_is_healthy, EDGE_HEALTH_UNKNOWN},
    };
    uint32_t mask = EDGE_BACKEND_CONNECT_TIMEOUT | EDGE_BACKEND_FIRST_BYTE_TIMEOUT |
                    EDGE_BACKEND_BETWEEN_BYTES_TIMEOUT | EDGE_BACKEND_USE_SSL |
                    EDGE_BACKEND_SSL_MIN_VERSION | EDGE_BACKEND_SSL_MAX_VERSION |
                    EDGE_BACKEND_KEEPALIVE;
    is(fastly_http_req_register_dynamic_backend(LIT("set"), LIT("set.example"), mask, &config),
       EDGE_OK);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        uint32_t n = 99;
        is(values[i].get(LIT("set"), &n), EDGE_OK);
        is(n, values[i].want);
    }
    uint16_t port = 0;
    is(fastly_backend_get_port(LIT("set"), &port), EDGE_OK);
    is(port, 443);
}

/* A backend where the client reached us: it is this very server, which serves this guest. */
static void dynamic(void)
{
    char target[64];
    size_t len = 0;
    fastly_backend_get_host(LIT("origin"), target, sizeof(target), &len);
    uint16_t port = 0;
    fastly_backend_get_port(LIT("origin"), &port);
    len += (size_t)snprintf(target + len, sizeof(target) - len, ":%u", port);
    struct edge_dynamic_backend_config config = {.host_override = "dyn.example",
                                                 .host_override_len = 11};
    is(fastly_http_req_register_dynamic_backend(LIT("dyn"), target, len,
                                                EDGE_BACKEND_HOST_OVERRIDE, &config), EDGE_OK);
    is(fastly_http_req_register_dynamic_backend(LIT("dyn"), target, len,
                                                EDGE_BACKEND_HOST_OVERRIDE, &config), EDGE_ERROR);
    is(fastly_http_req_register_dynamic_backend(LIT("origin"), target, len, 0, &config), EDGE_ERROR);
    is(fastly_http_req_register_dynamic_backend(LIT("d2"), LIT("h/path"), 0, &config), EDGE_ERROR);
    is(fastly_http_req_register_dynamic_backend(LIT("d3"), target, len, 1, &config), EDGE_INVAL);
    config.host_override_len = 0;
    is(fastly_http_req_register_dynamic_backend(LIT("d4"), target, len,
                                                EDGE_BACKEND_HOST_OVERRIDE, &config), EDGE_INVAL);
    /* Go's and JavaScript's record is 92 bytes; nothing past what the mask names is read. */
    struct edge_dynamic_backend_config *short_record = end_of_memory(20);
    short_record->first_byte_timeout_ms = 1000;
    is(fastly_http_req_register_dynamic_backend(LIT("d5"), target, len,
                                                EDGE_BACKEND_FIRST_BYTE_TIMEOUT, short_record),
       EDGE_OK);
    uint32_t n = 0, resp, answer;
    is(fastly_backend_is_dynamic(LIT("dyn"), &n), EDGE_OK);
    is(n, 1);
    is(fastly_http_req_send(get("/echo"), body_of(""), LIT("dyn"), &resp, &answer), EDGE_OK);
    char *text = edge_body_text(answer, NULL);
    ok(text && strstr(text, "host: dyn.example\n"));
}

int main(void)
{
    sync_sends();
    failures();
    pending();
    selecting();
    streaming();
    streaming_after_a_start();
    answers();
    getters();
    getters_of_dynamic();
    dynamic();
    check_done();
}
