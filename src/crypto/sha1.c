/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/sha1.h"

#include <stdint.h>
#include <stdlib.h>
#include <openssl/evp.h>

void sha1_hex(const void *data, size_t len, char ret_hex[SHA1_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    /* As in hash.c. */
    if (EVP_Digest(data, len, digest, &size, EVP_sha1(), NULL) != 1 ||
        2 * size + 1 != SHA1_HEX_SIZE)
        abort();
    for (unsigned int i = 0; i < size; i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[2 * size] = '\0';
}
