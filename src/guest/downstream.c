/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_http_downstream: what is known of the client (abi README section 8), and the older forms
 * in fastly_http_req without a handle, which mean the first client request. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include "guest/session.h"

/* The exchange behind a client request; HC_ERROR for a request of the guest's own making. */
static enum hc_status find(struct guest *g, uint64_t request, struct exchange **ret)
{
    for (unsigned i = 0; i < g->downstream_count; i++)
        if (g->downstreams[i].request == request) {
            *ret = g->downstreams[i].ex;
            return HC_OK;
        }
    return request < g->requests.count ? HC_ERROR : HC_BADF;
}

static int32_t give_string(struct instance *in, const char *text, const uint64_t *a)
{
    return text ? (int32_t)give_text(in, text, strlen(text), a[0], a[1], a[2]) : HC_NONE;
}

/* --- one function per datum; a points behind the handle --- */

static int32_t give_addr(struct instance *in, const struct exchange_addr *addr, const uint64_t *a)
{
    uint8_t *octets, *len;
    TRY(mem_bytes(in, a[0], addr->len, &octets));
    TRY(mem_slot(in, a[1], 4, &len));
    memcpy(octets, addr->octets, addr->len);
    put_u32(len, addr->len);
    return HC_OK;
}

static int32_t client_addr(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    return give_addr(in, &ex->client, a);
}

static int32_t server_addr(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    return give_addr(in, &ex->server, a);
}

static int32_t unknown(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    (void)in;
    (void)ex;
    (void)a;
    return HC_NONE;
}

static int32_t request_id(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    unsigned n = 0;
    while (g->downstreams[n].ex != ex)
        n++;
    char id[33];
    snprintf(id, sizeof id, "%08x%024" PRIx64, n, g->id);
    return give_string(in, id, a);
}

static int32_t ddos_detected(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    (void)ex;
    return give_u32(in, a[0], 0);
}

static int32_t tls_cipher(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    return give_string(in, ex->tls ? ex->tls->cipher : NULL, a);
}

static int32_t tls_protocol(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    return give_string(in, ex->tls ? ex->tls->protocol : NULL, a);
}

static int32_t tls_servername(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    return give_string(in, ex->tls ? ex->tls->servername : NULL, a);
}

static int32_t tls_client_hello(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    if (!ex->tls || !ex->tls->client_hello)
        return HC_NONE;
    return give_text(in, ex->tls->client_hello, ex->tls->client_hello_len, a[0], a[1], a[2]);
}

static int32_t tls_client_cert(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    if (!ex->tls || !ex->tls->client_cert)
        return HC_NONE;
    return give_text(in, ex->tls->client_cert, ex->tls->client_cert_len, a[0], a[1], a[2]);
}

static int32_t tls_verify_result(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    if (!ex->tls || ex->tls->verify_result < 0)
        return HC_NONE;
    return give_u32(in, a[0], (uint32_t)ex->tls->verify_result);
}

static int32_t tls_ja3(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    uint8_t *to, *len;
    if (!ex->tls || !ex->tls->has_ja3)
        return HC_NONE;
    TRY(mem_bytes(in, a[0], sizeof ex->tls->ja3_md5, &to));
    TRY(mem_slot(in, a[1], 4, &len));
    memcpy(to, ex->tls->ja3_md5, sizeof ex->tls->ja3_md5);
    put_u32(len, sizeof ex->tls->ja3_md5);
    return HC_OK;
}

static int32_t tls_ja4(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    return give_string(in, ex->tls ? ex->tls->ja4 : NULL, a);
}

static int32_t compliance_region(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    (void)ex;
    return give_string(in, "none", a);
}

static int32_t key_is_valid(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    const struct manifest *m = guest_of(in)->app->manifest;
    const char *key = headers_get(&ex->headers, "fastly-key");
    bool valid = false;
    for (size_t i = 0; key && i < m->fastly_key_count; i++)
        valid = valid || strcmp(key, m->fastly_keys[i]) == 0;
    return give_u32(in, a[0], valid);
}

static bool next_original(const void *list, size_t i, const char **ret, size_t *ret_len)
{
    const struct headers *h = list;
    if (i >= h->count)
        return false;
    *ret = h->list[i].name;
    *ret_len = h->list[i].name_len;
    return true;
}

static int32_t original_names(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    struct multi_out out = {a[0], a[1], a[2], a[3], a[4]};
    return give_multi(in, &out, next_original, &ex->headers);
}

static int32_t original_count(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    return give_u32(in, a[0], (uint32_t)ex->headers.count);
}

/* --- bots: from request headers that a tester sends (x-fastly-bot-*) --- */

static const char *const bot_kinds[] = {
    "none", "suspected", "accessibility", "ai-crawler", "ai-fetcher", "content-fetcher",
    "monitoring-site-tools", "online-marketing", "page-preview", "platform-integration", "research",
    "search-engine-crawler", "search-engine-optimization", "security-tools", "headless",
};

