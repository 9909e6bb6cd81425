/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-512, by OpenSSL's libcrypto: what Fastly tells packages apart by. */
#ifndef EDGECTL_CRYPTO_SHA512_H
#define EDGECTL_CRYPTO_SHA512_H

#include <stddef.h>

enum { SHA512_HEX_SIZE = 129 };

struct sha512;

struct sha512 *sha512_new(void);
void sha512_add(struct sha512 *h, const void *data, size_t len);
/* Lower-case hexadecimal with its NUL; frees h. */
void sha512_hex(struct sha512 *h, char ret_hex[SHA512_HEX_SIZE]);

#endif
