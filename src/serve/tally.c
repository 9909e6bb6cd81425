/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/tally.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

enum {
    COUNTERS = sizeof(struct tally_totals) / sizeof(uint64_t),
    FINE_MS = 15 * 60 * 1000,       /* marks younger than this are all kept */
    COARSE_MS = 60 * 1000,          /* of the older ones, one in so long */
};
static const int64_t OLDEST_MS = INT64_C(72) * 3600 * 1000;

/* As struct tally_totals, for one writer and any reader. */
struct slot {
    atomic_ullong counter[COUNTERS];
} __attribute__((aligned(64)));

struct mark {
    int64_t at_ms;
    struct tally_totals totals;
};

struct tally {
    struct slot *slots;
    unsigned count;
    int64_t began_ms;
    struct mark *marks;
    size_t mark_count, mark_cap;
    size_t thinned;                 /* marks before this one are a minute apart */
};

enum { REQUESTS, ERRORS, TRAPS, LATENCY };

struct tally *tally_new(unsigned workers, int64_t now_ms)
{
    struct tally *t = xnew(struct tally);
    void *slots;
    if (posix_memalign(&slots, 64, workers * sizeof(struct slot)) != 0)
        abort();
    memset(slots, 0, workers * sizeof(struct slot));
    t->slots = slots;
    t->count = workers;
    t->began_ms = now_ms;
    return t;
}

void tally_free(struct tally *t)
{
    if (!t)
        return;
    free(t->slots);
    free(t->marks);
    free(t);
}

/* There is one writer, so that no locked instruction is needed. */
static void bump(struct slot *s, int i)
{
    unsigned long long n = atomic_load_explicit(&s->counter[i], memory_order_relaxed);
    atomic_store_explicit(&s->counter[i], n + 1, memory_order_relaxed);
}

void tally_add(struct tally *t, unsigned worker, bool error, bool trap, int64_t took_ns)
{
    struct slot *s = &t->slots[worker];
    bump(s, REQUESTS);
    if (error)
        bump(s, ERRORS);
    if (trap)
        bump(s, TRAPS);
    bump(s, LATENCY + latency_bucket(took_ns / 1000));
}

static void sum(const struct tally *t, struct tally_totals *ret)
{
    uint64_t *to = (uint64_t *)ret;
    memset(ret, 0, sizeof *ret);
    for (unsigned w = 0; w < t->count; w++)
        for (int i = 0; i < COUNTERS; i++)
            to[i] += atomic_load_explicit(&t->slots[w].counter[i], memory_order_relaxed);
}

/* Marks that are no longer fine, down to one a minute; the oldest go. */
static void thin(struct tally *t, int64_t now_ms)
{
    while (t->thinned < t->mark_count && t->marks[t->thinned].at_ms < now_ms - FINE_MS) {
        size_t i = t->thinned;
        bool close = i > 0 && t->marks[i].at_ms - t->marks[i - 1].at_ms < COARSE_MS;
        if (!close) {
            t->thinned++;
            continue;
        }
        memmove(&t->marks[i], &t->marks[i + 1], (t->mark_count - i - 1) * sizeof *t->marks);
        t->mark_count--;
    }
    if (t->mark_count > 1 && t->marks[1].at_ms < now_ms - OLDEST_MS) {
        memmove(t->marks, t->marks + 1, --t->mark_count * sizeof *t->marks);
        t->thinned -= t->thinned > 0;
    }
}

void tally_mark(struct tally *t, int64_t now_ms)
{
    struct mark m = {.at_ms = now_ms};
    sum(t, &m.totals);
    const struct mark *last = t->mark_count ? &t->marks[t->mark_count - 1] : NULL;
    uint64_t before = last ? last->totals.requests : 0;
    if (m.totals.requests == before || (last && now_ms <= last->at_ms))
        return;
    if (t->mark_count == t->mark_cap) {
        t->mark_cap = t->mark_cap * 2 + 16;
        t->marks = xreallocarray(t->marks, t->mark_cap, sizeof *t->marks);
    }
    t->marks[t->mark_count++] = m;
    thin(t, now_ms);
}

void tally_since(const struct tally *t, int64_t since_ms, struct tally_totals *ret,
                 int64_t *ret_from_ms)
{
    *ret_from_ms = since_ms > t->began_ms ? since_ms : t->began_ms;
    sum(t, ret);
    const struct mark *base = NULL;
    for (size_t i = 0; i < t->mark_count && t->marks[i].at_ms <= since_ms; i++)
        base = &t->marks[i];
    if (!base)
        return;
    uint64_t *to = (uint64_t *)ret;
    const uint64_t *from = (const uint64_t *)&base->totals;
    for (int i = 0; i < COUNTERS; i++)
        to[i] -= from[i];
}
