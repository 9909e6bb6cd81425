/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/trace.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/file.h"
#include "rollout/rollout.h"

enum { TRACE_MAX = 256 << 20 };

/* --- gates of a trace --- */

static double number_at(const json_t *o, const char *key, double dflt)
{
    const json_t *v = json_object_get(o, key);
    return json_is_number(v) ? json_number_value(v) : dflt;
}

static int add_rule(struct gate_config *c, const json_t *o, struct err *err)
{
    const char *name = json_is_string(o) ? json_string_value(o)
                                         : json_string_value(json_object_get(o, "name"));
    if (!name || !*name || c->count == GATE_METRICS)
        return err_set(err, ERR_FAILURE, "a gate is a name, or {\"name\": ..., \"max_ratio\": "
                       "...}, at most %d of them", GATE_METRICS);
    struct gate_rule *r = &c->rule[c->count++];
    *r = (struct gate_rule){.edges = 1, .tolerate = fmax(1, number_at(o, "tolerate", 1)),
                            .max_rate = number_at(o, "max_rate", 0),
                            .broken_rate = number_at(o, "broken_rate", 0)};
    snprintf(r->name, sizeof r->name, "%s", name);
    r->kind = strcmp(name, "traps") == 0                 ? GATE_TRAPS
              : strcmp(name, "errors") == 0              ? GATE_ERRORS
              : strncmp(name, "slower-than-", 12) == 0   ? GATE_LATENCY
                                                         : GATE_EVENTS;
    bool slow = r->kind == GATE_LATENCY;
    r->max_ratio = fmax(r->tolerate * 1.05, number_at(o, "max_ratio", slow ? 1.5 : 2));
    if (slow && r->broken_rate <= 0)
        r->broken_rate = 0.9;
    return 0;
}

/* Without gates in the file, every number of the first look but `requests` is one. */
static int gates_of(const json_t *doc, const json_t *look, struct gate_config *c, struct err *err)
{
    const json_t *gates = json_object_get(doc, "gates"), *o;
    const char *key;
    json_t *v;
    size_t i;
    int r = 0;
    c->alpha = number_at(doc, "alpha", 0);
    c->beta = number_at(doc, "beta", 0);
    c->share_tolerance = number_at(doc, "share_tolerance", 0);
    json_array_foreach (gates, i, o) {
        r = r < 0 ? r : add_rule(c, o, err);
    }
    if (gates)
        return r;
    json_object_foreach(json_object_get(look, "stable"), key, v) {
        json_t *name = json_string(key);
        if (r == 0 && json_is_number(v) && strcmp(key, "requests") != 0)
            r = add_rule(c, name, err);
        json_decref(name);
    }
    return r;
}

/* --- looks --- */

/* More than this is no count, and its square no number. */
static const double most = 1e15;

static bool take_arm(const struct gate_config *c, const json_t *arm, struct gate_cell *to,
                     double *requests)
{
    const json_t *n = json_object_get(arm, "requests");
    *requests = json_number_value(n);
    if (arm && !json_is_null(arm) && (!json_is_number(n) || *requests < 0 || *requests > most))
        return false;
    for (int i = 0; i < c->count; i++) {
        const json_t *v = json_object_get(arm, c->rule[i].name);
        double bad = json_number_value(v);
        to[i] = (struct gate_cell){.known = json_is_number(n) && json_is_number(v),
                                   .requests = *requests, .bad[0] = bad};
        if (to[i].known && (bad < 0 || bad > *requests))
            return false;
    }
    return true;
}

static void note_point(struct trace *t, const struct gate_look *look)
{
    t->points = xreallocarray(t->points, t->count + 1, sizeof *t->points);
    struct trace_point *p = &t->points[t->count];
    struct gate_result v = gate_verdict(t->gate, false);
    *p = (struct trace_point){.verdict = v.verdict, .reason = v.reason, .weight = look->weight,
                              .fail = -INFINITY, .pass = INFINITY, .rate = {NAN, NAN}};
    for (int i = 0; i < gate_config(t->gate)->count; i++) {
        struct gate_view view = gate_view(t->gate, i);
        p->canary = fmax(p->canary, view.requests[1]);
        p->pass = fmin(p->pass, fmax(view.log_pass, view.log_floor) / log(10));
        if (view.log_fail / log(10) <= p->fail)
            continue;
        p->fail = view.log_fail / log(10);
        p->worst = i;
        for (int arm = 0; arm < 2; arm++)
            p->rate[arm] = view.requests[arm] > 0 ? view.bad[arm] / view.requests[arm] : NAN;
    }
    if (v.verdict == GATE_FAIL && t->failed < 0)
        t->failed = (long)t->count;
    if (v.verdict == GATE_ADVANCE && t->advanced < 0)
        t->advanced = (long)t->count;
    t->count++;
}

static int add_look(struct trace *t, const json_t *o, bool past, double *weight, struct err *err)
{
    const struct gate_config *c = gate_config(t->gate);
    struct gate_look look = {.weight = number_at(o, "weight", 0)};
    const json_t *stable = json_object_get(o, "stable"), *canary = json_object_get(o, "canary");
    bool good = json_is_object(o) && (stable || canary) &&
                take_arm(c, stable, look.stable, &look.stable_requests) &&
                take_arm(c, canary, look.canary, &look.canary_requests);
    if (!good)
        return err_set(err, ERR_FAILURE, "a look is {\"stable\": {\"requests\": N, \"errors\": N, "
                       "...}, \"canary\": {...}, \"weight\": 0.05}, with counts since the look "
                       "before and no more bad requests than requests");
    if (past) {
        gate_history(t->gate, look.stable);
        return 0;
    }
    /* Where one version's requests are not known, nothing is known of how they were split. */
    if (!json_is_object(stable) || !json_is_object(canary))
        look.stable_requests = look.canary_requests = 0;
    look.stage = look.weight != *weight;
    *weight = look.weight;
    gate_add(t->gate, &look);
    note_point(t, &look);
    return 0;
}

