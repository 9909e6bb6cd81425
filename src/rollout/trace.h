/* SPDX-License-Identifier: Apache-2.0 */
/* Recomputing a verdict offline: from a rollout's own journal, or from counts that somebody wrote
 * down. */
#ifndef EDGECTL_ROLLOUT_TRACE_H
#define EDGECTL_ROLLOUT_TRACE_H

#include "base/buf.h"
#include "base/err.h"
#include "rollout/gate.h"

/* How things stood after a look. */
struct trace_point {
    double canary;                  /* its requests so far */
    double weight;
    enum gate_verdict verdict;
    enum gate_reason reason;
    int worst;                      /* metric with the most evidence against it */
    double fail, pass;              /* log10, of the worst metric and of the least passed one */
    double rate[2];                 /* of bad requests in the worst metric, stable and canary */
};

struct trace {
    struct gate *gate;              /* after the last look */
    struct trace_point *points;
    size_t count;
    long failed, advanced;          /* first look that did; -1: none */
};

/* `path`: a journal (of which one target is taken), or {"gates": [...], "history": [...], "looks":
 * [...]}, or looks alone, as an array or one after the other. -ERR_IO; -ERR_FAILURE with file and
 * line when it is none of these. `alpha`, 0: as in the file, or 0.01. */
must_use int trace_read(const char *path, double alpha, int target, struct trace **ret,
                        struct err *err);
/* What it comes to, and the look that said so (-1: none): a failure at whatever look, since a gate
 * that fails acts in every state of a rollout, also after it has advanced; else the first
 * advance. */
enum gate_verdict trace_decision(const struct trace *t, long *ret_look);
/* NULL is allowed. */
void trace_free(struct trace *t);
void trace_free_p(struct trace **t);
/* A picture: evidence for and against over the canary's requests, and both rates. */
void trace_svg(const struct trace *t, const char *title, struct buf *to);

#endif
