/* SPDX-License-Identifier: Apache-2.0 */
/* What a drive does with the targets, besides setting their split. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "rollout/drive_impl.h"

static const int64_t read_age_ms = 2000, prove_ms = 30000, reach_ms = 3000;
/* Pieces of the past: of a server here, and where each is a call to an API. */
enum { PAST_LOOKS_HERE = 40, PAST_LOOKS_THERE = 12 };

static const struct manifest_rollout plain_rollout = {.burn_in_ms = -1, .history_ms = -1};

const struct manifest_rollout *drive_manifest(const struct drive *d)
{
    return d->o.manifest->rollout ? d->o.manifest->rollout : &plain_rollout;
}

void drive_arm(struct split *s, const char *version, int bp)
{
    struct split_arm *a = &s->arms[s->count++];
    snprintf(a->version, sizeof a->version, "%s", version);
    a->bp = bp;
}

/* --- life --- */

int drive_new(const struct drive_options *o, struct rollout *r, struct drive **ret,
              struct err *err)
{
    struct drive *d = xnew(struct drive);
    d->o = *o;
    d->r = r;
    d->boot = clock_boot();
    int result = evidence_new(drive_manifest(d), o->manifest, &r->plan, o->interrupted,
                              &d->evidence, err);
    if (result < 0)
        drive_free(d);
    else
        *ret = d;
    return result;
}

void drive_free(struct drive *d)
{
    if (!d)
        return;
    for (int t = 0; t < PLAN_TARGETS_MAX; t++)
        split_clear(&d->split[t]);
    evidence_free(d->evidence);
    free(d);
}

void drive_free_p(struct drive **d)
{
    drive_free(*d);
}

/* --- the split --- */

void drive_forget_old(struct drive *d)
{
    int64_t most = d->r->plan.poll_ms > read_age_ms ? d->r->plan.poll_ms : read_age_ms;
    for (int t = 0; t < d->r->plan.targets; t++) {
        if (drive_mono_ms() - d->read_ms[t] > most)
            d->seen.split[t].known = false;
    }
}

int drive_read(struct drive *d, int t, struct err *err)
{
    const struct plan_target *pt = &d->r->plan.target[t];
    struct rollout_split *seen = &d->seen.split[t];
    struct split now = {0};
    int r = target_get_split(d->o.target[t], &now, err);
    if (r < 0)
        return r;
    split_clear(&d->split[t]);
    d->split[t] = now;
    *seen = (struct rollout_split){.known = true, .bp = split_share(&now, pt->canary)};
    for (int i = 0; i < now.count; i++)
        seen->arm |= strcmp(now.arms[i].version, pt->canary) == 0;
    seen->foreign = seen->bp + split_share(&now, pt->stable) != SPLIT_WHOLE;
    d->read_ms[t] = drive_mono_ms();
    return 0;
}

static void add_text(char *to, size_t cap, const char *fmt, ...) printf_like(3, 4);

static void add_text(char *to, size_t cap, const char *fmt, ...)
{
    size_t len = strlen(to);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(to + len, cap - len, fmt, ap);
    va_end(ap);
}

void drive_drift(const struct drive *d, int t, struct err *err)
{
    const struct split *s = &d->split[t];
    const struct plan_target *pt = &d->r->plan.target[t];
    char now[512] = "", when[64] = "";
    time_t at = (time_t)(s->changed_ms / 1000);
    struct tm tm;
    for (int i = 0; i < s->count; i++)
        add_text(now, sizeof now, "%s%g %% on %.60s", i ? ", " : "", s->arms[i].bp / 100.0,
                 s->arms[i].version);
    if (s->changed_ms > 0 && gmtime_r(&at, &tm))
        strftime(when, sizeof when, " at %Y-%m-%d %H:%M:%S UTC", &tm);
    err_set(err, ERR_DRIFT, "target '%s': the split was changed%s%s%s: it is %s, but the new "
            "version %.60s should have %g %%", pt->name, s->by ? " by " : "", s->by ? s->by : "",
            when, s->count ? now : "nothing", pt->canary, d->r->state.bp[t] / 100.0);
    err_hint(err, "when that is as it should be, leave it; else put it back: edgectl rollout abort "
                  "--to %.60s", d->r->plan.target[0].stable);
}

