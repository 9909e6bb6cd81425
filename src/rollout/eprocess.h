/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence against a null hypothesis that may be looked at after every poll: an e-process. Its
 * mean is at most 1 while the null holds, so that by Ville's inequality it ever reaches 1/a with a
 * probability of at most a, whenever and however often one looks.
 *
 * One process is a mixture: over alternatives (a small grid of likelihood ratios), and over the
 * look at which the change began, so that a version that turns bad late is not acquitted by its
 * good past. It is kept at several levels of dispersion phi, each of which divides the log
 * likelihoods by phi (a power below 1 keeps the mean below 1): events that come in clumps weigh
 * less, and the level that applies may become known later (rollout/dispersion.h). */
#ifndef EDGECTL_ROLLOUT_EPROCESS_H
#define EDGECTL_ROLLOUT_EPROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include "rollout/dispersion.h"
#include "rollout/wander.h"

enum { EPROCESS_GRID = 5, EPROCESS_LEVELS = DISPERSION_LEVELS };

/* How much of the mixture each look begins: half a dozen numbers shared by all processes. */
struct eprocess_starts {
    int64_t looks;
    int64_t stages;         /* weight changes so far */
    double left;            /* not begun yet */
};

struct eprocess {
    int alternatives;       /* of the grid that are used */
    double e[EPROCESS_GRID][EPROCESS_LEVELS];
};

void eprocess_starts_init(struct eprocess_starts *s);
/* The share that begins with this look; `stage`: the weight has changed just before it. */
double eprocess_starts_next(struct eprocess_starts *s, bool stage);

void eprocess_init(struct eprocess *p, int alternatives);
/* One look: its log likelihood ratio for each alternative, and the share that begins with it.
 * Values above `cap` are cut: evidence may be thrown away, and what was proven long ago should not
 * outweigh what is seen now. INFINITY for none (1e300 then). */
void eprocess_add(struct eprocess *p, const double *log_ratio, double begin, double cap);
/* ln E, with the grid's weights (they sum up to 1): the harmonic mean over what is believed of the
 * dispersion and of wandering rates (NULL: they do not), so that 1/E is the chance of being wrong
 * averaged over it. */
double eprocess_value(const struct eprocess *p, const double *weight,
                      const struct eprocess_starts *s, const struct belief *belief,
                      const struct wander_belief *wander);

#endif
