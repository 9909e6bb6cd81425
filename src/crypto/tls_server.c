/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/tls_server.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/clock.h"
#include "base/mem.h"
#include "crypto/client_hello.h"

enum {
    MAX_LEAVES = 64,                    /* names with their own certificate; the rest share one */
    MAX_HELLO = 64 << 10,
};

/* Half of the certificates' life. */
static const int64_t LEAF_LIFE_NS = INT64_C(15) * 24 * 60 * 60 * 1000000000;

struct leaf {
    char *name;                         /* NULL: for all others */
    X509 *cert;
    EVP_PKEY *key;
    int64_t made_ns;                    /* wall clock */
};

struct tls_server {
    SSL_CTX *ctx;
    const struct ca *ca;
    bool asks;
    pthread_mutex_t lock;               /* of leaves */
    struct leaf leaves[MAX_LEAVES];     /* the first is for all others */
    size_t leaf_count;
};

struct tls_session {
    struct tls_server *server;
    SSL *ssl;
    BIO *in, *out;                      /* the ssl's */
    bool ready, broken;
    uint8_t *hello;
    size_t hello_len;
    char *cert_pem;
    struct client_hello_prints prints;
    struct tls_facts facts;
};

static int openssl_err(struct err *err, const char *what)
{
    char text[160];
    ERR_error_string_n(ERR_get_error(), text, sizeof text);
    ERR_clear_error();
    return err_set(err, ERR_FAILURE, "%s: %s", what, text);
}

/* --- certificates by name --- */

static void leaf_clear(struct leaf *l)
{
    free(l->name);
    X509_free(l->cert);
    EVP_PKEY_free(l->key);
    *l = (struct leaf){0};
}

static int leaf_make(struct tls_server *s, struct leaf *l, const char *name, struct err *err)
{
    void *cert, *key;
    int r = ca_issue(s->ca, name, &cert, &key, err);
    if (r < 0)
        return r;
    leaf_clear(l);
    *l = (struct leaf){.cert = cert, .key = key, .made_ns = clock_wall_ns()};
    if (name)
        l->name = xstrdup(name);
    return 0;
}

/* Under lock. */
static struct leaf *leaf_for(struct tls_server *s, const char *name)
{
    struct leaf *l = &s->leaves[0];
    if (name && strchr(name, '.') && ca_covers(name)) {
        size_t i = 1;
        while (i < s->leaf_count && strcasecmp(s->leaves[i].name, name) != 0)
            i++;
        if (i == s->leaf_count && i < MAX_LEAVES && leaf_make(s, &s->leaves[i], name, NULL) == 0)
            s->leaf_count++;
        if (i < s->leaf_count)
            l = &s->leaves[i];
    }
    if (clock_wall_ns() - l->made_ns > LEAF_LIFE_NS) {
        cleanup(free_p) char *again = l->name ? xstrdup(l->name) : NULL;
        leaf_make(s, l, again, NULL); /* if that fails the old one is still valid for a while */
    }
    return l;
}

static int choose_cert(SSL *ssl, void *env)
{
    struct tls_server *s = env;
    pthread_mutex_lock(&s->lock);
    struct leaf *l = leaf_for(s, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    int ok = SSL_use_certificate(ssl, l->cert) == 1 && SSL_use_PrivateKey(ssl, l->key) == 1;
    pthread_mutex_unlock(&s->lock);
    return ok;
}

/* --- the server --- */

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *env)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl, (void)env;
    unsigned char *chosen;
    int r = SSL_select_next_proto(&chosen, out_len, ours, sizeof ours - 1, in, in_len);
    if (r != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK; /* whoever knows only others may still try */
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* Whatever the client shows is accepted: the app is told how far it can be believed. */
static int accept_any(int ok, X509_STORE_CTX *ctx)
{
    (void)ok, (void)ctx;
    return 1;
}

static void keep_hello(int write_p, int version, int content_type, const void *data, size_t len,
                       SSL *ssl, void *env)
{
    (void)version, (void)env;
    struct tls_session *t = SSL_get_app_data(ssl);
    if (write_p || content_type != SSL3_RT_HANDSHAKE || len < 4 || len > MAX_HELLO ||
        *(const uint8_t *)data != SSL3_MT_CLIENT_HELLO || t->hello)
        return;
    t->hello = xmemdup(data, len);
    t->hello_len = len;
}

static int load_client_ca(SSL_CTX *ctx, const char *pem, struct err *err)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    if (!bio)
        abort(); /* out of memory */
    size_t count = 0;
    X509 *x;
    while ((x = PEM_read_bio_X509(bio, NULL, NULL, (void *)(uintptr_t) ""))) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), x);
        SSL_CTX_add_client_CA(ctx, x);
        X509_free(x);
        count++;
    }
    BIO_free(bio);
    ERR_clear_error();
    if (count == 0)
        return err_set(err, ERR_FAILURE, "the CA for client certificates is not valid PEM text");
    return 0;
}

