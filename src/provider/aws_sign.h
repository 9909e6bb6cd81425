/* SPDX-License-Identifier: Apache-2.0 */
/* AWS request signing: Signature Version 4 (HMAC), and its asymmetric form 4A (ECDSA), which the
 * data plane of CloudFront's KeyValueStore asks for. Source: AWS IAM User Guide, "Create a signed
 * AWS API request"; key derivation of 4A as published in aws-c-auth, source/key_derivation.c.
 * Nothing here does I/O or reads a clock. */
#ifndef EDGECTL_PROVIDER_AWS_SIGN_H
#define EDGECTL_PROVIDER_AWS_SIGN_H

#include <stdint.h>
#include "base/buf.h"
#include "base/headers.h"
#include "crypto/p256.h"
#include "crypto/secret.h"

enum aws_algorithm { AWS_V4, AWS_V4A };

struct aws_signer {
    enum aws_algorithm algorithm;
    const char *service;            /* its signing name: "lambda" */
    const char *region;             /* V4A: the region set, "*" */
    const char *access_key_id;
    const struct secret *secret_key;
    const struct secret *session_token;     /* NULL = none */
    const struct p256 *key;         /* V4A: from aws_sign_derive */
};

struct aws_message {
    const char *method;
    const char *host;               /* with its port, as in the Host header */
    const char *path;               /* as on the wire: percent-encoded once, starts with '/' */
    const char *query;              /* as on the wire, any order, without '?'; "" = none */
    const struct headers *headers;  /* without Host and what signing adds; any of them is signed but
                                     * those that the transport may touch */
    const uint8_t *body_sha256;     /* 32 bytes */
    int64_t time_s;                 /* of signing, seconds since 1970 */
};

/* Adds X-Amz-Date, X-Amz-Security-Token, X-Amz-Region-Set and Authorization, as they apply. */
void aws_sign(const struct aws_signer *s, const struct aws_message *m, struct headers *add);

/* The key pair that 4A derives from an access key. */
struct p256 *aws_sign_derive(const char *access_key_id, const struct secret *secret_key);

/* What is signed, for tests and for finding out why a signature is refused. */
void aws_sign_canonical(const struct aws_signer *s, const struct aws_message *m, struct buf *to);

#endif
