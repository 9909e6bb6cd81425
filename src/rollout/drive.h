/* SPDX-License-Identifier: Apache-2.0 */
/* Carries a rollout out: asks rollout/step.h for the next move, does it, writes what became of it.
 * Blocks, on one thread, until the rollout has ended, has to be left as it is, or is interrupted;
 * what has been done stands in the journal, and another drive goes on from there. */
#ifndef EDGECTL_ROLLOUT_DRIVE_H
#define EDGECTL_ROLLOUT_DRIVE_H

#include <stdatomic.h>
#include "rollout/rollout.h"

struct drive;

struct drive_options {
    struct target *target[PLAN_TARGETS_MAX];    /* opened, in the plan's order */
    const struct manifest *manifest;            /* for hooks and evidence */
    const atomic_bool *interrupted;
    bool no_wait;           /* do what can be done now, look once, and return */
    bool force;             /* put back although somebody else has changed the split */
    /* After each event, and at least every second while waiting. */
    void (*on_event)(void *env, const struct rollout *r, const json_t *event);
    void (*on_wait)(void *env, const struct rollout *r, const struct rollout_move *move);
    void (*on_trouble)(void *env, const struct err *err);   /* something that is tried again */
    void *env;
};

/* Before the first event: who is stable in each target (the version with all traffic) and which
 * version is new (`canary`, or NULL: the newest that can be deployed). -ERR_DRIFT when traffic is
 * split already; -ERR_USAGE when there is nothing to roll out. */
must_use int drive_find_versions(struct target *t, const char *canary, struct plan_target *ret,
                                 struct err *err);
/* What the stable version did before: freezes the latency edges of the plan. */
must_use int drive_freeze(const struct drive_options *o, struct plan *plan, struct err *err);

/* The rollout is borrowed. */
must_use int drive_new(const struct drive_options *o, struct rollout *r, struct drive **ret,
                       struct err *err);
void drive_free(struct drive *d);
void drive_free_p(struct drive **d);
/* 0: all traffic is on the new version, or (no_wait) it is under way. -ERR_GATE: it failed, and all
 * is back. -ERR_INCONCLUSIVE, -ERR_DRIFT, -ERR_NETWORK, -ERR_CREDENTIALS, -ERR_INTERRUPTED: the
 * split is left as it is. */
must_use int drive_run(struct drive *d, struct err *err);

/* What another process may ask a running rollout, or say itself. `what`: pause, resume, approve,
 * full, back. */
json_t *drive_request(const char *what, const char *by);

#endif
