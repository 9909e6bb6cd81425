/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "cmd/rollout_show.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/units.h"
#include "cmd/session.h"
#include "rollout/report.h"

static const int64_t tell_every_ms = 60000;

/* --- pieces --- */

static const char *short_version(const char *v, char to[16])
{
    snprintf(to, 16, "%.12s", v);
    return to;
}

static const char *plain_duration(int64_t ms, char to[UNIT_TEXT_MAX])
{
    if (ms >= 10000)
        return format_duration(ms / 1000 * 1000, to);
    snprintf(to, UNIT_TEXT_MAX, "%.1fs", (double)ms / 1000);
    return to;
}

static void show_rate(struct cli *cli, const char *name, const struct gate_view *v, int arm)
{
    double n = v->requests[arm], rate = n > 0 ? v->bad[arm] / n : 0;
    if (n > 0)
        out_printf(cli->out, "      %-7s %9.0f of %10.0f  %7.3f %%  (%.3f to %.3f %%)\n", name,
                   v->bad[arm], n, rate * 100, v->rate[arm].low * 100, v->rate[arm].high * 100);
    else
        out_printf(cli->out, "      %-7s no requests yet\n", name);
}

static int show_metric(struct cli *cli, const struct gate *g, int i)
{
    const struct gate_rule *rule = &gate_config(g)->rule[i];
    struct gate_view v = gate_view(g, i);
    struct output *out = cli->out;
    if (!v.known) {
        out_printf(out, "    %s: no data\n", rule->name);
        return 1;
    }
    out_printf(out, "    %s: %s%s%s", rule->name, out_style(out, v.passed ? OUT_GREEN : OUT_YELLOW),
               v.passed ? "passed" : "open", out_style(out, OUT_PLAIN));
    if (isfinite(v.ratio))
        out_printf(out, ", %.2f times the stable rate (at most %.3g)", v.ratio, rule->max_ratio);
    if (!v.passed && isfinite(v.needed) && v.needed > 0)
        out_printf(out, ", about %.0f more requests needed", v.needed);
    if (isfinite(v.slower))
        out_printf(out, ", slower with chance %.2f", v.slower);
    out_printf(out, "\n");
    show_rate(cli, "stable", &v, 0);
    show_rate(cli, "new", &v, 1);
    return 3;
}

static int show_steps(struct cli *cli, const struct rollout *r)
{
    struct output *out = cli->out;
    const struct rollout_state *s = &r->state;
    for (int i = 0; i < r->plan.steps; i++) {
        const struct plan_step *step = &r->plan.step[i];
        char percent[16], soak[UNIT_TEXT_MAX], soaked[UNIT_TEXT_MAX];
        bool now = i == s->step && s->phase == PHASE_FORWARD;
        bool done = i < s->step || s->phase == PHASE_DONE;
        out_printf(out, "  %s%s %d  %-12s %8s", now ? out_style(out, OUT_BOLD) : "",
                   done ? "+" : now ? ">" : " ", i + 1, r->plan.target[step->target].name,
                   session_percent(step->bp, percent));
        if (now && s->set)
            out_printf(out, "  %s of %s", plain_duration(s->soaked_ms, soaked),
                       format_duration(step->soak_ms, soak));
        else if (step->soak_ms > 0)
            out_printf(out, "  soak %s", format_duration(step->soak_ms, soak));
        if (step->approval)
            out_printf(out, now && s->approved ? "  approved" : "  needs approval");
        out_printf(out, "%s%s%s\n", step->note[0] ? "  " : "", step->note,
                   now ? out_style(out, OUT_PLAIN) : "");
    }
    return r->plan.steps;
}

/* Has the gate seen any request of the new version? */
static bool counted(const struct rollout *r)
{
    for (int t = 0; t < r->plan.targets; t++) {
        for (int i = 0; i < r->plan.gate.count; i++) {
            if (gate_view(r->gate[t], i).requests[1] > 0)
                return true;
        }
    }
    return false;
}

static void verdict_text(const struct rollout *r, char *to, size_t cap)
{
    struct gate_result v = rollout_verdict(r, true);
    int len = snprintf(to, cap, "%s", v.verdict == GATE_INCONCLUSIVE
                                          ? gate_reason_text(v.reason)
                                          : gate_verdict_name(v.verdict));
    if (v.metric >= 0)
        len += snprintf(to + len, cap - (size_t)len, " (%s)", r->plan.gate.rule[v.metric].name);
    if (v.reason == GATE_WAITING && isfinite(v.needed))
        snprintf(to + len, cap - (size_t)len, ": about %.0f", v.needed);
}

