/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/report.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

char *report_time(int64_t ms, char to[32])
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    char day[24];
    gmtime_r(&s, &tm);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(to, 32, "%s.%03dZ", day, (int)(ms % 1000));
    return to;
}

/* Numbers that are not known are null. */
static json_t *number(double v)
{
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *arm_json(const struct gate_view *v, int arm)
{
    json_t *o = json_pack("{s:f, s:f}", "requests", v->requests[arm], "bad", v->bad[arm]);
    double n = v->requests[arm];
    json_object_set_new(o, "rate", n > 0 ? json_real(v->bad[arm] / n) : json_null());
    json_object_set_new(o, "low", json_real(v->rate[arm].low));
    json_object_set_new(o, "high", json_real(v->rate[arm].high));
    return o;
}

static json_t *metric_json(const struct gate *g, int i)
{
    const struct gate_rule *rule = &gate_config(g)->rule[i];
    struct gate_view v = gate_view(g, i);
    json_t *o = json_pack("{s:s, s:b, s:b, s:o, s:o}", "name", rule->name, "known", v.known,
                          "passed", v.passed, "stable", arm_json(&v, 0), "canary",
                          arm_json(&v, 1));
    json_object_set_new(o, "ratio", number(v.ratio));
    json_object_set_new(o, "max_ratio", json_real(rule->max_ratio));
    json_object_set_new(o, "log10_fail", json_real(v.log_fail / log(10)));
    json_object_set_new(o, "log10_pass", json_real(v.log_pass / log(10)));
    json_object_set_new(o, "log10_floor", json_real(v.log_floor / log(10)));
    json_object_set_new(o, "dispersion", json_real(v.phi));
    json_object_set_new(o, "slower", number(v.slower));
    json_object_set_new(o, "needed", number(v.needed));
    return o;
}

static void add_verdict(json_t *o, const struct gate_config *c, struct gate_result v)
{
    json_object_set_new(o, "verdict", json_string(gate_verdict_name(v.verdict)));
    json_object_set_new(o, "reason", json_string(gate_reason_name(v.reason)));
    json_object_set_new(o, "text", json_string(gate_reason_text(v.reason)));
    json_object_set_new(o, "metric", v.metric >= 0 ? json_string(c->rule[v.metric].name)
                                                   : json_null());
    json_object_set_new(o, "needed", number(v.needed));
}

json_t *report_gate(const struct gate *g)
{
    json_t *o = json_object(), *metrics = json_array();
    add_verdict(o, gate_config(g), gate_verdict(g, true));
    for (int i = 0; i < gate_config(g)->count; i++)
        json_array_append_new(metrics, metric_json(g, i));
    json_object_set_new(o, "looks", json_integer(gate_looks(g)));
    json_object_set_new(o, "metrics", metrics);
    return o;
}

static const char *step_state(const struct rollout *r, int i)
{
    const struct rollout_state *s = &r->state;
    if (i < s->step || s->phase == PHASE_DONE)
        return "taken";
    if (i > s->step || s->phase == PHASE_UNDONE)
        return "ahead";
    return s->phase == PHASE_BACK ? "undone" : s->passed ? "passed" : s->set ? "held" : "next";
}

static json_t *plan_json(const struct rollout *r)
{
    json_t *steps = json_array();
    for (int i = 0; i < r->plan.steps; i++) {
        const struct plan_step *s = &r->plan.step[i];
        json_array_append_new(
            steps, json_pack("{s:i, s:s, s:f, s:I, s:b, s:b, s:s, s:s}", "step", i + 1, "target",
                             r->plan.target[s->target].name, "percent", s->bp / 100.0, "soak_ms",
                             (json_int_t)s->soak_ms, "approval", s->approval, "judged", s->judged,
                             "note", s->note, "state", step_state(r, i)));
    }
    return steps;
}

json_t *report_status(const struct rollout *r)
{
    const struct rollout_state *s = &r->state;
    char began[32], changed[32];
    json_t *targets = json_array();
    for (int t = 0; t < r->plan.targets; t++) {
        const struct plan_target *pt = &r->plan.target[t];
        json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:f}", "target", pt->name, "provider",
                              pt->provider, "stable", pt->stable, "canary", pt->canary, "percent",
                              s->bp[t] / 100.0);
        json_object_set_new(o, "gate", report_gate(r->gate[t]));
        json_array_append_new(targets, o);
    }
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:s, s:b, s:b, s:i, s:i, s:I, s:s, s:s}", "id", history_id(r->history),
        "phase", rollout_phase_name(s->phase), "code", s->code ? err_name(s->code) : "none", "why",
        s->why, "paused", s->paused, "interrupted", s->intent.open, "step",
        s->step < r->plan.steps ? s->step + 1 : r->plan.steps, "steps", r->plan.steps, "soaked_ms",
        (json_int_t)s->soaked_ms, "began", report_time(s->began_ms, began), "changed",
        report_time(s->changed_ms, changed));
    add_verdict(o, &r->plan.gate, rollout_verdict(r, true));
    json_object_set_new(o, "targets", targets);
    json_object_set_new(o, "plan", plan_json(r));
    return o;
}

