/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/eprocess.h"

#include <math.h>

/* Shares of the mixture: most for a version that is bad from its first request, some for each
 * weight change, some for every other look, decaying so slowly that even after a week of looks a
 * beginning costs only a few more events. The sum over s of s^-1.2 is 5.5916. */
static const double first_share = 0.9, stage_share = 0.06, look_share = 0.04;
static const double look_power = -1.2, look_sum = 5.5916;

/* Beyond these bounds a value says the same, and arithmetic would say nothing. */
static const double least = 1e-300, most = 1e300, most_log = 690;

void eprocess_starts_init(struct eprocess_starts *s)
{
    *s = (struct eprocess_starts){.left = 1 - first_share};
}

double eprocess_starts_next(struct eprocess_starts *s, bool stage)
{
    double begin = look_share / look_sum * pow((double)++s->looks, look_power);
    if (stage)
        begin += stage_share * pow(0.5, (double)++s->stages);
    if (begin > s->left)
        begin = s->left;
    s->left -= begin;
    return begin;
}

void eprocess_init(struct eprocess *p, int alternatives)
{
    p->alternatives = alternatives;
    for (int k = 0; k < EPROCESS_GRID; k++) {
        for (int i = 0; i < EPROCESS_LEVELS; i++)
            p->e[k][i] = first_share;
    }
}

void eprocess_add(struct eprocess *p, const double *log_ratio, double begin, double cap)
{
    for (int k = 0; k < p->alternatives; k++) {
        for (int i = 0; i < EPROCESS_LEVELS; i++) {
            double factor = exp(fmin(log_ratio[k] / dispersion_level[i], most_log));
            /* No number is no evidence; and fmin() would make it all the evidence there is. */
            if (isnan(factor))
                factor = 1;
            double value = (p->e[k][i] + begin) * factor;
            p->e[k][i] = fmax(least, fmin(value, fmin(cap, most)));
        }
    }
}

static double at_level(const struct eprocess *p, const double *weight, double left, int i)
{
    double sum = left;
    for (int k = 0; k < p->alternatives; k++)
        sum += p->e[k][i] * weight[k];
    return log(sum);
}

/* Between two levels the logarithm is close to linear in 1/phi; beyond the last it shrinks. */
static double at_phi(const double *log_e, double phi)
{
    int i = 0;
    while (i + 1 < EPROCESS_LEVELS && dispersion_level[i + 1] < phi)
        i++;
    double here = dispersion_level[i];
    if (phi <= here)
        return log_e[i];
    if (i + 1 == EPROCESS_LEVELS)
        return log_e[i] * here / phi;
    double t = (1 / here - 1 / phi) / (1 / here - 1 / dispersion_level[i + 1]);
    return log_e[i] + t * (log_e[i + 1] - log_e[i]);
}

double eprocess_value(const struct eprocess *p, const double *weight,
                      const struct eprocess_starts *s, const struct belief *belief,
                      const struct wander_belief *wander)
{
    static const struct wander_belief still = {.weight = {1}};
    double log_e[EPROCESS_LEVELS], wrong = 0;
    for (int i = 0; i < EPROCESS_LEVELS; i++)
        log_e[i] = at_level(p, weight, s->left, i);
    wander = wander ? wander : &still;
    for (int i = 0; i < EPROCESS_LEVELS; i++) {
        for (int k = 0; k < WANDER_LEVELS; k++) {
            double w = belief->weight[i] * wander->weight[k];
            double phi = dispersion_level[i] * belief->stretch + wander->excess[k];
            if (w > 0)
                wrong += w * exp(-fmax(-most_log, at_phi(log_e, phi)));
        }
    }
    return -log(wrong);
}
