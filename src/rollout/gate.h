/* SPDX-License-Identifier: Apache-2.0 */
/* The gate: is the canary worse than the stable version? It sees counts of requests and of bad
 * ones per version and poll, may be asked after each poll, and answers advance, fail or
 * inconclusive, the last with the number of requests still needed.
 *
 * Per metric three e-processes run through all stages (rollout/eprocess.h):
 *   FAIL   null: the canary's rate of bad requests is at most `tolerate` times the stable one's
 *   PASS   null: it is at least `max_ratio` times the stable one's
 *   FLOOR  null: it is at least `max_rate`; the way to pass for services with hardly any errors
 * and two against a fixed rate: the canary above its budget, and the stable version itself broken,
 * onto which nothing is ever rolled back. Their values are means of likelihood ratios, so metrics
 * are joined by their mean, without a correction.
 *
 * Source of the tests: Turner, Ly, Gruenwald (arXiv:2106.02693); Lindon and Malek
 * (arXiv:2011.03567); Ville's inequality. What they do is measured by tests/tools/gate_sim.c. */
#ifndef EDGECTL_ROLLOUT_GATE_H
#define EDGECTL_ROLLOUT_GATE_H

#include <stdbool.h>
#include <stdint.h>
#include "rollout/interval.h"

enum { GATE_EDGES = 4, GATE_METRICS = 32, GATE_NAME_MAX = 64 };

enum gate_kind {
    GATE_ERRORS,        /* status 5xx, no answer, limit */
    GATE_LATENCY,       /* slower than an edge */
    GATE_TRAPS,         /* the guest crashed: guarded beside the processes */
    GATE_EVENTS,        /* whatever a query counts */
};

struct gate_rule {
    char name[GATE_NAME_MAX];
    enum gate_kind kind;
    int edges;                      /* 1, or latency edges; the first one decides PASS */
    double edge_ms[GATE_EDGES];
    double tolerate;                /* ratio that is no harm, >= 1 */
    double max_ratio;               /* > tolerate */
    double max_rate;                /* 0..1: budget, or 0 for none */
    double broken_rate;             /* a version above it is broken; 0 = 0.25 */
};

struct gate_config {
    int count;
    struct gate_rule rule[GATE_METRICS];
    double alpha;                   /* false rollbacks; 0 = 0.01 */
    double beta;                    /* false advances; 0 = 0.05 */
    double share_tolerance;         /* > 1: sticky routing, the share may be off by this factor */
};

/* What one metric counted since the last look. `bad` has a count per edge of the rule. Counts are
 * raw: of a sampled source those of the sample, never scaled up. */
struct gate_cell {
    bool known;                     /* false: no data, which is not zero */
    double requests;
    double bad[GATE_EDGES];
};

struct gate_look {
    bool stage;                     /* the weight has changed since the last look */
    double weight;                  /* share that the canary should get; 0 or 1: not checked */
    double stable_requests, canary_requests;    /* routed; 0 and 0 when not known */
    struct gate_cell stable[GATE_METRICS], canary[GATE_METRICS];
};

enum gate_verdict { GATE_INCONCLUSIVE, GATE_ADVANCE, GATE_FAIL };

#define GATE_REASONS(X)                                                              \
    X(GATE_WAITING, "waiting", "more requests are needed")                           \
    X(GATE_PASSED, "passed", "no worse than the stable version")                     \
    X(GATE_WORSE, "worse", "worse than the stable version")                          \
    X(GATE_OVER_BUDGET, "over-budget", "over its budget of bad requests")            \
    X(GATE_CRASHES, "crashes", "it crashes and the stable version does not")         \
    X(GATE_NO_DATA, "no-data", "a metric has no data")                               \
    X(GATE_ROUTING, "routing", "traffic is not split as it should be")               \
    X(GATE_BASELINE_BAD, "baseline-bad", "the stable version itself is broken")

enum gate_reason {
#define X(name, word, text) name,
    GATE_REASONS(X)
#undef X
    GATE_REASON_COUNT
};

struct gate_result {
    enum gate_verdict verdict;
    enum gate_reason reason;
    int metric;                     /* that decided, or -1 */
    double needed;                  /* canary requests until it may pass; INFINITY: unknown */
};

/* A metric for people. */
struct gate_view {
    double requests[2], bad[2];     /* stable, canary; of the first edge */
    struct interval rate[2];
    double ratio;                   /* NAN without bad requests of the stable version */
    double log_fail, log_pass, log_floor;       /* natural logarithms of the processes */
    double phi;
    double slower;                  /* latency: slower_share; else NAN */
    double needed;
    bool known, passed;
};

struct gate;

struct gate *gate_new(const struct gate_config *config);
void gate_free(struct gate *g);
void gate_free_p(struct gate **g);
const struct gate_config *gate_config(const struct gate *g);

/* What the stable version alone did before the rollout, poll by poll: tells how clumped its events
 * are, which makes the gate quicker. */
void gate_history(struct gate *g, const struct gate_cell *stable);
void gate_add(struct gate *g, const struct gate_look *look);
/* Cheap; `needed` costs a little more and is left at NAN when not asked for. */
struct gate_result gate_verdict(const struct gate *g, bool with_needed);
struct gate_view gate_view(const struct gate *g, int metric);
int64_t gate_looks(const struct gate *g);

/* "waiting", and what it means. */
const char *gate_reason_name(enum gate_reason r);
const char *gate_reason_text(enum gate_reason r);
const char *gate_verdict_name(enum gate_verdict v);

#endif