/* What it waits for that somebody may do something about; false: nothing. */
static bool waiting_text(const struct rollout *r, char *to, size_t cap)
{
    const struct rollout_state *s = &r->state;
    const struct plan_step *step = &r->plan.step[s->step < r->plan.steps ? s->step : 0];
    struct gate_result v = rollout_verdict(r, false);
    int64_t now = clock_wall_ns() / 1000000, opens = plan_window_opens(&r->plan, now);
    bool passed = s->set && s->soaked_ms >= step->soak_ms &&
                  (!step->judged || v.verdict == GATE_ADVANCE);
    char time[32];
    if (s->phase != PHASE_FORWARD)
        return false;
    if (s->paused)
        snprintf(to, cap, "paused; go on with: edgectl rollout resume");
    else if (v.verdict == GATE_INCONCLUSIVE && s->set && !counted(r))
        snprintf(to, cap, step->bp ? "no request of the new version was counted yet: is there "
                                     "traffic? (rollout.evidence.probes makes some)"
                                   : "only requests that name the new version reach it; "
                                     "rollout.evidence.probes makes some");
    else if (passed && step->approval && !s->approved)
        snprintf(to, cap, "waiting for approval: edgectl rollout promote");
    else if (passed && opens > now)
        snprintf(to, cap, "waiting for the time window that opens at %s",
                 report_time(opens, time));
    else
        return false;
    return true;
}

static const char *phase_text(const struct rollout *r)
{
    switch (r->state.phase) {
    case PHASE_FORWARD:
        return r->state.paused ? "paused" : "under way";
    case PHASE_BACK:
        return "going back";
    case PHASE_DONE:
        return "done: all traffic is on the new version";
    case PHASE_UNDONE:
        return "rolled back: all traffic is on the stable version";
    }
    return "";
}

static int draw(struct cli *cli, const struct rollout *r)
{
    struct output *out = cli->out;
    char stable[16], canary[16], verdict[160];
    int lines = 2;
    out_printf(out, "%s%s%s  %s\n", out_style(out, OUT_BOLD), history_id(r->history),
               out_style(out, OUT_PLAIN), phase_text(r));
    out_printf(out, "  %s -> %s\n", short_version(r->plan.target[0].stable, stable),
               short_version(r->plan.target[0].canary, canary));
    if (r->state.why[0]) {
        out_printf(out, "  because: %s\n", r->state.why);
        lines++;
    }
    lines += show_steps(cli, r);
    for (int t = 0; t < r->plan.targets; t++) {
        char percent[16];
        if (gate_looks(r->gate[t]) == 0)
            continue;
        out_printf(out, "  %s: %s on the new version\n", r->plan.target[t].name,
                   session_percent(r->state.bp[t], percent));
        lines++;
        for (int i = 0; i < r->plan.gate.count; i++)
            lines += show_metric(cli, r->gate[t], i);
    }
    if (r->state.phase == PHASE_FORWARD && r->state.looks) {
        verdict_text(r, verdict, sizeof verdict);
        out_printf(out, "  verdict: %s\n", verdict);
        lines++;
    }
    if (waiting_text(r, verdict, sizeof verdict)) {
        out_printf(out, "  %s%s%s\n", out_style(out, OUT_YELLOW), verdict,
                   out_style(out, OUT_PLAIN));
        lines++;
    }
    return lines;
}

void rollout_show_status(struct cli *cli, const struct rollout *r)
{
    draw(cli, r);
}

