/* SPDX-License-Identifier: Apache-2.0 */
/* What is known of the client, in both forms: with a request handle, and the old one without. The
 * path says how it came: /plain or /tls, with SNI "localhost". */
#include "check.h"

static bool tls;

static const uint32_t CLIENT = 0;   /* the handle of the client's request */

typedef uint32_t text_call(uint32_t req, char *buf, size_t buf_len, size_t *nwritten);
typedef uint32_t old_text_call(char *buf, size_t buf_len, size_t *nwritten);
typedef uint32_t number_call(uint32_t req, uint32_t *out);
typedef uint32_t old_number_call(uint32_t *out);

static void check(const char *what, const char *part, long long got, long long want)
{
    char text[128];
    snprintf(text, sizeof(text), "%s: %s", what, part);
    check_is(__FILE_NAME__, __LINE__, text, got, want);
}

static uint32_t own_request(void)
{
    uint32_t req = 0;
    fastly_http_req_new(&req);
    return req;
}

/* `with` and `old` (NULL: there is none) give a text, or nothing, alike; *ret is what they gave. */
static bool text_datum(const char *what, bool there, text_call *with, old_text_call *old,
                       char ret[4096])
{
    size_t n = 0, again = 0;
    char buf[4096];
    check(what, "status", with(CLIENT, ret, 4096, &n), there ? EDGE_OK : EDGE_NONE);
    check(what, "of no request", with(NO_SUCH_HANDLE, buf, sizeof(buf), &again), EDGE_BADF);
    check(what, "of a request that is not the client's",
          with(own_request(), buf, sizeof(buf), &again), EDGE_ERROR);
    if (old)
        check(what, "old form", old(buf, sizeof(buf), &again), there ? EDGE_OK : EDGE_NONE);
    if (!there)
        return false;
    ret[n] = '\0';
    check(what, "is something", n > 0, 1);
    if (old)
        check(what, "same in the old form", again == n && memcmp(buf, ret, n) == 0, 1);
    check(what, "buffer too small", with(CLIENT, buf, n - 1, &again), EDGE_BUFLEN);
    check(what, "size needed", (long long)again, (long long)n);
    check(what, "buffer just right", with(CLIENT, buf, n, &again), EDGE_OK);
    return true;
}

static void number_datum(const char *what, number_call *with, old_number_call *old,
                         enum edge_status status, uint32_t want)
{
    uint32_t got = 77, words[2] = {0};
    check(what, "status", with(CLIENT, &got), status);
    check(what, "value", got, status == EDGE_OK ? want : 77);
    check(what, "of no request", with(NO_SUCH_HANDLE, &got), EDGE_BADF);
    check(what, "of a request that is not the client's", with(own_request(), &got), EDGE_ERROR);
    if (status == EDGE_OK)
        check(what, "misaligned", with(CLIENT, (uint32_t *)((char *)words + 2)), EDGE_BADALIGN);
    if (!old)
        return;
    got = 77;
    check(what, "old form", old(&got), status);
    check(what, "value of the old form", got, status == EDGE_OK ? want : 77);
}

#define BOTH(name) fastly_http_downstream_##name, fastly_http_req_##name
#define NEW(name) fastly_http_downstream_##name, NULL
#define TEXT(name, there, forms, ret) text_datum(#name, there, forms(name), ret)
#define NUMBER(name, forms, ...) number_datum(#name, forms(name), __VA_ARGS__)

static void addresses(void)
{
    char a[16] = "", b[16] = "";
    uint32_t n = 0;
    is(fastly_http_downstream_downstream_client_ip_addr(CLIENT, a, &n), EDGE_OK);
    is(n, 4);
    is(fastly_http_req_downstream_client_ip_addr(b, &n), EDGE_OK);
    is(memcmp(a, b, 16), 0);
    is(memcmp(a, "\x7f\0\0\1", 4), 0);
    is(fastly_http_downstream_downstream_server_ip_addr(CLIENT, a, &n), EDGE_OK);
    is(n, 4);
    is(fastly_http_req_downstream_server_ip_addr(b, &n), EDGE_OK);
    is(memcmp(a, b, 16), 0);
    is(fastly_http_downstream_downstream_server_ip_addr(own_request(), a, &n), EDGE_ERROR);
    is(fastly_http_downstream_downstream_client_ip_addr(NO_SUCH_HANDLE, a, &n), EDGE_BADF);
}

static void identity(void)
{
    static char text[4096];
    TEXT(downstream_client_request_id, true, BOTH, text);
    is(strlen(text), 32);
    is_text(text, 32, getenv("FASTLY_TRACE_ID") ? getenv("FASTLY_TRACE_ID") : "");
    TEXT(downstream_compliance_region, true, BOTH, text);
    is_text(text, strlen(text), "none");
    TEXT(downstream_client_h2_fingerprint, false, BOTH, text);
    TEXT(downstream_client_oh_fingerprint, false, BOTH, text);
    NUMBER(downstream_client_ddos_detected, BOTH, EDGE_OK, 0);
    NUMBER(fastly_key_is_valid, BOTH, EDGE_OK, !tls); /* the test sends it with /plain */
}

