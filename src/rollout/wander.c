/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/wander.h"

#include <math.h>

enum { FIRST_POLLS = 4 };

/* Standard deviation of the logarithm of a rate, and what is believed of it before there are data.
 * Within the time that was watched only a part of the movement is seen. Chosen by
 * tests/tools/gate_sim.c and tests/tools/traces.py. */
static const double level[WANDER_LEVELS] = {0, 0.2, 0.4, 0.8};
static const double prior[WANDER_LEVELS] = {0.95, 0.025, 0.02, 0.005};
static const double seen_part = 0.4;
/* How far the canary follows the stable version, before there are data: mean and variance. */
static const double follow_mean = 0.5, follow_variance = 0.25;

static void merge_pairs(struct wander *w)
{
    for (int i = 0; i < WANDER_BATCHES / 2; i++) {
        const struct wander_batch *a = &w->batch[2 * i], *b = &w->batch[2 * i + 1];
        w->batch[i] = (struct wander_batch){a->n_s + b->n_s, a->s + b->s, a->n_c + b->n_c,
                                            a->c + b->c};
    }
    w->count = WANDER_BATCHES / 2;
    w->polls *= 2;
}

void wander_add(struct wander *w, double n_s, double s, double n_c, double c)
{
    if (n_s <= 0)
        return;
    if (w->polls == 0)
        w->polls = FIRST_POLLS;
    if (w->count == 0 || w->filled == w->polls) {
        if (w->count == WANDER_BATCHES)
            merge_pairs(w);
        w->batch[w->count++] = (struct wander_batch){0};
        w->filled = 0;
    }
    struct wander_batch *b = &w->batch[w->count - 1];
    b->n_s += n_s;
    b->s += s;
    b->n_c += n_c;
    b->c += c;
    w->filled++;
}

/* The part of the stable version's movement that the canary does not share, squared. */
static double apart(const struct wander *w, double rate_s, double rate_c, double phi)
{
    double sum = 0, info = 1 / follow_variance;
    for (int i = 0; i < w->count; i++) {
        const struct wander_batch *b = &w->batch[i];
        double moved = b->s / b->n_s / rate_s - 1, expected = b->n_c * rate_c;
        /* What is noise in the stable version's rate is followed by nobody. */
        double noise = phi / (b->n_s * rate_s);
        moved *= moved * moved / (moved * moved + noise);
        sum += moved * (b->c - expected) / phi;
        info += moved * moved * expected / phi;
    }
    double follows = (follow_mean / follow_variance + sum) / info;
    return (1 - follows) * (1 - follows) + 1 / info;
}

struct wander_belief wander_belief(const struct wander *w, double phi)
{
    struct wander_belief b = {.weight = {1}};
    struct wander_batch all = {0};
    double shared = 0, log_weight[WANDER_LEVELS], most = -INFINITY, sum = 0;
    for (int i = 0; i < w->count; i++) {
        const struct wander_batch *t = &w->batch[i];
        double n = t->n_s + t->n_c;
        all.n_s += t->n_s;
        all.s += t->s;
        all.n_c += t->n_c;
        all.c += t->c;
        shared += (t->s + t->c) * (t->n_s / n) * (t->n_c / n);
    }
    if (all.s <= 0 || all.n_c <= 0)
        return b;
    double freedom = (w->count - 1.0) / w->count;
    double rate = all.s / all.n_s, q = fmin(1, apart(w, rate, fmax(all.c, 0.5) / all.n_c, phi));
    for (int k = 0; k < WANDER_LEVELS; k++) {
        log_weight[k] = log(prior[k]);
        for (int i = 0; i < w->count; i++) {
            const struct wander_batch *t = &w->batch[i];
            double mean = t->n_s * rate, off = t->s - mean;
            double factor = phi + mean * level[k] * level[k] * seen_part;
            log_weight[k] -= (log(factor) + off * off / mean / factor) / 2 * freedom;
        }
        most = fmax(most, log_weight[k]);
        b.excess[k] = 2 * level[k] * level[k] * q * shared;
    }
    for (int k = 0; k < WANDER_LEVELS; k++)
        sum += b.weight[k] = exp(log_weight[k] - most);
    for (int k = 0; k < WANDER_LEVELS; k++)
        b.weight[k] /= sum;
    return b;
}
