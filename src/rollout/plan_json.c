/* SPDX-License-Identifier: Apache-2.0 */
/* A plan in the rollout's journal. */
#include <stdio.h>
#include <string.h>
#include "rollout/plan.h"

static json_t *save_rule(const struct gate_rule *r)
{
    json_t *edges = json_array();
    for (int e = 0; e < r->edges; e++)
        json_array_append_new(edges, json_real(r->edge_ms[e]));
    return json_pack("{s:s, s:i, s:o, s:f, s:f, s:f, s:f}", "name", r->name, "kind", (int)r->kind,
                     "edges_ms", edges, "tolerate", r->tolerate, "max_ratio", r->max_ratio,
                     "max_rate", r->max_rate, "broken_rate", r->broken_rate);
}

static json_t *save_step(const struct plan_step *s)
{
    return json_pack("{s:i, s:i, s:I, s:b, s:b, s:b, s:s}", "target", s->target, "bp", s->bp,
                     "soak_ms", (json_int_t)s->soak_ms, "approval", s->approval, "audience",
                     s->audience, "judged", s->judged, "note", s->note);
}

static json_t *save_target(const struct plan_target *t)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:I, s:I}", "name", t->name,
                     "provider", t->provider, "stable", t->stable, "canary", t->canary, "release",
                     t->release, "probe", t->probe, "sticky", t->sticky, "cas", t->cas,
                     "propagation_ms", (json_int_t)t->propagation_ms, "lag_ms",
                     (json_int_t)t->lag_ms);
}

json_t *plan_save(const struct plan *p)
{
    json_t *targets = json_array(), *steps = json_array(), *rules = json_array(),
           *windows = json_array();
    for (int i = 0; i < p->targets; i++)
        json_array_append_new(targets, save_target(&p->target[i]));
    for (int i = 0; i < p->steps; i++)
        json_array_append_new(steps, save_step(&p->step[i]));
    for (int i = 0; i < p->gate.count; i++)
        json_array_append_new(rules, save_rule(&p->gate.rule[i]));
    for (int i = 0; i < p->windows; i++)
        json_array_append_new(windows, json_pack("[i, i, i]", (int)p->window[i].days,
                                                 p->window[i].from, p->window[i].until));
    return json_pack("{s:o, s:o, s:o, s:o, s:f, s:f, s:f, s:I, s:I, s:I, s:I, s:i}", "targets",
                     targets, "steps", steps, "gates", rules, "windows", windows, "alpha",
                     p->gate.alpha, "beta", p->gate.beta, "share_tolerance",
                     p->gate.share_tolerance, "poll_ms", (json_int_t)p->poll_ms, "deadline_ms",
                     (json_int_t)p->deadline_ms, "burn_in_ms", (json_int_t)p->burn_in_ms,
                     "history_ms", (json_int_t)p->history_ms, "on_inconclusive",
                     (int)p->on_inconclusive);
}

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static int64_t int_at(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static double real_at(const json_t *o, const char *key)
{
    return json_number_value(json_object_get(o, key));
}

static bool bool_at(const json_t *o, const char *key)
{
    return json_is_true(json_object_get(o, key));
}

static void load_rule(struct gate_rule *r, const json_t *o)
{
    const json_t *edges = json_object_get(o, "edges_ms");
    snprintf(r->name, sizeof r->name, "%s", text_at(o, "name"));
    r->kind = (enum gate_kind)int_at(o, "kind");
    for (size_t e = 0; e < json_array_size(edges) && e < GATE_EDGES; e++)
        r->edge_ms[r->edges++] = json_number_value(json_array_get(edges, e));
    r->tolerate = real_at(o, "tolerate");
    r->max_ratio = real_at(o, "max_ratio");
    r->max_rate = real_at(o, "max_rate");
    r->broken_rate = real_at(o, "broken_rate");
}

static void load_target(struct plan_target *t, const json_t *o)
{
    snprintf(t->name, sizeof t->name, "%s", text_at(o, "name"));
    snprintf(t->provider, sizeof t->provider, "%s", text_at(o, "provider"));
    snprintf(t->stable, sizeof t->stable, "%s", text_at(o, "stable"));
    snprintf(t->canary, sizeof t->canary, "%s", text_at(o, "canary"));
    snprintf(t->release, sizeof t->release, "%s", text_at(o, "release"));
    t->probe = bool_at(o, "probe");
    t->sticky = bool_at(o, "sticky");
    t->cas = bool_at(o, "cas");
    t->propagation_ms = int_at(o, "propagation_ms");
    t->lag_ms = int_at(o, "lag_ms");
}

static bool load_step(struct plan_step *s, const json_t *o, int targets)
{
    s->target = (int)int_at(o, "target");
    s->bp = (int)int_at(o, "bp");
    s->soak_ms = int_at(o, "soak_ms");
    s->approval = bool_at(o, "approval");
    s->audience = bool_at(o, "audience");
    s->judged = bool_at(o, "judged");
    snprintf(s->note, sizeof s->note, "%s", text_at(o, "note"));
    return s->target >= 0 && s->target < targets && s->bp >= 0 && s->bp <= SPLIT_WHOLE;
}

int plan_load(struct plan *p, const json_t *from, struct err *err)
{
    const json_t *targets = json_object_get(from, "targets"), *o;
    const json_t *steps = json_object_get(from, "steps"), *rules = json_object_get(from, "gates");
    const json_t *windows = json_object_get(from, "windows");
    size_t i;
    *p = (struct plan){0};
    bool fits = json_array_size(targets) >= 1 && json_array_size(targets) <= PLAN_TARGETS_MAX &&
                json_array_size(steps) >= 1 && json_array_size(steps) <= PLAN_STEPS_MAX &&
                json_array_size(rules) <= GATE_METRICS &&
                json_array_size(windows) <= ARRAY_LEN(p->window);
    if (!fits)
        return err_set(err, ERR_FAILURE, "the rollout's journal has no plan that can be read");
    json_array_foreach (targets, i, o)
        load_target(&p->target[p->targets++], o);
    json_array_foreach (steps, i, o)
        fits &= load_step(&p->step[p->steps++], o, p->targets);
    json_array_foreach (rules, i, o) {
        load_rule(&p->gate.rule[p->gate.count++], o);
        fits &= p->gate.rule[i].edges > 0;
    }
    json_array_foreach (windows, i, o) {
        struct manifest_window *w = &p->window[p->windows++];
        w->days = (unsigned)json_integer_value(json_array_get(o, 0));
        w->from = (int)json_integer_value(json_array_get(o, 1));
        w->until = (int)json_integer_value(json_array_get(o, 2));
    }
    p->gate.alpha = real_at(from, "alpha");
    p->gate.beta = real_at(from, "beta");
    p->gate.share_tolerance = real_at(from, "share_tolerance");
    p->poll_ms = int_at(from, "poll_ms");
    p->deadline_ms = int_at(from, "deadline_ms");
    p->burn_in_ms = int_at(from, "burn_in_ms");
    p->history_ms = int_at(from, "history_ms");
    p->on_inconclusive = (enum manifest_inconclusive)int_at(from, "on_inconclusive");
    return fits ? 0 : err_set(err, ERR_FAILURE, "the plan in the rollout's journal is damaged");
}
