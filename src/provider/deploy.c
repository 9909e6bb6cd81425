/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/deploy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/mem.h"
#include "bundle/bundle.h"
#include "provider/journal.h"

static const int64_t PROBE_LEAST_NS = 3000000000;
enum { PROBE_NAP_MS = 100 };

/* --- what has the traffic --- */

/* Two versions share it: somebody is in the middle of something. */
static int check_split(const struct target *t, const struct split *now, struct err *err)
{
    int with = 0;
    for (int i = 0; i < now->count; i++)
        with += now->arms[i].bp > 0;
    if (with < 2)
        return 0;
    int r = err_set(err, ERR_DRIFT, "a rollout is under way: %s has %d.%02d %%, %s the rest%s%s",
                    now->arms[1].version, now->arms[1].bp / 100, now->arms[1].bp % 100,
                    now->arms[0].version, now->by ? ", set by " : "", now->by ? now->by : "");
    err_hint(err, "end it first (edgectl rollout promote --full, or abort), or upload without "
                  "traffic: edgectl deploy --target %s --no-traffic", t->o.name);
    return r;
}

static const char *serving(const struct split *s)
{
    for (int i = 0; i < s->count; i++)
        if (s->arms[i].bp == SPLIT_WHOLE)
            return s->arms[i].version;
    return "";
}

static int read_split(struct target *t, const struct shipment *s, struct split *ret,
                      struct err *err)
{
    *ret = (struct split){0};
    return s->first ? 0 : target_get_split(t, ret, err);
}

/* --- the smoke test --- */

static void nap(void)
{
    nanosleep(&(struct timespec){.tv_nsec = PROBE_NAP_MS * 1000000L}, NULL);
}

static bool good(const struct probe_result *r)
{
    return r->verified && r->status < 500;
}

static int report_probe(const struct target *t, const struct shipment *s, const char *path,
                        const struct probe_result *p, struct err *err)
{
    int r;
    if (p->status == 0)
        r = err_set(err, ERR_FAILURE, "version %s did not answer GET %s: %s", s->version, path,
                    p->why);
    else if (!p->verified)
        r = err_set(err, ERR_FAILURE, "version %s was asked, but %s%s answered", s->version,
                    p->version[0] ? "version " : "another version",
                    p->version[0] ? p->version : "");
    else
        r = err_set(err, ERR_FAILURE, "version %s answered GET %s with %d", s->version, path,
                    p->status);
    err_hint(err, "it has no traffic. --probe PATH asks for another page, --no-probe for none; "
                  "see `edgectl logs --target %s`", t->o.name);
    return r;
}

/* A new version takes a while to be everywhere: it is asked again until it answers. */
static int smoke_test(struct target *t, struct shipment *s, const struct deploy_options *o,
                      struct probe_result *ret, struct err *err)
{
    struct probe probe = {.version = s->version, .path = o->probe_path};
    int64_t patience = t->caps.propagation_ms * 2000000;
    int64_t until = clock_mono_ns() + (patience > PROBE_LEAST_NS ? patience : PROBE_LEAST_NS);
    for (;;) {
        int r = target_probe(t, &probe, ret, err);
        if (r < 0)
            return r;
        bool may_change = ret->status == 0 || !ret->verified;
        if (good(ret) || !may_change || clock_mono_ns() > until || target_interrupted(t))
            break;
        nap();
    }
    if (o->watch.probed)
        o->watch.probed(o->watch.env, ret);
    return good(ret) ? 0 : report_probe(t, s, o->probe_path ? o->probe_path : "/", ret, err);
}

/* --- all of it --- */

static int shift(struct target *t, const struct shipment *s, const struct deploy_options *o,
                 struct err *err)
{
    cleanup(split_clear) struct split now = {0};
    struct split want = {.count = 1, .arms = {{.bp = SPLIT_WHOLE}}};
    snprintf(want.arms[0].version, PROVIDER_ID_MAX, "%s", s->version);
    int r = target_get_split(t, &now, err);
    if (r == 0)
        r = check_split(t, &now, err);
    if (r == 0)
        r = target_set_split(t, &want, now.revision, s->bundle->id, err);
    if (r == 0 && o->watch.shifted)
        o->watch.shifted(o->watch.env, &now, &want);
    return r;
}

static bool wants_traffic(const struct shipment *s, const struct deploy_options *o)
{
    if (s->preview || o->traffic == DEPLOY_NONE)
        return false;
    return o->traffic == DEPLOY_ALL || s->first;
}

static int carry_out(struct target *t, struct shipment *s, struct steps *steps, bool traffic,
                     const struct deploy_options *o, struct deploy_result *ret, struct err *err)
{
    int r = target_run_steps(t, steps, s->bundle->id, o->watch.step, o->watch.env, err);
    if (r < 0)
        return r;
    bool test = t->caps.probe && !o->skip_probe && (steps->count > 0 || traffic);
    r = test ? smoke_test(t, s, o, &ret->probe, err) : 0;
    return r == 0 && traffic ? shift(t, s, o, err) : r;
}

int deploy_run(struct target *t, struct shipment *s, const struct deploy_options *o,
               struct deploy_result *ret, struct err *err)
{
    cleanup(steps_clear) struct steps steps = {0};
    cleanup(split_clear) struct split now = {0};
    struct journal_op op;
    *ret = (struct deploy_result){0};
    if (journal_interrupted(t->o.journal, &op))
        ret->interrupted_ms = op.began_ms;
    t->shipment = s;
    int r = t->provider->plan(t, s, &steps, err);
    if (r == 0)
        r = read_split(t, s, &now, err);
    if (r < 0)
        return r;
    snprintf(ret->before, sizeof ret->before, "%s", serving(&now));
    bool has_all = s->version[0] && strcmp(ret->before, s->version) == 0;
    bool traffic = wants_traffic(s, o) && !has_all;
    if (traffic)
        r = check_split(t, &now, err);
    if (r < 0)
        return r;
    ret->steps = steps.count;
    ret->shifted = s->traffic = traffic;
    if (o->watch.planned)
        o->watch.planned(o->watch.env, s, &steps, traffic);
    if (!o->dry_run)
        r = carry_out(t, s, &steps, traffic, o, ret, err);
    ret->serving = r == 0 && !o->dry_run ? has_all || traffic : has_all;
    t->shipment = NULL;
    return r;
}
