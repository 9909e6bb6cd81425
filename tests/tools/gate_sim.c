/* SPDX-License-Identifier: Apache-2.0 */
/* What the gate does to traffic of known quality: many seeded runs a case, each looked at after
 * every poll, with the z-test that is repeated at each poll beside it (the naive gate).
 *   gate_sim            print the table; exit status 1 if a bound does not hold
 *   gate_sim RUNS       with so many runs a case (10000; of cases nobody asked for, a fifth) */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/mem.h"
#include "rollout/gate.h"

/* --- traffic --- */

static uint64_t seed[2];

/* xoroshiro128+: small, and the same on every machine. */
static double uniform(void)
{
    uint64_t a = seed[0], b = seed[1], sum = a + b;
    b ^= a;
    seed[0] = (a << 24 | a >> 40) ^ b ^ (b << 16);
    seed[1] = b << 37 | b >> 27;
    return (double)(sum >> 11) * 0x1p-53;
}

static void seed_with(uint64_t n)
{
    seed[0] = n * 0x9E3779B97F4A7C15u + 1;
    seed[1] = n ^ 0xD1B54A32D192ED03u;
    for (int i = 0; i < 16; i++)
        uniform();
}

static double normal(void)
{
    return sqrt(-2 * log(1 - uniform())) * cos(2 * M_PI * uniform());
}

/* Binomial by inversion (small means) or by its normal shape (large ones). */
static double binomial(double n, double p)
{
    if (p <= 0 || n <= 0)
        return 0;
    if (p >= 1)
        return n;
    if (n * p > 60 && n * (1 - p) > 60) {
        double x = floor(n * p + sqrt(n * p * (1 - p)) * normal() + 0.5);
        return fmax(0, fmin(n, x));
    }
    if (p > 0.5)
        return n - binomial(n, 1 - p);
    double term = pow(1 - p, n), sum = term, u = uniform(), x = 0;
    while (u > sum && x < n) {
        x++;
        term *= (n - x + 1) / x * p / (1 - p);
        sum += term;
        if (term < 1e-18 && x > n * p)
            break;
    }
    return x;
}

enum { POLLS = 400 };

enum shape { STEADY, DIURNAL, SHARED_WAVES, OWN_WAVES, LATE };

struct sim_case {
    const char *name;
    double base;            /* the stable version's rate */
    double ratio;           /* the canary's rate is so many times that */
    double per_poll;        /* 0: 1000 */
    double weight;          /* 0: 5 % */
    int clump;              /* errors come so many at a time; 0: one */
    enum shape shape;
    double wave;            /* their height, as standard deviation of the logarithm */
    double keep;            /* of it from poll to poll; 0: 0.9 */
    int history;            /* polls of the stable version alone before */
    bool extra;             /* not one of the cases that must hold over 10,000 runs */
    /* Bounds; negative: none. */
    double most_false, least_caught, most_median, most_p99;
};

struct traffic {
    const struct sim_case *c;
    double wave[2];
};

static double rate_now(struct traffic *t, int arm, int poll)
{
    const struct sim_case *c = t->c;
    double rate = c->base * (arm ? c->ratio : 1);
    switch (c->shape) {
    case STEADY:
        return rate;
    case DIURNAL:
        return rate * (1 + 0.8 * sin(2 * M_PI * poll / 200.0));
    case LATE:
        return arm && poll < 100 ? c->base : rate;
    case SHARED_WAVES:
    case OWN_WAVES:
        return fmin(1, rate * exp(c->wave * t->wave[c->shape == OWN_WAVES ? arm : 0] - c->wave * c->wave / 2));
    }
    return rate;
}

static double errors(struct traffic *t, int arm, int poll, double n)
{
    double p = rate_now(t, arm, poll), size = t->c->clump;
    return fmin(n, size * binomial(floor(n / size), p));
}

/* --- one run --- */

struct outcome {
    enum gate_verdict verdict;
    double canary;          /* requests until then */
    bool naive_failed;
};

static bool naive_z(double n_s, double s, double n_c, double c)
{
    double p = (s + c) / (n_s + n_c), se = sqrt(p * (1 - p) * (1 / n_s + 1 / n_c));
    return se > 0 && (c / n_c - s / n_s) / se > 2.326;
}

