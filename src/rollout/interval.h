/* SPDX-License-Identifier: Apache-2.0 */
/* Figures for people: they stand beside a verdict and do not make it. */
#ifndef EDGECTL_ROLLOUT_INTERVAL_H
#define EDGECTL_ROLLOUT_INTERVAL_H

struct interval {
    double low, high;
};

/* Wilson's score interval, 95 %, of x events in n requests; 0..1 for n = 0. */
struct interval wilson(double n, double x);

/* How likely a request of the canary is slower than one of the stable version, ties halved (the
 * Mann-Whitney effect; 0.5: equal). `over_s[i]` of n_s, `over_c[i]` of n_c requests took longer
 * than edge i; edges grow. NAN without requests. */
double slower_share(int edges, double n_s, const double *over_s, double n_c, const double *over_c);

#endif
