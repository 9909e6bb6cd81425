/* SPDX-License-Identifier: Apache-2.0 */
/* Totals from the series of a Prometheus query, poll after poll. Each series is followed by its
 * labels, so that one instance that restarts, is new, or is missing in an answer does not make the
 * sum of all go back: as Prometheus' own increase() does it, but exact, and over any time. */
#ifndef EDGECTL_ROLLOUT_SERIES_H
#define EDGECTL_ROLLOUT_SERIES_H

#include <jansson.h>
#include <stdbool.h>
#include "base/err.h"

struct series {
    json_t *last;                   /* labels -> value that was seen last */
    json_t *total;                  /* label `le`, "" without one -> sum; NULL: nothing seen yet */
};

void series_clear(struct series *s);
/* Takes an answer to GET /api/v1/query in; 1 when it had values, 0 when not (what was seen before
 * stays). Series that are none of counts (NaN, infinite, negative) are as if they were missing.
 * What a function has summed up (it has no __name__) and that went back is begun anew from there:
 * of which instances it was is not known. -ERR_FAILURE for answers that are no counters. */
must_use int series_take(struct series *s, const json_t *answer, struct err *err);
/* The sum of those without `le`; false: there are none. */
bool series_total(const struct series *s, double *ret);
/* Of a histogram: requests, and those that took at most the edge nearest to `edge` (both in the
 * unit of the buckets). False when it is none or has no bucket +Inf. */
bool series_histogram(const struct series *s, double edge, double *ret_requests, double *ret_fast);
/* The edges nearest to the quantiles q[0..count) of a histogram; how many were found. */
int series_edges(const struct series *s, const double *q, int count, double *ret_edges);

#endif
