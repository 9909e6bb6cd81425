/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_backend, and dynamic backends (abi README section 9). */
#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/uri.h"
#include "guest/record.h"

struct dynamic_backend {
    struct dynamic_backend *next;
    struct manifest_backend backend;    /* all its strings are owned here */
    uint32_t tls_min, tls_max;          /* TLS_UNSET or enum tls_version */
    uint32_t keepalive_ms, tcp_keepalive[4];    /* enable, interval, probes, time */
};

enum { TLS_VERSION_MAX = 3 };
static const uint32_t TLS_UNSET = 0xFFFFFFFF;

static void dynamic_free(struct dynamic_backend *d)
{
    struct manifest_backend *b = &d->backend;
    free(b->name);
    free(b->url);
    free(b->host);
    free(b->prefix);
    free(b->override_host);
    free(b->cert_host);
    free(b->ca_pem);
    free(b->client_cert_pem);
    if (b->client_key_pem)
        explicit_bzero(b->client_key_pem, strlen(b->client_key_pem));
    free(b->client_key_pem);
    free(d);
}

static void dynamic_free_p(struct dynamic_backend **d)
{
    if (*d)
        dynamic_free(*d);
}

void guest_drop_backends(struct guest *g)
{
    while (g->dynamic) {
        struct dynamic_backend *d = g->dynamic;
        g->dynamic = d->next;
        dynamic_free(d);
    }
}

static struct dynamic_backend *find_dynamic(struct guest *g, const char *name, size_t len)
{
    for (struct dynamic_backend *d = g->dynamic; d; d = d->next)
        if (strlen(d->backend.name) == len && memcmp(d->backend.name, name, len) == 0)
            return d;
    return NULL;
}

const struct manifest_backend *guest_backend(struct guest *g, const char *name, size_t len)
{
    const struct manifest_backend *b = manifest_backend(g->app->manifest, name, len);
    if (b)
        return b;
    struct dynamic_backend *d = find_dynamic(g, name, len);
    return d ? &d->backend : NULL;
}

/* --- getters --- */

static enum hc_status lookup(struct instance *in, const uint64_t *a,
                             const struct manifest_backend **ret)
{
    uint8_t *name;
    TRY(mem_bytes(in, a[0], a[1], &name));
    *ret = guest_backend(guest_of(in), (const char *)name, a[1]);
    return *ret ? HC_OK : HC_INVAL;
}

static enum hc_status lookup_dynamic(struct instance *in, const uint64_t *a,
                                     struct dynamic_backend **ret)
{
    const struct manifest_backend *b;
    TRY(lookup(in, a, &b));
    *ret = find_dynamic(guest_of(in), b->name, strlen(b->name));
    return HC_OK;
}

int32_t hc_backend_exists(struct instance *in, const uint64_t *a)
{
    uint8_t *name;
    TRY(mem_bytes(in, a[0], a[1], &name));
    return give_u32(in, a[2], guest_backend(guest_of(in), (const char *)name, a[1]) != NULL);
}

int32_t hc_backend_is_healthy(struct instance *in, const uint64_t *a)
{
    const struct manifest_backend *b;
    TRY(lookup(in, a, &b));
    return give_u32(in, a[2], b->health);
}

int32_t hc_backend_is_dynamic(struct instance *in, const uint64_t *a)
{
    struct dynamic_backend *d;
    TRY(lookup_dynamic(in, a, &d));
    return give_u32(in, a[2], d != NULL);
}

int32_t hc_backend_get_host(struct instance *in, const uint64_t *a)
{
    const struct manifest_backend *b;
    TRY(lookup(in, a, &b));
    return give_text(in, b->host, strlen(b->host), a[2], a[3], a[4]);
}

int32_t hc_backend_get_override_host(struct instance *in, const uint64_t *a)
{
    const struct manifest_backend *b;
    TRY(lookup(in, a, &b));
    if (!b->override_host)
        return HC_NONE;
    return give_text(in, b->override_host, strlen(b->override_host), a[2], a[3], a[4]);
}

int32_t hc_backend_get_port(struct instance *in, const uint64_t *a)
{
    const struct manifest_backend *b;
    uint8_t *out;
    TRY(lookup(in, a, &b));
    TRY(mem_slot(in, a[2], 2, &out));
    put_u16(out, b->port);
    return HC_OK;
}

