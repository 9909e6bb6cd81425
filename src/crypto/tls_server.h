/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side of TLS (1.2 and 1.3) between bytes in memory: no socket, no loop. One
 * tls_server serves all loops; a tls_session belongs to one connection. Certificates come from the
 * local authority, one per name asked for. */
#ifndef EDGECTL_CRYPTO_TLS_SERVER_H
#define EDGECTL_CRYPTO_TLS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"
#include "crypto/ca.h"

struct tls_server;
struct tls_session;

struct tls_server_config {
    const struct ca *ca;            /* borrowed: must outlive the server */
    bool ask_client_cert;           /* clients may show a certificate; none is refused for it */
    const char *client_ca_pem;      /* who may vouch for those; NULL: all are unknown_ca */
};

/* -ERR_FAILURE: unusable CA text, or OpenSSL cannot make a certificate. */
must_use int tls_server_new(const struct tls_server_config *config, struct tls_server **ret,
                            struct err *err);
/* After its last session. NULL is allowed. */
void tls_server_free(struct tls_server *s);

/* What is known of the client after the handshake. Strings live as long as the session. */
struct tls_facts {
    const char *protocol, *cipher, *servername;     /* servername: NULL if none was sent */
    const uint8_t *client_hello;                    /* handshake message with its header */
    size_t client_hello_len;
    const uint8_t *client_cert;                     /* PEM, NULL if none was sent */
    size_t client_cert_len;
    int verify_result;                              /* abi README section 7; -1: not asked for */
    bool has_prints;
    uint8_t ja3_md5[16];
    const char *ja4;
};

struct tls_session *tls_session_new(struct tls_server *s);
void tls_session_free(struct tls_session *t);

enum { TLS_WAIT = 0, TLS_END = -1, TLS_BROKEN = -2 };

/* Ciphertext from the client. All of it is taken. */
void tls_session_feed(struct tls_session *t, const void *data, size_t len);
/* Plaintext from the client: bytes read, TLS_WAIT (feed more), TLS_END (the client has said that it
 * will send no more), or TLS_BROKEN. Does the handshake too: there may be output after it. */
ssize_t tls_session_read(struct tls_session *t, void *to, size_t cap);
/* NULL until the handshake is done. */
const struct tls_facts *tls_session_facts(struct tls_session *t);
/* Plaintext for the client: all of it becomes output. False if the session is broken. */
bool tls_session_write(struct tls_session *t, const void *data, size_t len);
/* We shall write no more: output gets close_notify. */
void tls_session_shutdown(struct tls_session *t);
/* Ciphertext for the client: its first bytes, valid until the next call on this session. */
size_t tls_session_output(struct tls_session *t, const void **data);
void tls_session_sent(struct tls_session *t, size_t len);

#endif
