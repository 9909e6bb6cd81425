/* SPDX-License-Identifier: Apache-2.0 */
/* How far rates wander by themselves: slowly, over many polls, and in each version on its own, so
 * that one is above the other for a while and neither is worse. Clumps (rollout/dispersion.h)
 * average out within a rollout; this does not, and what is seen of it is that the stable version's
 * rate moves and the canary's does not follow. What both do together (a day, an incident) cancels
 * out.
 *
 * That the canary alone moves is no wandering: it is what a regression looks like. */
#ifndef EDGECTL_ROLLOUT_WANDER_H
#define EDGECTL_ROLLOUT_WANDER_H

enum { WANDER_LEVELS = 4, WANDER_BATCHES = 32 };

struct wander_batch {
    double n_s, s, n_c, c;
};

/* All zero at first. */
struct wander {
    struct wander_batch batch[WANDER_BATCHES];      /* the last one is being filled */
    int count;
    int polls;                  /* of a full batch; 0: not begun */
    int filled;                 /* of the last one */
};

/* One poll; n_c = 0 for one of the time before the rollout. Nothing happens for n_s = 0. */
void wander_add(struct wander *w, double n_s, double s, double n_c, double c);

/* How likely each level is (sum 1), and the variance that it adds to the count of the canary's bad
 * requests, as a multiple of its variance without clumps. */
struct wander_belief {
    double weight[WANDER_LEVELS], excess[WANDER_LEVELS];
};

/* `phi`: dispersion of single polls, >= 1. */
struct wander_belief wander_belief(const struct wander *w, double phi);

#endif