int32_t hc_backend_is_ssl(struct instance *in, const uint64_t *a)
{
    const struct manifest_backend *b;
    TRY(lookup(in, a, &b));
    return give_u32(in, a[2], b->tls);
}

/* A timeout that nobody set is the edge's default (Fastly's documentation, 2026): connect 1 s,
 * first byte 15 s, between bytes 10 s. */
enum { CONNECT_DEFAULT_MS = 1000, FIRST_BYTE_DEFAULT_MS = 15000, BETWEEN_BYTES_DEFAULT_MS = 10000 };

static int32_t give_timeout(struct instance *in, const uint64_t *a, size_t field, uint32_t fallback)
{
    const struct manifest_backend *b;
    int64_t ms;
    TRY(lookup(in, a, &b));
    memcpy(&ms, (const char *)b + field, sizeof ms);
    return give_u32(in, a[2], ms ? (uint32_t)ms : fallback);
}

int32_t hc_backend_get_connect_timeout_ms(struct instance *in, const uint64_t *a)
{
    return give_timeout(in, a, offsetof(struct manifest_backend, connect_timeout_ms),
                        CONNECT_DEFAULT_MS);
}

int32_t hc_backend_get_first_byte_timeout_ms(struct instance *in, const uint64_t *a)
{
    return give_timeout(in, a, offsetof(struct manifest_backend, first_byte_timeout_ms),
                        FIRST_BYTE_DEFAULT_MS);
}

int32_t hc_backend_get_between_bytes_timeout_ms(struct instance *in, const uint64_t *a)
{
    return give_timeout(in, a, offsetof(struct manifest_backend, between_bytes_timeout_ms),
                        BETWEEN_BYTES_DEFAULT_MS);
}

int32_t hc_backend_get_http_keepalive_time(struct instance *in, const uint64_t *a)
{
    struct dynamic_backend *d;
    TRY(lookup_dynamic(in, a, &d));
    return give_u32(in, a[2], d ? d->keepalive_ms : 0);
}

static int32_t give_tcp_keepalive(struct instance *in, const uint64_t *a, int which)
{
    struct dynamic_backend *d;
    TRY(lookup_dynamic(in, a, &d));
    return give_u32(in, a[2], d ? d->tcp_keepalive[which] : 0);
}

int32_t hc_backend_get_tcp_keepalive_enable(struct instance *in, const uint64_t *a)
{
    return give_tcp_keepalive(in, a, 0);
}

int32_t hc_backend_get_tcp_keepalive_interval(struct instance *in, const uint64_t *a)
{
    return give_tcp_keepalive(in, a, 1);
}

int32_t hc_backend_get_tcp_keepalive_probes(struct instance *in, const uint64_t *a)
{
    return give_tcp_keepalive(in, a, 2);
}

int32_t hc_backend_get_tcp_keepalive_time(struct instance *in, const uint64_t *a)
{
    return give_tcp_keepalive(in, a, 3);
}

static int32_t give_tls_version(struct instance *in, const uint64_t *a, bool max)
{
    struct dynamic_backend *d;
    TRY(lookup_dynamic(in, a, &d));
    uint32_t version = !d ? TLS_UNSET : max ? d->tls_max : d->tls_min;
    return version == TLS_UNSET ? (int32_t)HC_UNSUPPORTED : give_u32(in, a[2], version);
}

int32_t hc_backend_get_ssl_min_version(struct instance *in, const uint64_t *a)
{
    return give_tls_version(in, a, false);
}

int32_t hc_backend_get_ssl_max_version(struct instance *in, const uint64_t *a)
{
    return give_tls_version(in, a, true);
}

/* --- dynamic backends --- */

