/* SPDX-License-Identifier: Apache-2.0 */
/* Evidence from the provider's own numbers and from our probes; which source it is. */
#include "rollout/evidence.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "rollout/command.h"
#include "rollout/evidence_impl.h"

enum { DOCUMENT_MAX = 16 << 20 };

static const int64_t command_timeout_ms = 60000;

static int check_gates(const struct evidence *e, struct err *err)
{
    for (size_t i = 0; i < e->r->gate_count; i++) {
        const struct manifest_gate *g = &e->r->gates[i];
        if (g->kind != GATE_ON_EVENTS)
            continue;
        const char *why = e->r->evidence == EVIDENCE_PROVIDER ? "the provider does not count"
                          : e->r->evidence == EVIDENCE_PROMETHEUS && !g->query
                              ? "has no query for"
                              : NULL;
        if (!why)
            continue;
        err_set(err, ERR_MANIFEST, "the gate '%s' is on events that %s", g->name,
                g->query ? why : "nothing counts");
        err_hint(err, "give it a query and name rollout.evidence.prometheus, or count it in "
                      "evidence.file or evidence.command");
        return -ERR_MANIFEST;
    }
    return 0;
}

int evidence_new(const struct manifest_rollout *r, const struct manifest *m,
                 const struct plan *plan, const atomic_bool *interrupted, struct evidence **ret,
                 struct err *err)
{
    struct evidence *e = xnew(struct evidence);
    *e = (struct evidence){.r = r, .m = m, .plan = plan, .interrupted = interrupted};
    int result = check_gates(e, err);
    if (result == 0 && r->evidence == EVIDENCE_PROMETHEUS)
        result = evidence_prometheus_open(e, err);
    if (result < 0)
        evidence_free(e);
    else
        *ret = e;
    return result;
}

void evidence_free(struct evidence *e)
{
    if (!e)
        return;
    evidence_prometheus_close(e);
    free(e);
}

void evidence_free_p(struct evidence **e)
{
    evidence_free(*e);
}

/* What a local server counts is exact only from its start; the past in between is thinned out. */
static bool is_local(const struct evidence *e, int i)
{
    return strcmp(e->plan->target[i].provider, "local") == 0;
}

bool evidence_counts_since(const struct evidence *e, int i)
{
    return e->r->evidence == EVIDENCE_PROVIDER && !is_local(e, i);
}

bool evidence_has_past(const struct evidence *e)
{
    return e->r->evidence == EVIDENCE_PROVIDER || e->r->evidence == EVIDENCE_PROMETHEUS;
}

int evidence_check(struct evidence *e, int i, bool *ret_known, struct err *err)
{
    *ret_known = true;
    return e->r->evidence == EVIDENCE_PROMETHEUS ? evidence_prometheus_check(e, i, ret_known, err)
                                                 : 0;
}

int evidence_freeze(struct evidence *e, struct plan *plan, struct err *err)
{
    return e->r->evidence == EVIDENCE_PROMETHEUS ? evidence_prometheus_freeze(e, plan, err) : 0;
}

/* --- the provider --- */

/* Requests that took longer than an edge: those in the buckets above the nearest one. */
static double slower_than(const struct metrics *m, double edge_ms)
{
    int edge = latency_nearest_edge((int64_t)(edge_ms * 1000));
    uint64_t n = 0;
    for (int i = edge + 1; i < LATENCY_BUCKETS; i++)
        n += m->latency[i];
    return (double)n;
}

static void take_metrics(const struct gate_config *c, const struct metrics *m,
                         struct evidence_arm *to)
{
    to->known = true;
    to->requests = (double)m->requests;
    for (int i = 0; i < c->count; i++) {
        const struct gate_rule *rule = &c->rule[i];
        struct gate_cell *cell = &to->cell[i];
        cell->requests = (double)m->requests;
        cell->known = rule->kind == GATE_ERRORS || rule->kind == GATE_TRAPS ||
                      (rule->kind == GATE_LATENCY && m->has_latency);
        if (rule->kind == GATE_ERRORS)
            cell->bad[0] = (double)m->errors;
        else if (rule->kind == GATE_TRAPS)
            cell->bad[0] = (double)m->traps;
        for (int e = 0; rule->kind == GATE_LATENCY && e < rule->edges; e++)
            cell->bad[e] = slower_than(m, rule->edge_ms[e]);
    }
}

static int read_version(struct evidence *e, struct target *t, const char *version,
                        int64_t since_ms, int arm, struct evidence_totals *ret, struct err *err)
{
    struct metrics m = {0};
    int r = target_metrics(t, version, since_ms, &m, err);
    if (r < 0)
        return err_wrap(err, r, "numbers of version %.60s", version);
    take_metrics(&e->plan->gate, &m, &ret->arm[arm]);
    if (m.from_ms > ret->from_ms)
        ret->from_ms = m.from_ms;
    if (ret->until_ms == 0 || m.until_ms < ret->until_ms)
        ret->until_ms = m.until_ms;
    return 0;
}

