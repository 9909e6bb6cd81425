/* SPDX-License-Identifier: Apache-2.0 */
/* What a manifest says about rollouts. Shares are fractions (0.01 for 1 %); durations are ms; what
 * is not said is 0 or NULL, and the rollout room knows what that means. */
#ifndef EDGECTL_MANIFEST_ROLLOUT_H
#define EDGECTL_MANIFEST_ROLLOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct load;
struct node;

struct manifest_step {
    int bp;                         /* basis points, 10000 = everything */
    int64_t soak_ms;
    bool approval;
    char **regions;
    size_t region_count;
};

enum manifest_gate_kind { GATE_ON_ERRORS, GATE_ON_TRAPS, GATE_ON_LATENCY, GATE_ON_EVENTS };

struct manifest_gate {
    enum manifest_gate_kind kind;
    char *name, *query;             /* of events */
    int64_t slower_than_ms;         /* of latency */
    double max_ratio, max_rate, broken_rate;
};

struct manifest_hook {
    char *command, *webhook;        /* one of them */
    int64_t timeout_ms;
};

struct manifest_hooks {
    struct manifest_hook *list;
    size_t count;
};

/* Minutes of the day in UTC; until <= from goes past midnight. */
struct manifest_window {
    unsigned days;                  /* bit 0: Monday */
    int from, until;
};

enum manifest_inconclusive { ON_INCONCLUSIVE_HOLD, ON_INCONCLUSIVE_ADVANCE,
                             ON_INCONCLUSIVE_ROLLBACK };
enum manifest_evidence { EVIDENCE_PROVIDER, EVIDENCE_PROMETHEUS, EVIDENCE_FILE, EVIDENCE_COMMAND };

struct manifest_rollout {
    struct manifest_step *steps;
    size_t step_count;
    int64_t soak_ms;                /* 0 may be meant: see has_soak */
    bool has_soak;
    int64_t poll_ms, deadline_ms;
    int64_t burn_in_ms, history_ms; /* -1: not said */
    enum manifest_inconclusive on_inconclusive;
    char **targets;
    size_t target_count;
    struct manifest_window *windows;
    size_t window_count;
    struct manifest_hooks before, after, end;
    struct manifest_gate *gates;
    size_t gate_count;
    enum manifest_evidence evidence;
    struct {
        char *url, *template, *token_env, *user, *password_env, *ca, *tenant;
        char *requests, *errors, *traps, *fast;
    } prometheus;
    char *evidence_path, *evidence_command;
    char *probe_path;               /* NULL: no probes as evidence */
    int probe_count;
};

/* Never NULL; `root` is a checked manifest. Problems are reported. */
struct manifest_rollout *rollout_bind(struct load *l, const struct node *root);
/* NULL is allowed. */
void manifest_rollout_free(struct manifest_rollout *r);

#endif
