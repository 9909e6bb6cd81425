/* SPDX-License-Identifier: Apache-2.0 */
#include "net/origin.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

enum {
    MAX_ORIGINS = 1024,             /* unused ones beyond are forgotten */
    MAX_IDLE = 256,                 /* easy handles kept per client */
    MAX_ADDRESSES = 8,
    CURL_DNS_CACHE_S = 600,
    READ_CHUNK = 16 * 1024,
    UPLOAD_CHUNK = 32 * 1024,
};

static const int64_t LOOKUP_TTL_NS = INT64_C(30) * 1000000000;
static const int64_t NEVER = INT64_MAX;

/* A getaddrinfo on libuv's thread pool; outlives its origin if need be. */
struct lookup {
    uv_getaddrinfo_t req;
    struct origin *origin;          /* NULL: nobody cares any more */
    int64_t began_ns;
};

/* --- find, make, forget --- */

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_origin(const struct net_target *a, const struct net_target *b)
{
    return a->port == b->port && a->tls == b->tls && a->http2 == b->http2 &&
           a->prefer_ipv4 == b->prefer_ipv4 && same_text(a->host, b->host) &&
           (!a->tls || (a->tls_min == b->tls_min && a->tls_max == b->tls_max &&
                        same_text(a->sni, b->sni) && same_text(a->cert_host, b->cert_host) &&
                        same_text(a->ca_pem, b->ca_pem) && same_text(a->ciphers, b->ciphers) &&
                        same_text(a->client_cert_pem, b->client_cert_pem) &&
                        same_text(a->client_key_pem, b->client_key_pem)));
}

