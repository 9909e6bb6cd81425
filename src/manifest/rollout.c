/* SPDX-License-Identifier: Apache-2.0 */
/* The rollout section of edge.yaml. */
#include "manifest/rollout.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "manifest/bind.h"

static double share_of(const struct node *map, const char *key)
{
    const struct node *n = bind_child(map, key);
    double percent;
    return n && value_percent(n->text, &percent) ? percent / 100 : 0;
}

static double number_of(const struct node *map, const char *key)
{
    const struct node *n = bind_child(map, key);
    double v;
    return n && value_number(n->text, &v) ? v : 0;
}

/* Shares must grow, so that a rollout never takes traffic back by being advanced. */
static void bind_step(struct load *l, struct node *n, struct manifest_rollout *r, double *last)
{
    struct node *share = n->kind == NODE_MAP ? bind_child(n, "percent") : n;
    double percent = 0;
    if (!share && !bind_child(n, "audience")) {
        problem_at(l, n, "a step has a 'percent', an 'audience', or both");
        return;
    }
    if (share && !value_percent(share->text, &percent))
        return;
    struct manifest_step *s = PUSH(r->steps, r->step_count);
    s->bp = (int)(percent * 100 + 0.5);
    s->soak_ms = -1;
    if (percent <= *last)
        problem_at(l, n, "step '%g%%' must be more than %g%%", percent, *last < 0 ? 0 : *last);
    else if (percent > 0 && s->bp == 0)
        problem_at(l, n, "step '%g%%' is less than 0.01%%", percent);
    *last = percent;
    if (n->kind != NODE_MAP)
        return;
    if (bind_child(n, "soak"))
        s->soak_ms = bind_duration(n, "soak");
    s->approval = bind_bool(n, "approval", false);
    s->regions = bind_names(bind_child(bind_child(n, "audience"), "regions"), &s->region_count);
}

static void bind_gate(struct load *l, struct node *n, struct manifest_rollout *r)
{
    static const char *const keys[] = {
        [GATE_ON_ERRORS] = "errors", [GATE_ON_TRAPS] = "traps", [GATE_ON_LATENCY] = "latency",
        [GATE_ON_EVENTS] = "events",
    };
    if (n->count != 1) {
        problem_at(l, n, "a gate has one of the keys errors, traps, latency and events");
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        const struct node *map = node_child(n, keys[i]);
        if (!map || map->bad)
            continue;
        struct manifest_gate *g = PUSH(r->gates, r->gate_count);
        g->kind = (enum manifest_gate_kind)i;
        g->name = bind_text(map, "name");
        g->query = bind_text(map, "query");
        g->slower_than_ms = bind_duration(map, "slower-than");
        g->max_ratio = number_of(map, "max-ratio");
        g->max_rate = share_of(map, "max-rate");
        g->broken_rate = share_of(map, "broken-rate");
    }
}

static void bind_hooks(struct load *l, const struct node *list, struct manifest_hooks *to)
{
    FOR_CHILDREN (n, list) {
        struct node *command = bind_child(n, "command"), *webhook = bind_child(n, "webhook");
        if (!command == !webhook) {
            problem_at(l, n, "a hook needs one of 'command' and 'webhook'");
            continue;
        }
        struct manifest_hook *h = PUSH(to->list, to->count);
        h->command = bind_text(n, "command");
        h->webhook = bind_text(n, "webhook");
        h->timeout_ms = bind_duration(n, "timeout");
        if (h->timeout_ms == 0)
            h->timeout_ms = 60000;
    }
}

static int day_named(const char *s)
{
    static const char days[] = "MonTueWedThuFriSatSun";
    for (int i = 0; i < 7; i++) {
        if (strncmp(s, days + 3 * i, 3) == 0)
            return i;
    }
    return -1;
}

/* "Mon-Fri 08:00-16:00", "Sat 10:00-12:00", "08:00-16:00". */
static bool parse_window(const char *s, struct manifest_window *w)
{
    int h1, m1, h2, m2, used = 0;
    w->days = 0x7f;
    int first = day_named(s), last = first;
    if (first >= 0) {
        s += 3;
        if (*s == '-') {
            last = day_named(s + 1);
            s += 4;
        }
        if (last < 0 || *s != ' ')
            return false;
        w->days = 0;
        for (int d = first;; d = (d + 1) % 7) {
            w->days |= 1u << d;
            if (d == last)
                break;
        }
        s++;
    }
    if (sscanf(s, "%2d:%2d-%2d:%2d%n", &h1, &m1, &h2, &m2, &used) != 4 ||
        (s[used] && strcmp(s + used, " UTC") != 0))
        return false;
    w->from = h1 * 60 + m1;
    w->until = h2 * 60 + m2;
    return h1 >= 0 && h1 < 24 && m1 >= 0 && m1 < 60 && h2 >= 0 && m2 >= 0 && m2 < 60 &&
           w->until <= 24 * 60 && w->from != w->until;
}

static void bind_windows(struct load *l, const struct node *list, struct manifest_rollout *r)
{
    FOR_CHILDREN (n, list) {
        struct manifest_window w;
        if (parse_window(n->text, &w)) {
            *PUSH(r->windows, r->window_count) = w;
        } else {
            problem_at(l, n, "'%.60s' is no time window", n->text);
            problem_hint(l, "write days and hours in UTC: \"Mon-Fri 08:00-16:00\"");
        }
    }
}