static int32_t bot_flag(struct instance *in, struct exchange *ex, const char *header, uint64_t ptr)
{
    const char *v = headers_get(&ex->headers, header);
    return give_u32(in, ptr, v && (strcmp(v, "1") == 0 || strcasecmp(v, "true") == 0));
}

static int32_t bot_analyzed(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    return bot_flag(in, ex, "x-fastly-bot-analyzed", a[0]);
}

static int32_t bot_detected(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    return bot_flag(in, ex, "x-fastly-bot-detected", a[0]);
}

static int32_t bot_verified(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    if (!headers_get(&ex->headers, "x-fastly-bot-verified"))
        return HC_NONE;
    return bot_flag(in, ex, "x-fastly-bot-verified", a[0]);
}

static int32_t bot_name(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    return give_string(in, headers_get(&ex->headers, "x-fastly-bot-name"), a);
}

static int32_t bot_category(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    return give_string(in, headers_get(&ex->headers, "x-fastly-bot-category"), a);
}

static int32_t bot_category_kind(struct instance *in, struct exchange *ex, const uint64_t *a)
{
    const char *v = headers_get(&ex->headers, "x-fastly-bot-category");
    if (!v)
        return HC_NONE;
    for (uint32_t i = 0; i < ARRAY_LEN(bot_kinds); i++)
        if (strcasecmp(v, bot_kinds[i]) == 0)
            return give_u32(in, a[0], i);
    char *end;
    unsigned long number = strtoul(v, &end, 10);
    return isdigit((unsigned char)*v) && !*end && number <= UINT32_MAX
               ? give_u32(in, a[0], (uint32_t)number)
               : HC_NONE;
}

/* --- the hostcalls: with a handle, and the older ones that mean the first request --- */

#define OF_REQUEST(name, datum)                                                  \
    int32_t hc_http_downstream_##name(struct instance *in, const uint64_t *a)    \
    {                                                                            \
        struct exchange *ex;                                                     \
        TRY(find(guest_of(in), a[0], &ex));                                      \
        return datum(in, ex, a + 1);                                             \
    }

#define OF_FIRST(name, datum)                                                    \
    int32_t hc_http_req_##name(struct instance *in, const uint64_t *a)           \
    {                                                                            \
        return datum(in, guest_of(in)->downstreams[0].ex, a);                    \
    }

#define BOTH(name, datum)   \
    OF_REQUEST(name, datum) \
    OF_FIRST(name, datum)

BOTH(downstream_client_ip_addr, client_addr)
BOTH(downstream_server_ip_addr, server_addr)
BOTH(downstream_client_h2_fingerprint, unknown)
BOTH(downstream_client_oh_fingerprint, unknown)
BOTH(downstream_client_request_id, request_id)
BOTH(downstream_client_ddos_detected, ddos_detected)
BOTH(downstream_tls_cipher_openssl_name, tls_cipher)
BOTH(downstream_tls_protocol, tls_protocol)
BOTH(downstream_tls_client_hello, tls_client_hello)
BOTH(downstream_tls_raw_client_certificate, tls_client_cert)
BOTH(downstream_tls_client_cert_verify_result, tls_verify_result)
BOTH(downstream_tls_ja3_md5, tls_ja3)
BOTH(downstream_tls_ja4, tls_ja4)
BOTH(downstream_compliance_region, compliance_region)
BOTH(fastly_key_is_valid, key_is_valid)
OF_REQUEST(downstream_tls_client_servername, tls_servername)
OF_REQUEST(downstream_original_header_names, original_names)
OF_FIRST(original_header_names_get, original_names)
OF_REQUEST(downstream_original_header_count, original_count)
OF_FIRST(original_header_count, original_count)
OF_REQUEST(downstream_bot_analyzed, bot_analyzed)
OF_REQUEST(downstream_bot_detected, bot_detected)
OF_REQUEST(downstream_bot_name, bot_name)
OF_REQUEST(downstream_bot_category, bot_category)
OF_REQUEST(downstream_bot_category_kind, bot_category_kind)
OF_REQUEST(downstream_bot_verified, bot_verified)
OF_REQUEST(downstream_resvpnproxy_is_anonymous, unknown)
OF_REQUEST(downstream_resvpnproxy_is_anonymous_vpn, unknown)
OF_REQUEST(downstream_resvpnproxy_is_hosting_provider, unknown)
OF_REQUEST(downstream_resvpnproxy_is_proxy_over_vpn, unknown)
OF_REQUEST(downstream_resvpnproxy_is_public_proxy, unknown)
OF_REQUEST(downstream_resvpnproxy_is_relay_proxy, unknown)
OF_REQUEST(downstream_resvpnproxy_is_residential_proxy, unknown)
OF_REQUEST(downstream_resvpnproxy_is_smart_dns_proxy, unknown)
OF_REQUEST(downstream_resvpnproxy_is_tor_exit_node, unknown)
OF_REQUEST(downstream_resvpnproxy_is_vpn_datacenter, unknown)
OF_REQUEST(downstream_resvpnproxy_vpn_service_name, unknown)