static void tls_data(void)
{
    static char text[4096];
    if (TEXT(downstream_tls_protocol, tls, BOTH, text))
        is_text(text, strlen(text), "TLSv1.3");
    if (TEXT(downstream_tls_cipher_openssl_name, tls, BOTH, text))
        ok(strncmp(text, "TLS_", 4) == 0);
    if (TEXT(downstream_tls_client_servername, tls, NEW, text))
        is_text(text, strlen(text), "localhost");
    if (TEXT(downstream_tls_client_hello, tls, BOTH, text))
        is(text[0], 1); /* a handshake message of type ClientHello */
    if (TEXT(downstream_tls_ja4, tls, BOTH, text)) {
        is(strlen(text), 36);
        is(strncmp(text, "t13d", 4), 0); /* TCP, TLS 1.3, to a domain */
    }
    TEXT(downstream_tls_raw_client_certificate, false, BOTH, text);
    NUMBER(downstream_tls_client_cert_verify_result, BOTH, EDGE_NONE, 0);
    char md5[2][16] = {"", ""};
    uint32_t n = 0;
    is(fastly_http_downstream_downstream_tls_ja3_md5(CLIENT, md5[0], &n), tls ? EDGE_OK : EDGE_NONE);
    is(n, tls ? 16 : 0);
    is(fastly_http_req_downstream_tls_ja3_md5(md5[1], &n), tls ? EDGE_OK : EDGE_NONE);
    is(memcmp(md5[0], md5[1], 16), 0);
    is(fastly_http_downstream_downstream_tls_ja3_md5(own_request(), md5[0], &n), EDGE_ERROR);
}

/* From the headers that the test sends with /plain. */
static void bots(void)
{
    static char text[4096];
    NUMBER(downstream_bot_analyzed, NEW, EDGE_OK, !tls);
    NUMBER(downstream_bot_detected, NEW, EDGE_OK, !tls);
    NUMBER(downstream_bot_verified, NEW, tls ? EDGE_NONE : EDGE_OK, 0);
    NUMBER(downstream_bot_category_kind, NEW, tls ? EDGE_NONE : EDGE_OK, 3);
    TEXT(downstream_bot_name, !tls, NEW, text);
    if (TEXT(downstream_bot_category, !tls, NEW, text))
        is_text(text, strlen(text), "AI-Crawler");
}

static void networks(void)
{
    static char text[4096];
    NUMBER(downstream_resvpnproxy_is_anonymous, NEW, EDGE_NONE, 0);
    NUMBER(downstream_resvpnproxy_is_anonymous_vpn, NEW, EDGE_NONE, 0);
    NUMBER(downstream_resvpnproxy_is_hosting_provider, NEW, EDGE_NONE, 0);
    NUMBER(downstream_resvpnproxy_is_proxy_over_vpn, NEW, EDGE_NONE, 0);
    NUMBER(downstream_resvpnproxy_is_public_proxy, NEW, EDGE_NONE, 0);
    NUMBER(downstream_resvpnproxy_is_relay_proxy, NEW, EDGE_NONE, 0);
    NUMBER(downstream_resvpnproxy_is_residential_proxy, NEW, EDGE_NONE, 0);
    NUMBER(downstream_resvpnproxy_is_smart_dns_proxy, NEW, EDGE_NONE, 0);
    NUMBER(downstream_resvpnproxy_is_tor_exit_node, NEW, EDGE_NONE, 0);
    NUMBER(downstream_resvpnproxy_is_vpn_datacenter, NEW, EDGE_NONE, 0);
    TEXT(downstream_resvpnproxy_vpn_service_name, false, NEW, text);
}

static void original_headers(void)
{
    char a[1024], b[1024];
    size_t an = 0, bn = 0;
    int64_t a_next = 0, b_next = 0;
    uint32_t count = 0;
    is(fastly_http_req_header_insert(CLIENT, LIT("added"), LIT("later")), EDGE_OK);
    is(fastly_http_downstream_downstream_original_header_names(CLIENT, a, sizeof(a), 0, &a_next,
                                                               &an), EDGE_OK);
    is(fastly_http_req_original_header_names_get(b, sizeof(b), 0, &b_next, &bn), EDGE_OK);
    ok(an == bn && memcmp(a, b, an) == 0);
    is(a_next, -1);
    is(b_next, -1);
    ok(!memmem(a, an, "added", 5));
    uint32_t names = 0;
    for (size_t i = 0; i < an; i++)
        names += a[i] == '\0';
    is(fastly_http_req_original_header_count(&count), EDGE_OK);
    is(count, names);
    /* In pieces: from a cursor on, as many as fit. */
    size_t first = strlen(a) + 1;
    is(fastly_http_req_original_header_names_get(b, first, 0, &b_next, &bn), EDGE_OK);
    is(bn, first);
    is(b_next, 1);
    is(fastly_http_req_original_header_names_get(b, sizeof(b), 1, &b_next, &bn), EDGE_OK);
    is(bn, an - first);
    is(fastly_http_req_original_header_names_get(b, first - 1, 0, &b_next, &bn), EDGE_BUFLEN);
    is(bn, first);
}

int main(void)
{
    struct edge_request req = edge_request();
    tls = strcmp(req.path, "/tls") == 0;
    addresses();
    identity();
    tls_data();
    bots();
    networks();
    original_headers();
    check_done();
}