/* --- events --- */

/* What an event of the journal is called outside; NULL: it is not told. */
static const char *public_name(const char *kind)
{
    static const char *const names[][2] = {
        {"start", "started"}, {"intent", "changing"}, {"outcome", "changed"},
        {"proven", "proven"},
        {"look", "look"},
        {"passed", "passed"},
        {"next", "next"},
        {"back", "back"},
        {"stop", "stopped"},
        {"end", "ended"},
        {"pause", "paused"},
        {"resume", "resumed"},
        {"approve", "approved"},
        {"full", "forced"},
        {"before", "hooks-before"},
        {"after", "hooks-after"},
        {"adopt", "adopted"},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(names[i][0], kind) == 0)
            return names[i][1];
    }
    return NULL;
}

static void copy(json_t *to, const char *name, const json_t *from, const char *key)
{
    json_t *v = json_object_get(from, key);
    if (v)
        json_object_set(to, name, v);
}

json_t *report_event(const struct rollout *r, const json_t *e)
{
    const char *kind = json_string_value(json_object_get(e, "e"));
    const char *name = public_name(kind ? kind : "");
    json_int_t t = json_integer_value(json_object_get(e, "target"));
    char time[32];
    if (!name)
        return NULL;
    int step = r->state.step < r->plan.steps ? r->state.step + 1 : r->plan.steps;
    json_t *o = json_pack("{s:s, s:s, s:s, s:i}", "event", name, "time",
                          report_time(json_integer_value(json_object_get(e, "t")), time), "rollout",
                          history_id(r->history), "step", step);
    if (json_object_get(e, "target") && t >= 0 && t < r->plan.targets)
        json_object_set_new(o, "target", json_string(r->plan.target[t].name));
    static const char *const bp[][2] = {{"bp", "percent"}, {"from", "from_percent"},
                                        {"to", "to_percent"}};
    for (size_t i = 0; i < ARRAY_LEN(bp); i++) {
        json_t *v = json_object_get(e, bp[i][0]);
        if (json_is_integer(v))
            json_object_set_new(o, bp[i][1], json_real((double)json_integer_value(v) / 100));
    }
    copy(o, "back", e, "back");
    copy(o, "ok", e, "ok");
    copy(o, "code", e, "code");
    copy(o, "why", e, "why");
    copy(o, "by", e, "by");
    copy(o, "result", e, "result");
    copy(o, "verdict", e, "verdict");
    if (strcmp(kind, "look") == 0 && t >= 0 && t < r->plan.targets) {
        json_object_set_new(o, "soaked_ms", json_integer(r->state.soaked_ms));
        json_object_set_new(o, "gate", report_gate(r->gate[t]));
    }
    return o;
}

/* --- OpenMetrics --- */

/* A label's value: backslash, quote and newline are escaped. */
static void add_label(struct buf *to, const char *name, const char *value)
{
    buf_printf(to, "%s=\"", name);
    for (const char *p = value; *p; p++) {
        if (*p == '\n')
            buf_add_str(to, "\\n");
        else if (*p == '"' || *p == '\\')
            buf_printf(to, "\\%c", *p);
        else
            buf_add_char(to, *p);
    }
    buf_add_char(to, '"');
}

