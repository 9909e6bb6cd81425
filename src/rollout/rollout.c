/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/rollout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

/* --- looks in JSON: per metric [requests, bad, ...] or null --- */

static json_t *cells_json(const struct gate_config *c, const struct evidence_arm *arm)
{
    json_t *list = json_array();
    for (int i = 0; i < c->count; i++) {
        if (!arm->cell[i].known) {
            json_array_append_new(list, json_null());
            continue;
        }
        json_t *cell = json_array();
        json_array_append_new(cell, json_real(arm->cell[i].requests));
        for (int e = 0; e < c->rule[i].edges; e++)
            json_array_append_new(cell, json_real(arm->cell[i].bad[e]));
        json_array_append_new(list, cell);
    }
    return list;
}

static void read_cells(const struct gate_config *c, const json_t *list, struct gate_cell *to)
{
    for (int i = 0; i < c->count; i++) {
        const json_t *cell = json_array_get(list, (size_t)i);
        to[i] = (struct gate_cell){.known = json_array_size(cell) == (size_t)c->rule[i].edges + 1};
        if (!to[i].known)
            continue;
        to[i].requests = json_number_value(json_array_get(cell, 0));
        for (int e = 0; e < c->rule[i].edges; e++)
            to[i].bad[e] = json_number_value(json_array_get(cell, (size_t)e + 1));
    }
}

static double routed_at(const json_t *e, size_t arm)
{
    return json_number_value(json_array_get(json_object_get(e, "n"), arm));
}

static const char *const arm_key[2] = {"s", "c"};

static void sum_up(const struct gate_config *c, struct evidence_totals *total, const json_t *e)
{
    for (int arm = 0; arm < 2; arm++) {
        struct gate_cell cell[GATE_METRICS];
        read_cells(c, json_object_get(e, arm_key[arm]), cell);
        total->arm[arm].requests += routed_at(e, (size_t)arm);
        for (int i = 0; i < c->count; i++) {
            struct gate_cell *t = &total->arm[arm].cell[i];
            t->requests += cell[i].requests;
            for (int k = 0; k < c->rule[i].edges; k++)
                t->bad[k] += cell[i].bad[k];
        }
    }
}

/* --- events --- */

static int target_at(const struct rollout *r, const json_t *e)
{
    json_int_t t = json_integer_value(json_object_get(e, "target"));
    return t >= 0 && t < r->plan.targets ? (int)t : 0;
}

void rollout_look_of(const struct gate_config *c, const json_t *e, struct gate_look *ret)
{
    *ret = (struct gate_look){
        .stage = json_is_true(json_object_get(e, "stage")),
        .weight = json_number_value(json_object_get(e, "w")),
        .stable_requests = routed_at(e, 0),
        .canary_requests = routed_at(e, 1),
    };
    read_cells(c, json_object_get(e, "s"), ret->stable);
    read_cells(c, json_object_get(e, "c"), ret->canary);
    const json_t *skip = json_object_get(e, "skip");
    for (size_t i = 0; i < json_array_size(skip); i++) {
        json_int_t m = json_integer_value(json_array_get(skip, i));
        if (m >= 0 && m < c->count)
            ret->stable[m].known = ret->canary[m].known = false;
    }
}

static void on_look(struct rollout *r, const json_t *e)
{
    int t = target_at(r, e);
    struct gate_look look;
    rollout_look_of(&r->plan.gate, e, &look);
    gate_add(r->gate[t], &look);
    sum_up(&r->plan.gate, &r->total[t], e);
    r->staged[t] = false;
}

static void apply(struct rollout *r, const json_t *e)
{
    const char *kind = json_string_value(json_object_get(e, "e"));
    kind = kind ? kind : "";
    int t = target_at(r, e);
    if (strcmp(kind, "look") == 0) {
        on_look(r, e);
    } else if (strcmp(kind, "past") == 0) {
        struct gate_cell cell[GATE_METRICS];
        read_cells(&r->plan.gate, json_object_get(e, "s"), cell);
        gate_history(r->gate[t], cell);
    } else if (strcmp(kind, "base") == 0) {
        memset(&r->total[t], 0, sizeof r->total[t]);
        r->since_ms[t] = json_integer_value(json_object_get(e, "since"));
        sum_up(&r->plan.gate, &r->total[t], e);
        r->based[t] = json_is_true(json_object_get(e, "known"));
    } else if (strcmp(kind, "outcome") == 0) {
        r->staged[t] = true;
    }
    rollout_apply(&r->plan, &r->state, e);
}

static struct rollout *make(struct history *history, const struct plan *plan)
{
    struct rollout *r = xnew(struct rollout);
    r->history = history;
    r->plan = *plan;
    for (int t = 0; t < plan->targets; t++)
        r->gate[t] = gate_new(&plan->gate);
    return r;
}

int rollout_load(struct history *history, struct rollout **ret, struct err *err)
{
    struct plan *plan = xnew(struct plan);
    const json_t *first = history_event(history, 0);
    int r = plan_load(plan, json_object_get(first, "plan"), err);
    if (r < 0) {
        err_place(err, history_path(history), 1, 0);
        history_close(history);
    } else {
        *ret = make(history, plan);
        for (size_t i = 0; i < history_count(history); i++)
            apply(*ret, history_event(history, i));
    }
    free(plan);
    return r;
}

int rollout_begin(struct history *history, const struct plan *plan, json_t *adopt,
                  struct rollout **ret, struct err *err)
{
    struct rollout *r = make(history, plan);
    json_t *e = json_pack("{s:s, s:s, s:i, s:o}", "e", "start", "id", history_id(history),
                          "version", 1, "plan", plan_save(plan));
    if (adopt)
        json_object_set(e, "adopt", adopt);
    int result = rollout_add(r, e, err);
    if (result < 0)
        rollout_free(r);
    else
        *ret = r;
    return result;
}

