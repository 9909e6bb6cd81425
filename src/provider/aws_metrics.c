/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of one version. Two that share traffic by CloudFront are on two distributions, whose
 * metrics tell them apart. Two behind the router are in one function, which writes metrics of its
 * own by version (templates/hosts/pair/index.js) to CloudWatch in each region where it runs. Of
 * those there is a histogram, too: a percentile rank, PR(:X), is the share of a minute's requests
 * that took at most X (CloudWatch User Guide, "CloudWatch statistics definitions"), and with their
 * number it is a count. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "provider/aws_traffic.h"

enum { PERIOD_S = 60, DATA_MAX = 50000 };
/* Edges that are asked for: from 1 ms to 10 s, at the edge there is nothing else. */
enum { EDGE_FIRST = 10, EDGE_LAST = 50, EDGES = EDGE_LAST - EDGE_FIRST + 1 };
enum { QUESTIONS_MAX = 64 };

struct question {
    const char *metric;
    char stat[24];
};

/* What is asked at once: its ids are m0, m1, ... in this order. */
struct questions {
    const char *space;
    const char *names[2], *values[2];       /* dimensions */
    struct question list[QUESTIONS_MAX];
    size_t count;
};

static void ask(struct questions *q, const char *metric, const char *stat)
{
    struct question *one = &q->list[q->count++];
    one->metric = metric;
    snprintf(one->stat, sizeof one->stat, "%s", stat);
}

/* One minute. */
struct point {
    int64_t time_s;
    double values[QUESTIONS_MAX];
    bool has[QUESTIONS_MAX];
};

struct series {
    struct point *points;
    size_t count;
};

static void series_clear(struct series *s)
{
    free(s->points);
    *s = (struct series){0};
}

static struct point *point_at(struct series *s, int64_t time_s)
{
    for (size_t i = s->count; i-- > 0;) {
        if (s->points[i].time_s == time_s)
            return &s->points[i];
    }
    s->points = xreallocarray(s->points, s->count + 1, sizeof *s->points);
    s->points[s->count] = (struct point){.time_s = time_s};
    return &s->points[s->count++];
}

static json_t *query(const struct questions *q, int64_t from_s, int64_t until_s, const char *next)
{
    json_t *queries = json_array();
    for (size_t i = 0; i < q->count; i++) {
        char id[8];
        snprintf(id, sizeof id, "m%zu", i);
        json_array_append_new(
            queries, json_pack("{s:s, s:{s:{s:s, s:s, s:[{s:s, s:s}, {s:s, s:s}]}, s:i, s:s}, s:b}",
                               "Id", id, "MetricStat", "Metric", "Namespace", q->space,
                               "MetricName", q->list[i].metric, "Dimensions", "Name", q->names[0],
                               "Value", q->values[0], "Name", q->names[1], "Value", q->values[1],
                               "Period", PERIOD_S, "Stat", q->list[i].stat, "ReturnData", 1));
    }
    return json_pack("{s:o, s:I, s:I, s:s, s:i, s:s*}", "MetricDataQueries", queries, "StartTime",
                     (json_int_t)from_s, "EndTime", (json_int_t)until_s, "ScanBy",
                     "TimestampAscending", "MaxDatapoints", DATA_MAX, "NextToken", next);
}

static void add_results(const struct questions *q, struct series *to, const json_t *page)
{
    size_t i, k;
    const json_t *result, *time;
    json_array_foreach(json_object_get(page, "MetricDataResults"), i, result) {
        const char *id = aws_text(result, "Id");
        size_t which = id[0] == 'm' ? (size_t)strtoul(id + 1, NULL, 10) : q->count;
        const json_t *values = json_object_get(result, "Values");
        if (which >= q->count)
            continue;
        json_array_foreach(json_object_get(result, "Timestamps"), k, time) {
            struct point *p = point_at(to, (int64_t)json_number_value(time));
            p->values[which] = json_number_value(json_array_get(values, k));
            p->has[which] = true;
        }
    }
}

static int fetch(struct aws_service *s, const struct questions *q, int64_t from_s, int64_t until_s,
                 struct series *to, struct err *err)
{
    cleanup(free_p) char *next = NULL;
    for (;;) {
        cleanup(json_decref_p) json_t *page = NULL;
        int r = aws_target_json(s, "GetMetricData", query(q, from_s, until_s, next), &page, err);
        if (r < 0)
            return r;
        add_results(q, to, page);
        free(next);
        const char *token = aws_text(page, "NextToken");
        next = *token ? xstrdup(token) : NULL;
        if (!next)
            return 0;
    }
}

static uint64_t whole(double value)
{
    return value > 0 && value < 1e18 ? (uint64_t)llround(value) : 0;
}

/* Minutes that nobody has asked in are as good as others that are over. */
static void reach(struct metrics *ret, const struct point *p)
{
    int64_t end_ms = (p->time_s + PERIOD_S) * 1000;
    ret->until_ms = end_ms > ret->until_ms ? end_ms : ret->until_ms;
}

/* --- a distribution's --- */

enum { REQUESTS, RATE, FAILURES };