static void bind_evidence(struct load *l, struct node *n, struct manifest_rollout *r)
{
    struct node *prometheus = bind_child(n, "prometheus"), *file = bind_child(n, "file"),
                *command = bind_child(n, "command"), *probes = bind_child(n, "probes");
    if (!!prometheus + !!file + !!command > 1)
        problem_at(l, n, "only one of 'prometheus', 'file' and 'command' can be the evidence");
    r->evidence = prometheus ? EVIDENCE_PROMETHEUS
                  : file     ? EVIDENCE_FILE
                  : command  ? EVIDENCE_COMMAND
                             : EVIDENCE_PROVIDER;
    r->prometheus.url = bind_text(prometheus, "url");
    r->prometheus.template = bind_text(prometheus, "template");
    struct node *ca = bind_child(prometheus, "ca"), *token = bind_child(prometheus, "token"),
                *password = bind_child(prometheus, "password");
    r->prometheus.token_env = bind_text(token, "env");
    r->prometheus.user = bind_text(prometheus, "user");
    r->prometheus.password_env = bind_text(password, "env");
    r->prometheus.ca = ca ? load_path(l->m, ca->text) : NULL;
    r->prometheus.tenant = bind_text(prometheus, "tenant");
    if (!r->prometheus.user != !password)
        problem_at(l, prometheus, "'user' and 'password' go together");
    if (token && password)
        problem_at(l, token, "either a token or a user and a password is sent, not both");
    r->prometheus.requests = bind_text(prometheus, "requests");
    r->prometheus.errors = bind_text(prometheus, "errors");
    r->prometheus.traps = bind_text(prometheus, "traps");
    r->prometheus.fast = bind_text(prometheus, "fast");
    r->evidence_path = file ? load_path(l->m, file->text) : NULL;
    r->evidence_command = bind_text(n, "command");
    if (!probes)
        return;
    r->probe_path = bind_text(probes, "path");
    if (!r->probe_path)
        r->probe_path = xstrdup("/");
    else if (r->probe_path[0] != '/')
        problem_at(l, bind_child(probes, "path"), "a path begins with '/'");
    r->probe_count = (int)bind_int(probes, "count");
    if (r->probe_count == 0)
        r->probe_count = 5;
}

static int64_t duration_or(const struct node *map, const char *key, int64_t dflt)
{
    return bind_child(map, key) ? bind_duration(map, key) : dflt;
}

struct manifest_rollout *rollout_bind(struct load *l, const struct node *root)
{
    struct manifest_rollout *r = xnew(struct manifest_rollout);
    struct node *n = bind_child(root, "rollout");
    double last = -1;
    FOR_CHILDREN (step, bind_child(n, "steps"))
        bind_step(l, step, r, &last);
    r->has_soak = bind_child(n, "soak") != NULL;
    r->soak_ms = bind_duration(n, "soak");
    r->poll_ms = bind_duration(n, "poll");
    r->deadline_ms = bind_duration(n, "deadline");
    r->burn_in_ms = duration_or(n, "burn-in", -1);
    r->history_ms = duration_or(n, "history", -1);
    const struct node *policy = bind_child(n, "on-inconclusive");
    r->on_inconclusive = bind_is(policy, "advance")    ? ON_INCONCLUSIVE_ADVANCE
                         : bind_is(policy, "rollback") ? ON_INCONCLUSIVE_ROLLBACK
                                                       : ON_INCONCLUSIVE_HOLD;
    r->targets = bind_names(bind_child(n, "targets"), &r->target_count);
    bind_windows(l, bind_child(n, "windows"), r);
    const struct node *hooks = bind_child(n, "hooks");
    bind_hooks(l, bind_child(hooks, "before"), &r->before);
    bind_hooks(l, bind_child(hooks, "after"), &r->after);
    bind_hooks(l, bind_child(hooks, "end"), &r->end);
    FOR_CHILDREN (gate, bind_child(n, "gates"))
        bind_gate(l, gate, r);
    struct node *evidence = bind_child(n, "evidence");
    if (evidence)
        bind_evidence(l, evidence, r);
    return r;
}

static void free_hooks(struct manifest_hooks *h)
{
    for (size_t i = 0; i < h->count; i++) {
        free(h->list[i].command);
        free(h->list[i].webhook);
    }
    free(h->list);
}

static void free_list(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

void manifest_rollout_free(struct manifest_rollout *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->step_count; i++)
        free_list(r->steps[i].regions, r->steps[i].region_count);
    free(r->steps);
    for (size_t i = 0; i < r->gate_count; i++) {
        free(r->gates[i].name);
        free(r->gates[i].query);
    }
    free(r->gates);
    free_list(r->targets, r->target_count);
    free(r->windows);
    free_hooks(&r->before);
    free_hooks(&r->after);
    free_hooks(&r->end);
    free(r->prometheus.url);
    free(r->prometheus.template);
    free(r->prometheus.token_env);
    free(r->prometheus.user);
    free(r->prometheus.password_env);
    free(r->prometheus.ca);
    free(r->prometheus.tenant);
    free(r->prometheus.requests);
    free(r->prometheus.errors);
    free(r->prometheus.traps);
    free(r->prometheus.fast);
    free(r->evidence_path);
    free(r->evidence_command);
    free(r->probe_path);
    free(r);
}
