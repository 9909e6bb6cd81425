/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/gate.h"

#include <math.h>
#include <stdlib.h>
#include "base/mem.h"
#include "rollout/gate_impl.h"

/* Alternatives and how much each counts. FAIL: so many times the tolerated ratio. */
static const double fail_grid[EPROCESS_GRID] = {1.5, 2, 3, 5, 10};
const double gate_fail_weight[EPROCESS_GRID] = {0.1, 0.15, 0.2, 0.35, 0.2};
static const double pass_grid[] = {1, 0.75, 0.5};
static const double floor_grid[] = {0, 0.25, 0.5};
static const double over_grid[] = {1.2, 2, 10};
const double gate_thirds[EPROCESS_GRID] = {1.0 / 3, 1.0 / 3, 1.0 / 3};

/* What has been proven is kept only up to a little more than what is asked for, so that news to
 * the contrary count. */
static const double surplus = 7;
static const double default_floor = 0.01, default_broken = 0.25;
/* From this rate on, bad requests are counted one by one rather than as rare events. */
static const double common_rate = 0.2;

struct gate *gate_new(const struct gate_config *config)
{
    struct gate *g = xnew(struct gate);
    g->config = *config;
    if (g->config.alpha <= 0)
        g->config.alpha = 0.01;
    if (g->config.beta <= 0)
        g->config.beta = 0.05;
    eprocess_starts_init(&g->starts);
    for (int i = 0; i < g->config.count; i++) {
        struct gate_rule *r = &g->config.rule[i];
        struct gate_metric *m = &g->metric[i];
        if (r->broken_rate <= 0)
            r->broken_rate = default_broken;
        for (int e = 0; e < r->edges; e++)
            eprocess_init(&m->fail[e], EPROCESS_GRID);
        eprocess_init(&m->pass, ARRAY_LEN(pass_grid));
        eprocess_init(&m->floor, ARRAY_LEN(floor_grid));
        eprocess_init(&m->over[STABLE], ARRAY_LEN(over_grid));
        eprocess_init(&m->over[CANARY], ARRAY_LEN(over_grid));
    }
    return g;
}

void gate_free(struct gate *g)
{
    free(g);
}

void gate_free_p(struct gate **g)
{
    gate_free(*g);
}

const struct gate_config *gate_config(const struct gate *g)
{
    return &g->config;
}

int64_t gate_looks(const struct gate *g)
{
    return g->starts.looks;
}

/* Of the bad requests of a poll, the canary's share under the ratio rho. */
static double share(double rho, double n_s, double n_c)
{
    return rho * n_c / (n_s + rho * n_c);
}

/* Given their sum, the canary's count is binomial: ratio `to` against ratio `from`. Written without
 * the shares themselves, of which one may be so close to 1 that nothing is left of the other. */
static double share_ratio(double to, double from, double n_s, double s, double n_c, double c)
{
    double both = log((n_s + from * n_c) / (n_s + to * n_c));
    return c * (log(to / from) + both) + s * both;
}

static double bernoulli_log(double n, double x, double p)
{
    return (x > 0 ? x * log(p) : 0) + (n > x ? (n - x) * log1p(-p) : 0);
}

/* Two samples of yes and no, for events too common to be taken as rare. `q` is a guess of the
 * stable rate made before this look; the canary's is `rho` times that in odds. */
static double two_sample(double rho, double q, double n_s, double s, double n_c, double c)
{
    double odds = q / (1 - q) * rho, q_c = odds / (1 + odds);
    double q_0 = (n_s * q + n_c * q_c) / (n_s + n_c);
    return bernoulli_log(n_s, s, q) + bernoulli_log(n_c, c, q_c) -
           bernoulli_log(n_s + n_c, s + c, q_0);
}

static void fail_ratios(const struct gate_rule *r, const struct gate_metric *m, int edge,
                        const struct gate_cell *st, const struct gate_cell *ca, double *to)
{
    double n_s = st->requests, n_c = ca->requests, s = st->bad[edge], c = ca->bad[edge];
    double seen = (m->bad[STABLE][edge] + 1) / (m->requests[STABLE] + 2);
    bool common = m->requests[STABLE] > 0 && seen > common_rate && r->tolerate == 1;
    for (int k = 0; k < EPROCESS_GRID; k++) {
        double rho = fail_grid[k] * r->tolerate;
        to[k] = n_s <= 0 || n_c <= 0 ? 0
                : common             ? two_sample(rho, fmin(seen, 0.999), n_s, s, n_c, c)
                                     : share_ratio(rho, r->tolerate, n_s, s, n_c, c);
    }
}

void gate_pass_ratios(const struct gate_rule *r, double n_s, double s, double n_c, double c,
                      double *to)
{
    for (size_t k = 0; k < ARRAY_LEN(pass_grid); k++)
        to[k] = n_s <= 0 || n_c <= 0 ? 0
                                     : share_ratio(pass_grid[k], r->max_ratio, n_s, s, n_c, c);
}

