/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/hash.h"

#include <stdbool.h>
#include <stdlib.h>
#include <openssl/evp.h>
#include "base/hex.h"
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

static struct hash *new_of(const EVP_MD *kind)
{
    struct hash *h = xnew(struct hash);
    h->ctx = EVP_MD_CTX_new();
    need(h->ctx && EVP_DigestInit_ex(h->ctx, kind, NULL) == 1);
    return h;
}

struct hash *hash_new(void)
{
    return new_of(EVP_sha256());
}

void hash_add(struct hash *h, const void *data, size_t len)
{
    if (len)
        need(EVP_DigestUpdate(h->ctx, data, len) == 1);
}

static void final(struct hash *h, uint8_t *ret_digest, unsigned int size)
{
    unsigned int len = 0;
    need(EVP_DigestFinal_ex(h->ctx, ret_digest, &len) == 1 && len == size);
}

void hash_final(struct hash *h, uint8_t ret_digest[HASH_SIZE])
{
    final(h, ret_digest, HASH_SIZE);
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

static void add_spooled(struct hash *h, const struct spool *sp, const uint8_t *data, size_t len)
{
    for (size_t at = 0, n; at < len; at += n) {
        n = spool_slice(len - at);
        hash_add(h, data + at, n);
        spool_forget(sp, data + at, n);
    }
}

void hash_spooled(const struct spool *sp, const uint8_t *data, size_t len,
                  uint8_t ret_digest[HASH_SIZE])
{
    struct hash *h = hash_new();
    add_spooled(h, sp, data, len);
    hash_final(h, ret_digest);
    hash_free(h);
}

void hash_sha1(const struct spool *sp, const void *data, size_t len,
               uint8_t ret_digest[HASH_SHA1_SIZE])
{
    struct hash *h = new_of(EVP_sha1());
    add_spooled(h, sp, data, len);
    final(h, ret_digest, HASH_SHA1_SIZE);
    hash_free(h);
}

void hash_hex(const uint8_t digest[HASH_SIZE], char ret_hex[HASH_HEX_SIZE])
{
    hex_encode(digest, HASH_SIZE, ret_hex);
}
