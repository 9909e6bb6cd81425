/* SPDX-License-Identifier: Apache-2.0 */
/* Where the counts come from: the provider, a Prometheus, a file, a command; and probes that we
 * send ourselves. A source tells totals of each version since a moment; what it does not know is
 * unknown, never zero, and counts of a sampled source are those of the sample. */
#ifndef EDGECTL_ROLLOUT_EVIDENCE_H
#define EDGECTL_ROLLOUT_EVIDENCE_H

#include <stdatomic.h>
#include "provider/target.h"
#include "rollout/gate.h"
#include "rollout/plan.h"

struct evidence_arm {
    bool known;                     /* `requests` is */
    double requests;                /* routed to the version */
    struct gate_cell cell[GATE_METRICS];
};

struct evidence_totals {
    int64_t from_ms, until_ms;      /* 0: not known */
    struct evidence_arm arm[2];     /* stable, canary */
};

struct evidence;

/* `r` and the plan are borrowed. -ERR_MANIFEST for gates that this source cannot count. */
must_use int evidence_new(const struct manifest_rollout *r, const struct manifest *m,
                          const struct plan *plan, const atomic_bool *interrupted,
                          struct evidence **ret, struct err *err);
void evidence_free(struct evidence *e);
void evidence_free_p(struct evidence **e);
/* Do the totals count from since_ms on (a provider's), or have they always been counted? */
bool evidence_counts_since(const struct evidence *e, int i);
/* Can it be asked about the time before now? */
bool evidence_has_past(const struct evidence *e);

/* Totals of plan target `i`, opened as `t`. A source that cannot be read is -ERR_NETWORK,
 * -ERR_CREDENTIALS or -ERR_IO; one that has nothing to say leaves cells unknown. */
must_use int evidence_read(struct evidence *e, struct target *t, int i, int64_t since_ms,
                           struct evidence_totals *ret, struct err *err);
/* Can the source be asked about target `i`, and does it know its stable version? Only a Prometheus
 * is asked: others say so at once (a provider) or are made later (a file). Errors as evidence_read.
 */
must_use int evidence_check(struct evidence *e, int i, bool *ret_known, struct err *err);
/* Adds edges to the latency gates of the plan (the one that was given) as plan_freeze_edges() does,
 * from a source that is no provider. */
must_use int evidence_freeze(struct evidence *e, struct plan *plan, struct err *err);
/* The stable version's alone; for sources with a past. */
must_use int evidence_read_stable(struct evidence *e, struct target *t, int i, int64_t since_ms,
                                  struct evidence_totals *ret, struct err *err);
/* Adds what probes of both versions find now to the totals. */
must_use int evidence_probe(struct evidence *e, struct target *t, int i,
                            struct evidence_totals *totals, struct err *err);

/* For the sources' files: */
/* Counts in the JSON that manifest key evidence.file describes; -ERR_FAILURE with the place. */
must_use int evidence_from_json(const struct plan *plan, int i, const json_t *doc,
                                int64_t now_ms, struct evidence_totals *ret, struct err *err);

#endif