void rollout_free(struct rollout *r)
{
    if (!r)
        return;
    for (int t = 0; t < r->plan.targets; t++)
        gate_free(r->gate[t]);
    history_close(r->history);
    free(r);
}

void rollout_free_p(struct rollout **r)
{
    rollout_free(*r);
}

int rollout_add(struct rollout *r, json_t *event, struct err *err)
{
    size_t at = history_count(r->history);
    int result = history_add(r->history, event, err);
    if (result == 0)
        apply(r, history_event(r->history, at));
    return result;
}

int rollout_take_request(struct rollout *r, struct err *err)
{
    static const char *const known[] = {"pause", "resume", "approve", "full", "back"};
    json_t *asked = history_request(r->history, r->state.asked);
    if (!asked)
        return 0;
    const char *what = json_string_value(json_object_get(asked, "what"));
    const char *by = json_string_value(json_object_get(asked, "by"));
    const char *kind = "ignored";
    for (size_t i = 0; what && i < ARRAY_LEN(known); i++)
        kind = strcmp(what, known[i]) == 0 ? known[i] : kind;
    json_t *e = json_pack("{s:s, s:b, s:s}", "e", kind, "asked", 1, "by", by ? by : "");
    if (strcmp(kind, "back") == 0) {
        json_object_set_new(e, "code", json_string(err_name(ERR_FAILURE)));
        json_object_set_new(e, "why", json_sprintf("aborted by %s", by ? by : "somebody"));
    }
    json_decref(asked);
    int result = rollout_add(r, e, err);
    return result < 0 ? result : 1;
}

/* --- verdict --- */

static bool judges(const struct rollout *r, int t)
{
    return gate_looks(r->gate[t]) > 0 && r->state.touched[t];
}

int rollout_deciding(const struct rollout *r)
{
    int waiting = -1;
    for (int t = 0; t < r->plan.targets; t++) {
        if (!judges(r, t))
            continue;
        enum gate_verdict v = gate_verdict(r->gate[t], false).verdict;
        if (v == GATE_FAIL)
            return t;
        if (v == GATE_INCONCLUSIVE)
            waiting = t;
    }
    return waiting;
}

struct gate_result rollout_verdict(const struct rollout *r, bool with_needed)
{
    struct gate_result all = {GATE_INCONCLUSIVE, GATE_NO_DATA, -1, with_needed ? INFINITY : NAN};
    bool any = false;
    for (int t = 0; t < r->plan.targets; t++) {
        if (!judges(r, t))
            continue;
        struct gate_result g = gate_verdict(r->gate[t], with_needed);
        if (g.verdict == GATE_FAIL)
            return g;
        if (!any || g.verdict == GATE_INCONCLUSIVE)
            all = g;
        any = true;
    }
    return all;
}

/* --- the next look --- */

bool rollout_restarted(const struct rollout *r, int t, const struct evidence_totals *reading)
{
    for (int arm = 0; arm < 2; arm++) {
        double now = reading->arm[arm].requests, was = r->total[t].arm[arm].requests;
        if (reading->arm[arm].known && now < was && (now < was / 2 || was < 100))
            return true;
    }
    return false;
}

static void subtract(const struct gate_config *c, struct evidence_arm *arm,
                     const struct evidence_arm *before)
{
    arm->requests = arm->known ? fmax(0, arm->requests - before->requests) : 0;
    for (int i = 0; i < c->count; i++) {
        struct gate_cell *cell = &arm->cell[i];
        const struct gate_cell *was = &before->cell[i];
        cell->requests = fmax(0, cell->requests - was->requests);
        for (int e = 0; e < c->rule[i].edges; e++)
            cell->bad[e] = fmin(fmax(0, cell->bad[e] - was->bad[e]), cell->requests);
    }
}

static json_t *cold_metrics(const struct rollout *r, int t)
{
    const struct plan *p = &r->plan;
    json_t *skip = json_array();
    bool cold = p->step[r->state.step < p->steps ? r->state.step : p->steps - 1].target == t &&
                r->state.soaked_ms < p->burn_in_ms;
    for (int i = 0; cold && i < p->gate.count; i++) {
        if (p->gate.rule[i].kind == GATE_LATENCY)
            json_array_append_new(skip, json_integer(i));
    }
    return skip;
}

json_t *rollout_look(struct rollout *r, int t, const struct evidence_totals *reading,
                     int64_t dt_ms)
{
    struct evidence_totals d = *reading;
    for (int arm = 0; arm < 2; arm++)
        subtract(&r->plan.gate, &d.arm[arm], &r->total[t].arm[arm]);
    /* While a change spreads and numbers lag, the share is neither the old nor the new one. */
    const struct plan_target *pt = &r->plan.target[t];
    bool settled = r->state.soaked_ms >= pt->propagation_ms + pt->lag_ms;
    double weight = settled ? r->state.bp[t] / (double)SPLIT_WHOLE : 0;
    json_t *e = json_pack("{s:s, s:i, s:I, s:f, s:[f, f], s:o, s:o}", "e", "look", "target", t,
                          "dt", (json_int_t)dt_ms, "w", weight, "n",
                          d.arm[0].requests, d.arm[1].requests, "s",
                          cells_json(&r->plan.gate, &d.arm[0]), "c",
                          cells_json(&r->plan.gate, &d.arm[1]));
    if (r->staged[t])
        json_object_set_new(e, "stage", json_true());
    json_t *skip = cold_metrics(r, t);
    if (json_array_size(skip))
        json_object_set(e, "skip", skip);
    json_decref(skip);
    return e;
}
