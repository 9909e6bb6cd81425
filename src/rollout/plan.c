/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/plan.h"

#include <stdio.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/latency.h"

static const int64_t day_ms = 86400000, minute_ms = 60000;

/* --- gates --- */

static void set_rule(struct gate_rule *r, const struct manifest_gate *g)
{
    static const struct {
        const char *name;
        enum gate_kind kind;
        double max_ratio;
    } kinds[] = {
        [GATE_ON_ERRORS] = {"errors", GATE_ERRORS, 2},
        [GATE_ON_TRAPS] = {"traps", GATE_TRAPS, 2},
        [GATE_ON_LATENCY] = {"latency", GATE_LATENCY, 1.5},
        [GATE_ON_EVENTS] = {"events", GATE_EVENTS, 2},
    };
    *r = (struct gate_rule){
        .kind = kinds[g->kind].kind,
        .edges = 1,
        .edge_ms[0] = (double)g->slower_than_ms,
        .tolerate = 1,
        .max_ratio = g->max_ratio > 0 ? g->max_ratio : kinds[g->kind].max_ratio,
        .max_rate = g->max_rate,
        .broken_rate = g->broken_rate,
    };
    /* Twice as slow in a tenth of all requests is no outage. */
    if (g->kind == GATE_ON_LATENCY && r->broken_rate <= 0)
        r->broken_rate = 0.9;
    if (r->max_ratio <= 1.05)
        r->max_ratio = 1.05;
    if (g->kind == GATE_ON_LATENCY)
        snprintf(r->name, sizeof r->name, "slower-than-%lldms", (long long)g->slower_than_ms);
    else
        snprintf(r->name, sizeof r->name, "%s", g->name ? g->name : kinds[g->kind].name);
}

static int make_gates(const struct manifest_rollout *m, struct plan *plan, struct err *err)
{
    static const struct manifest_gate dflt[] = {{.kind = GATE_ON_ERRORS}, {.kind = GATE_ON_TRAPS}};
    const struct manifest_gate *gates = m->gate_count ? m->gates : dflt;
    size_t count = m->gate_count ? m->gate_count : ARRAY_LEN(dflt);
    if (count + 1 > GATE_METRICS)
        return err_set(err, ERR_MANIFEST, "more than %d gates", GATE_METRICS - 1);
    for (size_t i = 0; i < count; i++)
        set_rule(&plan->gate.rule[plan->gate.count++], &gates[i]);
    if (m->probe_path) {
        struct gate_rule *r = &plan->gate.rule[plan->gate.count++];
        set_rule(r, &dflt[0]);
        snprintf(r->name, sizeof r->name, "probes");
        r->kind = GATE_EVENTS;
    }
    for (int i = 0; i < plan->gate.count; i++) {
        for (int k = 0; k < i; k++) {
            if (strcmp(plan->gate.rule[i].name, plan->gate.rule[k].name) == 0)
                return err_set(err, ERR_MANIFEST, "two gates are called '%s'",
                               plan->gate.rule[i].name);
        }
    }
    plan->gate.alpha = 0.01 / plan->targets;
    plan->gate.beta = 0.05;
    return 0;
}

/* --- steps --- */

static int add_step(struct plan *plan, const struct manifest_rollout *m,
                    const struct manifest_step *s, int target, const struct provider_caps *caps,
                    int *at_bp, struct err *err)
{
    const char *name = plan->target[target].name;
    bool whole = s->bp == SPLIT_WHOLE;
    int bp = whole || s->bp == 0 ? s->bp : split_nearest(caps, s->bp);
    if (s->region_count) {
        err_set(err, ERR_USAGE, "target '%s': traffic cannot be split by region there", name);
        err_hint(err, "give the step a share, or 0%% for those that name the version by a header");
        return -ERR_USAGE;
    }
    /* The first share that cannot be given is a version that is asked, but not by users. */
    bool bridged = caps->split == SPLIT_NONE && caps->bridge && !whole && *at_bp < 0;
    if (bridged)
        bp = 0;
    if (s->bp == 0 && !caps->probe)
        return err_set(err, ERR_USAGE, "target '%s': a version without traffic cannot be reached",
                       name);
    /* Nothing near it can be, or only what is there already. */
    if ((s->bp > 0 && bp == 0 && !bridged) || bp <= *at_bp)
        return 0;
    if (plan->steps == PLAN_STEPS_MAX)
        return err_set(err, ERR_MANIFEST, "more than %d steps", PLAN_STEPS_MAX);
    struct plan_step *p = &plan->step[plan->steps++];
    *p = (struct plan_step){.target = target, .bp = bp, .approval = s->approval,
                            .audience = bp == 0, .judged = !whole && !bridged};
    int64_t soak = m->has_soak ? m->soak_ms : 600000;
    p->soak_ms = s->soak_ms >= 0 ? s->soak_ms : whole ? 0 : soak;
    if (bridged)
        snprintf(p->note, sizeof p->note, "%s", caps->bridge);
    else if (bp != s->bp && caps->bridge)
        snprintf(p->note, sizeof p->note, "%g%% was asked for; %s", s->bp / 100.0, caps->bridge);
    else if (bp != s->bp)
        snprintf(p->note, sizeof p->note, "%g%% was asked for; this is what %s can do",
                 s->bp / 100.0, plan->target[target].provider);
    else if (caps->split == SPLIT_ROUTER && !whole)
        snprintf(p->note, sizeof p->note, "by the router in front of the two versions");
    else if (caps->split == SPLIT_STAGED && !whole)
        snprintf(p->note, sizeof p->note, "a stage that is fixed when the rollout begins");
    *at_bp = bp;
    return 0;
}

