/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/mem.h"

enum { SERIES_MAX = 100000 };

void series_clear(struct series *s)
{
    json_decref(s->last);
    json_decref(s->total);
    *s = (struct series){0};
}

/* Source: Prometheus HTTP API, "Expression query result formats": numbers are text. */
static bool count_of(const json_t *pair, double *ret)
{
    const char *text = json_string_value(json_array_get(pair, 1));
    char *end;
    double v = text ? strtod(text, &end) : NAN;
    if (!text || end == text || *end || !isfinite(v) || v < 0 || v > 1e15)
        return false;
    *ret = v;
    return true;
}

static void add(json_t *to, const char *key, double v)
{
    json_object_set_new(to, key, json_real(json_number_value(json_object_get(to, key)) + v));
}

static void take_one(struct series *s, bool first, const json_t *labels, double v)
{
    static const char none[] = "{}";
    cleanup(free_p) char *key = labels ? json_dumps(labels, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    const char *le = json_string_value(json_object_get(labels, "le"));
    const json_t *before = json_object_get(s->last, key ? key : none);
    double was = json_number_value(before), more = v;
    if (!first && before && v >= was)
        more = v - was;
    else if (!first && before && !json_object_get(labels, "__name__"))
        more = 0;
    if (!before && json_object_size(s->last) >= SERIES_MAX)
        return;
    json_object_set_new(s->last, key ? key : none, json_real(v));
    add(s->total, le ? le : "", more);
}

/* Counters of several names are different things. */
static int check_names(const json_t *result, struct err *err)
{
    const char *name = NULL;
    size_t i;
    json_t *o;
    json_array_foreach (result, i, o) {
        const char *n = json_string_value(json_object_get(json_object_get(o, "metric"),
                                                          "__name__"));
        if (name && n && strcmp(name, n) != 0)
            return err_set(err, ERR_FAILURE, "it gives series of several names (%.80s, %.80s)",
                           name, n);
        name = n ? n : name;
    }
    return 0;
}

int series_take(struct series *s, const json_t *answer, struct err *err)
{
    const json_t *data = json_object_get(answer, "data"), *result = json_object_get(data, "result");
    const char *type = json_string_value(json_object_get(data, "resultType"));
    bool first = !s->last, any = false;
    double v;
    size_t i;
    json_t *o;
    if (type && strcmp(type, "vector") != 0 && strcmp(type, "scalar") != 0)
        return err_set(err, ERR_FAILURE, "it gives a %.20s, not one value a series: without a "
                       "range, such as [5m], it does", type);
    int r = check_names(result, err);
    if (r < 0)
        return r;
    if (first) {
        s->last = json_object();
        s->total = json_object();
    }
    if (type && strcmp(type, "scalar") == 0) {
        any = count_of(result, &v);
        if (any)
            take_one(s, first, NULL, v);
    } else {
        json_array_foreach (result, i, o) {
            if (!count_of(json_object_get(o, "value"), &v))
                continue;
            any = true;
            take_one(s, first, json_object_get(o, "metric"), v);
        }
    }
    /* What is first seen later has all been counted since. */
    if (first && !any)
        series_clear(s);
    return any;
}

bool series_total(const struct series *s, double *ret)
{
    const json_t *v = json_object_get(s->total, "");
    if (v)
        *ret = json_number_value(v);
    return v != NULL;
}

bool series_histogram(const struct series *s, double edge, double *ret_requests, double *ret_fast)
{
    const char *le;
    json_t *v;
    double all = NAN, best = INFINITY;
    json_object_foreach(s->total, le, v) {
        double at = *le ? strtod(le, NULL) : NAN;
        double off = fabs(log(at / edge));
        if (isinf(at))
            all = json_number_value(v);
        else if (at > 0 && off < best) {
            best = off;
            *ret_fast = json_number_value(v);
        }
    }
    if (isnan(all) || isinf(best))
        return false;
    *ret_requests = all;
    *ret_fast = fmin(*ret_fast, all);
    return true;
}

int series_edges(const struct series *s, const double *q, int count, double *ret_edges)
{
    double all, fast;
    if (!series_histogram(s, 1, &all, &fast) || all < 100)
        return 0;
    for (int i = 0; i < count; i++) {
        const char *le;
        json_t *v;
        double best = INFINITY;
        ret_edges[i] = 0;
        json_object_foreach(s->total, le, v) {
            double at = *le ? strtod(le, NULL) : NAN;
            double off = fabs(json_number_value(v) / all - q[i]);
            if (at > 0 && !isinf(at) && off < best) {
                best = off;
                ret_edges[i] = at;
            }
        }
    }
    return count;
}
