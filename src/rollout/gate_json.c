/* SPDX-License-Identifier: Apache-2.0 */
/* A gate's state as JSON: reals are written with all their digits, so that what is read back is
 * the same to the last bit. */
#include <string.h>
#include "base/cleanup.h"
#include "rollout/gate_impl.h"

static json_t *numbers(const double *v, int count)
{
    json_t *list = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(list, json_real(v[i]));
    return list;
}

static int read_numbers(const json_t *list, double *to, int count, const char *name,
                        struct err *err)
{
    if (json_array_size(list) != (size_t)count)
        return err_set(err, ERR_FAILURE, "the gate's '%s' has not %d numbers", name, count);
    for (int i = 0; i < count; i++) {
        const json_t *v = json_array_get(list, (size_t)i);
        if (!json_is_number(v))
            return err_set(err, ERR_FAILURE, "the gate's '%s' holds what is no number", name);
        to[i] = json_number_value(v);
    }
    return 0;
}

/* The parts of a metric that come once per arm or edge, by their names in JSON. */
struct part {
    const char *name;
    struct eprocess *process;
    struct dispersion *spread;
};

static int list_parts(struct gate_metric *m, int edges, struct part *to)
{
    static const char *const fail[] = {"fail0", "fail1", "fail2", "fail3"};
    static const char *const spread[ARMS][GATE_EDGES] = {
        {"stable_spread0", "stable_spread1", "stable_spread2", "stable_spread3"},
        {"canary_spread0", "canary_spread1", "canary_spread2", "canary_spread3"},
    };
    int n = 0;
    to[n++] = (struct part){.name = "pass", .process = &m->pass};
    to[n++] = (struct part){.name = "floor", .process = &m->floor};
    to[n++] = (struct part){.name = "stable_over", .process = &m->over[STABLE]};
    to[n++] = (struct part){.name = "canary_over", .process = &m->over[CANARY]};
    for (int e = 0; e < edges; e++) {
        to[n++] = (struct part){.name = fail[e], .process = &m->fail[e]};
        for (int arm = 0; arm < ARMS; arm++)
            to[n++] = (struct part){.name = spread[arm][e], .spread = &m->spread[arm][e]};
    }
    return n;
}

enum { PARTS_MAX = 4 + 3 * GATE_EDGES };

static json_t *save_metric(const struct gate_rule *rule, struct gate_metric *m)
{
    struct part part[PARTS_MAX];
    int parts = list_parts(m, rule->edges, part);
    json_t *o = json_pack("{s:s, s:o, s:o, s:o, s:f, s:b}", "name", rule->name, "requests",
                          numbers(m->requests, ARMS), "stable_bad",
                          numbers(m->bad[STABLE], rule->edges), "canary_bad",
                          numbers(m->bad[CANARY], rule->edges), "guard", m->guard,
                          "stable_crashed", m->stable_crashed);
    for (int i = 0; i < parts; i++)
        json_object_set_new(o, part[i].name, part[i].process ? eprocess_save(part[i].process)
                                                             : dispersion_save(part[i].spread));
    return o;
}

json_t *gate_save(const struct gate *g)
{
    json_t *metrics = json_array();
    for (int i = 0; i < g->config.count; i++) {
        struct gate_metric m = g->metric[i];
        json_array_append_new(metrics, save_metric(&g->config.rule[i], &m));
    }
    return json_pack("{s:I, s:I, s:f, s:f, s:o, s:o}", "looks", (json_int_t)g->starts.looks,
                     "stages", (json_int_t)g->starts.stages, "left", g->starts.left, "weight",
                     g->weight, "stage_requests", numbers(g->stage_requests, ARMS), "metrics",
                     metrics);
}

static int load_metric(const struct gate_rule *rule, struct gate_metric *m, const json_t *o,
                       struct err *err)
{
    const char *name = json_string_value(json_object_get(o, "name"));
    if (!name || strcmp(name, rule->name) != 0)
        return err_set(err, ERR_FAILURE, "the gate was saved with the metric '%.60s' where '%s' is",
                       name ? name : "", rule->name);
    int r = read_numbers(json_object_get(o, "requests"), m->requests, ARMS, "requests", err);
    if (r == 0)
        r = read_numbers(json_object_get(o, "stable_bad"), m->bad[STABLE], rule->edges,
                         "stable_bad", err);
    if (r == 0)
        r = read_numbers(json_object_get(o, "canary_bad"), m->bad[CANARY], rule->edges,
                         "canary_bad", err);
    m->guard = json_number_value(json_object_get(o, "guard"));
    m->stable_crashed = json_is_true(json_object_get(o, "stable_crashed"));
    struct part part[PARTS_MAX];
    int parts = list_parts(m, rule->edges, part);
    for (int i = 0; i < parts && r == 0; i++) {
        const json_t *from = json_object_get(o, part[i].name);
        r = part[i].process ? eprocess_load(part[i].process, from, err)
                            : dispersion_load(part[i].spread, from, err);
    }
    return r;
}

int gate_load(struct gate *g, const json_t *from, struct err *err)
{
    const json_t *metrics = json_object_get(from, "metrics");
    if (json_array_size(metrics) != (size_t)g->config.count)
        return err_set(err, ERR_FAILURE, "the gate was saved with %zu metrics, not %d",
                       json_array_size(metrics), g->config.count);
    g->starts.looks = json_integer_value(json_object_get(from, "looks"));
    g->starts.stages = json_integer_value(json_object_get(from, "stages"));
    g->starts.left = json_number_value(json_object_get(from, "left"));
    g->weight = json_number_value(json_object_get(from, "weight"));
    int r = read_numbers(json_object_get(from, "stage_requests"), g->stage_requests, ARMS,
                         "stage_requests", err);
    for (int i = 0; i < g->config.count && r == 0; i++)
        r = load_metric(&g->config.rule[i], &g->metric[i], json_array_get(metrics, (size_t)i), err);
    return r;
}