static int read_looks(struct trace *t, const json_t *list, bool past, double *weight,
                      struct err *err)
{
    size_t i;
    json_t *o;
    json_array_foreach (list, i, o) {
        int r = add_look(t, o, past, weight, err);
        if (r < 0)
            return err_wrap(err, r, "%s %zu", past ? "history" : "look", i + 1);
    }
    return 0;
}

static struct trace *make(const struct gate_config *c)
{
    struct trace *t = xnew(struct trace);
    t->gate = gate_new(c);
    t->failed = t->advanced = -1;
    return t;
}

static int read_document(const json_t *doc, const json_t *looks, double alpha, struct trace **ret,
                         struct err *err)
{
    struct gate_config c = {0};
    double weight = 0;
    int r = gates_of(doc, json_array_get(looks, 0), &c, err);
    if (r == 0 && c.count == 0)
        r = err_set(err, ERR_FAILURE, "there is nothing to judge: no gates, no looks with counts");
    if (r < 0)
        return r;
    if (alpha > 0)
        c.alpha = alpha;
    cleanup(trace_free_p) struct trace *t = make(&c);
    r = read_looks(t, json_object_get(doc, "history"), true, &weight, err);
    if (r == 0)
        r = read_looks(t, looks, false, &weight, err);
    if (r == 0)
        *ret = TAKE(t);
    return r;
}

/* --- journals --- */

static int read_journal(struct history *h, int target, double alpha, struct trace **ret,
                        struct err *err)
{
    cleanup(free_p) struct plan *plan = xnew(struct plan);
    int r = plan_load(plan, json_object_get(history_event(h, 0), "plan"), err);
    if (r < 0)
        return r;
    if (alpha > 0)
        plan->gate.alpha = alpha;
    struct trace *t = make(&plan->gate);
    for (size_t i = 0; i < history_count(h); i++) {
        const json_t *e = history_event(h, i);
        const char *kind = json_string_value(json_object_get(e, "e"));
        struct gate_look look;
        if (!kind || json_integer_value(json_object_get(e, "target")) != target)
            continue;
        if (strcmp(kind, "past") == 0) {
            rollout_look_of(&plan->gate, e, &look);
            gate_history(t->gate, look.stable);
        } else if (strcmp(kind, "look") == 0) {
            rollout_look_of(&plan->gate, e, &look);
            gate_add(t->gate, &look);
            note_point(t, &look);
        }
    }
    *ret = t;
    return 0;
}

/* --- what it is --- */

/* Looks one after the other, in lines or not; what cannot be read is told with its line. */
static json_t *read_stream(const char *text, size_t len, const char *name, struct err *err)
{
    static const char space[] = " \t\r\n";
    json_t *list = json_array();
    int line = 1;
    while (len && strchr(space, text[len - 1]))
        len--;
    for (size_t at = 0; at < len;) {
        json_error_t why;
        if (strchr(space, text[at])) {
            line += text[at++] == '\n';
            continue;
        }
        json_t *o = json_loadb(text + at, len - at, JSON_DISABLE_EOF_CHECK, &why);
        if (!o) {
            err_set(err, ERR_FAILURE, "no JSON: %s", why.text);
            err_place(err, name, line + why.line - 1, why.column);
            json_decref(list);
            return NULL;
        }
        json_array_append_new(list, o);
        for (size_t end = at + (size_t)why.position; at < end; at++)
            line += text[at] == '\n';
    }
    return list;
}

static bool is_journal(const char *text, size_t len)
{
    return len > 10 && text[8] == ' ' && text[9] == '{' && strspn(text, "0123456789abcdef") == 8;
}

int trace_read(const char *path, double alpha, int target, struct trace **ret, struct err *err)
{
    cleanup(free_p) char *text = NULL;
    size_t len;
    int r = file_read(path, TRACE_MAX, &text, &len, err);
    if (r < 0)
        return r;
    if (is_journal(text, len)) {
        cleanup(history_close_p) struct history *h = NULL;
        r = history_read(path, &h, err);
        return r < 0 ? r : read_journal(h, target, alpha, ret, err);
    }
    json_t *doc = json_loadb(text, len, 0, NULL);
    bool whole = json_is_object(doc) && json_object_get(doc, "looks");
    bool stream = !whole && !json_is_array(doc);
    json_t *looks = stream ? read_stream(text, len, path, err)
                    : whole ? json_object_get(doc, "looks")
                            : doc;
    r = looks ? read_document(whole ? doc : NULL, looks, alpha, ret, err) : -ERR_FAILURE;
    if (r < 0 && err && !err->file[0])
        err_place(err, path, 0, 0);
    if (stream)
        json_decref(looks);
    json_decref(doc);
    return r;
}

enum gate_verdict trace_decision(const struct trace *t, long *ret_look)
{
    *ret_look = t->failed >= 0 ? t->failed : t->advanced;
    return t->failed >= 0     ? GATE_FAIL
           : t->advanced >= 0 ? GATE_ADVANCE
                              : GATE_INCONCLUSIVE;
}

void trace_free(struct trace *t)
{
    if (!t)
        return;
    gate_free(t->gate);
    free(t->points);
    free(t);
}

void trace_free_p(struct trace **t)
{
    trace_free(*t);
}
