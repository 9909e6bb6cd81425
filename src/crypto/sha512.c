/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/sha512.h"

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/hex.h"
#include "base/mem.h"

enum { DIGEST = 64 };

struct sha512 {
    EVP_MD_CTX *ctx;
};

/* As in hash.c: a digest that is not one must never get out. */
static void need(bool ok)
{
    if (!ok)
        abort();
}

struct sha512 *sha512_new(void)
{
    struct sha512 *h = xnew(struct sha512);
    h->ctx = EVP_MD_CTX_new();
    need(h->ctx && EVP_DigestInit_ex(h->ctx, EVP_sha512(), NULL) == 1);
    return h;
}

void sha512_add(struct sha512 *h, const void *data, size_t len)
{
    if (len)
        need(EVP_DigestUpdate(h->ctx, data, len) == 1);
}

void sha512_hex(struct sha512 *h, char ret_hex[SHA512_HEX_SIZE])
{
    uint8_t digest[DIGEST];
    unsigned int len = 0;
    need(EVP_DigestFinal_ex(h->ctx, digest, &len) == 1 && len == DIGEST);
    hex_encode(digest, DIGEST, ret_hex);
    EVP_MD_CTX_free(h->ctx);
    free(h);
}