static char *copy_text(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

static void copy_target(struct net_target *to, const struct net_target *from)
{
    *to = *from;
    to->host = copy_text(from->host);
    to->sni = copy_text(from->sni);
    to->cert_host = copy_text(from->cert_host);
    to->ca_pem = copy_text(from->ca_pem);
    to->client_cert_pem = copy_text(from->client_cert_pem);
    to->client_key_pem = copy_text(from->client_key_pem);
    to->ciphers = copy_text(from->ciphers);
}

static void clear_target(struct net_target *t)
{
    if (t->client_key_pem)
        explicit_bzero((char *)t->client_key_pem, strlen(t->client_key_pem));
    free((char *)t->host);
    free((char *)t->sni);
    free((char *)t->cert_host);
    free((char *)t->ca_pem);
    free((char *)t->client_cert_pem);
    free((char *)t->client_key_pem);
    free((char *)t->ciphers);
}

/* Curl takes the name to send from the URL and sends none for an address. */
static bool sni_usable(const char *sni)
{
    size_t len = strspn(sni, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");
    return len > 0 && len <= 253 && sni[len] == '\0';
}

static void set_bad(struct origin *o, enum net_error error, const char *text)
{
    o->is_bad = true;
    failure_set(&o->bad, error, "%s:%u: %s", o->target.host, o->target.port, text);
}

static void prepare_tls(struct origin *o)
{
    const struct net_target *t = &o->target;
    struct tls_client_config config = {
        .verify_name = t->cert_host ? t->cert_host : t->host,
        .ca_pem = t->ca_pem,
        .cert_pem = t->client_cert_pem,
        .key_pem = t->client_key_pem,
        .ciphers = t->ciphers,
        .version_min = (int)t->tls_min,
        .version_max = (int)t->tls_max,
    };
    struct err err;
    o->tls = tls_client_new(&config, &err);
    if (!o->tls)
        set_bad(o, NET_TLS_CONFIGURATION_ERROR, err.msg);
    else if (t->sni && !sni_usable(t->sni))
        set_bad(o, NET_TLS_CONFIGURATION_ERROR, "the SNI name is not a host name");
}

/* Curl before 8.0 puts a second HTTP/2 layer onto a connection by prior knowledge when it is used
 * again. */
static bool must_not_pool(const struct net_target *t)
{
    return t->http2 && !t->tls && curl_version_info(CURLVERSION_NOW)->version_num < 0x080000;
}

static struct origin *origin_new(struct net_client *c, const struct net_target *target)
{
    struct origin *o = xnew(struct origin);
    o->client = c;
    TAILQ_INIT(&o->idle);
    TAILQ_INIT(&o->waiting);
    copy_target(&o->target, target);
    snprintf(o->pool, sizeof o->pool, "p%llu", (unsigned long long)c->next_pool++);
    snprintf(o->connect_to_text, sizeof o->connect_to_text, "::%s:%u", o->pool, target->port);
    o->connect_to.data = o->connect_to_text;
    o->never_pool = must_not_pool(target);
    if (target->tls)
        prepare_tls(o);
    else if (target->host[0] == '\0')
        set_bad(o, NET_DESTINATION_NOT_FOUND, "no host");
    const char *name = target->tls && target->sni ? target->sni : "127.0.0.1";
    o->url = xasprintf("%s://%s:%u/", target->tls ? "https" : "http", name, target->port);
    return o;
}

/* Drop the origins that were used longest ago and are not in use. */
static void trim(struct net_client *c)
{
    struct origin *o = TAILQ_LAST(&c->origins, origin_list);
    while (o && c->origin_count > MAX_ORIGINS) {
        struct origin *before = TAILQ_PREV(o, origin_list, link);
        if (o->calls == 0)
            origin_free(o);
        o = before;
    }
}

struct origin *origin_get(struct net_client *c, const struct net_target *target)
{
    struct origin *o;
    TAILQ_FOREACH(o, &c->origins, link)
        if (same_origin(&o->target, target))
            break;
    if (o) {
        if (o != TAILQ_FIRST(&c->origins)) {
            TAILQ_REMOVE(&c->origins, o, link);
            TAILQ_INSERT_HEAD(&c->origins, o, link);
        }
        return o;
    }
    o = origin_new(c, target);
    TAILQ_INSERT_HEAD(&c->origins, o, link);
    if (++c->origin_count > MAX_ORIGINS)
        trim(c);
    return o;
}

/* One allocation: the node, then its text. */
static void forget_addresses(struct origin *o)
{
    enum { TEXT_MAX = 40 };
    if (!o->addresses.data)
        return;
    struct curl_slist *node = xmalloc(sizeof *node + TEXT_MAX);
    node->data = (char *)(node + 1);
    snprintf(node->data, TEXT_MAX, "-%s:%u", o->pool, o->target.port);
    node->next = o->client->forgotten;
    o->client->forgotten = node;
}

void origin_free(struct origin *o)
{
    assert(o->calls == 0);
    struct net_call *call;
    while ((call = TAILQ_FIRST(&o->idle))) {
        TAILQ_REMOVE(&o->idle, call, link);
        o->client->idle_count--;
        call_free(call);
    }
    if (o->lookup) {
        o->lookup->origin = NULL;
        uv_cancel((uv_req_t *)&o->lookup->req);
    }
    TAILQ_REMOVE(&o->client->origins, o, link);
    o->client->origin_count--;
    forget_addresses(o);
    clear_target(&o->target);
    tls_client_unref(o->tls);
    free(o->addresses.data);
    free(o->url);
    free(o);
}

/* --- easy handles --- */

static CURLcode on_ssl_ctx(CURL *easy, void *ctx, void *env)
{
    (void)easy;
    return tls_client_apply(env, ctx) == 0 ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

static void set_up_tls(struct origin *o, CURL *easy)
{
    /* Names and trust are checked by OpenSSL as tls_client_apply sets it up, within the handshake;
     * curl can only check the name it sends. Sessions are not resumed: the pool does more for
     * speed, and each new connection proves itself in full. */
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx);
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, o->tls);
}

static long http_version(const struct net_target *t)
{
    if (!t->http2)
        return CURL_HTTP_VERSION_1_1;
    return t->tls ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
}

static void set_up(struct origin *o, struct net_call *call)
{
    CURL *easy = call->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->errors);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_URL, o->url);
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, &o->connect_to);
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, (long)CURL_DNS_CACHE_S);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)READ_CHUNK);
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_CHUNK);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, http_version(&o->target));
    /* HTTP/2 calls share one connection: wait for it rather than opening one each. */
    curl_easy_setopt(easy, CURLOPT_PIPEWAIT, o->target.http2 && !o->never_pool ? 1L : 0L);
    if (o->target.tls)
        set_up_tls(o, easy);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, client_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call->client);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, client_close_socket);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, call->client);
    call_hook(call);
    request_hook(call);
    response_hook(call);
}

