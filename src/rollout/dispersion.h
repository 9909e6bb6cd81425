/* SPDX-License-Identifier: Apache-2.0 */
/* How clumped events are: variance over mean of their counts, 1 when each request fails on its
 * own. Retries, one noisy client or an outage of seconds make it larger, and a test that takes such
 * events one by one sees differences that are not there.
 *
 * It is estimated within each arm around that arm's own rate, so that a version that is worse is
 * not taken for a clumped one, at three time scales, so that trouble that lasts several polls is
 * seen, and within short blocks, so that the rate may drift over a day. */
#ifndef EDGECTL_ROLLOUT_DISPERSION_H
#define EDGECTL_ROLLOUT_DISPERSION_H

#include <stdint.h>

enum { DISPERSION_SCALES = 3, DISPERSION_LEVELS = 9 };

extern const double dispersion_level[DISPERSION_LEVELS];

struct dispersion_scale {
    double n, x;            /* of the batch that is being filled */
    int polls;              /* in it */
    int batches;            /* in the block that is being filled */
    double block_n, block_x, block_sq;      /* sums of n, x and x^2/n over its batches */
    double chi2, df;        /* of the blocks that are complete */
};

struct dispersion {
    struct dispersion_scale scale[DISPERSION_SCALES];
};

/* One poll of one arm: `x` events in `n` requests. Nothing happens for n = 0. */
void dispersion_add(struct dispersion *d, double n, double x);

/* The same of how the events are shared out between the versions, given how many there are: what
 * happens to both, an outage or a day, is none of it. It takes many events of both to say much, and
 * counts where the versions by themselves seem clumped and this does not. */
enum { COMPARISON_BATCHES = 32 };

struct comparison_batch {
    double n_s, s, n_c, c;
};

struct comparison {
    struct {
        struct comparison_batch batch[COMPARISON_BATCHES];     /* of the block that is filled */
        int count;              /* of them, with the one that is being filled */
        int polls;              /* in that one */
        double chi2, df;        /* of the blocks that are complete */
    } scale[DISPERSION_SCALES];
};

/* One poll; nothing happens where a version had no requests. */
void comparison_add(struct comparison *c, double n_s, double s, double n_c, double x_c);

/* What is believed of the dispersion: how likely each level is, and by how much all of them grow
 * because trouble lasts longer than a poll. Broad while little is known. */
struct belief {
    double weight[DISPERSION_LEVELS];       /* sum 1 */
    double stretch;                         /* >= 1 */
};

/* What is believed before there are data, by level: a rollback needs to be sure, an advance may be
 * undone. */
extern const double dispersion_doubting[DISPERSION_LEVELS], dispersion_trusting[DISPERSION_LEVELS];

struct belief dispersion_belief(const struct dispersion *const *arms, int count,
                                const struct comparison *between, const double *prior);
/* Its mean over single polls. */
double dispersion_mean(const struct belief *b);
/* Its mean with what lasts longer, for people. */
double belief_phi(const struct belief *b);

#endif
