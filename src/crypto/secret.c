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

void secret_wipe(void *data, size_t len)
{
    if (data)
        explicit_bzero(data, len);
}