/* --- proof --- */

int drive_prove(struct drive *d, int t, bool back, struct err *err)
{
    const struct plan_target *pt = &d->r->plan.target[t];
    struct probe p = {.version = back ? pt->stable : pt->canary, .timeout_ms = 5000};
    struct probe_result result = {0};
    int64_t began = drive_mono_ms();
    for (;;) {
        int r = target_probe(d->o.target[t], &p, &result, err);
        if (r < 0)
            return r;
        int64_t most = result.status ? prove_ms + 2 * pt->propagation_ms : reach_ms;
        if ((result.status > 0 && result.verified) || drive_mono_ms() - began > most ||
            drive_interrupted(d))
            break;
        /* Whoever wants all put back does not wait until it is proven that this was right. */
        json_t *asked = history_request(d->r->history, d->r->state.asked);
        json_decref(asked);
        if (asked)
            return 0;
        drive_sleep(d, 200);
    }
    bool good = result.status > 0 && result.verified;
    if (!good && drive_interrupted(d))
        return 0;
    struct err why = {0};
    if (!good && result.status > 0)
        err_set(&why, ERR_GATE, "target '%s': asked for version %.60s, version %.60s answered",
                pt->name, p.version, result.version[0] ? result.version : "unknown");
    else if (!good)
        err_set(&why, ERR_NETWORK, "target '%s': version %.60s cannot be asked from here: %.150s",
                pt->name, p.version, result.why);
    /* The wrong version is a reason to go back. That nothing can be reached from here is none: what
     * others reach is in the evidence. */
    if (!good && !back && result.status > 0) {
        cleanup(free_p) char *words = utf8_clean(why.msg);
        return drive_event(d, json_pack("{s:s, s:s, s:s}", "e", "back", "code", err_name(ERR_GATE),
                                        "why", words), err);
    }
    if (!good && d->o.on_trouble)
        d->o.on_trouble(d->o.env, &why);
    return drive_event(d, json_pack("{s:s, s:i, s:b, s:b, s:i}", "e", "proven", "target", t, "back",
                                    back, "ok", good, "status", result.status), err);
}

void drive_explain(const struct rollout *r, char *to, size_t cap)
{
    int t = rollout_deciding(r);
    struct gate_result v = rollout_verdict(r, false);
    to[0] = '\0';
    if (t < 0 || v.metric < 0) {
        snprintf(to, cap, "%s", gate_reason_text(v.reason));
        return;
    }
    struct gate_view view = gate_view(r->gate[t], v.metric);
    snprintf(to, cap, "%s: %s (%.0f of %.0f requests, stable %.0f of %.0f)",
             r->plan.gate.rule[v.metric].name, gate_reason_text(v.reason), view.bad[1],
             view.requests[1], view.bad[0], view.requests[0]);
}

/* --- before the first event --- */

static bool newest_idle(const struct version_list *list, const char *stable, const char *wanted,
                        struct plan_target *ret, struct err *err)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct version *v = &list->list[i];
        bool named = wanted && (strcmp(v->id, wanted) == 0 || strcmp(v->release, wanted) == 0);
        /* Of itself only what edgectl made: a router of ours is a version of something too. */
        if ((wanted ? !named : !v->deployable || !v->release[0]) || strcmp(v->id, stable) == 0)
            continue;
        if (!v->deployable) {
            err_set(err, ERR_USAGE, "version %s can no longer be given traffic", v->id);
            return false;
        }
        snprintf(ret->canary, sizeof ret->canary, "%s", v->id);
        snprintf(ret->release, sizeof ret->release, "%s", v->release);
        return true;
    }
    err_set(err, ERR_USAGE, wanted ? "there is no version '%s' besides the one with all traffic"
                                   : "there is no version to roll out",
            wanted ? wanted : "");
    err_hint(err, "put one in place without traffic: edgectl deploy --no-traffic");
    return false;
}