static void head(struct buf *to, const char *name, const char *type, const char *help)
{
    buf_printf(to, "# TYPE edgectl_rollout_%s %s\n# HELP edgectl_rollout_%s %s\n", name, type, name,
               help);
}

static void sample(struct buf *to, const char *name, const struct rollout *r, int t, int metric,
                   const char *arm, double value)
{
    buf_printf(to, "edgectl_rollout_%s{", name);
    add_label(to, "id", history_id(r->history));
    if (t >= 0) {
        buf_add_char(to, ',');
        add_label(to, "target", r->plan.target[t].name);
    }
    if (metric >= 0) {
        buf_add_char(to, ',');
        add_label(to, "metric", r->plan.gate.rule[metric].name);
    }
    if (arm) {
        buf_add_char(to, ',');
        add_label(to, "version", arm);
    }
    buf_printf(to, "} %.15g\n", value);
}

static void each_metric(const struct rollout *r, struct buf *to, const char *name, int which)
{
    for (int t = 0; t < r->plan.targets; t++) {
        for (int i = 0; i < r->plan.gate.count; i++) {
            struct gate_view v = gate_view(r->gate[t], i);
            if (!v.known)
                continue;
            if (which == 0) {
                sample(to, "requests_total", r, t, i, "stable", v.requests[0]);
                sample(to, "requests_total", r, t, i, "canary", v.requests[1]);
            } else if (which == 1) {
                sample(to, "bad_total", r, t, i, "stable", v.bad[0]);
                sample(to, "bad_total", r, t, i, "canary", v.bad[1]);
            } else {
                sample(to, name, r, t, i, NULL,
                       (which == 2 ? v.log_fail : fmax(v.log_pass, v.log_floor)) / log(10));
            }
        }
    }
}

/* Which versions `stable` and `canary` are. A gauge, since readers of the older text format, such
 * as collectors of text files, know no type `info`. */
static void info(struct buf *to, const struct rollout *r)
{
    head(to, "info", "gauge", "Its versions.");
    for (int t = 0; t < r->plan.targets; t++) {
        const struct plan_target *p = &r->plan.target[t];
        buf_add_str(to, "edgectl_rollout_info{");
        add_label(to, "id", history_id(r->history));
        const char *const label[][2] = {{"target", p->name}, {"provider", p->provider},
                                        {"stable", p->stable}, {"canary", p->canary}};
        for (size_t i = 0; i < ARRAY_LEN(label); i++) {
            buf_add_char(to, ',');
            add_label(to, label[i][0], label[i][1]);
        }
        buf_add_str(to, "} 1\n");
    }
}

void report_openmetrics(const struct rollout *r, struct buf *to)
{
    struct gate_result v = rollout_verdict(r, true);
    info(to, r);
    head(to, "phase", "gauge", "0 forward, 1 back, 2 done, 3 undone.");
    sample(to, "phase", r, -1, -1, NULL, r->state.phase);
    head(to, "step", "gauge", "Step that is held, from 1.");
    sample(to, "step", r, -1, -1, NULL, r->state.step < r->plan.steps ? r->state.step + 1
                                                                      : r->plan.steps);
    head(to, "verdict", "gauge", "-1 fail, 0 inconclusive, 1 advance.");
    sample(to, "verdict", r, -1, -1, NULL,
           v.verdict == GATE_FAIL ? -1 : v.verdict == GATE_ADVANCE);
    head(to, "share", "gauge", "Share of the traffic that the new version should have.");
    for (int t = 0; t < r->plan.targets; t++)
        sample(to, "share", r, t, -1, NULL, r->state.bp[t] / (double)SPLIT_WHOLE);
    head(to, "requests", "counter", "Requests that the gate has seen.");
    each_metric(r, to, "requests", 0);
    head(to, "bad", "counter", "Bad ones of them.");
    each_metric(r, to, "bad", 1);
    head(to, "fail_log10", "gauge", "Evidence that the new version is worse.");
    each_metric(r, to, "fail_log10", 2);
    head(to, "pass_log10", "gauge", "Evidence that it is good enough.");
    each_metric(r, to, "pass_log10", 3);
    buf_add_str(to, "# EOF\n");
}