static double binomial_ratio(double q, double p, double n, double x)
{
    return bernoulli_log(n, x, q) - bernoulli_log(n, x, p);
}

void gate_floor_ratios(const struct gate_rule *r, double n, double x, double *to)
{
    double p = r->max_rate > 0 ? r->max_rate : default_floor;
    for (size_t k = 0; k < ARRAY_LEN(floor_grid); k++) {
        double q = p * floor_grid[k];
        /* A rate of exactly nothing would never recover from one event. */
        to[k] = binomial_ratio(q > 0 ? q : p * 0.01, p, n, x);
    }
}

static void over_ratios(double cap, double n, double x, double *to)
{
    for (size_t k = 0; k < ARRAY_LEN(over_grid); k++)
        to[k] = binomial_ratio(fmin(cap * over_grid[k], 1 - (1 - cap) * 0.1), cap, n, x);
}

struct belief gate_belief(const struct gate_metric *m, int edge, const double *prior)
{
    const struct dispersion *arms[ARMS] = {&m->spread[STABLE][edge], &m->spread[CANARY][edge]};
    return dispersion_belief(arms, ARMS, &m->between[edge], prior);
}

/* Crashes come in clumps too, so polls with crashes are counted, not crashes. */
static void guard(struct gate_metric *m, const struct gate_cell *st, const struct gate_cell *ca)
{
    if (st->bad[0] > 0)
        m->stable_crashed = true;
    else if (ca->bad[0] > 0 && st->requests > 0)
        m->guard += log(share(1, st->requests, ca->requests));
}

static void add_metric(struct gate *g, int i, const struct gate_cell *st,
                       const struct gate_cell *ca, double begin)
{
    const struct gate_rule *r = &g->config.rule[i];
    struct gate_metric *m = &g->metric[i];
    double to[EPROCESS_GRID];
    double cap = surplus / g->config.beta, broken_cap = surplus / g->config.alpha;
    for (int e = 0; e < r->edges; e++) {
        fail_ratios(r, m, e, st, ca, to);
        eprocess_add(&m->fail[e], to, begin, INFINITY);
        dispersion_add(&m->spread[STABLE][e], st->requests, st->bad[e]);
        dispersion_add(&m->spread[CANARY][e], ca->requests, ca->bad[e]);
        comparison_add(&m->between[e], st->requests, st->bad[e], ca->requests, ca->bad[e]);
        wander_add(&m->wander[e], st->requests, st->bad[e], ca->requests, ca->bad[e]);
        m->bad[STABLE][e] += st->bad[e];
        m->bad[CANARY][e] += ca->bad[e];
    }
    gate_pass_ratios(r, st->requests, st->bad[0], ca->requests, ca->bad[0], to);
    eprocess_add(&m->pass, to, begin, cap);
    gate_floor_ratios(r, ca->requests, ca->bad[0], to);
    eprocess_add(&m->floor, to, begin, cap);
    /* Without a budget of its own the canary is compared, as long as there is something to compare
     * with: what is broken by a fixed rate may be no worse than the stable version. */
    bool fixed = r->max_rate > 0 || st->requests <= 0;
    over_ratios(r->max_rate > 0 ? r->max_rate : r->broken_rate, fixed ? ca->requests : 0,
                fixed ? ca->bad[0] : 0, to);
    eprocess_add(&m->over[CANARY], to, begin, INFINITY);
    over_ratios(r->broken_rate, st->requests, st->bad[0], to);
    eprocess_add(&m->over[STABLE], to, begin, broken_cap);
    if (r->kind == GATE_TRAPS)
        guard(m, st, ca);
    m->requests[STABLE] += st->requests;
    m->requests[CANARY] += ca->requests;
}

void gate_history(struct gate *g, const struct gate_cell *stable)
{
    for (int i = 0; i < g->config.count; i++) {
        for (int e = 0; stable[i].known && e < g->config.rule[i].edges; e++) {
            dispersion_add(&g->metric[i].spread[STABLE][e], stable[i].requests, stable[i].bad[e]);
            wander_add(&g->metric[i].wander[e], stable[i].requests, stable[i].bad[e], 0, 0);
        }
        if (stable[i].known && stable[i].bad[0] > 0)
            g->metric[i].stable_crashed = true;
    }
}

void gate_add(struct gate *g, const struct gate_look *look)
{
    double begin = eprocess_starts_next(&g->starts, look->stage && g->starts.looks > 0);
    if (look->stage)
        g->stage_requests[STABLE] = g->stage_requests[CANARY] = 0;
    if (look->weight > 0) {
        g->weight = look->weight;
        g->stage_requests[STABLE] += look->stable_requests;
        g->stage_requests[CANARY] += look->canary_requests;
    }
    for (int i = 0; i < g->config.count; i++) {
        if (look->stable[i].known && look->canary[i].known)
            add_metric(g, i, &look->stable[i], &look->canary[i], begin);
    }
}