enum {
    OPT_HOST_OVERRIDE = 1 << 1, OPT_CONNECT_TIMEOUT = 1 << 2, OPT_FIRST_BYTE_TIMEOUT = 1 << 3,
    OPT_BETWEEN_BYTES_TIMEOUT = 1 << 4, OPT_USE_SSL = 1 << 5, OPT_SSL_MIN = 1 << 6,
    OPT_SSL_MAX = 1 << 7, OPT_CERT_HOSTNAME = 1 << 8, OPT_CA_CERT = 1 << 9, OPT_CIPHERS = 1 << 10,
    OPT_SNI_HOSTNAME = 1 << 11, OPT_DONT_POOL = 1 << 12, OPT_CLIENT_CERT = 1 << 13,
    OPT_GRPC = 1 << 14, OPT_KEEPALIVE = 1 << 15, OPT_POOLING_LIMITS = 1 << 16,
    OPT_PREFER_IPV4 = 1 << 17, OPT_HEALTHCHECK = 1 << 18,
    OPT_KNOWN = (1 << 19) - 2,
};

enum { NAME_TEXT_MAX = 1024, CA_MAX = 64 << 10, PEM_MAX = 64 << 10, DYNAMIC_MAX = 200 };

struct record {
    struct instance *in;
    uint64_t ptr;
};

/* Text of min..max bytes at (pointer, length) fields; *ret is a copy. */
static enum hc_status text_field(const struct record *r, unsigned offset, uint32_t min,
                                 uint32_t max, char **ret)
{
    uint32_t ptr, len;
    TRY(record_u32(r->in, r->ptr, offset, &ptr));
    TRY(record_u32(r->in, r->ptr, offset + 4, &len));
    if (len < min || len > max)
        return HC_INVAL;
    free(*ret);
    *ret = NULL;
    return take_text(r->in, ptr, len, ret) == HC_OK ? HC_OK : HC_INVAL;
}

static enum hc_status timeout_field(const struct record *r, unsigned offset, int64_t *ret)
{
    uint32_t ms;
    TRY(record_u32(r->in, r->ptr, offset, &ms));
    *ret = ms;
    return HC_OK;
}

static enum hc_status tls_field(const struct record *r, unsigned offset, uint32_t *ret)
{
    TRY(record_u32(r->in, r->ptr, offset, ret));
    return *ret <= TLS_VERSION_MAX ? HC_OK : HC_INVAL;
}

static enum hc_status read_tls_names(const struct record *r, uint32_t mask,
                                     struct manifest_backend *b)
{
    cleanup(free_p) char *sni = NULL;
    if (mask & OPT_CERT_HOSTNAME)
        TRY(text_field(r, 28, 1, NAME_TEXT_MAX, &b->cert_host));
    if (mask & OPT_SNI_HOSTNAME) {
        TRY(text_field(r, 52, 0, NAME_TEXT_MAX, &sni));
        b->no_sni = sni[0] == '\0';
        if (!b->no_sni && b->cert_host && strcmp(sni, b->cert_host) != 0)
            return HC_INVAL;
        if (!b->no_sni && !b->cert_host)
            b->cert_host = TAKE(sni);
    }
    return HC_OK;
}

static enum hc_status read_client_cert(const struct record *r, struct manifest_backend *b)
{
    uint32_t secret;
    size_t len;
    TRY(text_field(r, 60, 1, PEM_MAX, &b->client_cert_pem));
    TRY(record_u32(r->in, r->ptr, 68, &secret));
    const char *key = guest_secret(guest_of(r->in), secret, &len);
    if (!key)
        return HC_BADF;
    if (!utf8_valid((const uint8_t *)key, len))
        return HC_INVAL;
    b->client_key_pem = xstrndup(key, len);
    return HC_OK;
}

static enum hc_status read_tls(const struct record *r, uint32_t mask, struct dynamic_backend *d)
{
    struct manifest_backend *b = &d->backend;
    b->tls = mask & OPT_USE_SSL;
    if (mask & OPT_SSL_MIN)
        TRY(tls_field(r, 20, &d->tls_min));
    if (mask & OPT_SSL_MAX)
        TRY(tls_field(r, 24, &d->tls_max));
    TRY(read_tls_names(r, mask, b));
    if ((mask & OPT_CA_CERT) && b->tls) {
        TRY(text_field(r, 36, 1, CA_MAX, &b->ca_pem));
        if (!strstr(b->ca_pem, "-----BEGIN CERTIFICATE-----"))
            return HC_ERROR;
    }
    if (mask & OPT_CLIENT_CERT)
        TRY(read_client_cert(r, b));
    return HC_OK;
}

