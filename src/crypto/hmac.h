/* SPDX-License-Identifier: Apache-2.0 */
/* HMAC-SHA-256 (RFC 2104), by OpenSSL's libcrypto. */
#ifndef EDGECTL_CRYPTO_HMAC_H
#define EDGECTL_CRYPTO_HMAC_H

#include <stddef.h>
#include <stdint.h>
#include "crypto/hash.h"

/* Any length of key; ret_mac may be the same memory as the key. */
void hmac_bytes(const void *key, size_t key_len, const void *data, size_t len,
                uint8_t ret_mac[HASH_SIZE]);

#endif
