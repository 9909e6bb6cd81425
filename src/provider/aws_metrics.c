/* SPDX-License-Identifier: Apache-2.0 */
/* CloudFront's own numbers, by distribution: the primary's and the staging one's tell the two
 * versions apart. (Lambda's are by region and not by version.) */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "provider/aws_distribution.h"
#include "provider/aws_target.h"

enum { PERIOD_S = 60, POINTS_MAX = 500 };

/* What is asked for, in the order of the queries' ids: m0, m1, ... */
static const struct {
    const char *name, *stat;
} asked[] = {
    {"Requests", "Sum"},
    {"5xxErrorRate", "Average"},
    {"LambdaExecutionError", "Sum"},
    {"LambdaValidationError", "Sum"},
    {"LambdaLimitExceededError", "Sum"},
};

enum { REQUESTS, RATE, FAILURES };

/* One minute. */
struct point {
    int64_t time_s;
    double values[ARRAY_LEN(asked)];
};

struct series {
    struct point *points;
    size_t count;
};

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

static json_t *query(const char *distribution, int64_t from_s, int64_t until_s, const char *next)
{
    json_t *queries = json_array();
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        char id[8] = {'m', (char)('0' + i)};
        json_array_append_new(
            queries, json_pack("{s:s, s:{s:{s:s, s:s, s:[{s:s, s:s}, {s:s, s:s}]}, s:i, s:s}, s:b}",
                               "Id", id, "MetricStat", "Metric", "Namespace", "AWS/CloudFront",
                               "MetricName", asked[i].name, "Dimensions", "Name", "DistributionId",
                               "Value", distribution, "Name", "Region", "Value", "Global",
                               "Period", PERIOD_S, "Stat", asked[i].stat, "ReturnData", 1));
    }
    return json_pack("{s:o, s:I, s:I, s:s, s:i, s:s*}", "MetricDataQueries", queries, "StartTime",
                     (json_int_t)from_s, "EndTime", (json_int_t)until_s, "ScanBy",
                     "TimestampAscending", "MaxDatapoints", POINTS_MAX * (int)ARRAY_LEN(asked),
                     "NextToken", next);
}

static void add_results(struct series *to, const json_t *page)
{
    size_t i, k;
    const json_t *result, *time;
    json_array_foreach(json_object_get(page, "MetricDataResults"), i, result) {
        const char *id = aws_text(result, "Id");
        size_t which = id[0] == 'm' ? (size_t)(id[1] - '0') : ARRAY_LEN(asked);
        const json_t *values = json_object_get(result, "Values");
        if (which >= ARRAY_LEN(asked))
            continue;
        json_array_foreach(json_object_get(result, "Timestamps"), k, time)
            point_at(to, (int64_t)json_number_value(time))->values[which] =
                json_number_value(json_array_get(values, k));
    }
}

static int fetch(struct aws_target *t, const char *distribution, int64_t from_s, int64_t until_s,
                 struct series *to, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDWATCH, &s, err);
    cleanup(free_p) char *next = NULL;
    while (r == 0) {
        cleanup(json_decref_p) json_t *page = NULL;
        r = aws_target_json(s, "GetMetricData", query(distribution, from_s, until_s, next),
                            &page, err);
        if (r < 0)
            return r;
        add_results(to, page);
        free(next);
        const char *token = aws_text(page, "NextToken");
        next = *token ? xstrdup(token) : NULL;
        if (!next)
            return 0;
    }
    return r;
}

static uint64_t whole(double value)
{
    return value > 0 && value < 1e18 ? (uint64_t)llround(value) : 0;
}

int aws_metrics(struct target *target, const char *version, int64_t since_ms, struct metrics *ret,
                struct err *err)
{
    struct aws_target *t = aws_of(target);
    int64_t from_s = since_ms / 1000 / PERIOD_S * PERIOD_S;
    int64_t until_s = clock_wall_ns() / 1000000000 / PERIOD_S * PERIOD_S;
    *ret = (struct metrics){.from_ms = since_ms, .until_ms = since_ms, .sampled = 1, .p50_us = -1,
                            .p99_us = -1};
    cleanup(free_p) char *distribution = NULL;
    int r = aws_split_distribution(t, version, &distribution, err);
    if (r <= 0 || from_s >= until_s)
        return r < 0 ? r : 0;
    struct series series = {0};
    r = fetch(t, distribution, from_s, until_s, &series, err);
    double errors = 0, traps = 0, requests = 0;
    for (size_t i = 0; i < series.count; i++) {
        const struct point *p = &series.points[i];
        requests += p->values[REQUESTS];
        errors += round(p->values[REQUESTS] * p->values[RATE] / 100);
        for (size_t k = FAILURES; k < ARRAY_LEN(asked); k++)
            traps += p->values[k];
        int64_t end_ms = (p->time_s + PERIOD_S) * 1000;
        ret->until_ms = end_ms > ret->until_ms ? end_ms : ret->until_ms;
    }
    ret->requests = whole(requests);
    ret->errors = whole(errors);
    /* A function that fails is answered for with 502 or 503: its failures are among the errors. */
    ret->traps = whole(traps) < ret->errors ? whole(traps) : ret->errors;
    free(series.points);
    return r;
}