struct net_call *origin_take_call(struct origin *o)
{
    struct net_client *c = o->client;
    struct net_call *call = TAILQ_FIRST(&o->idle);
    if (call) {
        TAILQ_REMOVE(&o->idle, call, link);
        o->idle_count--;
        c->idle_count--;
    } else {
        call = xnew(struct net_call);
        call->client = c;
        call->origin = o;
        call->settings = (struct call_settings){.kind = -1, .connect_ms = -1, .idle_s = -1};
        call->easy = curl_easy_init();
        if (!call->easy)
            abort(); /* out of memory */
        set_up(o, call);
    }
    o->calls++;
    TAILQ_INSERT_TAIL(&c->calls, call, link);
    return call;
}

void origin_give_call(struct net_call *call)
{
    struct origin *o = call->origin;
    struct net_client *c = call->client;
    TAILQ_REMOVE(&c->calls, call, link);
    o->calls--;
    if (c->idle_count >= MAX_IDLE || request_spent(call)) {
        call_free(call);
        return;
    }
    TAILQ_INSERT_HEAD(&o->idle, call, link);
    o->idle_count++;
    c->idle_count++;
}

/* --- addresses --- */

static void launch_waiting(struct origin *o)
{
    struct net_call *call;
    while ((call = TAILQ_FIRST(&o->waiting))) {
        TAILQ_REMOVE(&o->waiting, call, queue);
        call->waiting = false;
        call_launch(call);
    }
}

static void fail_waiting(struct origin *o, const struct net_failure *f)
{
    struct net_call *call;
    while ((call = TAILQ_FIRST(&o->waiting))) {
        TAILQ_REMOVE(&o->waiting, call, queue);
        call->waiting = false;
        call_fail(call, f);
    }
    client_kick(o->client);
}

static void set_addresses(struct origin *o, const char *list, int64_t fresh_until_ns)
{
    char *text = xasprintf("+%s:%u:%s", o->pool, o->target.port, list);
    if (!o->addresses.data || strcmp(o->addresses.data, text) != 0)
        o->loaded_until_ns = 0;
    free(o->addresses.data);
    o->addresses.data = text;
    o->fresh_until_ns = fresh_until_ns;
}

static void add_address(struct buf *list, const struct addrinfo *a)
{
    char text[INET6_ADDRSTRLEN];
    const void *bytes = a->ai_family == AF_INET6
                            ? (const void *)&((struct sockaddr_in6 *)a->ai_addr)->sin6_addr
                            : (const void *)&((struct sockaddr_in *)a->ai_addr)->sin_addr;
    if (inet_ntop(a->ai_family, bytes, text, sizeof text))
        buf_printf(list, "%s%s", list->len ? "," : "", text);
}

/* The system's order (RFC 6724), IPv4 first if so wished. */
static void list_addresses(const struct origin *o, const struct addrinfo *all, struct buf *list)
{
    int left = MAX_ADDRESSES;
    for (int pass = 0; pass < 2; pass++)
        for (const struct addrinfo *a = all; a && left > 0; a = a->ai_next) {
            bool first = !o->target.prefer_ipv4 || a->ai_family == AF_INET;
            if (first == (pass == 0) && (a->ai_family == AF_INET || a->ai_family == AF_INET6)) {
                add_address(list, a);
                left--;
            }
        }
}

/* What getaddrinfo tells: no such name, no address for it, or "temporary", which is the name
 * servers' failure or silence. Silence takes seconds (resolv.conf's timeout is 5 by default). */
