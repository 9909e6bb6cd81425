/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/dispersion.h"

#include <math.h>
#include <stdbool.h>

/* Polls in a batch and batches in a block, per scale. */
static const int batch_polls[DISPERSION_SCALES] = {1, 4, 16};
static const int block_batches[DISPERSION_SCALES] = {32, 16, 8};

const double dispersion_level[DISPERSION_LEVELS] = {1, 1.4, 2, 3, 4, 6, 10, 20, 50};

/* Chosen by tests/tools/gate_sim.c: quick with five times the errors, slow with clumps of five.
 * What is believed of the large levels costs next to nothing, since a few polls refute them, and
 * keeps one large clump in the very first poll from being taken for evidence. */
const double dispersion_doubting[DISPERSION_LEVELS] = {0.62,  0.015, 0.03, 0.05, 0.05,
                                                       0.055, 0.06, 0.07, 0.05};
const double dispersion_trusting[DISPERSION_LEVELS] = {0.9,  0.015, 0.015, 0.02, 0.02,
                                                       0.02, 0.008, 0.001, 0.001};

/* The longer scales begin from what the shorter one says, as so many degrees of freedom, and count
 * as far as they stand out of their noise. */
/* Variance of a batch, degrees of freedom and ratio from which on what is between counts. */
static const double between_least = 1.5, between_df = 20, between_less = 2;
static const double scale_df = 6, scale_noise = 0.3;

/* Pearson's statistic of the batches of the block around the block's own rate. */
static double block_chi2(const struct dispersion_scale *s)
{
    double rate = s->block_x / s->block_n;
    if (s->batches < 2 || rate <= 0 || rate >= 1)
        return 0;
    double sum = s->block_sq / rate - s->block_x;
    return sum > 0 ? sum / (1 - rate) : 0;
}

static double block_df(const struct dispersion_scale *s)
{
    return s->batches < 2 || s->block_x <= 0 || s->block_x >= s->block_n ? 0 : s->batches - 1;
}

static void add_batch(struct dispersion_scale *s, int most)
{
    s->block_n += s->n;
    s->block_x += s->x;
    s->block_sq += s->x * s->x / s->n;
    s->batches++;
    s->n = s->x = 0;
    s->polls = 0;
    if (s->batches < most)
        return;
    s->chi2 += block_chi2(s);
    s->df += block_df(s);
    s->batches = 0;
    s->block_n = s->block_x = s->block_sq = 0;
}

void dispersion_add(struct dispersion *d, double n, double x)
{
    if (n <= 0)
        return;
    for (int i = 0; i < DISPERSION_SCALES; i++) {
        struct dispersion_scale *s = &d->scale[i];
        s->n += n;
        s->x += x;
        if (++s->polls >= batch_polls[i])
            add_batch(s, block_batches[i]);
    }
}

/* --- between the versions --- */

struct sum {
    double chi2, df;
};

/* Given the events of a batch, the canary's are hypergeometric, with the ratio of the block. A
 * batch counts when it has events to be shared out. */
static struct sum comparison_block(const struct comparison *c, int scale)
{
    const struct comparison_batch *batch = c->scale[scale].batch;
    struct comparison_batch all = {0};
    struct sum t = {0};
    int count = c->scale[scale].count, used = 0;
    for (int i = 0; i < count; i++) {
        all.n_s += batch[i].n_s;
        all.s += batch[i].s;
        all.n_c += batch[i].n_c;
        all.c += batch[i].c;
    }
    if (all.s <= 0 || all.c <= 0)
        return t;
    double rho = all.c / all.n_c / (all.s / all.n_s);
    for (int i = 0; i < count; i++) {
        const struct comparison_batch *b = &batch[i];
        double k = b->s + b->c, p = rho * b->n_c / (b->n_s + rho * b->n_c);
        double variance = k * p * (1 - p) * (1 - k / (b->n_s + b->n_c));
        if (variance < between_least)
            continue;
        used++;
        t.chi2 += (b->c - k * p) * (b->c - k * p) / variance;
    }
    if (used < 2)
        return (struct sum){0};
    t.df = used - 1;
    return t;
}

void comparison_add(struct comparison *c, double n_s, double s, double n_c, double x_c)
{
    if (n_s <= 0 || n_c <= 0)
        return;
    for (int i = 0; i < DISPERSION_SCALES; i++) {
        int most = block_batches[i], *count = &c->scale[i].count;
        if (*count == 0 || c->scale[i].polls == batch_polls[i]) {
            if (*count == most) {
                struct sum block = comparison_block(c, i);
                c->scale[i].chi2 += block.chi2;
                c->scale[i].df += block.df;
                *count = 0;
            }
            c->scale[i].batch[(*count)++] = (struct comparison_batch){0};
            c->scale[i].polls = 0;
        }
        struct comparison_batch *b = &c->scale[i].batch[*count - 1];
        b->n_s += n_s;
        b->s += s;
        b->n_c += n_c;
        b->c += x_c;
        c->scale[i].polls++;
    }
}

/* Are both versions' events many and, by themselves, so much more clumped than between each other
 * that it is no chance? */
static bool between_counts(const struct sum *alone, const struct sum *between)
{
    return between->df >= between_df &&
           alone->chi2 / alone->df > between_less * fmax(1, between->chi2 / between->df);
}

static struct sum total(const struct dispersion *const *arms, int count, int scale)
{
    struct sum t = {0};
    for (int a = 0; a < count; a++) {
        const struct dispersion_scale *s = &arms[a]->scale[scale];
        t.chi2 += s->chi2 + block_chi2(s);
        t.df += s->df + block_df(s);
    }
    return t;
}

static struct sum total_between(const struct comparison *c, int scale)
{
    struct sum t = comparison_block(c, scale);
    t.chi2 += c->scale[scale].chi2;
    t.df += c->scale[scale].df;
    return t;
}

struct belief dispersion_belief(const struct dispersion *const *arms, int count,
                                const struct comparison *between, const double *prior)
{
    struct belief b = {.stretch = 1};
    struct sum one = total(arms, count, 0), other = total_between(between, 0);
    bool shared = between_counts(&one, &other);
    one = shared ? other : one;
    double log_weight[DISPERSION_LEVELS], most = -INFINITY, all = 0;
    for (int i = 0; i < DISPERSION_LEVELS; i++) {
        double phi = dispersion_level[i];
        log_weight[i] = log(prior[i]) - one.df / 2 * log(phi) - one.chi2 / (2 * phi);
        most = fmax(most, log_weight[i]);
    }
    for (int i = 0; i < DISPERSION_LEVELS; i++)
        all += b.weight[i] = exp(log_weight[i] - most);
    for (int i = 0; i < DISPERSION_LEVELS; i++)
        b.weight[i] /= all;
    double base = fmax(1, one.df > 0 ? one.chi2 / one.df : 1), phi = base;
    for (int i = 1; i < DISPERSION_SCALES; i++) {
        struct sum t = shared ? total_between(between, i) : total(arms, count, i);
        phi = (phi * scale_df + t.chi2) / (scale_df + t.df);
        double noise = 1 + scale_noise * sqrt(2 / (scale_df + t.df));
        b.stretch = fmax(b.stretch, phi / base / noise);
    }
    return b;
}

double dispersion_mean(const struct belief *b)
{
    double sum = 0;
    for (int i = 0; i < DISPERSION_LEVELS; i++)
        sum += b->weight[i] * dispersion_level[i];
    return sum;
}

double belief_phi(const struct belief *b)
{
    return dispersion_mean(b) * b->stretch;
}
