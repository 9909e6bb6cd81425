/* SPDX-License-Identifier: Apache-2.0 */
/* Requests, responses and bodies, by themselves: nothing is sent. */
#include "check.h"

static uint32_t new_request(void)
{
    uint32_t h;
    fastly_http_req_new(&h);
    return h;
}

static void client_request(void)
{
    uint32_t req = 77, body = 77, again_req, again_body, version;
    is(fastly_http_req_body_downstream_get(&req, &body), EDGE_OK);
    is(req, 0);
    is(body, 0);
    is(fastly_http_req_body_downstream_get(&again_req, &again_body), EDGE_OK);
    is(again_req, req);
    is(again_body, body);

    char buf[256] = "untouched";
    size_t n = 0;
    is(fastly_http_req_method_get(req, buf, 3, &n), EDGE_BUFLEN);
    is(n, 4);
    is_text(buf, 9, "untouched");
    is(fastly_http_req_method_get(req, buf, sizeof(buf), &n), EDGE_OK);
    is_text(buf, n, "POST");
    is(fastly_http_req_version_get(req, &version), EDGE_OK);
    is(version, EDGE_HTTP_11);

    is(fastly_http_req_header_value_get(req, LIT("host"), buf, sizeof(buf), &n), EDGE_OK);
    char expected[400];
    snprintf(expected, sizeof(expected), "http://%.*s/http?a=b%%20c", (int)n, buf);
    is(fastly_http_req_uri_get(req, buf, sizeof(buf), &n), EDGE_OK);
    is_text(buf, n, expected);
    is(fastly_http_req_uri_get(req, buf, n - 1, &n), EDGE_BUFLEN);
    is(n, strlen(expected));

    /* Framing headers stay visible; header names are lower case and in order of arrival. */
    is(fastly_http_req_header_value_get(req, LIT("content-length"), buf, sizeof(buf), &n), EDGE_OK);
    is_text(buf, n, "11");
    ok(body_is(body, "hello world"));
}

static void originals(void)
{
    char buf[512];
    size_t n = 0;
    int64_t next = 0;
    uint32_t count = 0, before = 0;
    is(fastly_http_downstream_downstream_original_header_count(0, &before), EDGE_OK);
    is(fastly_http_req_header_insert(0, LIT("x-new"), LIT("1")), EDGE_OK);
    is(fastly_http_req_header_remove(0, LIT("x-probe")), EDGE_OK);
    is(fastly_http_downstream_downstream_original_header_count(0, &count), EDGE_OK);
    is(count, before);
    is(fastly_http_req_original_header_count(&count), EDGE_OK);
    is(count, before);
    is(fastly_http_downstream_downstream_original_header_names(0, buf, sizeof(buf), 0, &next, &n),
       EDGE_OK);
    is(next, -1);
    bool seen = false;
    for (char *p = buf; p < buf + n; p += strlen(p) + 1)
        seen |= strcasecmp(p, "x-probe") == 0;
    ok(seen);
    is(fastly_http_downstream_downstream_original_header_count(new_request(), &count), EDGE_ERROR);
}

static void lists(void)
{
    uint32_t h = new_request();
    char buf[64];
    size_t n = 0;
    int64_t next = 0;
    is(fastly_http_req_header_append(h, LIT("X-Multi"), LIT("1")), EDGE_OK);
    is(fastly_http_req_header_append(h, LIT("x-multi"), LIT("22")), EDGE_OK);
    is(fastly_http_req_header_append(h, LIT("x-mULTi"), LIT("333")), EDGE_OK);
    is(fastly_http_req_header_append(h, LIT("second"), LIT("")), EDGE_OK);

    is(fastly_http_req_header_values_get(h, LIT("X-multi"), buf, 5, 0, &next, &n), EDGE_OK);
    is(n, 5);
    is(next, 2);
    is(memcmp(buf, "1\0" "22", 5), 0);
    is(fastly_http_req_header_values_get(h, LIT("x-multi"), buf, 5, 2, &next, &n), EDGE_OK);
    is(n, 4);
    is(next, -1);
    is(memcmp(buf, "333", 4), 0);
    is(fastly_http_req_header_values_get(h, LIT("x-multi"), buf, 3, 2, &next, &n), EDGE_BUFLEN);
    is(n, 4);
    is(next, -1);
    next = 5;
    is(fastly_http_req_header_values_get(h, LIT("x-multi"), buf, 5, 3, &next, &n), EDGE_OK);
    is(n, 0);
    is(next, -1);
    is(fastly_http_req_header_values_get(h, LIT("absent"), buf, 5, 0, &next, &n), EDGE_OK);
    is(n, 0);
    is(next, -1);

    is(fastly_http_req_header_names_get(h, buf, sizeof(buf), 0, &next, &n), EDGE_OK);
    is(n, 15);
    is(memcmp(buf, "x-multi\0second", 15), 0);
    is(next, -1);
    is(fastly_http_req_header_names_get(h, buf, 9, 0, &next, &n), EDGE_OK);
    is(n, 8);
    is(next, 1);
    is(fastly_http_req_header_names_get(h, buf, 7, 0, &next, &n), EDGE_BUFLEN);
    is(n, 8);
}

