/* SPDX-License-Identifier: Apache-2.0 */
/* A rollout as its journal tells it: plan, state, and a gate for each target that has seen every
 * look again. Reading a journal, and writing its next event, are the only ways to change one, so
 * that who resumes knows exactly what who was killed knew. */
#ifndef EDGECTL_ROLLOUT_ROLLOUT_H
#define EDGECTL_ROLLOUT_ROLLOUT_H

#include "rollout/evidence.h"
#include "rollout/history.h"
#include "rollout/step.h"

struct rollout {
    struct history *history;
    struct plan plan;
    struct rollout_state state;
    struct gate *gate[PLAN_TARGETS_MAX];
    /* Sums of the looks so far: what the next reading of totals is compared with. */
    struct evidence_totals total[PLAN_TARGETS_MAX];
    int64_t since_ms[PLAN_TARGETS_MAX];
    bool staged[PLAN_TARGETS_MAX];  /* the next look is the first of a step */
    bool based[PLAN_TARGETS_MAX];   /* it is known where the stable version's counters began */
};

/* Takes the history. -ERR_FAILURE when its first event is no plan. */
must_use int rollout_load(struct history *history, struct rollout **ret, struct err *err);
/* A new one. `adopt`: what another machine has done of it, borrowed; NULL = nothing. */
must_use int rollout_begin(struct history *history, const struct plan *plan, json_t *adopt,
                           struct rollout **ret, struct err *err);
/* NULL is allowed. */
void rollout_free(struct rollout *r);
void rollout_free_p(struct rollout **r);

/* Writes an event and lets it count; takes it. */
must_use int rollout_add(struct rollout *r, json_t *event, struct err *err);
/* What another process has asked for and nobody has taken yet, one thing: written as an event. 1
 * when there was one, 0 when there is none. */
must_use int rollout_take_request(struct rollout *r, struct err *err);

/* The look that an event "look" or "past" tells of. */
void rollout_look_of(const struct gate_config *c, const json_t *event, struct gate_look *ret);

/* The gates together: fail if any fails, advance if all that have been asked do. */
struct gate_result rollout_verdict(const struct rollout *r, bool with_needed);
/* The target whose gate decided; -1: none. */
int rollout_deciding(const struct rollout *r);

/* Have the counters of the source begun anew? Then the next base is nothing. */
bool rollout_restarted(const struct rollout *r, int target, const struct evidence_totals *reading);
/* The look that is the difference of a reading and what was counted before, as an event. Totals
 * that have become a little less (they were corrected) wait until they have caught up. `dt_ms`:
 * watched time since the look before. */
json_t *rollout_look(struct rollout *r, int target, const struct evidence_totals *reading,
                     int64_t dt_ms);

#endif