static void lookup_failure(const struct lookup *l, int status, struct net_failure *f)
{
    enum { NXDOMAIN = 3, SILENCE_S = 4 };
    const char *host = l->origin->target.host;
    bool slow = clock_mono_ns() - l->began_ns >= INT64_C(1000000000) * SILENCE_S;
    if (status == UV_EAI_AGAIN && slow) {
        failure_set(f, NET_DNS_TIMEOUT, "looking up '%s': no name server answered", host);
        return;
    }
    failure_set(f, NET_DNS_ERROR, "looking up '%s': %s", host, uv_strerror(status));
    if (status == UV_EAI_NONAME)
        f->dns_rcode = NXDOMAIN;
}

static void on_looked_up(uv_getaddrinfo_t *req, int status, struct addrinfo *all)
{
    struct lookup *l = container_of(req, struct lookup, req);
    struct origin *o = l->origin;
    if (o) {
        o->lookup = NULL;
        struct buf list = BUF_INIT(MAX_ADDRESSES * (INET6_ADDRSTRLEN + 1));
        if (status == 0)
            list_addresses(o, all, &list);
        if (list.len) {
            set_addresses(o, list.data, clock_mono_ns() + LOOKUP_TTL_NS);
            launch_waiting(o);
        } else {
            struct net_failure f;
            lookup_failure(l, status ? status : UV_EAI_NODATA, &f);
            fail_waiting(o, &f);
        }
        buf_clear(&list);
    }
    uv_freeaddrinfo(all);
    free(l);
}

/* If it cannot even be started, all waiting calls fail. */
static void start_lookup(struct origin *o)
{
    struct lookup *l = xnew(struct lookup);
    l->origin = o;
    l->began_ns = clock_mono_ns();
    o->lookup = l;
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    int r = uv_getaddrinfo(loop_uv(o->client->loop), &l->req, on_looked_up, o->target.host, NULL,
                           &hints);
    if (r == 0)
        return;
    struct net_failure f;
    lookup_failure(l, r, &f);
    o->lookup = NULL;
    free(l);
    fail_waiting(o, &f);
}

void origin_connect(struct net_call *call)
{
    struct origin *o = call->origin;
    unsigned char bytes[16];
    if (!o->addresses.data && (inet_pton(AF_INET, o->target.host, bytes) == 1 ||
                               inet_pton(AF_INET6, o->target.host, bytes) == 1))
        set_addresses(o, o->target.host, NEVER);
    if (o->addresses.data && clock_mono_ns() < o->fresh_until_ns) {
        call_launch(call);
        return;
    }
    call->waiting = true;
    TAILQ_INSERT_TAIL(&o->waiting, call, queue);
    call_watch(call, call->connect_ms);
    if (!o->lookup)
        start_lookup(o);
}

void origin_load_addresses(struct net_call *call)
{
    struct origin *o = call->origin;
    if (clock_mono_ns() < o->loaded_until_ns)
        return;
    call->loads_addresses = true;
    call->forgotten = TAKE(call->client->forgotten);
    struct curl_slist *list = call->forgotten ? call->forgotten : &o->addresses;
    struct curl_slist *last = call->forgotten;
    while (last && last->next)
        last = last->next;
    if (last)
        last->next = &o->addresses;
    curl_easy_setopt(call->easy, CURLOPT_RESOLVE, list);
}

void origin_unload_addresses(struct net_call *call)
{
    struct curl_slist *node = call->forgotten;
    if (!node)
        return;
    /* Curl has read the list, unless the call was cut off before; then it would next time. */
    curl_easy_setopt(call->easy, CURLOPT_RESOLVE, &call->origin->addresses);
    while (node != &call->origin->addresses) {
        struct curl_slist *next = node->next;
        free(node);
        node = next;
    }
    call->forgotten = NULL;
}

void origin_distrust(struct origin *o)
{
    if (o->fresh_until_ns != NEVER)
        o->fresh_until_ns = 0;
}
