/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence from a Prometheus server: instant queries for counters of each version, all of one
 * reading for the same moment; differences are taken here (rollout/series.h), so that no range has
 * to fit the poll. Source: Prometheus HTTP API, GET /api/v1/query. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "rollout/evidence_impl.h"

/* Selectors of counters. A counter of errors exists only after the first one: where a version has
 * requests, none is zero. `slow` is a histogram. */
struct templates {
    const char *name, *requests, *errors, *traps, *slow;
    bool ms;                        /* unit of the histogram; else seconds */
};

static const struct templates templates[] = {
    {"edgectl", "edgectl_requests_total{version=\"$version\"}",
     "edgectl_errors_total{version=\"$version\"}", "edgectl_traps_total{version=\"$version\"}",
     "edgectl_request_duration_seconds_bucket{version=\"$version\"}", false},
    {"istio", "istio_requests_total{reporter=\"destination\",destination_version=\"$version\"}",
     "istio_requests_total{reporter=\"destination\",destination_version=\"$version\","
     "response_code=~\"5..\"}",
     NULL,
     "istio_request_duration_milliseconds_bucket{reporter=\"destination\","
     "destination_version=\"$version\"}",
     true},
    {"nginx", "nginx_ingress_controller_requests{service=~\".*$version\"}",
     "nginx_ingress_controller_requests{service=~\".*$version\",status=~\"5..\"}", NULL,
     "nginx_ingress_controller_request_duration_seconds_bucket{service=~\".*$version\"}", false},
    {"nginx-vts", "nginx_vts_upstream_requests_total{upstream=~\".*$version\",code=~\"[1-5]xx\"}",
     "nginx_vts_upstream_requests_total{upstream=~\".*$version\",code=\"5xx\"}", NULL, NULL, false},
    {"envoy", "envoy_cluster_upstream_rq_xx{envoy_cluster_name=~\".*$version\"}",
     "envoy_cluster_upstream_rq_xx{envoy_cluster_name=~\".*$version\","
     "envoy_response_code_class=\"5\"}",
     NULL, "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=~\".*$version\"}", true},
    {"traefik", "traefik_service_requests_total{service=~\".*$version(@.*)?\"}",
     "traefik_service_requests_total{service=~\".*$version(@.*)?\",code=~\"5..\"}", NULL,
     "traefik_service_request_duration_seconds_bucket{service=~\".*$version(@.*)?\"}", false},
    {"opentelemetry", "http_server_request_duration_seconds_count{service_version=\"$version\"}",
     "http_server_request_duration_seconds_count{service_version=\"$version\","
     "http_response_status_code=~\"5..\"}",
     NULL, "http_server_request_duration_seconds_bucket{service_version=\"$version\"}", false},
};

enum { QUERY_MAX = 8192 };

/* What was counted for one metric of one version; edges of a query with $le each have their own. */
struct followed {
    struct series requests, metric[GATE_METRICS][GATE_EDGES];
};

struct evidence_prometheus {
    struct followed arm[PLAN_TARGETS_MAX][2];
};

static const struct templates *template_of(const struct evidence *e)
{
    const char *name = e->r->prometheus.template;
    for (size_t i = 0; name && i < ARRAY_LEN(templates); i++) {
        if (strcmp(templates[i].name, name) == 0)
            return &templates[i];
    }
    return &templates[0];
}