static void setting(void)
{
    uint32_t h = new_request();
    char buf[64];
    size_t n = 0;
    int64_t next = 0;
    is(fastly_http_req_header_values_set(h, LIT("x"), "a\0b\0tail", 8), EDGE_OK);
    is(fastly_http_req_header_values_get(h, LIT("x"), buf, sizeof(buf), 0, &next, &n), EDGE_OK);
    is(n, 4);
    is(memcmp(buf, "a\0b", 4), 0);
    is(fastly_http_req_header_insert(h, LIT("x"), LIT("one")), EDGE_OK);
    is(fastly_http_req_header_value_get(h, LIT("X"), buf, sizeof(buf), &n), EDGE_OK);
    is_text(buf, n, "one");
    is(fastly_http_req_header_value_get(h, LIT("x"), buf, 2, &n), EDGE_BUFLEN);
    is(n, 3);
    is(fastly_http_req_header_values_set(h, LIT("x"), "", 0), EDGE_OK);
    is(fastly_http_req_header_value_get(h, LIT("x"), buf, sizeof(buf), &n), EDGE_INVAL);
    is(fastly_http_req_header_remove(h, LIT("x")), EDGE_INVAL);

    is(fastly_http_req_header_insert(h, LIT(""), LIT("v")), EDGE_ERROR);
    is(fastly_http_req_header_insert(h, LIT("a b"), LIT("v")), EDGE_ERROR);
    is(fastly_http_req_header_insert(h, LIT("a:"), LIT("v")), EDGE_ERROR);
    is(fastly_http_req_header_insert(h, LIT("a"), LIT("v\r\nb: c")), EDGE_ERROR);
    is(fastly_http_req_header_insert(h, LIT("a"), LIT("\x01")), EDGE_ERROR);
    is(fastly_http_req_header_insert(h, LIT("a"), LIT("\x80\xff")), EDGE_OK);
    is(fastly_http_req_header_insert(h, LIT("a"), LIT("tab\there")), EDGE_OK);
    is(fastly_http_req_header_insert(h, LIT("a"), LIT("")), EDGE_OK);
    char *big = memset(malloc(65536), 'n', 65536);
    is(fastly_http_req_header_insert(h, big, 65536, LIT("v")), EDGE_INVAL);
    is(fastly_http_req_header_insert(h, LIT("big"), big, 65536), EDGE_OK);
    is(fastly_http_req_header_value_get(h, LIT("big"), buf, sizeof(buf), &n), EDGE_BUFLEN);
    is(n, 65536);

    is(fastly_http_req_method_set(h, LIT("fOo")), EDGE_OK);
    is(fastly_http_req_method_get(h, buf, sizeof(buf), &n), EDGE_OK);
    is_text(buf, n, "fOo");
    is(fastly_http_req_method_set(h, LIT("a b")), EDGE_ERROR);
    is(fastly_http_req_method_set(h, LIT("")), EDGE_ERROR);
    is(fastly_http_req_uri_set(h, LIT("https://example.com/x?y")), EDGE_OK);
    is(fastly_http_req_uri_set(h, LIT("/bare")), EDGE_OK);
    is(fastly_http_req_uri_get(h, buf, sizeof(buf), &n), EDGE_OK);
    is_text(buf, n, "/bare");
    is(fastly_http_req_uri_set(h, LIT("HTTPS://Example.com?y#z")), EDGE_OK);
    is(fastly_http_req_uri_get(h, buf, sizeof(buf), &n), EDGE_OK);
    is_text(buf, n, "https://Example.com/?y");
    is(fastly_http_req_uri_set(h, LIT("http://a b/")), EDGE_ERROR);
    is(fastly_http_req_uri_set(h, LIT("\xff\xfe")), EDGE_ERROR);
}

