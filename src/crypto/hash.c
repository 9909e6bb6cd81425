/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/hash.h"

#include <stdbool.h>
#include <stdlib.h>
#include <openssl/evp.h>
#include "base/mem.h"

struct hash {
    EVP_MD_CTX *ctx;
};

/* libcrypto reports only a lack of memory or a build without SHA-256 here: neither can be helped,
 * and a digest that is not one must never get out. */
static void need(bool ok)
{
    if (!ok)
        abort();
}

struct hash *hash_new(void)
{
    struct hash *h = xnew(struct hash);
    h->ctx = EVP_MD_CTX_new();
    need(h->ctx && EVP_DigestInit_ex(h->ctx, EVP_sha256(), NULL) == 1);
    return h;
}

void hash_add(struct hash *h, const void *data, size_t len)
{
    if (len)
        need(EVP_DigestUpdate(h->ctx, data, len) == 1);
}

void hash_final(struct hash *h, uint8_t ret_digest[HASH_SIZE])
{
    unsigned int len = 0;
    need(EVP_DigestFinal_ex(h->ctx, ret_digest, &len) == 1 && len == HASH_SIZE);
}

void hash_free(struct hash *h)
{
    if (!h)
        return;
    EVP_MD_CTX_free(h->ctx);
    free(h);
}

void hash_free_p(struct hash **h)
{
    hash_free(*h);
}

void hash_bytes(const void *data, size_t len, uint8_t ret_digest[HASH_SIZE])
{
    struct hash *h = hash_new();
    hash_add(h, data, len);
    hash_final(h, ret_digest);
    hash_free(h);
}

void hash_hex(const uint8_t digest[HASH_SIZE], char ret_hex[HASH_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < HASH_SIZE; i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[2 * HASH_SIZE] = '\0';
}

void hash_sha1(const void *data, size_t len, uint8_t ret_digest[HASH_SHA1_SIZE])
{
    if (EVP_Digest(data, len, ret_digest, NULL, EVP_sha1(), NULL) != 1)
        abort();
}