static int read_distribution(struct aws_target *t, const char *id, int64_t from_s, int64_t until_s,
                             struct metrics *ret, struct err *err)
{
    struct questions q = {.space = "AWS/CloudFront", .names = {"DistributionId", "Region"},
                          .values = {id, "Global"}};
    ask(&q, "Requests", "Sum");
    ask(&q, "5xxErrorRate", "Average");
    ask(&q, "LambdaExecutionError", "Sum");
    ask(&q, "LambdaValidationError", "Sum");
    ask(&q, "LambdaLimitExceededError", "Sum");
    cleanup(series_clear) struct series series = {0};
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDWATCH, &s, err);
    if (r == 0)
        r = fetch(s, &q, from_s, until_s, &series, err);
    double errors = 0, traps = 0, requests = 0;
    for (size_t i = 0; i < series.count; i++) {
        const struct point *p = &series.points[i];
        requests += p->values[REQUESTS];
        errors += round(p->values[REQUESTS] * p->values[RATE] / 100);
        for (size_t k = FAILURES; k < q.count; k++)
            traps += p->values[k];
        reach(ret, p);
    }
    ret->requests = whole(requests);
    ret->errors = whole(errors);
    /* A function that fails is answered for with 502 or 503: its failures are among the errors. */
    ret->traps = whole(traps) < ret->errors ? whole(traps) : ret->errors;
    return r;
}

/* --- the pair's own --- */

enum { COUNT, ERRORS, TRAPS, RANKS };

/* The counts between the edges of one minute, from the shares below them. */
static void add_histogram(const struct point *p, struct metrics *ret)
{
    uint64_t all = whole(p->values[COUNT]), below = 0;
    for (int i = 0; i < EDGES; i++) {
        uint64_t until = whole((double)all * p->values[RANKS + i] / 100);
        until = until > all ? all : until < below ? below : until;
        ret->latency[EDGE_FIRST + i] += until - below;
        below = until;
    }
    ret->latency[LATENCY_BUCKETS - 1] += all - below;
}

static int read_region(struct aws_target *t, const char *region, struct questions *q,
                       int64_t from_s, int64_t until_s, struct metrics *ret, struct err *err)
{
    struct aws_service *s;
    cleanup(series_clear) struct series series = {0};
    int r = aws_watch_in(t, region, &s, err);
    q->count = RANKS;
    if (r == 0)
        r = fetch(s, q, from_s, until_s, &series, err);
    if (r < 0 || !series.count)
        return r;
    /* Each question is paid for: ranks only where somebody was. */
    struct questions ranks = {.space = q->space, .names = {q->names[0], q->names[1]},
                              .values = {q->values[0], q->values[1]}};
    ask(&ranks, "Latency", "SampleCount");
    ask(&ranks, "Errors", "Sum");
    ask(&ranks, "Traps", "Sum");
    for (int i = 0; i < EDGES; i++) {
        char stat[24];
        snprintf(stat, sizeof stat, "PR(:%g)", (double)latency_edge_us(EDGE_FIRST + i) / 1000);
        ask(&ranks, "Latency", stat);
    }
    series_clear(&series);
    r = fetch(s, &ranks, from_s, until_s, &series, err);
    for (size_t i = 0; r == 0 && i < series.count; i++) {
        const struct point *p = &series.points[i];
        ret->requests += whole(p->values[COUNT]);
        ret->errors += whole(p->values[ERRORS]);
        ret->traps += whole(p->values[TRAPS]);
        /* One minute without ranks, and the histogram would lack its requests. */
        ret->has_latency &= p->has[RANKS] || !whole(p->values[COUNT]);
        add_histogram(p, ret);
        reach(ret, p);
    }
    return r;
}

static int read_own(struct aws_target *t, const char *version, int64_t from_s, int64_t until_s,
                    struct metrics *ret, struct err *err)
{
    struct questions q = {.space = "edgectl", .names = {"App", "Version"},
                          .values = {t->function, version}};
    ask(&q, "Latency", "SampleCount");
    ask(&q, "Errors", "Sum");
    ask(&q, "Traps", "Sum");
    ret->has_latency = true;
    int r = 0;
    for (size_t i = 0; r == 0 && aws_edge_regions[i]; i++)
        r = read_region(t, aws_edge_regions[i], &q, from_s, until_s, ret, err);
    ret->has_latency &= ret->requests > 0;
    if (!ret->has_latency)
        memset(ret->latency, 0, sizeof ret->latency);
    return r;
}

int aws_metrics(struct target *target, const char *version, int64_t since_ms, struct metrics *ret,
                struct err *err)
{
    struct aws_target *t = aws_of(target);
    int64_t from_s = since_ms / 1000 / PERIOD_S * PERIOD_S;
    int64_t until_s = clock_wall_ns() / 1000000000 / PERIOD_S * PERIOD_S;
    *ret = (struct metrics){.from_ms = since_ms, .until_ms = since_ms, .sampled = 1, .p50_us = -1,
                            .p99_us = -1};
    cleanup(aws_traffic_clear) struct aws_traffic s = {0};
    int r = aws_traffic_read(t, &s, err);
    bool stable = r == 0 && s.stable && strcmp(s.stable, version) == 0;
    bool canary = r == 0 && s.bp >= 0 && strcmp(s.canary, version) == 0;
    if (r < 0 || from_s >= until_s || (!stable && !canary))
        return r;
    return s.is_pair ? read_own(t, version, from_s, until_s, ret, err)
                     : read_distribution(t, stable ? s.primary.id : s.staging.id, from_s, until_s,
                                         ret, err);
}