static struct outcome run_once(const struct sim_case *c, uint64_t number)
{
    struct gate_config config = {.count = 1, .rule[0] = {.name = "errors", .edges = 1,
                                                         .tolerate = 1, .max_ratio = 2,
                                                         .broken_rate = 0.9}};
    cleanup(gate_free_p) struct gate *g = gate_new(&config);
    struct traffic t = {.c = c};
    struct outcome o = {0};
    double sum[4] = {0};
    seed_with(number * 1000003u + (uint64_t)c->clump * 7919u + (uint64_t)(c->base * 1e6));
    t.wave[0] = normal();
    t.wave[1] = normal();
    for (int poll = -c->history; poll < POLLS && o.verdict == GATE_INCONCLUSIVE; poll++) {
        double n = c->per_poll;
        if (c->shape == DIURNAL)
            n = floor(n * (1 + 0.6 * sin(2 * M_PI * poll / 200.0)));
        double n_c = binomial(n, poll < 0 ? 0 : c->weight), n_s = n - n_c;
        for (int arm = 0; arm < 2; arm++)
            t.wave[arm] = c->keep * t.wave[arm] + sqrt(1 - c->keep * c->keep) * normal();
        struct gate_look look = {.stage = poll == 0, .weight = c->weight, .stable_requests = n_s,
                                 .canary_requests = n_c};
        look.stable[0] = (struct gate_cell){true, n_s, {errors(&t, 0, poll, n_s)}};
        look.canary[0] = (struct gate_cell){true, n_c, {errors(&t, 1, poll, n_c)}};
        if (poll < 0) {
            gate_history(g, look.stable);
            continue;
        }
        gate_add(g, &look);
        o.verdict = gate_verdict(g, false).verdict;
        sum[0] += n_s;
        sum[1] += look.stable[0].bad[0];
        sum[2] += n_c;
        sum[3] += look.canary[0].bad[0];
        o.canary = sum[2];
        if (c->ratio == 1 && sum[2] > 0 && naive_z(sum[0], sum[1], sum[2], sum[3]))
            o.naive_failed = true;
        /* A step that takes longer than it must. */
        if (c->shape == LATE && o.verdict == GATE_ADVANCE)
            o.verdict = GATE_INCONCLUSIVE;
    }
    return o;
}