static void modes(void)
{
    uint32_t h = new_request(), version = 0;
    char buf[64];
    size_t n;
    is(fastly_http_req_method_get(h, buf, sizeof(buf), &n), EDGE_OK);
    is_text(buf, n, "GET");
    is(fastly_http_req_version_get(h, &version), EDGE_OK);
    is(version, EDGE_HTTP_11);
    is(fastly_http_req_version_set(h, EDGE_HTTP_2), EDGE_OK);
    is(fastly_http_req_version_get(h, &version), EDGE_OK);
    is(version, EDGE_HTTP_2);
    is(fastly_http_req_version_set(h, 9), EDGE_INVAL);
    is(fastly_http_req_framing_headers_mode_set(h, EDGE_FRAMING_FROM_HEADERS), EDGE_OK);
    is(fastly_http_req_framing_headers_mode_set(h, 2), EDGE_INVAL);
    is(fastly_http_req_auto_decompress_response_set(h, EDGE_DECOMPRESS_GZIP), EDGE_OK);
    is(fastly_http_req_auto_decompress_response_set(h, 0x80), EDGE_INVAL);
    is(fastly_http_req_cache_override_set(h, EDGE_OVERRIDE_PASS, 0, 0), EDGE_OK);
    is(fastly_http_req_cache_override_set(h, 0x4000, 0, 0), EDGE_INVAL);
    is(fastly_http_req_cache_override_v2_set(h, EDGE_OVERRIDE_TTL, 5, 6, LIT("a b")), EDGE_OK);
    /* Only the first field counts, and no byte is read past it. */
    struct edge_cache_override *short_record = end_of_memory(4);
    is(fastly_http_req_cache_override_v3_set(h, EDGE_OVERRIDE_TTL, short_record), EDGE_OK);
    uint32_t n32 = 9;
    is(fastly_http_cache_is_request_cacheable(h, &n32), EDGE_UNSUPPORTED);
}

static void handles(void)
{
    uint32_t h = new_request(), out = 0;
    size_t n;
    char buf[16];
    is(fastly_http_req_close(h), EDGE_OK);
    is(fastly_http_req_close(h), EDGE_BADF);
    is(fastly_http_req_method_get(h, buf, sizeof(buf), &n), EDGE_BADF);
    is(fastly_http_req_method_get(NO_SUCH_HANDLE, buf, sizeof(buf), &n), EDGE_BADF);
    is(fastly_http_req_close(EDGE_INVALID_HANDLE), EDGE_BADF);
    is(fastly_http_body_close(NO_SUCH_HANDLE), EDGE_BADF);
    is(fastly_http_resp_close(NO_SUCH_HANDLE), EDGE_BADF);
    is(fastly_http_req_pending_req_wait(NO_SUCH_HANDLE, &out, &out), EDGE_BADF);
    is(fastly_async_io_is_ready(NO_SUCH_HANDLE, &out), EDGE_BADF);

    /* Pointers: aligned, and inside of memory. */
    uint32_t words[2];
    is(fastly_http_req_new((uint32_t *)((char *)words + 1)), EDGE_BADALIGN);
    is(fastly_http_req_new((uint32_t *)end_of_memory(0)), EDGE_INVAL);
    is(fastly_http_req_new(end_of_memory(4)), EDGE_OK);
    h = new_request();
    is(fastly_http_req_uri_set(h, end_of_memory(2), 3), EDGE_INVAL);
    is(fastly_http_req_uri_set(h, (const char *)16, 0xFFFFFFFF), EDGE_INVAL);
}

