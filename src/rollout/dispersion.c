/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/dispersion.h"

#include <math.h>
#include <stddef.h>

/* Polls in a batch and batches in a block, per scale. */
static const int batch_polls[DISPERSION_SCALES] = {1, 4, 16};
static const int block_batches[DISPERSION_SCALES] = {32, 16, 8};

const double dispersion_level[DISPERSION_LEVELS] = {1, 1.4, 2, 3, 4, 6, 10, 20, 50};

/* Chosen by tests/tools/gate_sim.c: quick with five times the errors, slow with clumps of five.
 * What is believed of the large levels costs next to nothing, since a few polls refute them, and
 * keeps one large clump in the very first poll from being taken for evidence. */
const double dispersion_doubting[DISPERSION_LEVELS] = {0.65,   0.0175, 0.035,  0.0525, 0.0525,
                                                       0.0525, 0.0525, 0.0525, 0.035};
const double dispersion_trusting[DISPERSION_LEVELS] = {0.9,  0.015, 0.015, 0.02, 0.02,
                                                       0.02, 0.008, 0.001, 0.001};

/* The longer scales begin from what the shorter one says, as so many degrees of freedom, and count
 * as far as they stand out of their noise. */
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

struct sum {
    double chi2, df;
};

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

struct belief dispersion_belief(const struct dispersion *const *arms, int count,
                                const double *prior)
{
    struct belief b = {.stretch = 1};
    struct sum one = total(arms, count, 0);
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
        struct sum t = total(arms, count, i);
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
