/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates made on the spot. */
#ifndef EDGECTL_TESTS_NET_CERTS_H
#define EDGECTL_TESTS_NET_CERTS_H

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

struct identity {
    X509 *cert;
    EVP_PKEY *key;
    char *cert_pem, *key_pem;
};

static inline char *bio_text(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    char *text = xstrndup(data, (size_t)len);
    BIO_free(bio);
    return text;
}

static inline void add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

/* `san` as in "DNS:a.test,IP:127.0.0.1"; NULL makes a CA. `by` NULL signs itself. Valid for `days`
 * (0: it has expired). */
static inline struct identity make_identity(const char *name, const char *san,
                                            const struct identity *by, int days)
{
    struct identity id = {.cert = X509_new(), .key = EVP_EC_gen("P-256")};
    static long serial = 1;
    ASN1_INTEGER_set(X509_get_serialNumber(id.cert), serial++);
    X509_set_version(id.cert, 2);
    X509_gmtime_adj(X509_getm_notBefore(id.cert), -86400 * 2);
    X509_gmtime_adj(X509_getm_notAfter(id.cert), days ? 86400L * days : -86400L);
    X509_set_pubkey(id.cert, id.key);
    X509_NAME *subject = X509_get_subject_name(id.cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(id.cert, by ? X509_get_subject_name(by->cert) : subject);
    X509 *issuer = by ? by->cert : id.cert;
    add_extension(id.cert, issuer, NID_basic_constraints, san ? "CA:FALSE" : "critical,CA:TRUE");
    if (san)
        add_extension(id.cert, issuer, NID_subject_alt_name, san);
    X509_sign(id.cert, by ? by->key : id.key, EVP_sha256());
    BIO *out = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(out, id.cert);
    id.cert_pem = bio_text(out);
    out = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(out, id.key, NULL, NULL, 0, NULL, NULL);
    id.key_pem = bio_text(out);
    return id;
}

static inline void clear_identity(struct identity *id)
{
    X509_free(id->cert);
    EVP_PKEY_free(id->key);
    free(id->cert_pem);
    free(id->key_pem);
}

#endif