static void responses(void)
{
    uint32_t h = 0, version = 0, n32;
    is(fastly_http_resp_new(&h), EDGE_OK);
    uint16_t status[2] = {0xAAAA, 0xAAAA};
    is(fastly_http_resp_status_get(h, status), EDGE_OK);
    is(status[0], 200);
    is(status[1], 0xAAAA); /* a 2-byte store */
    is(fastly_http_resp_version_get(h, &version), EDGE_OK);
    is(version, EDGE_HTTP_11);
    is(fastly_http_resp_status_set(h, 99), EDGE_INVAL);
    is(fastly_http_resp_status_set(h, 1000), EDGE_INVAL);
    is(fastly_http_resp_status_set(h, 999), EDGE_OK);
    is(fastly_http_resp_status_get(h, status), EDGE_OK);
    is(status[0], 999);
    is(fastly_http_resp_header_append(h, LIT("a"), LIT("1")), EDGE_OK);
    is(fastly_http_resp_header_append(h, LIT("A"), LIT("2")), EDGE_OK);
    char buf[16];
    size_t n;
    int64_t next;
    is(fastly_http_resp_header_values_get(h, LIT("a"), buf, sizeof(buf), 0, &next, &n), EDGE_OK);
    is(n, 4);
    is(fastly_http_resp_header_names_get(h, buf, sizeof(buf), 0, &next, &n), EDGE_OK);
    is(n, 2);
    is(memcmp(buf, "a", 2), 0);
    is(next, -1);
    is(fastly_http_resp_header_values_set(h, LIT("a"), "3\0tail", 6), EDGE_OK);
    is(fastly_http_resp_header_value_get(h, LIT("A"), buf, sizeof(buf), &n), EDGE_OK);
    is_text(buf, n, "3");
    is(fastly_http_resp_header_values_set(h, LIT("a"), "x\1\0", 3), EDGE_ERROR);
    is(fastly_http_resp_header_insert(h, LIT("a"), LIT("4")), EDGE_OK);
    is(fastly_http_resp_header_remove(h, LIT("a")), EDGE_OK);
    is(fastly_http_resp_header_remove(h, LIT("a")), EDGE_INVAL);
    is(fastly_http_resp_version_set(h, EDGE_HTTP_10), EDGE_OK);
    is(fastly_http_resp_version_get(h, &version), EDGE_OK);
    is(version, EDGE_HTTP_10);
    is(fastly_http_resp_version_set(h, 9), EDGE_INVAL);
    is(fastly_http_resp_framing_headers_mode_set(h, 2), EDGE_INVAL);
    is(fastly_http_resp_http_keepalive_mode_set(h, 2), EDGE_INVAL);
    char address[16];
    uint16_t port;
    is(fastly_http_resp_get_addr_dest_ip(h, address, &n32), EDGE_NONE);
    is(fastly_http_resp_get_addr_dest_port(h, &port), EDGE_NONE);
    is(fastly_http_resp_close(h), EDGE_OK);
    is(fastly_http_resp_close(h), EDGE_BADF);
}

static void bodies(void)
{
    uint32_t a = 0, b = 0, n = 0;
    uint64_t length = 0;
    char buf[64];
    is(fastly_http_body_new(&a), EDGE_OK);
    is(fastly_http_body_write(a, LIT("world"), EDGE_BODY_BACK, &n), EDGE_OK);
    is(n, 5);
    is(fastly_http_body_write(a, LIT("hello "), EDGE_BODY_FRONT, &n), EDGE_OK);
    is(fastly_http_body_write(a, LIT("x"), 2, &n), EDGE_INVAL);
    is(fastly_http_body_known_length(a, &length), EDGE_OK);
    is(length, 11);
    is(fastly_http_body_read(a, buf, 0, &n), EDGE_OK);
    is(n, 0);
    /* At most one chunk, however big the buffer. */
    is(fastly_http_body_read(a, buf, sizeof(buf), &n), EDGE_OK);
    is_text(buf, n, "hello ");
    is(fastly_http_body_read(a, buf, 2, &n), EDGE_OK);
    is_text(buf, n, "wo");
    is(fastly_http_body_known_length(a, &length), EDGE_OK);
    is(length, 3);

    b = body_of("!");
    is(fastly_http_body_append(a, a), EDGE_BADF);
    is(fastly_http_body_append(a, b), EDGE_OK);
    is(fastly_http_body_append(a, b), EDGE_BADF);
    is(fastly_http_body_close(b), EDGE_BADF);
    is(fastly_http_body_known_length(a, &length), EDGE_OK);
    is(length, 4);
    ok(body_is(a, "rld!"));
    is(fastly_http_body_read(a, buf, sizeof(buf), &n), EDGE_BADF);
    b = body_of("");
    is(fastly_http_body_abandon(b), EDGE_OK);
    is(fastly_http_body_abandon(b), EDGE_BADF);
}

