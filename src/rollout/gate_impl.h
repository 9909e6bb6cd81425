/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the gate, for gate*.c. */
#ifndef EDGECTL_ROLLOUT_GATE_IMPL_H
#define EDGECTL_ROLLOUT_GATE_IMPL_H

#include "rollout/dispersion.h"
#include "rollout/eprocess.h"
#include "rollout/gate.h"

enum { STABLE, CANARY, ARMS };

struct gate_metric {
    double requests[ARMS], bad[ARMS][GATE_EDGES];       /* all, since the start */
    struct eprocess fail[GATE_EDGES];
    struct eprocess pass, floor;            /* of the first edge */
    struct eprocess over[ARMS];             /* budget of the canary, breakage of the stable one */
    struct dispersion spread[ARMS][GATE_EDGES];
    struct comparison between[GATE_EDGES];
    struct wander wander[GATE_EDGES];
    double guard;                           /* ln P(all crashes so far were the canary's) */
    bool stable_crashed;
};

struct gate {
    struct gate_config config;
    struct eprocess_starts starts;
    double weight;                          /* of this stage */
    double stage_requests[ARMS];            /* routed in this stage */
    struct gate_metric metric[GATE_METRICS];
};

extern const double gate_fail_weight[EPROCESS_GRID], gate_thirds[EPROCESS_GRID];

/* Log likelihood ratios of a look for the alternatives; all zero where an arm had no requests. */
void gate_pass_ratios(const struct gate_rule *r, double n_s, double s, double n_c, double c,
                      double *to);
void gate_floor_ratios(const struct gate_rule *r, double n, double x, double *to);
struct belief gate_belief(const struct gate_metric *m, int edge, const double *prior);

#endif
