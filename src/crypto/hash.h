/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256, by OpenSSL's libcrypto: cache keys, digests of artifacts and of what made them. */
#ifndef EDGECTL_CRYPTO_HASH_H
#define EDGECTL_CRYPTO_HASH_H

#include <stddef.h>
#include <stdint.h>
#include "base/spool.h"

enum { HASH_SIZE = 32, HASH_HEX_SIZE = 2 * HASH_SIZE + 1 };

struct hash;

struct hash *hash_new(void);
void hash_add(struct hash *h, const void *data, size_t len);
/* Writes the digest of what was added so far; h can only be freed after that. */
void hash_final(struct hash *h, uint8_t ret_digest[HASH_SIZE]);
/* NULL is allowed. */
void hash_free(struct hash *h);
void hash_free_p(struct hash **h);

enum { HASH_SHA1_SIZE = 20 };
/* SHA-1, where a protocol has it (RFC 6455, file names at Vercel): not against forgery. For `sp`
 * see hash_spooled. */
void hash_sha1(const struct spool *sp, const void *data, size_t len,
               uint8_t ret_digest[HASH_SHA1_SIZE]);

/* The digest of one piece. */
void hash_bytes(const void *data, size_t len, uint8_t ret_digest[HASH_SIZE]);
/* The same for one that may be of a spool, whose memory is given back; NULL = none. */
void hash_spooled(const struct spool *sp, const uint8_t *data, size_t len,
                  uint8_t ret_digest[HASH_SIZE]);
/* Lower-case hexadecimal with its NUL. */
void hash_hex(const uint8_t digest[HASH_SIZE], char ret_hex[HASH_HEX_SIZE]);

#endif