static enum hc_status read_keepalive(const struct record *r, struct dynamic_backend *d)
{
    static const unsigned at[] = {76, 80, 84, 88};
    TRY(record_u32(r->in, r->ptr, 72, &d->keepalive_ms));
    for (size_t i = 0; i < ARRAY_LEN(at); i++)
        TRY(record_u32(r->in, r->ptr, at[i], &d->tcp_keepalive[i]));
    return HC_OK;
}

static enum hc_status read_config(const struct record *r, uint32_t mask, struct dynamic_backend *d)
{
    struct manifest_backend *b = &d->backend;
    if (mask & OPT_HOST_OVERRIDE)
        TRY(text_field(r, 0, 1, NAME_TEXT_MAX, &b->override_host));
    if (mask & OPT_CONNECT_TIMEOUT)
        TRY(timeout_field(r, 8, &b->connect_timeout_ms));
    if (mask & OPT_FIRST_BYTE_TIMEOUT)
        TRY(timeout_field(r, 12, &b->first_byte_timeout_ms));
    if (mask & OPT_BETWEEN_BYTES_TIMEOUT)
        TRY(timeout_field(r, 16, &b->between_bytes_timeout_ms));
    TRY(read_tls(r, mask, d));
    b->grpc = mask & OPT_GRPC;
    if (mask & OPT_KEEPALIVE)
        TRY(read_keepalive(r, d));
    return HC_OK;
}

static enum hc_status read_target(struct instance *in, uint64_t ptr, uint64_t len,
                                  struct manifest_backend *b)
{
    cleanup(free_p) char *target = NULL;
    struct uri_host host;
    TRY(take_text(in, ptr, len, &target));
    if (!uri_split_host(target, strlen(target), &host))
        return HC_ERROR;
    b->host = xstrndup(host.host, host.host_len);
    b->port = (uint16_t)host.port;
    return HC_OK;
}

static enum hc_status add(struct guest *g, struct dynamic_backend *d)
{
    unsigned count = 0;
    for (struct dynamic_backend *other = g->dynamic; other; other = other->next)
        count++;
    if (count >= DYNAMIC_MAX)
        return HC_LIMITEXCEEDED;
    d->next = g->dynamic;
    g->dynamic = d;
    return HC_OK;
}

static char *copy_of(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

enum hc_status guest_add_backend(struct guest *g, const struct manifest_backend *b)
{
    cleanup(dynamic_free_p) struct dynamic_backend *d = xnew(struct dynamic_backend);
    d->backend = *b;
    d->backend.name = copy_of(b->name);
    d->backend.url = copy_of(b->url);
    d->backend.host = copy_of(b->host);
    d->backend.prefix = copy_of(b->prefix);
    d->backend.override_host = copy_of(b->override_host);
    d->backend.cert_host = copy_of(b->cert_host);
    d->backend.ca_pem = copy_of(b->ca_pem);
    d->backend.client_cert_pem = copy_of(b->client_cert_pem);
    d->backend.client_key_pem = copy_of(b->client_key_pem);
    d->tls_min = d->tls_max = TLS_UNSET;
    TRY(add(g, d));
    d = NULL;
    return HC_OK;
}

int32_t hc_http_req_register_dynamic_backend(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    uint32_t mask = (uint32_t)a[4];
    struct record record = {in, a[5]};
    if (!g->app->manifest->dynamic_backends)
        return HC_UNSUPPORTED;
    if (mask & ~(uint32_t)OPT_KNOWN)
        return HC_INVAL;
    cleanup(dynamic_free_p) struct dynamic_backend *d = xnew(struct dynamic_backend);
    d->tls_min = d->tls_max = TLS_UNSET;
    TRY(take_text(in, a[0], a[1], &d->backend.name));
    TRY(read_target(in, a[2], a[3], &d->backend));
    TRY(read_config(&record, mask, d));
    if (guest_backend(g, d->backend.name, strlen(d->backend.name)))
        return HC_ERROR;
    if (d->backend.port == 0)
        d->backend.port = d->backend.tls ? 443 : 80;
    d->backend.prefix = xstrdup("");
    TRY(add(g, d));
    d = NULL;
    return HC_OK;
}
