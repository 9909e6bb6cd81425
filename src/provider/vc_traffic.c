/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic at Vercel: one deployment has the project's domains; two share them in a rolling release,
 * whose stages are fixed before it begins. It goes to the next stage, to the end, or back; nothing
 * in between. Plans below Pro have none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/vc.h"

enum { ALIAS_LIMIT_S = 5 * 60 };

/* What serves now. */
struct state {
    char *production;           /* deployment, "" when none */
    json_t *rolling;            /* the active rolling release, or NULL */
    const char *stable, *canary;    /* its two deployments; borrowed from it */
    int bp, stage;              /* the canary's share now, and its stage's index */
};

static void state_clear(struct state *s)
{
    free(s->production);
    json_decref(s->rolling);
    *s = (struct state){0};
}

static int percent_bp(const json_t *stage)
{
    return (int)(json_number_value(json_object_get(stage, "targetPercentage")) * 100 + 0.5);
}

/* Does the plan have no rolling releases, or may the token not see them? What the account pays for
 * tells, to whom it may. */
static bool plan_has_none(struct vc *v)
{
    cleanup(json_decref_p) json_t *answer = NULL;
    struct err ignored;
    int r = vc_find(v, api_path("/v1/projects/%s/rolling-release/billing", v->project_id), &answer,
                    &ignored);
    const char *reason = r > 0 ? json_text(answer, "reason") : NULL;
    return reason && strcmp(reason, "plan_not_supported") == 0;
}

static int read_rolling(struct vc *v, struct state *s, struct err *err)
{
    cleanup(json_decref_p) json_t *answer = NULL;
    int r = vc_find(v, api_path("/v1/projects/%s/rolling-release?state=ACTIVE", v->project_id),
                    &answer, err);
    /* Where the plan has none, asking is refused: then none is active. */
    if (r < 0 && (v->status == 402 || (v->status == 403 && plan_has_none(v))))
        return 0;
    const json_t *its = json_object_get(answer, "rollingRelease");
    const char *state = json_text(its, "state");
    if (r <= 0 || !state || strcmp(state, "ACTIVE") != 0)
        return r < 0 ? r : 0;
    s->rolling = json_incref((json_t *)its);
    s->stable = vc_deployment_id(json_object_get(its, "currentDeployment"));
    s->canary = vc_deployment_id(json_object_get(its, "canaryDeployment"));
    const json_t *stage = json_object_get(its, "activeStage");
    s->bp = percent_bp(stage);
    s->stage = (int)json_integer_value(json_object_get(stage, "index"));
    return 0;
}

static int read_state(struct vc *v, struct state *s, struct err *err)
{
    int r = vc_need_project(v, err);
    if (r < 0)
        return r;
    const json_t *targets = json_object_get(v->project, "targets");
    s->production = xstrdup(vc_deployment_id(json_object_get(targets, "production")));
    return read_rolling(v, s, err);
}

static void revision(const struct state *s, char ret[PROVIDER_ID_MAX])
{
    if (s->rolling)
        snprintf(ret, PROVIDER_ID_MAX, "%.40s/%.40s/%d", s->stable, s->canary, s->stage);
    else
        snprintf(ret, PROVIDER_ID_MAX, "%.80s", s->production);
}

static void add_arm(struct split *split, const char *version, int bp)
{
    struct split_arm *arm = &split->arms[split->count++];
    snprintf(arm->version, sizeof arm->version, "%s", version);
    arm->bp = bp;
}

int vc_get_split(struct target *target, struct split *ret, struct err *err)
{
    struct vc *v = vc_of(target);
    cleanup(state_clear) struct state s = {0};
    int r = read_state(v, &s, err);
    if (r < 0)
        return r;
    *ret = (struct split){.settled = true};
    if (s.rolling) {
        add_arm(ret, s.stable, SPLIT_WHOLE - s.bp);
        add_arm(ret, s.canary, s.bp);
    } else if (*s.production) {
        add_arm(ret, s.production, SPLIT_WHOLE);
    }
    const char *job = json_text(json_object_get(v->project, "lastAliasRequest"), "jobStatus");
    ret->settled = !job || (strcmp(job, "pending") != 0 && strcmp(job, "in-progress") != 0);
    revision(&s, ret->revision);
    return 0;
}

