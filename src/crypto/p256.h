/* SPDX-License-Identifier: Apache-2.0 */
/* ECDSA with SHA-256 on the curve P-256 (FIPS 186-5; SEC 2 secp256r1), by OpenSSL's libcrypto. */
#ifndef EDGECTL_CRYPTO_P256_H
#define EDGECTL_CRYPTO_P256_H

#include <stddef.h>
#include <stdint.h>
#include "base/cleanup.h"

enum { P256_SIZE = 32, P256_SIGNATURE_MAX = 72 };

struct p256;        /* a private key with its public point */

/* The key whose private scalar is this big-endian number; NULL when it is 0, or not below the order
 * of the curve. The caller clears the scalar. */
struct p256 *p256_new(const uint8_t scalar[P256_SIZE]);
/* Clears the key. NULL is allowed. */
void p256_free(struct p256 *k);
void p256_free_p(struct p256 **k);
/* The public point, big-endian. */
void p256_public(const struct p256 *k, uint8_t ret_x[P256_SIZE], uint8_t ret_y[P256_SIZE]);
/* Over the SHA-256 of the data; DER (RFC 3279 section 2.2.3). Returns its length. Each signature is
 * another one: the nonce is random. */
size_t p256_sign(const struct p256 *k, const void *data, size_t len,
                 uint8_t ret_der[P256_SIGNATURE_MAX]);

#endif
