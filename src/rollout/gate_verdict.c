/* SPDX-License-Identifier: Apache-2.0 */
/* What the processes of a gate say. */
#include <math.h>
#include <string.h>
#include "base/cleanup.h"
#include "rollout/gate_impl.h"

/* Share of a metric's evidence that comes from the comparison; the rest from its budget. */
static const double compared = 0.95;
/* First crashes that were all the canary's, by chance so seldom, fail at once. */
static const double guard_chance = 0.001;
static const double routing_evidence = 1000, routing_prior = 100;

static const struct {
    const char *name, *text;
} reasons[GATE_REASON_COUNT] = {
#define X(name, word, text) [name] = {word, text},
    GATE_REASONS(X)
#undef X
};

const char *gate_reason_name(enum gate_reason r)
{
    return reasons[r].name;
}

const char *gate_reason_text(enum gate_reason r)
{
    return reasons[r].text;
}

const char *gate_verdict_name(enum gate_verdict v)
{
    static const char *const names[] = {"inconclusive", "advance", "fail"};
    return names[v];
}

static double log_add(double a, double b)
{
    return fmax(a, b) + log1p(exp(-fabs(a - b)));
}

/* What the processes of a metric say, as logarithms. */
struct says {
    double fail, pass, floor;
    double over[ARMS];
};

static struct says says(const struct gate *g, int i)
{
    const struct gate_metric *m = &g->metric[i];
    const struct eprocess_starts *st = &g->starts;
    struct belief b = gate_belief(m, 0, dispersion_trusting);
    struct says s = {.pass = eprocess_value(&m->pass, gate_thirds, st, &b, NULL),
                     .floor = eprocess_value(&m->floor, gate_thirds, st, &b, NULL)};
    b = gate_belief(m, 0, dispersion_doubting);
    for (int arm = 0; arm < ARMS; arm++)
        s.over[arm] = eprocess_value(&m->over[arm], gate_thirds, st, &b, NULL);
    s.fail = log(1 - compared) + s.over[CANARY];
    int edges = g->config.rule[i].edges;
    for (int e = 0; e < edges; e++) {
        b = gate_belief(m, e, dispersion_doubting);
        struct wander_belief w = wander_belief(&m->wander[e], dispersion_mean(&b));
        s.fail = log_add(s.fail, log(compared / edges) +
                                     eprocess_value(&m->fail[e], gate_fail_weight, st, &b, &w));
    }
    return s;
}

static bool has_data(const struct gate_metric *m)
{
    return m->requests[STABLE] + m->requests[CANARY] > 0;
}

/* Evidence that the canary's share of the traffic is not w, as a Bayes factor with a prior around
 * w that allows for what routing does to small numbers. */
static bool share_is_off(const struct gate *g)
{
    double w = g->weight, x = g->stage_requests[CANARY], n = x + g->stage_requests[STABLE];
    double k = routing_prior;
    if (w <= 0 || w >= 1 || n <= 0)
        return false;
    double tolerance = g->config.share_tolerance, rest = 1 - w;
    if (tolerance > 0)
        return n * fmin(w, rest) >= 100 && (x / n > fmin(w * tolerance, 1 - rest / tolerance) ||
                                            x / n < fmax(w / tolerance, 1 - rest * tolerance));
    double log_e = lgamma(k * w + x) + lgamma(k * (1 - w) + n - x) - lgamma(k + n) -
                   lgamma(k * w) - lgamma(k * (1 - w)) + lgamma(k) - x * log(w) -
                   (n - x) * log1p(-w);
    return log_e >= log(routing_evidence);
}

/* --- how many requests are still needed --- */

/* ln E after n more canary requests that are as good as the stable version has been. */
static double pass_after(const struct gate *g, int i, double n)
{
    const struct gate_metric *m = &g->metric[i];
    double rate = m->requests[STABLE] > 0 ? m->bad[STABLE][0] / m->requests[STABLE] : 0;
    double per = g->stage_requests[CANARY] > 0
                     ? g->stage_requests[STABLE] / g->stage_requests[CANARY]
                 : m->requests[CANARY] > 0 ? m->requests[STABLE] / m->requests[CANARY]
                                           : 0;
    struct eprocess pass = m->pass, floor = m->floor;
    double to[EPROCESS_GRID];
    struct belief b = gate_belief(m, 0, dispersion_trusting);
    gate_pass_ratios(&g->config.rule[i], n * per, n * per * rate, n, n * rate, to);
    eprocess_add(&pass, to, 0, INFINITY);
    gate_floor_ratios(&g->config.rule[i], n, n * rate, to);
    eprocess_add(&floor, to, 0, INFINITY);
    return fmax(eprocess_value(&pass, gate_thirds, &g->starts, &b, NULL),
                eprocess_value(&floor, gate_thirds, &g->starts, &b, NULL));
}

static double needed(const struct gate *g, int i)
{
    double want = log(1 / g->config.beta), low = 0, high = 64;
    if (pass_after(g, i, 0) >= want)
        return 0;
    while (pass_after(g, i, high) < want) {
        low = high;
        high *= 2;
        if (high > 1e12)
            return INFINITY;
    }
    /* Two digits are enough to plan by. */
    for (int step = 0; step < 7; step++) {
        double middle = (low + high) / 2;
        if (pass_after(g, i, middle) < want)
            low = middle;
        else
            high = middle;
    }
    return ceil(high);
}

