/* SPDX-License-Identifier: Apache-2.0 */
/* What a rollout will do, step by step, on the targets it has: made once from the manifest and what
 * the providers can do, then kept in the rollout's journal, so that a manifest that is edited
 * meanwhile changes nothing. */
#ifndef EDGECTL_ROLLOUT_PLAN_H
#define EDGECTL_ROLLOUT_PLAN_H

#include <jansson.h>
#include "base/err.h"
#include "manifest/rollout.h"
#include "provider/provider.h"
#include "rollout/gate.h"

enum { PLAN_STEPS_MAX = 128, PLAN_TARGETS_MAX = 8, PLAN_NOTE_MAX = 160 };

/* One change of one target's split. */
struct plan_step {
    int target;
    int bp;                         /* of the new version */
    int64_t soak_ms;
    bool approval;
    bool audience;                  /* reached by the version's own header or address only: 0 % */
    bool judged;                    /* the gate must pass before the next step */
    char note[PLAN_NOTE_MAX];       /* how what was asked for is bridged; "" */
};

struct plan_target {
    char name[64];
    char provider[16];
    char stable[PROVIDER_ID_MAX], canary[PROVIDER_ID_MAX];
    char release[PROVIDER_ID_MAX];  /* of the canary; "" */
    bool probe, sticky, cas;
    int64_t propagation_ms, lag_ms;
};

struct plan {
    struct plan_target target[PLAN_TARGETS_MAX];
    int targets;
    struct plan_step step[PLAN_STEPS_MAX];
    int steps;
    struct gate_config gate;        /* of each target */
    int64_t poll_ms, deadline_ms, burn_in_ms, history_ms;
    enum manifest_inconclusive on_inconclusive;
    struct manifest_window window[16];
    int windows;
};

/* `caps[i]`: of target i, whose names and versions are in *plan already. -ERR_USAGE for what a
 * target cannot do at all, -ERR_MANIFEST for a plan that makes no sense. */
must_use int plan_make(const struct manifest_rollout *m, const struct provider_caps *const *caps,
                       struct plan *plan, struct err *err);
/* Adds edges to the latency gates at the median and the 95th and 99th percentile of the stable
 * version, as they are now: frozen from here on. `hist`: LATENCY_BUCKETS counts. */
void plan_freeze_edges(struct plan *plan, const uint64_t *hist);
/* Another edge for a latency gate, unless it has that one or as many as it can. */
void plan_add_edge(struct gate_rule *r, double edge_ms);
/* When a step may be taken next, from `wall_ms` on. */
int64_t plan_window_opens(const struct plan *plan, int64_t wall_ms);

json_t *plan_save(const struct plan *plan);
must_use int plan_load(struct plan *plan, const json_t *from, struct err *err);

#endif
