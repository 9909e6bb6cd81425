/* SPDX-License-Identifier: Apache-2.0 */
/* What one version of an app did: counters that workers add to without sharing a cache line, and
 * their course over time, so that "since when" can be asked later. */
#ifndef EDGECTL_SERVE_TALLY_H
#define EDGECTL_SERVE_TALLY_H

#include <stdbool.h>
#include <stdint.h>
#include "base/latency.h"

struct tally;

struct tally_totals {
    uint64_t requests;
    uint64_t errors;                /* answers with 5xx, or none */
    uint64_t traps;                 /* of them: the guest died */
    uint64_t latency[LATENCY_BUCKETS];
};

struct tally *tally_new(unsigned workers, int64_t now_ms);
/* NULL is allowed. */
void tally_free(struct tally *t);
/* One finished request. Only on that worker's thread. */
void tally_add(struct tally *t, unsigned worker, bool error, bool trap, int64_t took_ns);

/* The two below from one thread at a time. */

/* Remember how things stand; about once a second. */
void tally_mark(struct tally *t, int64_t now_ms);
/* What was added since then: exact to the second for a quarter of an hour, to the minute for three
 * days. *ret_from_ms is when counting began if that is later. */
void tally_since(const struct tally *t, int64_t since_ms, struct tally_totals *ret,
                 int64_t *ret_from_ms);

#endif