static void trailers(void)
{
    uint32_t a = body_of("text"), b = body_of("more"), n = 0;
    char buf[64];
    size_t size = 0;
    int64_t next = 0;
    is(fastly_http_body_trailer_append(a, LIT("X-Sum"), LIT("1")), EDGE_OK);
    is(fastly_http_body_trailer_append(b, LIT("x-sum"), LIT("22")), EDGE_OK);
    is(fastly_http_body_trailer_append(b, LIT("bad name"), LIT("")), EDGE_ERROR);
    is(fastly_http_body_append(a, b), EDGE_OK);
    is(fastly_http_body_trailer_names_get(a, buf, sizeof(buf), 0, &next, &size), EDGE_AGAIN);
    is(fastly_http_body_trailer_value_get(a, LIT("x-sum"), buf, sizeof(buf), &size), EDGE_AGAIN);
    is(fastly_http_body_trailer_values_get(a, LIT("x-sum"), buf, sizeof(buf), 0, &next, &size),
       EDGE_AGAIN);
    /* All bytes are not the end: that has to be read too. */
    for (size_t left = strlen("textmore"); left; left -= n) {
        is(fastly_http_body_read(a, buf, left, &n), EDGE_OK);
        if (!ok(n > 0 && n <= left))
            return;
    }
    is(fastly_http_body_trailer_value_get(a, LIT("x-sum"), buf, sizeof(buf), &size), EDGE_AGAIN);
    is(fastly_http_body_read(a, buf, 0, &n), EDGE_OK);
    is(fastly_http_body_trailer_value_get(a, LIT("x-sum"), buf, sizeof(buf), &size), EDGE_AGAIN);
    is(fastly_http_body_read(a, buf, sizeof(buf), &n), EDGE_OK);
    is(n, 0);
    is(fastly_http_body_trailer_names_get(a, buf, sizeof(buf), 0, &next, &size), EDGE_OK);
    is(size, 6);
    is(memcmp(buf, "x-sum", 6), 0);
    is(fastly_http_body_trailer_value_get(a, LIT("x-sum"), buf, sizeof(buf), &size), EDGE_OK);
    is_text(buf, size, "1");
    is(fastly_http_body_trailer_values_get(a, LIT("x-sum"), buf, sizeof(buf), 0, &next, &size),
       EDGE_OK);
    is(size, 5);
    is(memcmp(buf, "1\0" "22", 5), 0);
    is(next, -1);
    is(fastly_http_body_trailer_value_get(a, LIT("none"), buf, sizeof(buf), &size), EDGE_INVAL);
    is(fastly_http_body_new(&b), EDGE_OK);
    is(fastly_http_body_trailer_names_get(b, buf, sizeof(buf), 0, &next, &size), EDGE_AGAIN);
    is(fastly_http_body_read(b, buf, sizeof(buf), &n), EDGE_OK);
    is(fastly_http_body_trailer_names_get(b, buf, sizeof(buf), 0, &next, &size), EDGE_OK);
    is(size, 0);
}

static void logs(void)
{
    uint32_t a = 0, b = 0, c = 0, n = 0;
    is(fastly_log_endpoint_get(LIT("stdout"), &a), EDGE_INVAL);
    is(fastly_log_endpoint_get(LIT("STDERR"), &a), EDGE_INVAL);
    is(fastly_log_endpoint_get(LIT("Fst_Managed_x"), &a), EDGE_INVAL);
    is(fastly_log_endpoint_get(LIT("one"), &a), EDGE_OK);
    is(fastly_log_endpoint_get(LIT("two"), &b), EDGE_OK);
    is(fastly_log_endpoint_get(LIT("one"), &c), EDGE_OK);
    is(a, c);
    ok(a != b);
    is(fastly_log_write(a, LIT("two\nlines\n"), &n), EDGE_OK);
    is(n, 10);
    is(fastly_log_write(a, LIT(""), &n), EDGE_OK);
    is(fastly_log_write(NO_SUCH_HANDLE, LIT("x"), &n), EDGE_BADF);
}

int main(void)
{
    is(fastly_abi_init(1), EDGE_OK);
    is(fastly_abi_init(2), EDGE_ERROR);
    client_request();
    originals();
    lists();
    setting();
    modes();
    handles();
    responses();
    bodies();
    trailers();
    logs();
    check_done();
}
