/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence from a Prometheus server: instant queries for counters of each version, whose
 * differences are taken here, so that no range has to fit the poll. Source: Prometheus HTTP API,
 * GET /api/v1/query: {"status": "success", "data": {"resultType": "vector", "result": [{"value":
 * [time, "text"]}]}}; no series is an empty result, which is no data. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "rollout/evidence_impl.h"

/* Queries for counters. A counter of errors exists only after the first one, so that without it
 * nothing would be known of a version that has none: zero stands in, but only where the version has
 * requests. */
struct templates {
    const char *name, *requests, *errors, *traps, *fast;
};

static const struct templates templates[] = {
    {"edgectl", "sum(edgectl_requests_total{version=\"$version\"})",
     "sum(edgectl_errors_total{version=\"$version\"}) or "
     "0 * sum(edgectl_requests_total{version=\"$version\"})",
     "sum(edgectl_traps_total{version=\"$version\"}) or "
     "0 * sum(edgectl_requests_total{version=\"$version\"})",
     "sum(edgectl_request_duration_seconds_bucket{version=\"$version\",le=\"$le\"})"},
    {"istio", "sum(istio_requests_total{destination_version=\"$version\"})",
     "sum(istio_requests_total{destination_version=\"$version\",response_code=~\"5..\"}) or "
     "0 * sum(istio_requests_total{destination_version=\"$version\"})",
     NULL,
     "sum(istio_request_duration_milliseconds_bucket{destination_version=\"$version\","
     "le=\"$le_ms\"})"},
    {"nginx", "sum(nginx_ingress_controller_requests{service=~\".*$version\"})",
     "sum(nginx_ingress_controller_requests{service=~\".*$version\",status=~\"5..\"}) or "
     "0 * sum(nginx_ingress_controller_requests{service=~\".*$version\"})",
     NULL,
     "sum(nginx_ingress_controller_request_duration_seconds_bucket{service=~\".*$version\","
     "le=\"$le\"})"},
};

enum { QUERY_MAX = 8192 };

static const struct templates *template_of(const struct evidence *e)
{
    const char *name = e->r->prometheus.template;
    for (size_t i = 0; name && i < ARRAY_LEN(templates); i++) {
        if (strcmp(templates[i].name, name) == 0)
            return &templates[i];
    }
    return &templates[0];
}

int evidence_prometheus_open(struct evidence *e, struct err *err)
{
    const char *env = e->r->prometheus.token_env;
    const char *token = env ? manifest_getenv(e->m, env) : NULL;
    struct headers headers = {0};
    if (env && !token) {
        err_set(err, ERR_CREDENTIALS, "environment variable %s is not set", env);
        err_hint(err, "it holds the bearer token for Prometheus (rollout.evidence.prometheus)");
        return -ERR_CREDENTIALS;
    }
    if (token) {
        cleanup(free_p) char *field = xasprintf("Bearer %s", token);
        headers_add_str(&headers, "authorization", field);
        explicit_bzero(field, strlen(field));
    }
    struct api_options o = {
        .name = "Prometheus", .base = e->r->prometheus.url, .headers = token ? &headers : NULL,
        .hint_credentials = "see rollout.evidence.prometheus.token in the manifest",
        .answer_ms = 30000,
    };
    int r = api_new(&o, &e->api, err);
    headers_clear(&headers);
    return r;
}

/* The query with $version, $target, $le (seconds) and $le_ms put in. */
static void fill_in(const struct evidence *e, const char *query, int i, const char *version,
                    double edge_ms, struct buf *to)
{
    char le[32], le_ms[32];
    snprintf(le, sizeof le, "%g", edge_ms / 1000);
    snprintf(le_ms, sizeof le_ms, "%g", edge_ms);
    const struct {
        const char *name, *value;
    } words[] = {{"$version", version}, {"$target", e->plan->target[i].name}, {"$le_ms", le_ms},
                 {"$le", le}};
    for (const char *p = query; *p;) {
        size_t w = 0;
        while (w < ARRAY_LEN(words) && strncmp(p, words[w].name, strlen(words[w].name)) != 0)
            w++;
        if (w < ARRAY_LEN(words)) {
            buf_add_str(to, words[w].value);
            p += strlen(words[w].name);
        } else {
            buf_add_char(to, *p++);
        }
    }
}