int drive_find_versions(struct target *t, const char *canary, struct plan_target *ret,
                        struct err *err)
{
    cleanup(split_clear) struct split now = {0};
    cleanup(version_list_clear) struct version_list list = {0};
    int r = target_get_split(t, &now, err);
    if (r < 0)
        return r;
    const char *stable = NULL;
    for (int i = 0; i < now.count; i++) {
        if (now.arms[i].bp == SPLIT_WHOLE)
            stable = now.arms[i].version;
    }
    if (!stable && now.count == 0) {
        r = err_set(err, ERR_USAGE, "target '%s': no version has traffic yet", t->o.name);
        err_hint(err, "a first version needs no rollout: edgectl deploy");
        return r;
    }
    if (!stable) {
        r = err_set(err, ERR_DRIFT, "target '%s': traffic is split between %.60s and %.60s already",
                    t->o.name, now.arms[0].version, now.arms[1].version);
        err_hint(err, "go on with that rollout (edgectl rollout resume), or give one of them all "
                      "traffic: edgectl rollout abort --to VERSION");
        return r;
    }
    r = target_versions(t, &list, err);
    if (r < 0)
        return r;
    snprintf(ret->name, sizeof ret->name, "%s", t->o.name);
    snprintf(ret->provider, sizeof ret->provider, "%s", t->provider->name);
    snprintf(ret->stable, sizeof ret->stable, "%s", stable);
    /* The newest one, when it is not newer than what has all traffic, is an old one. */
    if (!canary && list.count && strcmp(list.list[0].id, stable) == 0) {
        r = err_set(err, ERR_USAGE, "target '%s': the newest version, %.60s, has all traffic",
                    t->o.name, stable);
        err_hint(err, "put a new one in place: edgectl deploy --no-traffic");
        return r;
    }
    return newest_idle(&list, stable, canary, ret, err) ? 0 : -ERR_USAGE;
}

int drive_freeze(const struct drive_options *o, struct plan *plan, struct err *err)
{
    struct metrics m = {0};
    const struct manifest_rollout *r = o->manifest->rollout;
    if ((r && r->evidence != EVIDENCE_PROVIDER) || !o->target[0]->caps.latency)
        return 0;
    int64_t since = plan->history_ms ? drive_wall_ms() - plan->history_ms : 0;
    int result = target_metrics(o->target[0], plan->target[0].stable, since, &m, err);
    if (result == 0 && m.has_latency)
        plan_freeze_edges(plan, m.latency);
    return result;
}

/* --- the stable version's past --- */

static json_t *difference(const struct gate_config *c, const struct evidence_arm *all,
                          const struct evidence_arm *later)
{
    json_t *cells = json_array();
    for (int i = 0; i < c->count; i++) {
        const struct gate_cell *a = &all->cell[i], *b = &later->cell[i];
        if (!a->known || !b->known) {
            json_array_append_new(cells, json_null());
            continue;
        }
        json_t *cell = json_pack("[f]", fmax(0, a->requests - b->requests));
        for (int e = 0; e < c->rule[i].edges; e++)
            json_array_append_new(cell, json_real(fmax(0, a->bad[e] - b->bad[e])));
        json_array_append_new(cells, cell);
    }
    return cells;
}

int drive_past(struct drive *d, int t, struct err *err)
{
    const struct plan *p = &d->r->plan;
    struct evidence_totals before = {0};
    const struct manifest_rollout *m = d->o.manifest->rollout;
    bool here = strcmp(p->target[t].provider, "local") == 0 &&
                (!m || m->evidence == EVIDENCE_PROVIDER);
    int pieces = here ? PAST_LOOKS_HERE : PAST_LOOKS_THERE;
    int64_t now = drive_wall_ms(), piece = p->history_ms / pieces;
    struct err why = {0};
    if (piece < 1000 || !evidence_has_past(d->evidence))
        return 0;
    for (int i = 0; i <= pieces && !drive_interrupted(d); i++) {
        struct evidence_totals totals = {0};
        int64_t since = now - p->history_ms + i * piece;
        /* What cannot be known of the past only makes the gate slower. */
        if (evidence_read_stable(d->evidence, d->o.target[t], t, since, &totals, &why) < 0)
            return 0;
        bool whole = i > 0 && before.from_ms <= since - piece + 1000 &&
                     before.arm[0].requests > totals.arm[0].requests;
        int r = !whole ? 0
                       : drive_event(d, json_pack("{s:s, s:i, s:o}", "e", "past", "target", t, "s",
                                                  difference(&p->gate, &before.arm[0],
                                                             &totals.arm[0])), err);
        if (r < 0)
            return r;
        before = totals;
    }
    return 0;
}
