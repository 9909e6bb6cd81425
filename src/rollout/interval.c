/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/interval.h"

#include <math.h>

struct interval wilson(double n, double x)
{
    const double z = 1.959964;
    if (n <= 0)
        return (struct interval){0, 1};
    double p = x / n, zz = z * z / n;
    double middle = (p + zz / 2) / (1 + zz);
    double half = z / (1 + zz) * sqrt(p * (1 - p) / n + zz / (4 * n));
    return (struct interval){fmax(0, middle - half), fmin(1, middle + half)};
}

/* Requests in bucket i: above edge i - 1, not above edge i. */
static double in_bucket(int edges, double n, const double *over, int i)
{
    return (i == 0 ? n : over[i - 1]) - (i == edges ? 0 : over[i]);
}

double slower_share(int edges, double n_s, const double *over_s, double n_c, const double *over_c)
{
    double below = 0, sum = 0;
    if (n_s <= 0 || n_c <= 0)
        return NAN;
    for (int i = 0; i <= edges; i++) {
        double s = in_bucket(edges, n_s, over_s, i);
        sum += in_bucket(edges, n_c, over_c, i) * (below + s / 2);
        below += s;
    }
    return sum / (n_s * n_c);
}