/* 1 with a value, 0 when there is none. */
static int value_of(const json_t *answer, double *ret, int64_t *ret_ms, struct err *err)
{
    const json_t *result = json_object_get(json_object_get(answer, "data"), "result");
    if (json_array_size(result) > 1)
        return err_set(err, ERR_FAILURE, "the query gives %zu series; sum() makes them one",
                       json_array_size(result));
    const json_t *pair = json_object_get(json_array_get(result, 0), "value");
    const char *text = json_string_value(json_array_get(pair, 1));
    char *end;
    double v = text ? strtod(text, &end) : NAN;
    if (!text || *end || !isfinite(v) || v < 0)
        return 0;
    *ret = v;
    *ret_ms = (int64_t)(json_number_value(json_array_get(pair, 0)) * 1000);
    return 1;
}

static int ask(struct evidence *e, const char *query, int i, int arm, double edge_ms, double *ret,
               int64_t *ret_ms, struct err *err)
{
    cleanup(buf_clear) struct buf text = BUF_INIT(QUERY_MAX);
    const struct plan_target *t = &e->plan->target[i];
    fill_in(e, query, i, arm ? t->canary : t->stable, edge_ms, &text);
    cleanup(free_p) char *path = api_path("/api/v1/query?query=%s", buf_str(&text));
    struct api_request request = {.method = "GET", .path = path};
    json_t *answer = NULL;
    int r = api_do_json(e->api, &request, &answer, err);
    if (r < 0)
        return r;
    r = value_of(answer, ret, ret_ms, err);
    json_decref(answer);
    return r < 0 ? err_wrap(err, r, "Prometheus query '%.200s'", buf_str(&text)) : r;
}

/* What a metric of ours is called there; NULL: nothing. */
static const char *query_for(const struct evidence *e, int metric)
{
    const struct gate_rule *rule = &e->plan->gate.rule[metric];
    const struct templates *t = template_of(e);
    switch (rule->kind) {
    case GATE_ERRORS:
        return e->r->prometheus.errors ? e->r->prometheus.errors : t->errors;
    case GATE_TRAPS:
        return e->r->prometheus.traps ? e->r->prometheus.traps : t->traps;
    case GATE_LATENCY:
        return e->r->prometheus.fast ? e->r->prometheus.fast : t->fast;
    case GATE_EVENTS:
        break;
    }
    for (size_t i = 0; i < e->r->gate_count; i++) {
        if (e->r->gates[i].name && strcmp(e->r->gates[i].name, rule->name) == 0)
            return e->r->gates[i].query;
    }
    return NULL;
}

static int read_metric(struct evidence *e, int i, int arm, int metric, struct evidence_arm *to,
                       struct err *err)
{
    const struct gate_rule *rule = &e->plan->gate.rule[metric];
    struct gate_cell *cell = &to->cell[metric];
    const char *query = query_for(e, metric);
    int64_t at;
    cell->requests = to->requests;
    cell->known = query != NULL;
    for (int k = 0; cell->known && k < rule->edges; k++) {
        double v;
        int r = ask(e, query, i, arm, rule->edge_ms[k], &v, &at, err);
        if (r < 0)
            return r;
        cell->known = r == 1;
        cell->bad[k] = rule->kind == GATE_LATENCY ? fmax(0, to->requests - v) : v;
    }
    return 0;
}

int evidence_prometheus_read(struct evidence *e, int i, struct evidence_totals *ret,
                             struct err *err)
{
    const char *requests = e->r->prometheus.requests ? e->r->prometheus.requests
                                                     : template_of(e)->requests;
    for (int arm = 0; arm < 2; arm++) {
        struct evidence_arm *to = &ret->arm[arm];
        int64_t at;
        int r = ask(e, requests, i, arm, 0, &to->requests, &at, err);
        if (r < 0)
            return r;
        to->known = r == 1;
        for (int m = 0; to->known && m < e->plan->gate.count; m++) {
            r = read_metric(e, i, arm, m, to, err);
            if (r < 0)
                return r;
        }
        if (to->known)
            ret->until_ms = at;
    }
    return 0;
}