static void free_secret(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

static int secret_of(const struct evidence *e, const char *env, const char *what,
                     const char **ret, struct err *err)
{
    *ret = manifest_getenv(e->m, env);
    if (*ret)
        return 0;
    err_set(err, ERR_CREDENTIALS, "environment variable %s is not set", env);
    err_hint(err, "it holds the %s for Prometheus (rollout.evidence.prometheus)", what);
    return -ERR_CREDENTIALS;
}

/* Adds the header that says who asks, if anybody is to be named. */
static int add_credentials(const struct evidence *e, struct headers *to, struct err *err)
{
    const char *secret = NULL;
    char *field = NULL;
    int r = 0;
    if (e->r->prometheus.token_env) {
        r = secret_of(e, e->r->prometheus.token_env, "bearer token", &secret, err);
        field = r == 0 ? xasprintf("Bearer %s", secret) : NULL;
    } else if (e->r->prometheus.password_env) {
        r = secret_of(e, e->r->prometheus.password_env, "password", &secret, err);
        char *pair = r == 0 ? xasprintf("%s:%s", e->r->prometheus.user, secret) : NULL;
        char *coded = pair ? base64_encode(pair, strlen(pair)) : NULL;
        field = coded ? xasprintf("Basic %s", coded) : NULL;
        free_secret(pair);
        free_secret(coded);
    }
    if (field)
        headers_add_str(to, "authorization", field);
    free_secret(field);
    return r;
}

/* Source: Prometheus HTTP API: {"status": "error", "errorType": ..., "error": ...}. */
static bool explain(const struct api_response *r, struct buf *words)
{
    json_t *body = json_loadb(r->body, r->len, 0, NULL);
    const char *error = json_string_value(json_object_get(body, "error"));
    bool told = error && buf_printf(words, "%s", error);
    json_decref(body);
    return told;
}

int evidence_prometheus_open(struct evidence *e, struct err *err)
{
    struct headers headers = {0};
    int r = add_credentials(e, &headers, err);
    if (r < 0)
        return r;
    if (e->r->prometheus.tenant)
        headers_add_str(&headers, "x-scope-orgid", e->r->prometheus.tenant);
    struct api_options o = {
        .name = "Prometheus", .base = e->r->prometheus.url, .headers = &headers,
        .hint_credentials = "see rollout.evidence.prometheus in the manifest: token, or user and "
                            "password",
        .ca_file = e->r->prometheus.ca, .answer_ms = 30000, .explain = explain,
        .plain = !e->r->prometheus.token_env && !e->r->prometheus.password_env,
    };
    r = api_new(&o, &e->api, err);
    headers_clear(&headers);
    if (r == 0)
        e->prometheus = xnew(struct evidence_prometheus);
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

/* A query about one version at one moment. */
struct question {
    const char *query;
    int target, arm;
    double edge_ms;
    int64_t at_ms;
    struct followed *to;
};

/* 1 with values, 0 without. */
static int ask(struct evidence *e, const struct question *q, struct series *to, struct err *err)
{
    cleanup(buf_clear) struct buf text = BUF_INIT(QUERY_MAX);
    const struct plan_target *t = &e->plan->target[q->target];
    char at[32];
    fill_in(e, q->query, q->target, q->arm ? t->canary : t->stable, q->edge_ms, &text);
    snprintf(at, sizeof at, "%lld.%03d", (long long)(q->at_ms / 1000), (int)(q->at_ms % 1000));
    cleanup(free_p) char *path = api_path("/api/v1/query?query=%s&time=%s", buf_str(&text), at);
    struct api_request request = {.method = "GET", .path = path};
    json_t *answer = NULL;
    int r = api_do_json(e->api, &request, &answer, err);
    if (r < 0)
        return r;
    r = series_take(to, answer, err);
    json_decref(answer);
    return r < 0 ? err_wrap(err, r, "Prometheus query '%.200s'", buf_str(&text)) : r;
}

/* What a metric of ours is called there; NULL: nothing. `ret_ours`: it is the template's. */
static const char *query_for(const struct evidence *e, int metric, bool *ret_ours)
{
    const struct gate_rule *rule = &e->plan->gate.rule[metric];
    const struct templates *t = template_of(e);
    const char *given = NULL, *ours = NULL;
    if (rule->kind == GATE_ERRORS) {
        given = e->r->prometheus.errors;
        ours = t->errors;
    } else if (rule->kind == GATE_TRAPS) {
        given = e->r->prometheus.traps;
        ours = t->traps;
    } else if (rule->kind == GATE_LATENCY) {
        given = e->r->prometheus.fast;
        ours = t->slow;
    }
    for (size_t i = 0; rule->kind == GATE_EVENTS && i < e->r->gate_count; i++) {
        if (e->r->gates[i].name && strcmp(e->r->gates[i].name, rule->name) == 0)
            given = e->r->gates[i].query;
    }
    *ret_ours = !given;
    return given ? given : ours;
}

/* The unit of a histogram: of the template, or what the names in a query say. */
static double units_in_ms(const struct evidence *e, const char *query, bool ours)
{
    bool ms = ours ? template_of(e)->ms
                   : strstr(query, "millisecond") || strstr(query, "_ms_") ||
                         strstr(query, "upstream_rq_time");
    return ms ? 1 : 1000;
}

static int read_latency(struct evidence *e, struct question *q, int metric, bool ours,
                        struct gate_cell *cell, struct err *err)
{
    const struct gate_rule *rule = &e->plan->gate.rule[metric];
    struct series *s = q->to->metric[metric];
    double unit = units_in_ms(e, q->query, ours);
    bool whole = !strstr(q->query, "$le");
    for (int k = 0; k < rule->edges; k++) {
        double requests = cell->requests, fast;
        q->edge_ms = rule->edge_ms[k];
        int r = whole && k > 0 ? 1 : ask(e, q, &s[whole ? 0 : k], err);
        if (r < 0)
            return r;
        cell->known = r > 0 && (whole ? series_histogram(s, q->edge_ms / unit, &requests, &fast)
                                      : series_total(&s[k], &fast));
        if (!cell->known)
            return 0;
        cell->requests = requests;
        cell->bad[k] = fmax(0, requests - fast);
    }
    return 0;
}

static int read_metric(struct evidence *e, struct question *q, int metric, struct evidence_arm *to,
                       struct err *err)
{
    struct gate_cell *cell = &to->cell[metric];
    struct series *s = q->to->metric[metric];
    bool ours;
    q->query = query_for(e, metric, &ours);
    cell->requests = to->requests;
    if (!q->query)
        return 0;
    if (e->plan->gate.rule[metric].kind == GATE_LATENCY)
        return read_latency(e, q, metric, ours, cell, err);
    int r = ask(e, q, s, err);
    if (r < 0)
        return r;
    bool seen = series_total(s, &cell->bad[0]);
    cell->known = r > 0 || ours || seen;
    return 0;
}

static int read_arm(struct evidence *e, struct question *q, struct evidence_arm *to,
                    struct err *err)
{
    q->query = e->r->prometheus.requests ? e->r->prometheus.requests : template_of(e)->requests;
    int r = ask(e, q, &q->to->requests, err);
    if (r < 0)
        return r;
    to->known = r > 0 && series_total(&q->to->requests, &to->requests);
    for (int m = 0; to->known && m < e->plan->gate.count; m++) {
        r = read_metric(e, q, m, to, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int64_t now_ms(void)
{
    return clock_wall_ns() / 1000000;
}

int evidence_prometheus_read(struct evidence *e, int i, struct evidence_totals *ret,
                             struct err *err)
{
    struct question q = {.target = i, .at_ms = now_ms()};
    for (q.arm = 0; q.arm < 2; q.arm++) {
        q.to = &e->prometheus->arm[i][q.arm];
        int r = read_arm(e, &q, &ret->arm[q.arm], err);
        if (r < 0)
            return r;
        if (ret->arm[q.arm].known)
            ret->until_ms = q.at_ms;
    }
    return 0;
}

static void clear_followed(struct followed *f)
{
    series_clear(&f->requests);
    for (int m = 0; m < GATE_METRICS * GATE_EDGES; m++)
        series_clear(&f->metric[m / GATE_EDGES][m % GATE_EDGES]);
}

void evidence_prometheus_close(struct evidence *e)
{
    for (int i = 0; e->prometheus && i < PLAN_TARGETS_MAX * 2; i++)
        clear_followed(&e->prometheus->arm[i / 2][i % 2]);
    free(e->prometheus);
    api_free(e->api);
}

/* What was counted between two moments: of each series, so that an instance that was not there at
 * the first one counts from nothing. */
int evidence_prometheus_since(struct evidence *e, int i, int64_t since_ms,
                              struct evidence_totals *ret, struct err *err)
{
    struct followed *f = xnew(struct followed);
    struct evidence_arm then = {0}, *now = &ret->arm[0];
    struct question q = {.target = i, .at_ms = since_ms, .to = f};
    int r = read_arm(e, &q, &then, err);
    bool known = r == 0 && then.known;
    q.at_ms = now_ms();
    if (known)
        r = read_arm(e, &q, now, err);
    clear_followed(f);
    free(f);
    if (r < 0)
        return r;
    ret->from_ms = known ? since_ms : q.at_ms;
    ret->until_ms = q.at_ms;
    now->requests -= then.requests;
    for (int m = 0; m < e->plan->gate.count; m++) {
        struct gate_cell *cell = &now->cell[m];
        cell->known &= then.cell[m].known;
        cell->requests -= then.cell[m].requests;
        for (int k = 0; k < GATE_EDGES; k++)
            cell->bad[k] -= then.cell[m].bad[k];
    }
    return 0;
}

int evidence_prometheus_check(struct evidence *e, int i, bool *ret_known, struct err *err)
{
    struct followed *f = xnew(struct followed);
    struct question q = {.target = i, .at_ms = now_ms(), .to = f};
    struct evidence_arm stable = {0};
    int r = read_arm(e, &q, &stable, err);
    clear_followed(f);
    free(f);
    *ret_known = stable.known;
    return r;
}

int evidence_prometheus_freeze(struct evidence *e, struct plan *plan, struct err *err)
{
    static const double quantiles[] = {0.5, 0.95, 0.99};
    double edge[ARRAY_LEN(quantiles)];
    for (int m = 0; m < plan->gate.count; m++) {
        bool ours;
        const char *query = query_for(e, m, &ours);
        if (plan->gate.rule[m].kind != GATE_LATENCY || !query || strstr(query, "$le"))
            continue;
        struct question q = {.query = query, .at_ms = now_ms()};
        struct series s = {0};
        int r = ask(e, &q, &s, err);
        int found = r > 0 ? series_edges(&s, quantiles, ARRAY_LEN(quantiles), edge) : 0;
        series_clear(&s);
        if (r < 0)
            return r;
        for (int k = 0; k < found; k++)
            plan_add_edge(&plan->gate.rule[m], edge[k] * units_in_ms(e, query, ours));
    }
    return 0;
}