static int make_steps(const struct manifest_rollout *m, const struct provider_caps *const *caps,
                      struct plan *plan, struct err *err)
{
    static const struct manifest_step whole = {.bp = SPLIT_WHOLE, .soak_ms = -1};
    int at_bp[PLAN_TARGETS_MAX];
    for (int t = 0; t < plan->targets; t++)
        at_bp[t] = -1;
    size_t count = m->step_count;
    bool ends = count && m->steps[count - 1].bp == SPLIT_WHOLE;
    for (size_t i = 0; i < count + !ends; i++) {
        const struct manifest_step *s = i < count ? &m->steps[i] : &whole;
        for (int t = 0; t < plan->targets; t++) {
            int r = add_step(plan, m, s, t, caps[t], &at_bp[t], err);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

int plan_make(const struct manifest_rollout *m, const struct provider_caps *const *caps,
              struct plan *plan, struct err *err)
{
    plan->steps = plan->windows = 0;
    plan->gate = (struct gate_config){0};
    int r = make_steps(m, caps, plan, err);
    if (r == 0)
        r = make_gates(m, plan, err);
    if (r < 0)
        return r;
    bool remote = false;
    for (int t = 0; t < plan->targets; t++) {
        struct plan_target *p = &plan->target[t];
        p->probe = caps[t]->probe;
        p->sticky = caps[t]->sticky != STICKY_NO;
        p->cas = caps[t]->cas;
        p->propagation_ms = caps[t]->propagation_ms;
        p->lag_ms = caps[t]->metric_lag_ms;
        remote |= strcmp(p->provider, "local") != 0;
        if (p->sticky)
            plan->gate.share_tolerance = 3;
    }
    plan->poll_ms = m->poll_ms ? m->poll_ms : remote ? 10000 : 250;
    plan->deadline_ms = m->deadline_ms ? m->deadline_ms : day_ms;
    plan->burn_in_ms = m->burn_in_ms >= 0 ? m->burn_in_ms : 5000;
    plan->history_ms = m->history_ms >= 0 ? m->history_ms : 600000;
    plan->on_inconclusive = m->on_inconclusive;
    for (size_t i = 0; i < m->window_count && plan->windows < (int)ARRAY_LEN(plan->window); i++)
        plan->window[plan->windows++] = m->windows[i];
    return 0;
}

void plan_add_edge(struct gate_rule *r, double edge_ms)
{
    bool known = edge_ms <= 0;
    for (int e = 0; e < r->edges; e++)
        known |= r->edge_ms[e] == edge_ms;
    if (!known && r->edges < GATE_EDGES)
        r->edge_ms[r->edges++] = edge_ms;
}

void plan_freeze_edges(struct plan *plan, const uint64_t *hist)
{
    static const double quantiles[] = {0.5, 0.95, 0.99};
    uint64_t all = 0;
    for (int i = 0; i < LATENCY_BUCKETS; i++)
        all += hist[i];
    if (all < 100)
        return;
    for (int g = 0; g < plan->gate.count; g++) {
        struct gate_rule *r = &plan->gate.rule[g];
        uint64_t below = 0;
        int i = 0;
        for (size_t q = 0; q < ARRAY_LEN(quantiles) && r->kind == GATE_LATENCY; q++) {
            double want = quantiles[q] * (double)all;
            while (i + 1 < LATENCY_BUCKETS && (double)(below + hist[i]) < want)
                below += hist[i++];
            if (i < LATENCY_EDGES)
                plan_add_edge(r, (double)latency_edge_us(i) / 1000);
        }
    }
}

/* --- windows --- */

static bool window_is_open(const struct manifest_window *w, int64_t wall_ms)
{
    int64_t days = wall_ms / day_ms;
    int minute = (int)(wall_ms % day_ms / minute_ms);
    int day = (int)((days + 3) % 7); /* the first day of 1970 was a Thursday */
    int before = (day + 6) % 7;
    if (w->until > w->from)
        return (w->days >> day & 1) && minute >= w->from && minute < w->until;
    return ((w->days >> day & 1) && minute >= w->from) ||
           ((w->days >> before & 1) && minute < w->until);
}

int64_t plan_window_opens(const struct plan *plan, int64_t wall_ms)
{
    int64_t at = wall_ms;
    for (int step = 0; step <= 8 * 24 * 60; step++) {
        bool open = plan->windows == 0;
        for (int i = 0; i < plan->windows; i++)
            open |= window_is_open(&plan->window[i], at);
        if (open)
            return at;
        at = at - at % minute_ms + minute_ms;
    }
    return wall_ms;
}