/* --- versions --- */

static char *copy(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

int vc_versions(struct target *target, struct version_list *ret, struct err *err)
{
    struct vc *v = vc_of(target);
    cleanup(json_decref_p) json_t *all = NULL;
    int r = vc_need_project(v, err);
    if (r == 0)
        r = vc_deployments(v, "production", &all, err);
    size_t i;
    const json_t *one;
    if (r < 0)
        return r;
    json_array_foreach(all, i, one) {
        const json_t *meta = json_object_get(one, "meta");
        const char *release = json_text(meta, "edgectlRelease"), *url = json_text(one, "url");
        const char *state = json_text(one, "readyState");
        if (!state)
            state = json_text(one, "state");
        struct version *version = version_list_add(ret);
        snprintf(version->id, sizeof version->id, "%s", vc_deployment_id(one));
        snprintf(version->release, sizeof version->release, "%s", release ? release : "");
        version->message = copy(json_text(meta, "edgectlMessage"));
        version->revision = copy(json_text(meta, "edgectlRevision"));
        version->preview_url = url ? xasprintf("https://%s/", url) : NULL;
        version->by = copy(json_text(json_object_get(one, "creator"), "username"));
        version->created_ms = json_integer_value(json_object_get(one, "created"));
        version->deployable = state && strcmp(state, "READY") == 0;
    }
    return 0;
}

/* --- moving all of it --- */

/* Domains are moved by a job; the project tells how it went. */
static int wait_alias(struct vc *v, const char *deployment, struct err *err)
{
    struct vc_wait w = {0};
    for (;;) {
        int r = vc_need_project(v, err);
        if (r < 0)
            return r;
        const json_t *job = json_object_get(v->project, "lastAliasRequest");
        const char *to = json_text(job, "toDeploymentId"), *status = json_text(job, "jobStatus");
        const json_t *targets = json_object_get(v->project, "targets");
        const char *now = vc_deployment_id(json_object_get(targets, "production"));
        bool ours = to && status && strcmp(to, deployment) == 0;
        if (ours && strcmp(status, "failed") == 0)
            return err_set(err, ERR_FAILURE, "Vercel could not move the domains to %s", deployment);
        if (strcmp(now, deployment) == 0 &&
            (!ours || strcmp(status, "succeeded") == 0 || strcmp(status, "skipped") == 0))
            return 0;
        r = vc_pause(v, &w, "the domains to move", ALIAS_LIMIT_S, err);
        if (r < 0)
            return r;
    }
}

static int promote(struct vc *v, const char *deployment, struct err *err)
{
    int r = vc_do(v, "POST", api_path("/v10/projects/%s/promote/%s", v->project_id, deployment),
                  json_object(), true, NULL, err);
    return r < 0 ? r : wait_alias(v, deployment, err);
}

/* There is no other way to end a rolling release early. */
static int roll_back(struct vc *v, const char *stable, struct err *err)
{
    int r = vc_do(v, "POST", api_path("/v1/projects/%s/rollback/%s", v->project_id, stable),
                  json_object(), true, NULL, err);
    return r < 0 ? r : wait_alias(v, stable, err);
}

/* Why a share cannot be given, when it is the plan. */
static int hint_plan(int r, struct err *err)
{
    if (r == -ERR_LIMIT || r == -ERR_CREDENTIALS)
        err_hint(err, "rolling releases are for Pro and Enterprise; without them give everything "
                      "at once: edgectl deploy");
    return r;
}

static int configure(struct vc *v, json_t *config, struct err *err)
{
    int r = vc_do(v, "PATCH", api_path("/v1/projects/%s/rolling-release/config", v->project_id),
                  config, true, NULL, err);
    return hint_plan(r, err);
}

/* While stages are set, promoting would begin a rolling release. */
static int switch_off(struct vc *v, struct err *err)
{
    cleanup(json_decref_p) json_t *answer = NULL;
    int r = vc_find(v, api_path("/v1/projects/%s/rolling-release/config", v->project_id), &answer,
                    err);
    if (r < 0 && (v->status == 402 || (v->status == 403 && plan_has_none(v))))
        return 0;
    return r > 0 && json_is_object(json_object_get(answer, "rollingRelease"))
               ? configure(v, json_pack("{s:b}", "enabled", 0), err)
               : r < 0 ? r : 0;
}

struct completing {
    struct vc *v;
    const char *canary;
};

static int complete(void *env, struct err *err)
{
    const struct completing *c = env;
    return vc_do(c->v, "POST", api_path("/v1/projects/%s/rolling-release/complete",
                                        c->v->project_id),
                 json_pack("{s:s}", "canaryDeploymentId", c->canary), false, NULL, err);
}

/* Asked for twice it is refused: there is no rolling release any more. */
static int is_completed(void *env, struct err *err)
{
    const struct completing *c = env;
    cleanup(state_clear) struct state now = {0};
    int r = read_state(c->v, &now, err);
    const char *to = json_text(json_object_get(c->v->project, "lastAliasRequest"),
                               "toDeploymentId");
    return r < 0 ? r : !now.rolling && (strcmp(now.production, c->canary) == 0 ||
                                        (to && strcmp(to, c->canary) == 0));
}

static int set_one(struct vc *v, const struct state *s, const char *version, struct err *err)
{
    if (s->rolling && strcmp(s->canary, version) == 0) {
        struct completing c = {v, version};
        int r = make_once(v->api, complete, is_completed, &c, err);
        return r < 0 ? r : wait_alias(v, version, err);
    }
    if (s->rolling) {
        int r = roll_back(v, s->stable, err);
        if (r < 0 || strcmp(s->stable, version) == 0)
            return r;
    }
    if (!s->rolling && strcmp(s->production, version) == 0)
        return 0;
    int r = switch_off(v, err);
    return r < 0 ? r : promote(v, version, err);
}

/* --- a share --- */

int vc_set_stages(struct target *target, const int *bp, int count, struct err *err)
{
    struct vc *v = vc_of(target);
    int r = vc_need_project(v, err);
    if (r < 0)
        return r;
    json_t *stages = json_array();
    for (int i = 0; i < count; i++)
        json_array_append_new(stages, json_pack("{s:i}", "targetPercentage", bp[i] / 100));
    if (!count || bp[count - 1] != SPLIT_WHOLE)
        json_array_append_new(stages, json_pack("{s:i}", "targetPercentage", 100));
    return configure(v, json_pack("{s:b, s:s, s:o}", "enabled", 1, "advancementType",
                                  "manual-approval", "stages", stages), err);
}

/* Index of the stage with that share, -1 when none has it. */
static int stage_with(const json_t *stages, int bp)
{
    size_t i;
    const json_t *stage;
    json_array_foreach(stages, i, stage) {
        if (percent_bp(stage) == bp)
            return (int)i;
    }
    return -1;
}

static int no_stage(int bp, struct err *err)
{
    int r = err_set(err, ERR_USAGE, "the rolling release has no stage of %g %%", bp / 100.0);
    err_hint(err, "its stages were fixed when it began: finish or abort it, then begin anew");
    return r;
}

static int start(struct vc *v, struct state *s, const char *canary, int bp, struct err *err)
{
    cleanup(json_decref_p) json_t *config = NULL;
    int r = vc_find(v, api_path("/v1/projects/%s/rolling-release/config", v->project_id), &config,
                    err);
    if (r < 0)
        return hint_plan(r, err);
    const json_t *its = json_object_get(config, "rollingRelease");
    if (stage_with(json_object_get(its, "stages"), bp) < 0) {
        const int stages[] = {bp, SPLIT_WHOLE};
        r = vc_set_stages(&v->t, stages, 2, err);
        if (r < 0)
            return r;
    }
    r = vc_do(v, "POST", api_path("/v1/projects/%s/rolling-release/start", v->project_id),
              json_pack("{s:s}", "canaryDeploymentId", canary), true, NULL, err);
    if (r < 0)
        return r;
    state_clear(s);
    r = read_state(v, s, err);
    return r < 0 || s->rolling ? r
                               : err_set(err, ERR_NETWORK, "Vercel began no rolling release");
}

static int approve(struct vc *v, const struct state *s, int next, struct err *err)
{
    return vc_do(v, "POST", api_path("/v1/projects/%s/rolling-release/approve-stage",
                                     v->project_id),
                 json_pack("{s:i, s:i, s:s}", "activeStageIndex", s->stage, "nextStageIndex", next,
                           "canaryDeploymentId", s->canary), false, NULL, err);
}

static int set_two(struct vc *v, struct state *s, const struct split *want, struct err *err)
{
    const char *stable = want->arms[0].version, *canary = want->arms[1].version;
    int bp = want->arms[1].bp, r = 0;
    if (bp % 100)
        return no_stage(bp, err);
    bool same = s->rolling && strcmp(s->stable, stable) == 0 && strcmp(s->canary, canary) == 0;
    if (!same && (s->rolling || strcmp(s->production, stable) != 0)) {
        r = set_one(v, s, stable, err);
        if (r == 0) {
            state_clear(s);
            r = read_state(v, s, err);
        }
    }
    if (r == 0 && !same)
        r = start(v, s, canary, bp, err);
    while (r == 0) {
        int goal = stage_with(json_object_get(s->rolling, "stages"), bp);
        if (s->bp == bp)
            return 0;
        if (goal < 0 || goal < s->stage)
            return no_stage(bp, err);
        r = approve(v, s, s->stage + 1, err);
        if (r == 0) {
            state_clear(s);
            r = read_state(v, s, err);
        }
        if (r == 0 && !s->rolling)
            return err_set(err, ERR_DRIFT, "the rolling release has ended meanwhile");
    }
    return r;
}

int vc_set_split(struct target *target, const struct split *want, const char *expect,
                 struct err *err)
{
    struct vc *v = vc_of(target);
    cleanup(state_clear) struct state s = {0};
    int r = read_state(v, &s, err);
    if (r < 0)
        return r;
    char now[PROVIDER_ID_MAX];
    revision(&s, now);
    if (expect && strcmp(expect, now) != 0)
        return err_set(err, ERR_DRIFT, "traffic of %s has changed since it was read: %s",
                       v->project_name, now);
    return want->count == 1 ? set_one(v, &s, want->arms[0].version, err)
                            : set_two(v, &s, want, err);
}

/* --- probes --- */

int vc_probe(struct target *target, const struct probe *p, struct probe_result *ret,
             struct err *err)
{
    struct vc *v = vc_of(target);
    cleanup(json_decref_p) json_t *deployment = NULL;
    int r = vc_find(v, api_path("/v13/deployments/%s", p->version), &deployment, err);
    if (r < 0)
        return r;
    const char *host = json_text(deployment, "url");
    *ret = (struct probe_result){0};
    if (r == 0 || !host) {
        snprintf(ret->why, sizeof ret->why, "there is no deployment %.120s", p->version);
        return 0;
    }
    cleanup(headers_clear) struct headers headers = {0};
    const char *bypass = target_variable(&target->o, "VERCEL_AUTOMATION_BYPASS_SECRET");
    if (bypass)
        headers_add_str(&headers, "x-vercel-protection-bypass", bypass);
    cleanup(free_p) char *url = xasprintf("https://%s%s", host, p->path ? p->path : "/");
    probe_url(target, url, &headers, NULL, p->timeout_ms, ret);
    if (ret->status == 401 && !bypass)
        snprintf(ret->why, sizeof ret->why, "the deployment is protected: set "
                 "VERCEL_AUTOMATION_BYPASS_SECRET");
    /* A deployment's own address leads to nothing else. */
    if (ret->status) {
        snprintf(ret->version, sizeof ret->version, "%s", p->version);
        ret->verified = true;
    }
    return 0;
}