/* --- many --- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *sorted, int count, double q)
{
    if (count == 0)
        return NAN;
    int i = (int)ceil(q * count) - 1;
    return sorted[i < 0 ? 0 : i];
}

static bool broken(double bound, double value, bool upper)
{
    return bound >= 0 && (upper ? !(value <= bound) : !(value >= bound));
}

static bool run_case(const struct sim_case *c, int runs)
{
    cleanup(free_p) double *caught = xcalloc((size_t)runs, sizeof *caught);
    cleanup(free_p) double *passed = xcalloc((size_t)runs, sizeof *passed);
    int fails = 0, passes = 0, naive = 0;
    for (int i = 0; i < runs; i++) {
        struct outcome o = run_once(c, (uint64_t)i + 1);
        if (o.verdict == GATE_FAIL)
            caught[fails++] = o.canary;
        else if (o.verdict == GATE_ADVANCE)
            passed[passes++] = o.canary;
        naive += o.naive_failed;
    }
    qsort(caught, (size_t)fails, sizeof *caught, by_size);
    qsort(passed, (size_t)passes, sizeof *passed, by_size);
    double fail_share = (double)fails / runs, median = quantile(caught, fails, 0.5);
    double p99 = quantile(caught, fails, 0.99);
    printf("%-44s %6.2f%% %6.2f%% %6.2f%%", c->name, 100 * fail_share, 100.0 * passes / runs,
           100.0 * (runs - fails - passes) / runs);
    if (c->ratio > 1)
        printf(" %7.0f %7.0f %9s", median, p99, "");
    else
        printf(" %7.0f %7.0f %8.2f%%", quantile(passed, passes, 0.5),
               quantile(passed, passes, 0.99), 100.0 * naive / runs);
    bool bad = broken(c->most_false, fail_share, true) ||
               broken(c->least_caught, fail_share, false) ||
               broken(c->most_median, median, true) || broken(c->most_p99, p99, true);
    printf("%s\n", bad ? "  BOUND BROKEN" : "");
    fflush(stdout);
    return !bad;
}

#define HEALTHY .ratio = 1, .most_false = 0.01, .least_caught = -1, .most_median = -1, .most_p99 = -1
#define CAUGHT(share, median, p99) \
    .most_false = -1, .least_caught = share, .most_median = median, .most_p99 = p99

static const struct sim_case cases[] = {
    {"healthy, 0.1 % errors", 0.001, HEALTHY},
    {"healthy, 0.5 %", 0.005, HEALTHY},
    {"healthy, 2 %", 0.02, HEALTHY},
    {"healthy, 0.5 %, 100 polls of history", 0.005, HEALTHY, .history = 100},
    {"healthy, 0.5 %, 100 requests a poll", 0.005, HEALTHY, .per_poll = 100, .extra = true},
    {"healthy, 0.5 %, weight 1 %", 0.005, HEALTHY, .weight = 0.01, .extra = true},
    {"healthy, 0.5 %, weight 50 %", 0.005, HEALTHY, .weight = 0.5, .extra = true},
    {"healthy, 40 % (a median as edge)", 0.4, HEALTHY, .extra = true},
    {"clumps of 2, 0.5 %", 0.005, HEALTHY, .clump = 2},
    {"clumps of 3, 0.5 %", 0.005, HEALTHY, .clump = 3},
    {"clumps of 5, 0.5 %", 0.005, HEALTHY, .clump = 5},
    {"clumps of 5, 0.1 %", 0.001, HEALTHY, .clump = 5, .extra = true},
    {"clumps of 5, 2 %", 0.02, HEALTHY, .clump = 5},
    {"clumps of 5, 0.5 %, 100 requests a poll", 0.005, HEALTHY, .clump = 5, .per_poll = 100,
     .extra = true},
    {"clumps of 5, 0.5 %, weight 50 %", 0.005, HEALTHY, .clump = 5, .weight = 0.5, .extra = true},
    {"diurnal, 0.5 %", 0.005, HEALTHY, .shape = DIURNAL},
    {"waves over both versions, 0.5 %", 0.005, HEALTHY, .shape = SHARED_WAVES, .wave = 0.7},
    {"waves of its own, 0.5 %", 0.005, HEALTHY, .shape = OWN_WAVES, .wave = 0.2, .extra = true},
    {"higher ones, 100 polls of history", 0.005, HEALTHY, .shape = OWN_WAVES, .wave = 0.4,
     .history = 100, .extra = true},
    {"highest ones, 100 polls of history", 0.005, HEALTHY, .shape = OWN_WAVES, .wave = 0.7,
     .history = 100, .extra = true},
    {"waves of its own, 2 %, 100 polls of history", 0.02, HEALTHY, .shape = OWN_WAVES, .wave = 0.4,
     .history = 100, .extra = true},
    {"slow waves of its own, 300 polls of history", 0.005, HEALTHY, .shape = OWN_WAVES, .wave = 0.4,
     .keep = 0.97, .history = 300, .extra = true},
    {"clumps of 20, 0.5 %", 0.005, HEALTHY, .clump = 20, .extra = true},
    {"clumps of 20, 0.5 %, 20,000 requests a poll", 0.005, HEALTHY, .clump = 20, .per_poll = 20000,
     .extra = true},
    {"x5, 0.5 %", 0.005, .ratio = 5, CAUGHT(0.99, 400, 1200)},
    {"x5, 0.5 %, 100 polls of history", 0.005, .ratio = 5, CAUGHT(0.99, 400, 1200),
     .history = 100},
    {"x5, 0.5 %, 100 requests a poll", 0.005, .ratio = 5, CAUGHT(0.99, 400, 1200),
     .per_poll = 100, .extra = true},
    {"x5, 0.5 %, weight 1 %", 0.005, .ratio = 5, CAUGHT(0.9, -1, -1), .weight = 0.01, .extra = true},
    {"x20, 0.5 %", 0.005, .ratio = 20, CAUGHT(0.99, 200, 400), .extra = true},
    {"x3, 0.5 %", 0.005, .ratio = 3, CAUGHT(0.95, -1, -1), .extra = true},
    {"x2, 0.5 %", 0.005, .ratio = 2, CAUGHT(0.5, -1, -1), .extra = true},
    {"x5, clumps of 3", 0.005, .ratio = 5, CAUGHT(0.9, -1, -1), .clump = 3, .extra = true},
    {"x5 from poll 100 on", 0.005, .ratio = 5, CAUGHT(0.99, -1, -1), .shape = LATE, .extra = true},
};

int main(int argc, char **argv)
{
    int runs = argc > 1 ? (int)strtol(argv[1], NULL, 10) : 10000;
    bool good = true;
    printf("%d runs a case; requests until the verdict: canary's; naive: z-test at 1 %% a poll\n",
           runs);
    printf("%-44s %7s %7s %7s %7s %7s %9s\n", "case", "fail", "advance", "open", "median", "p99",
           "naive");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct sim_case c = cases[i];
        c.per_poll = c.per_poll > 0 ? c.per_poll : 1000;
        c.weight = c.weight > 0 ? c.weight : 0.05;
        c.clump = c.clump > 0 ? c.clump : 1;
        c.keep = c.keep > 0 ? c.keep : 0.9;
        good &= run_case(&c, c.extra ? (runs + 4) / 5 : runs);
    }
    return good ? 0 : 1;
}