void rollout_show_plan(struct cli *cli, const struct plan *p)
{
    struct output *out = cli->out;
    char percent[16], soak[UNIT_TEXT_MAX];
    for (int t = 0; t < p->targets; t++)
        out_printf(out, "%s (%s): %s -> %s\n", p->target[t].name, p->target[t].provider,
                   p->target[t].stable[0] ? p->target[t].stable : "?",
                   p->target[t].canary[0] ? p->target[t].canary : "?");
    for (int i = 0; i < p->steps; i++) {
        const struct plan_step *s = &p->step[i];
        out_printf(out, "  %d  %-12s %8s", i + 1, p->target[s->target].name,
                   session_percent(s->bp, percent));
        if (s->audience)
            out_printf(out, "  by its header or address only");
        if (s->soak_ms > 0)
            out_printf(out, "  for at least %s", format_duration(s->soak_ms, soak));
        if (s->judged)
            out_printf(out, ", then the gate");
        if (s->approval)
            out_printf(out, ", then `edgectl rollout promote`");
        out_printf(out, "%s%s%s\n", s->note[0] ? "  (" : "", s->note, s->note[0] ? ")" : "");
    }
    for (int i = 0; i < p->gate.count; i++) {
        const struct gate_rule *g = &p->gate.rule[i];
        out_printf(out, "  gate %s: at most %.3g times the stable version's", g->name,
                   g->max_ratio);
        if (g->max_rate > 0)
            out_printf(out, ", and at most %.3g %% of requests", g->max_rate * 100);
        out_printf(out, "\n");
    }
    static const char *const policies[] = {"the split is held (exit status 4)", "it goes on",
                                           "all is put back"};
    out_printf(out, "  no verdict %s after a soak: %s\n", format_duration(p->deadline_ms, soak),
               policies[p->on_inconclusive]);
}

/* --- while it runs --- */

void rollout_show_init(struct rollout_show *s, struct cli *cli)
{
    const char *term = getenv("TERM");
    *s = (struct rollout_show){.cli = cli, .told_reason = GATE_REASON_COUNT};
    s->screen = !out_is_json(cli->out) && !cli->quiet && isatty(STDOUT_FILENO) && term &&
                strcmp(term, "dumb") != 0;
}

static int terminal_rows(void)
{
    struct winsize w;
    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 ? w.ws_row : 24;
}

/* Lines that are too long are cut by the terminal, not broken, so that each is one row. What is
 * higher than the terminal cannot be drawn over: events are told as elsewhere from then on. */
static bool redraw(struct rollout_show *s, const struct rollout *r)
{
    if (s->drawn >= terminal_rows()) {
        s->screen = false;
        return false;
    }
    out_printf(s->cli->out, "\033[?7l");
    if (s->drawn)
        out_printf(s->cli->out, "\033[%dA\033[J", s->drawn);
    s->drawn = draw(s->cli, r);
    if (s->trouble[0]) {
        out_printf(s->cli->out, "  %strouble:%s %s\n", out_style(s->cli->out, OUT_RED),
                   out_style(s->cli->out, OUT_PLAIN), s->trouble);
        s->drawn++;
    }
    out_printf(s->cli->out, "\033[?7h");
    out_flush(s->cli->out);
    return true;
}

/* What a person wants to read of an event; false: nothing. */
static bool event_text(const struct rollout *r, const json_t *e, char *to, size_t cap)
{
    const char *kind = json_string_value(json_object_get(e, "e"));
    json_int_t t = json_integer_value(json_object_get(e, "target"));
    int step = r->state.step < r->plan.steps ? r->state.step : r->plan.steps - 1;
    const char *target = t >= 0 && t < r->plan.targets ? r->plan.target[t].name : "";
    const char *by = json_string_value(json_object_get(e, "by"));
    char percent[16];
    if (strcmp(kind, "start") == 0)
        snprintf(to, cap, "rollout %s: %.60s -> %.60s, %d steps", history_id(r->history),
                 r->plan.target[0].stable, r->plan.target[0].canary, r->plan.steps);
    else if (strcmp(kind, "outcome") == 0)
        snprintf(to, cap, "%s: %s on the new version", target,
                 session_percent((int)json_integer_value(json_object_get(e, "bp")), percent));
    else if (strcmp(kind, "passed") == 0)
        snprintf(to, cap, "step %d of %d passed (%s)", step + 1, r->plan.steps,
                 json_string_value(json_object_get(e, "verdict")));
    else if (strcmp(kind, "back") == 0)
        snprintf(to, cap, "going back: %s", r->state.why);
    else if (strcmp(kind, "end") == 0)
        snprintf(to, cap, "%s", phase_text(r));
    else if (strcmp(kind, "pause") == 0)
        snprintf(to, cap, "paused by %s", by ? by : "somebody");
    else if (strcmp(kind, "resume") == 0)
        snprintf(to, cap, "resumed by %s", by ? by : "somebody");
    else if (strcmp(kind, "approve") == 0)
        snprintf(to, cap, "approved by %s", by ? by : "somebody");
    else if (strcmp(kind, "full") == 0)
        snprintf(to, cap, "given all traffic, unjudged, by %s", by ? by : "somebody");
    else
        return false;
    return true;
}

