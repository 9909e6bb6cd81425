/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/secret.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

struct secret {
    atomic_int refs;
    size_t len;
    uint8_t *data;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start(void)
{
    if (sodium_init() < 0)
        abort(); /* no source of randomness: nothing here would be safe */
}

struct secret *secret_alloc(size_t len, uint8_t **ret_data)
{
    pthread_once(&once, start);
    struct secret *s = xnew(struct secret);
    atomic_init(&s->refs, 1);
    s->len = len;
    /* Where the limit on locked memory is reached, the memory is not locked but still fenced. */
    s->data = sodium_malloc(len ? len : 1);
    if (!s->data)
        abort();
    *ret_data = s->data;
    return s;
}

struct secret *secret_new(const void *data, size_t len)
{
    uint8_t *to;
    struct secret *s = secret_alloc(len, &to);
    if (len)
        memcpy(to, data, len);
    return s;
}

struct secret *secret_ref(struct secret *s)
{
    atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    return s;
}

void secret_unref(struct secret *s)
{
    if (!s || atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel) > 1)
        return;
    sodium_free(s->data); /* clears it */
    free(s);
}

void secret_unref_p(struct secret **s)
{
    secret_unref(*s);
}

const uint8_t *secret_expose(const struct secret *s)
{
    return s->data;
}

size_t secret_len(const struct secret *s)
{
    return s->len;
}

/* Salted by the names, so that equal values of two secrets, or of two apps with other names for
 * them, do not show. 19 MiB and two passes are OWASP's least for Argon2id. */
void secret_print(const struct secret *s, const char *store, const char *key,
                  char ret_hex[HASH_HEX_SIZE])
{
    uint8_t salt[HASH_SIZE], digest[HASH_SIZE];
    struct hash *h = hash_new();
    hash_add(h, store, strlen(store) + 1);
    hash_add(h, key, strlen(key) + 1);
    hash_final(h, salt);
    hash_free(h);
    _Static_assert(crypto_pwhash_SALTBYTES <= HASH_SIZE, "the salt is a prefix of a digest");
    if (crypto_pwhash(digest, sizeof digest, (const char *)s->data, s->len, salt, 2,
                      (size_t)19 << 20, crypto_pwhash_ALG_ARGON2ID13) != 0)
        abort(); /* out of memory */
    hash_hex(digest, ret_hex);
}

void secret_wipe(void *data, size_t len)
{
    if (data)
        explicit_bzero(data, len);
}