int evidence_read_stable(struct evidence *e, struct target *t, int i, int64_t since_ms,
                         struct evidence_totals *ret, struct err *err)
{
    return e->r->evidence == EVIDENCE_PROMETHEUS
               ? evidence_prometheus_since(e, i, since_ms, ret, err)
               : read_version(e, t, e->plan->target[i].stable, since_ms, 0, ret, err);
}

static int read_provider(struct evidence *e, struct target *t, int i, int64_t since_ms,
                         struct evidence_totals *ret, struct err *err)
{
    const struct plan_target *pt = &e->plan->target[i];
    if (is_local(e, i))
        since_ms = 0;
    int r = read_version(e, t, pt->stable, since_ms, 0, ret, err);
    return r < 0 ? r : read_version(e, t, pt->canary, since_ms, 1, ret, err);
}

/* --- a file, a command --- */

static int read_document(struct evidence *e, int i, struct buf *text, struct err *err)
{
    const struct plan_target *t = &e->plan->target[i];
    if (e->r->evidence == EVIDENCE_FILE) {
        cleanup(free_p) char *data = NULL;
        size_t len;
        int r = file_read(e->r->evidence_path, DOCUMENT_MAX, &data, &len, err);
        if (r == 0)
            buf_add(text, data, len);
        return r;
    }
    cleanup(free_p) char *stable = xasprintf("EDGECTL_ROLLOUT_STABLE=%s", t->stable);
    cleanup(free_p) char *canary = xasprintf("EDGECTL_ROLLOUT_CANARY=%s", t->canary);
    cleanup(free_p) char *target = xasprintf("EDGECTL_ROLLOUT_TARGET=%s", t->name);
    char *env[] = {stable, canary, target, NULL};
    struct command c = {.text = e->r->evidence_command, .dir = e->m->dir, .env = env,
                        .timeout_ms = command_timeout_ms, .interrupted = e->interrupted};
    return command_run(&c, text, err);
}

static int read_json(struct evidence *e, int i, struct evidence_totals *ret, struct err *err)
{
    cleanup(buf_clear) struct buf text = BUF_INIT(DOCUMENT_MAX);
    json_error_t why;
    int r = read_document(e, i, &text, err);
    if (r < 0)
        return r;
    const char *name = e->r->evidence_path ? e->r->evidence_path : "the command's output";
    json_t *doc = json_loadb(buf_str(&text), text.len, 0, &why);
    if (!doc) {
        err_set(err, ERR_FAILURE, "the evidence is no JSON: %s", why.text);
        err_place(err, name, why.line, why.column);
        return -ERR_FAILURE;
    }
    r = evidence_from_json(e->plan, i, doc, clock_wall_ns() / 1000000, ret, err);
    json_decref(doc);
    if (r < 0)
        err_place(err, name, 0, 0);
    return r;
}

int evidence_read(struct evidence *e, struct target *t, int i, int64_t since_ms,
                  struct evidence_totals *ret, struct err *err)
{
    *ret = (struct evidence_totals){0};
    switch (e->r->evidence) {
    case EVIDENCE_PROVIDER:
        return read_provider(e, t, i, since_ms, ret, err);
    case EVIDENCE_PROMETHEUS:
        return evidence_prometheus_read(e, i, ret, err);
    case EVIDENCE_FILE:
    case EVIDENCE_COMMAND:
        return read_json(e, i, ret, err);
    }
    return 0;
}

/* --- probes --- */

int evidence_probe(struct evidence *e, struct target *t, int i, struct evidence_totals *totals,
                   struct err *err)
{
    const struct plan_target *pt = &e->plan->target[i];
    const char *version[2] = {pt->stable, pt->canary};
    int at = e->plan->gate.count - 1;
    if (!e->r->probe_path || at < 0 || strcmp(e->plan->gate.rule[at].name, "probes") != 0)
        return 0;
    for (int arm = 0; arm < 2; arm++) {
        struct gate_cell *cell = &totals->arm[arm].cell[at];
        cell->known = true;
        for (int n = 0; n < e->r->probe_count; n++) {
            struct probe_result result = {0};
            struct probe p = {.version = version[arm], .path = e->r->probe_path};
            int r = target_probe(t, &p, &result, err);
            if (r < 0)
                return r;
            /* An answer of another version says nothing about this one. */
            if (result.status > 0 && !result.verified)
                continue;
            cell->requests++;
            cell->bad[0] += result.status == 0 || result.status >= 500;
        }
    }
    return 0;
}
