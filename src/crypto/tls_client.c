/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/tls_client.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

struct tls_client {
    int refs;
    char *verify_name;
    bool verify_address;
    X509_STORE *trust;
    X509 *cert;
    STACK_OF(X509) *chain;
    EVP_PKEY *key;
    char *ciphers;
    int version_min, version_max;   /* OpenSSL's numbers, 0 = library's own */
    struct tls_client_events events;
};

static pthread_once_t index_once = PTHREAD_ONCE_INIT;
static int client_index;

static void ctx_freed(void *parent, void *ptr, CRYPTO_EX_DATA *ad, int idx, long argl, void *argp)
{
    (void)parent, (void)ad, (void)idx, (void)argl, (void)argp;
    tls_client_unref(ptr);
}

static void make_index(void)
{
    client_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, ctx_freed);
}

/* An encrypted key must fail, not ask on the terminal. */
static int no_password(char *buf, int size, int rwflag, void *env)
{
    (void)buf, (void)size, (void)rwflag, (void)env;
    return -1;
}

static void bio_free_p(BIO **bio)
{
    BIO_free(*bio);
}

static BIO *text_bio(const char *text)
{
    BIO *bio = BIO_new_mem_buf(text, -1);
    if (!bio)
        abort(); /* out of memory */
    return bio;
}

/* True if PEM reading ended because no further block was there. */
static bool at_pem_end(void)
{
    unsigned long e = ERR_peek_last_error();
    return ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
}

static int load_anchors(struct tls_client *tc, const char *pem, struct err *err)
{
    cleanup(bio_free_p) BIO *bio = text_bio(pem);
    size_t count = 0;
    for (;;) {
        X509 *x = PEM_read_bio_X509(bio, NULL, no_password, NULL);
        if (!x)
            break;
        X509_STORE_add_cert(tc->trust, x);
        X509_free(x);
        count++;
    }
    bool clean = at_pem_end();
    ERR_clear_error();
    if (count == 0 || !clean)
        return err_set(err, ERR_FAILURE, "the CA certificates are not valid PEM text");
    return 0;
}

static int load_trust(struct tls_client *tc, const char *pem, struct err *err)
{
    tc->trust = X509_STORE_new();
    if (!tc->trust)
        abort(); /* out of memory */
    /* A CA named by the user is an anchor even if somebody else signed it. */
    X509_STORE_set_flags(tc->trust, X509_V_FLAG_TRUSTED_FIRST | X509_V_FLAG_PARTIAL_CHAIN);
    if (pem)
        return load_anchors(tc, pem, err);
    /* The hashed directory and SSL_CERT_FILE / SSL_CERT_DIR: certificates are read as needed,
     * where parsing the whole bundle would hold up the loop for tens of milliseconds. */
    if (X509_STORE_set_default_paths(tc->trust) != 1)
        return err_set(err, ERR_FAILURE, "the system's CA certificates cannot be used");
    return 0;
}

static int load_identity(struct tls_client *tc, const char *cert, const char *key, struct err *err)
{
    cleanup(bio_free_p) BIO *in = text_bio(cert);
    tc->cert = PEM_read_bio_X509_AUX(in, NULL, no_password, NULL);
    if (!tc->cert)
        return err_set(err, ERR_FAILURE, "the client certificate is not valid PEM text");
    tc->chain = sk_X509_new_null();
    X509 *x;
    while ((x = PEM_read_bio_X509(in, NULL, no_password, NULL)))
        sk_X509_push(tc->chain, x);
    if (!at_pem_end())
        return err_set(err, ERR_FAILURE, "the client certificate's chain is not valid PEM text");
    cleanup(bio_free_p) BIO *key_in = text_bio(key);
    tc->key = PEM_read_bio_PrivateKey(key_in, NULL, no_password, NULL);
    if (!tc->key)
        return err_set(err, ERR_FAILURE, "the client key is not valid PEM text, or is encrypted");
    if (X509_check_private_key(tc->cert, tc->key) != 1)
        return err_set(err, ERR_FAILURE, "the client key does not belong to the certificate");
    return 0;
}

