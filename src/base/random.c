/* SPDX-License-Identifier: Apache-2.0 */
#include "base/random.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    BLOCKS = 8,                     /* made at a time; the first half block is the next key */
    KEY_WORDS = 8,
    BIG = 256,                      /* requests from here on are the kernel's */
    RESEED_BYTES = 1 << 20,
};

struct generator {
    uint32_t key[KEY_WORDS];
    uint32_t pool[BLOCKS * 16];     /* its last `left` bytes are fresh */
    size_t left;
    size_t until_reseed;            /* bytes */
    unsigned forks;                 /* `forks` when it was seeded */
};

static _Thread_local struct generator generator;
static atomic_uint forks = 1;       /* 1 more than there were: a zeroed generator is not seeded */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void on_fork(void)
{
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
}

static void watch_forks(void)
{
    if (pthread_atfork(NULL, NULL, on_fork) != 0)
        abort(); /* out of memory */
}

static void ask_kernel(void *to, size_t len)
{
    for (char *p = to; len;) {
        ssize_t n = getrandom(p, len, 0);
        if (n < 0 && errno != EINTR)
            abort(); /* Linux has had getrandom since 3.17 */
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
}

static uint32_t rotate(uint32_t v, int by)
{
    return v << by | v >> (32 - by);
}

static void quarter(uint32_t x[16], int a, int b, int c, int d)
{
    x[a] += x[b], x[d] = rotate(x[d] ^ x[a], 16);
    x[c] += x[d], x[b] = rotate(x[b] ^ x[c], 12);
    x[a] += x[b], x[d] = rotate(x[d] ^ x[a], 8);
    x[c] += x[d], x[b] = rotate(x[b] ^ x[c], 7);
}

void random_chacha20(const uint32_t state[16], uint32_t to[16])
{
    memcpy(to, state, 16 * sizeof *to);
    for (int i = 0; i < 10; i++) {
        for (int c = 0; c < 4; c++)
            quarter(to, c, c + 4, c + 8, c + 12);
        for (int c = 0; c < 4; c++)
            quarter(to, c, 4 + (c + 1) % 4, 8 + (c + 2) % 4, 12 + (c + 3) % 4);
    }
    for (int i = 0; i < 16; i++)
        to[i] += state[i];
}

static void seed(struct generator *g, unsigned now)
{
    pthread_once(&once, watch_forks);
    ask_kernel(g->key, sizeof g->key);
    g->forks = now;
    g->left = 0;
    g->until_reseed = RESEED_BYTES;
}

static void refill(struct generator *g)
{
    uint32_t state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    memcpy(state + 4, g->key, sizeof g->key);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        state[12] = i;
        random_chacha20(state, g->pool + (size_t)i * 16);
    }
    memcpy(g->key, g->pool, sizeof g->key);
    explicit_bzero(g->pool, sizeof g->key);
    explicit_bzero(state, sizeof state);
    g->left = sizeof g->pool - sizeof g->key;
}

void random_real(void *to, size_t len)
{
    if (len >= BIG) {
        ask_kernel(to, len);
        return;
    }
    struct generator *g = &generator;
    unsigned now = atomic_load_explicit(&forks, memory_order_relaxed);
    if (g->forks != now || g->until_reseed < len)
        seed(g, now);
    if (g->left < len)
        refill(g);
    uint8_t *from = (uint8_t *)g->pool + sizeof g->pool - g->left;
    memcpy(to, from, len);
    explicit_bzero(from, len);
    g->left -= len;
    g->until_reseed -= len;
}