/* A look without any count. */
static bool unread(const json_t *look)
{
    static const char *const arms[] = {"s", "c"};
    size_t i;
    json_t *cell;
    for (size_t a = 0; a < ARRAY_LEN(arms); a++) {
        json_array_foreach (json_object_get(look, arms[a]), i, cell) {
            if (!json_is_null(cell))
                return false;
        }
    }
    return true;
}

void rollout_show_event(void *env, const struct rollout *r, const json_t *event)
{
    struct rollout_show *s = env;
    char text[512];
    /* A reading that went well ends the trouble, also where it is told as lines. */
    if (strcmp(json_string_value(json_object_get(event, "e")), "look") == 0 && !unread(event))
        s->trouble[0] = '\0';
    if (out_is_json(s->cli->out)) {
        json_t *o = report_event(r, event);
        if (o) {
            out_json(s->cli->out, o);
            out_flush(s->cli->out);
        }
    } else if (s->screen && redraw(s, r)) {
        return;
    } else if (event_text(r, event, text, sizeof text)) {
        out_printf(s->cli->out, "%s\n", text);
        out_flush(s->cli->out);
    }
}

void rollout_show_wait(void *env, const struct rollout *r, const struct rollout_move *move)
{
    struct rollout_show *s = env;
    int64_t now = clock_mono_ns() / 1000000;
    struct gate_result v = rollout_verdict(r, false);
    char verdict[160], text[160], time[32];
    if (s->screen || out_is_json(s->cli->out) ||
        (s->told_ms && now - s->told_ms < tell_every_ms && v.reason == s->told_reason &&
         move->wait == s->told_wait && r->state.step == s->told_step))
        return;
    s->told_ms = now;
    s->told_reason = v.reason;
    s->told_wait = move->wait;
    s->told_step = r->state.step;
    verdict_text(r, verdict, sizeof verdict);
    switch (move->wait) {
    case WAIT_APPROVAL:
        out_note(s->cli->out, "waiting for approval: edgectl rollout promote");
        return;
    case WAIT_PAUSED:
        out_note(s->cli->out, "paused; go on with: edgectl rollout resume");
        return;
    case WAIT_WINDOW:
        out_note(s->cli->out, "waiting for the time window that opens at %s",
                 report_time(move->until_ms, time));
        return;
    default:
        if (v.verdict == GATE_INCONCLUSIVE && !counted(r) && waiting_text(r, text, sizeof text))
            snprintf(verdict, sizeof verdict, "%s", text);
        out_note(s->cli->out, "step %d of %d: %s", r->state.step + 1, r->plan.steps, verdict);
    }
}

/* The same but for numbers, such as a time or a duration? */
static bool same_words(const char *a, const char *b)
{
    static const char digits[] = "0123456789";
    for (; *a && *b; a++, b++) {
        a += strspn(a, digits);
        b += strspn(b, digits);
        if (*a != *b)
            return false;
        if (!*a)
            break;
    }
    return *a == *b;
}

/* Told again only now and then: it comes with each poll. */
void rollout_show_trouble(void *env, const struct err *err)
{
    struct rollout_show *s = env;
    int64_t now = clock_mono_ns() / 1000000;
    char text[sizeof s->trouble];
    snprintf(text, sizeof text, "%.*s", (int)sizeof text - 1, err->msg);
    bool again = same_words(s->trouble, text);
    memcpy(s->trouble, text, sizeof text);
    if (s->screen || (again && now - s->trouble_ms < tell_every_ms))
        return;
    s->trouble_ms = now;
    out_warn(s->cli->out, "%s", err->msg);
}

int rollout_show_drive(struct cli *cli, struct rollout *r, struct drive_options *o,
                       struct err *err)
{
    struct rollout_show show;
    cleanup(drive_free_p) struct drive *d = NULL;
    rollout_show_init(&show, cli);
    o->on_event = rollout_show_event;
    o->on_wait = rollout_show_wait;
    o->on_trouble = rollout_show_trouble;
    o->env = &show;
    int result = drive_new(o, r, &d, err);
    return result < 0 ? result : drive_run(d, err);
}
