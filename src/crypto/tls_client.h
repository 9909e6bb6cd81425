/* SPDX-License-Identifier: Apache-2.0 */
/* What a TLS client demands of its peer and shows of itself, prepared once and put onto each new
 * connection's SSL_CTX. Trust, names, versions and keys are decided here and nowhere else. */
#ifndef EDGECTL_CRYPTO_TLS_CLIENT_H
#define EDGECTL_CRYPTO_TLS_CLIENT_H

#include <stdint.h>
#include "base/err.h"

struct tls_client;

/* Strings are borrowed for tls_client_new. */
struct tls_client_config {
    const char *verify_name;        /* DNS name or address literal the certificate must carry */
    const char *ca_pem;             /* trust anchors; NULL = the system's */
    const char *cert_pem, *key_pem; /* own certificate (chain) and key; both or none */
    const char *ciphers;            /* OpenSSL cipher list (TLS 1.2 and older); NULL = default */
    int version_min, version_max;   /* TLS 1.x as x = 0..3; -1 = default (1.2, newest) */
};

/* With one reference. Fails with ERR_FAILURE on unusable PEM text, a key that does not match its
 * certificate, unknown ciphers or an empty version range; messages never quote key material. */
struct tls_client *tls_client_new(const struct tls_client_config *config, struct err *err);
struct tls_client *tls_client_ref(struct tls_client *tc);
/* NULL is allowed. References are counted without locks: one thread per tls_client. */
void tls_client_unref(struct tls_client *tc);
/* Configure an SSL_CTX (as void *, so that callers need no OpenSSL header); it keeps a reference
 * until it is freed. 0 or -ERR_FAILURE. */
int tls_client_apply(struct tls_client *tc, void *ssl_ctx);
/* Tell the peer that we shall send no more: `ssl` is a connection's SSL, between calls of others on
 * it. What does not go out at once never does. */
void tls_client_shut_down(void *ssl);
/* What went wrong on its connections so far. Callers compare counts before and after. */
struct tls_client_events {
    unsigned alerts;                /* fatal ones from peers ... */
    uint8_t alert;                  /* ... the newest one's description (RFC 8446 section 6) */
    unsigned distrusts;             /* certificates refused here ... */
    const char *distrust;           /* ... the newest one's reason, static text */
};
const struct tls_client_events *tls_client_events(const struct tls_client *tc);

#endif
