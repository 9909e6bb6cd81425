/* SPDX-License-Identifier: Apache-2.0 */
/* Sealed boxes as Fastly's secret stores take them: a value encrypted to a short-lived X25519 key
 * (libsodium's crypto_box_seal: BLAKE2b nonce, XSalsa20-Poly1305), after the key's Ed25519
 * signature was checked. */
#ifndef EDGECTL_CRYPTO_SEALED_BOX_H
#define EDGECTL_CRYPTO_SEALED_BOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEALED_KEY_SIZE = 32, SEALED_SIGNATURE_SIZE = 64, SEALED_MORE = 48 };

/* True if `signature` over the 32 bytes of `key` is `signer`'s. */
bool sealed_key_is_signed(const uint8_t key[SEALED_KEY_SIZE],
                          const uint8_t signature[SEALED_SIGNATURE_SIZE],
                          const uint8_t signer[SEALED_KEY_SIZE]);
/* len + SEALED_MORE bytes go to `to`. False if the key is no point to encrypt to. */
bool sealed_box(const uint8_t key[SEALED_KEY_SIZE], const void *data, size_t len, uint8_t *to);

#endif