static int set_up(struct tls_server *s, const struct tls_server_config *c, struct err *err)
{
    s->ctx = SSL_CTX_new(TLS_server_method());
    if (!s->ctx || !SSL_CTX_set_min_proto_version(s->ctx, TLS1_2_VERSION))
        return openssl_err(err, "cannot set up TLS");
    /* No resumption: each connection shows its client's certificate and hello anew. */
    SSL_CTX_set_session_cache_mode(s->ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(s->ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_num_tickets(s->ctx, 0);
    SSL_CTX_set_mode(s->ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_cert_cb(s->ctx, choose_cert, s);
    SSL_CTX_set_alpn_select_cb(s->ctx, choose_protocol, NULL);
    SSL_CTX_set_msg_callback(s->ctx, keep_hello);
    if (c->ask_client_cert)
        SSL_CTX_set_verify(s->ctx, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, accept_any);
    int r = c->client_ca_pem ? load_client_ca(s->ctx, c->client_ca_pem, err) : 0;
    if (r == 0)
        r = leaf_make(s, &s->leaves[0], NULL, err);
    s->leaf_count = 1;
    return r;
}

int tls_server_new(const struct tls_server_config *config, struct tls_server **ret, struct err *err)
{
    struct tls_server *s = xnew(struct tls_server);
    s->ca = config->ca;
    s->asks = config->ask_client_cert;
    pthread_mutex_init(&s->lock, NULL);
    int r = set_up(s, config, err);
    if (r < 0)
        tls_server_free(s);
    else
        *ret = s;
    return r;
}

void tls_server_free(struct tls_server *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < MAX_LEAVES; i++)
        leaf_clear(&s->leaves[i]);
    SSL_CTX_free(s->ctx);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* --- facts --- */

static int verify_result(long v)
{
    switch (v) {
    case X509_V_OK: return 0;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD:
    case X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD: return 1;    /* bad_certificate */
    case X509_V_ERR_CERT_REVOKED: return 2;
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID: return 3;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED: return 4;                   /* unknown_ca */
    default: return 6;                                          /* certificate_unknown */
    }
}

static void read_client_cert(struct tls_session *t)
{
    struct tls_facts *f = &t->facts;
    X509 *x = SSL_get0_peer_certificate(t->ssl);
    f->verify_result = !t->server->asks ? -1 : x ? verify_result(SSL_get_verify_result(t->ssl)) : 5;
    BIO *bio = x ? BIO_new(BIO_s_mem()) : NULL;
    char *text;
    if (bio && PEM_write_bio_X509(bio, x)) {
        long len = BIO_get_mem_data(bio, &text);
        t->cert_pem = xstrndup(text, (size_t)len);
        f->client_cert = (const uint8_t *)t->cert_pem;
        f->client_cert_len = (size_t)len;
    }
    BIO_free(bio);
}

static void read_facts(struct tls_session *t)
{
    struct tls_facts *f = &t->facts;
    f->protocol = SSL_get_version(t->ssl);
    f->cipher = SSL_get_cipher_name(t->ssl);
    f->servername = SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name);
    f->client_hello = t->hello;
    f->client_hello_len = t->hello_len;
    f->has_prints = t->hello && client_hello_read(t->hello, t->hello_len, &t->prints);
    if (f->has_prints) {
        memcpy(f->ja3_md5, t->prints.ja3_md5, sizeof f->ja3_md5);
        f->ja4 = t->prints.ja4;
    }
    read_client_cert(t);
}

/* --- a session --- */

struct tls_session *tls_session_new(struct tls_server *s)
{
    struct tls_session *t = xnew(struct tls_session);
    t->server = s;
    t->ssl = SSL_new(s->ctx);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (!t->ssl || !t->in || !t->out)
        abort(); /* out of memory */
    SSL_set_app_data(t->ssl, t);
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_accept_state(t->ssl);
    return t;
}

void tls_session_free(struct tls_session *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    free(t->hello);
    free(t->cert_pem);
    free(t);
}

void tls_session_feed(struct tls_session *t, const void *data, size_t len)
{
    BIO_write(t->in, data, (int)len);
}

ssize_t tls_session_read(struct tls_session *t, void *to, size_t cap)
{
    if (t->broken)
        return TLS_BROKEN;
    ERR_clear_error();
    int n = SSL_read(t->ssl, to, (int)cap);
    if (!t->ready && SSL_is_init_finished(t->ssl)) {
        t->ready = true;
        read_facts(t);
    }
    if (n > 0)
        return n;
    switch (SSL_get_error(t->ssl, n)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return TLS_WAIT;
    case SSL_ERROR_ZERO_RETURN: return TLS_END;
    default:
        ERR_clear_error();
        t->broken = true;
        return TLS_BROKEN;
    }
}

const struct tls_facts *tls_session_facts(struct tls_session *t)
{
    return t->ready ? &t->facts : NULL;
}

bool tls_session_write(struct tls_session *t, const void *data, size_t len)
{
    if (t->broken || !t->ready)
        return false;
    ERR_clear_error();
    /* A memory BIO takes everything, so a write is whole or fails. */
    if (len && SSL_write(t->ssl, data, (int)len) != (int)len) {
        ERR_clear_error();
        t->broken = true;
    }
    return !t->broken;
}

void tls_session_shutdown(struct tls_session *t)
{
    if (t->ready && !t->broken)
        SSL_shutdown(t->ssl);
    ERR_clear_error();
}

size_t tls_session_output(struct tls_session *t, const void **data)
{
    char *at;
    long len = BIO_get_mem_data(t->out, &at);
    *data = at;
    return len > 0 ? (size_t)len : 0;
}

void tls_session_sent(struct tls_session *t, size_t len)
{
    /* Reading is the only way to drop bytes from a memory BIO; it moves none. */
    char drop[4096];
    while (len) {
        int n = BIO_read(t->out, drop, (int)(len < sizeof drop ? len : sizeof drop));
        if (n <= 0)
            return;
        len -= (size_t)n;
    }
}
