/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-1, by OpenSSL's libcrypto: only where a protocol names things by it. */
#ifndef EDGECTL_CRYPTO_SHA1_H
#define EDGECTL_CRYPTO_SHA1_H

#include <stddef.h>

enum { SHA1_HEX_SIZE = 41 };

/* Lower-case hexadecimal with its NUL. */
void sha1_hex(const void *data, size_t len, char ret_hex[SHA1_HEX_SIZE]);

#endif