/* --- the verdict --- */

struct tally {
    double fail;                /* ln of the mean over metrics */
    int worst;                  /* metric with the most evidence against it */
    bool budget;                /* ... which is from its budget more than from the comparison */
    int unpassed;               /* a metric that has not passed, or -1 */
    int broken;                 /* a metric by which the stable version is broken, or -1 */
    int crashing, blind;        /* crashing canary; no data */
    bool below_floor;           /* every metric is below its budget by itself */
};

static struct tally count(const struct gate *g)
{
    struct tally t = {.fail = -1e9, .worst = -1, .unpassed = -1, .broken = -1,
                      .crashing = -1, .blind = -1, .below_floor = true};
    double want = log(1 / g->config.beta), fatal = log(1 / g->config.alpha), worst = -1e9;
    for (int i = 0; i < g->config.count; i++) {
        const struct gate_metric *m = &g->metric[i];
        struct says s = says(g, i);
        t.fail = log_add(t.fail, s.fail - log(g->config.count));
        if (s.fail > worst) {
            worst = s.fail;
            t.worst = i;
            t.budget = log(1 - compared) + s.over[CANARY] > s.fail - log(2);
        }
        if (!has_data(m))
            t.blind = i;
        if (s.floor < want)
            t.below_floor = false;
        /* Not past a suspicion: a budget may be kept by what is clearly worse. */
        if (fmax(s.pass, s.floor) < want || s.fail > fatal / 2)
            t.unpassed = i;
        if (s.over[STABLE] >= fatal)
            t.broken = i;
        if (!m->stable_crashed && m->guard <= log(guard_chance))
            t.crashing = i;
    }
    return t;
}

static struct gate_result decide(const struct gate *g, const struct tally *t)
{
    bool fails = t->fail >= log(1 / g->config.alpha) || t->crashing >= 0;
    /* The canary may be the repair: it need not be held back when it is good by itself. */
    if (t->broken >= 0 && (fails || !t->below_floor))
        return (struct gate_result){GATE_INCONCLUSIVE, GATE_BASELINE_BAD, t->broken, NAN};
    if (t->crashing >= 0)
        return (struct gate_result){GATE_FAIL, GATE_CRASHES, t->crashing, 0};
    if (fails)
        return (struct gate_result){GATE_FAIL, t->budget ? GATE_OVER_BUDGET : GATE_WORSE, t->worst,
                                    0};
    if (share_is_off(g))
        return (struct gate_result){GATE_INCONCLUSIVE, GATE_ROUTING, -1, NAN};
    if (t->blind >= 0)
        return (struct gate_result){GATE_INCONCLUSIVE, GATE_NO_DATA, t->blind, NAN};
    if (t->unpassed >= 0)
        return (struct gate_result){GATE_INCONCLUSIVE, GATE_WAITING, t->unpassed, NAN};
    return (struct gate_result){GATE_ADVANCE, GATE_PASSED, -1, 0};
}

struct gate_result gate_verdict(const struct gate *g, bool with_needed)
{
    struct tally t = count(g);
    struct gate_result r = decide(g, &t);
    if (!with_needed || r.verdict != GATE_INCONCLUSIVE)
        return r;
    r.needed = 0;
    for (int i = 0; i < g->config.count; i++)
        r.needed = fmax(r.needed, needed(g, i));
    return r;
}

/* The edges of a rule come in the order in which they matter. */
static double slower(const struct gate_rule *rule, const struct gate_metric *m)
{
    int order[GATE_EDGES];
    double over[ARMS][GATE_EDGES];
    for (int e = 0; e < rule->edges; e++) {
        int at = e;
        for (; at > 0 && rule->edge_ms[order[at - 1]] > rule->edge_ms[e]; at--)
            order[at] = order[at - 1];
        order[at] = e;
    }
    for (int e = 0; e < rule->edges; e++) {
        over[STABLE][e] = m->bad[STABLE][order[e]];
        over[CANARY][e] = m->bad[CANARY][order[e]];
    }
    return slower_share(rule->edges, m->requests[STABLE], over[STABLE], m->requests[CANARY],
                        over[CANARY]);
}

struct gate_view gate_view(const struct gate *g, int i)
{
    const struct gate_metric *m = &g->metric[i];
    const struct gate_rule *rule = &g->config.rule[i];
    struct belief b = gate_belief(m, 0, dispersion_trusting);
    struct says s = says(g, i);
    struct gate_view v = {.known = has_data(m), .log_fail = s.fail,
                          .log_pass = s.pass, .log_floor = s.floor,
                          .phi = belief_phi(&b), .slower = NAN, .ratio = NAN,
                          .needed = needed(g, i)};
    for (int arm = 0; arm < ARMS; arm++) {
        v.requests[arm] = m->requests[arm];
        v.bad[arm] = m->bad[arm][0];
        v.rate[arm] = wilson(v.requests[arm], v.bad[arm]);
    }
    if (v.bad[STABLE] > 0 && v.requests[CANARY] > 0)
        v.ratio = v.bad[CANARY] / v.requests[CANARY] / (v.bad[STABLE] / v.requests[STABLE]);
    if (rule->kind == GATE_LATENCY)
        v.slower = slower(rule, m);
    v.passed = fmax(v.log_pass, v.log_floor) >= log(1 / g->config.beta);
    return v;
}