static int protocol_number(int minor)
{
    static const int numbers[] = {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
    return minor >= 0 && minor < (int)ARRAY_LEN(numbers) ? numbers[minor] : 0;
}

static int load_parameters(struct tls_client *tc, const struct tls_client_config *config,
                           struct err *err)
{
    tc->version_max = protocol_number(config->version_max);
    tc->version_min = protocol_number(config->version_min);
    if (!tc->version_min)
        tc->version_min = TLS1_2_VERSION;
    if (tc->version_max && tc->version_max < tc->version_min) {
        if (config->version_min >= 0)
            return err_set(err, ERR_FAILURE, "the highest TLS version is below the lowest");
        tc->version_min = tc->version_max;
    }
    if (!config->ciphers)
        return 0;
    tc->ciphers = xstrdup(config->ciphers);
    SSL_CTX *probe = SSL_CTX_new(TLS_client_method());
    if (!probe)
        abort(); /* out of memory */
    int ok = SSL_CTX_set_cipher_list(probe, tc->ciphers);
    SSL_CTX_free(probe);
    return ok ? 0 : err_set(err, ERR_FAILURE, "no known TLS cipher in '%s'", config->ciphers);
}

static bool is_address(const char *name)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static void unref_p(struct tls_client **tc)
{
    tls_client_unref(*tc);
}

struct tls_client *tls_client_new(const struct tls_client_config *config, struct err *err)
{
    pthread_once(&index_once, make_index);
    ERR_clear_error();
    cleanup(unref_p) struct tls_client *tc = xnew(struct tls_client);
    tc->refs = 1;
    tc->verify_name = xstrdup(config->verify_name);
    tc->verify_address = is_address(config->verify_name);
    int r = load_trust(tc, config->ca_pem, err);
    if (r == 0 && config->cert_pem)
        r = load_identity(tc, config->cert_pem, config->key_pem, err);
    if (r == 0)
        r = load_parameters(tc, config, err);
    ERR_clear_error();
    return r == 0 ? TAKE(tc) : NULL;
}

struct tls_client *tls_client_ref(struct tls_client *tc)
{
    tc->refs++;
    return tc;
}

void tls_client_unref(struct tls_client *tc)
{
    if (!tc || --tc->refs > 0)
        return;
    X509_STORE_free(tc->trust);
    X509_free(tc->cert);
    sk_X509_pop_free(tc->chain, X509_free);
    EVP_PKEY_free(tc->key);
    free(tc->verify_name);
    free(tc->ciphers);
    free(tc);
}

static struct tls_client *client_of(const SSL *ssl)
{
    return SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), client_index);
}

static void on_info(const SSL *ssl, int where, int value)
{
    if (where != SSL_CB_READ_ALERT || value >> 8 != SSL3_AL_FATAL)
        return;
    struct tls_client *tc = client_of(ssl);
    tc->events.alerts++;
    tc->events.alert = (uint8_t)value;
}

/* Notes the reason of a refusal, and refuses if the anchors are not those that were asked for. */
static int on_verify(int ok, X509_STORE_CTX *store)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls_client *tc = client_of(ssl);
    if (X509_STORE_CTX_get0_store(store) != tc->trust) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
        ok = 0;
    }
    if (!ok) {
        tc->events.distrusts++;
        tc->events.distrust = X509_verify_cert_error_string(X509_STORE_CTX_get_error(store));
    }
    return ok;
}

static bool apply_name(const struct tls_client *tc, SSL_CTX *ctx)
{
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (tc->verify_address)
        return X509_VERIFY_PARAM_set1_ip_asc(param, tc->verify_name);
    return X509_VERIFY_PARAM_set1_host(param, tc->verify_name, 0);
}

static bool apply_identity(const struct tls_client *tc, SSL_CTX *ctx)
{
    if (!tc->cert)
        return true;
    if (SSL_CTX_use_certificate(ctx, tc->cert) != 1 || SSL_CTX_use_PrivateKey(ctx, tc->key) != 1)
        return false;
    return SSL_CTX_set1_chain(ctx, tc->chain) == 1;
}

int tls_client_apply(struct tls_client *tc, void *ssl_ctx)
{
    SSL_CTX *ctx = ssl_ctx;
    /* Not SSL_CTX_set1_cert_store: libcurl keeps that one for other connections (7.87 and on). */
    SSL_CTX_set1_verify_cert_store(ctx, tc->trust);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, on_verify);
    /* Debian's security level 2 leaves no usable TLS 1.0 and 1.1: who asks for nothing newer
     * gets them. */
    if (tc->version_max && tc->version_max < TLS1_2_VERSION)
        SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    bool ok = SSL_CTX_set_min_proto_version(ctx, tc->version_min) &&
              SSL_CTX_set_max_proto_version(ctx, tc->version_max) && apply_name(tc, ctx) &&
              apply_identity(tc, ctx) &&
              (!tc->ciphers || SSL_CTX_set_cipher_list(ctx, tc->ciphers));
    if (!ok)
        return -ERR_FAILURE;
    SSL_CTX_set_info_callback(ctx, on_info);
    SSL_CTX_set_ex_data(ctx, client_index, tls_client_ref(tc));
    return 0;
}

void tls_client_shut_down(void *ssl)
{
    SSL_shutdown(ssl);
    ERR_clear_error();
}

const struct tls_client_events *tls_client_events(const struct tls_client *tc)
{
    return &tc->events;
}
