/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "provider/kv_rest.h"
#include "provider/vc.h"

enum { PAGE = 100, PAGES_MAX = 20 };

/* --- the project --- */

int vc_project(struct vc *v, struct err *err)
{
    cleanup(json_decref_p) json_t *found = NULL;
    int r = vc_find(v, api_path("/v9/projects/%s", v->creds.project), &found, err);
    if (r <= 0)
        return r;
    const char *id = json_text(found, "id"), *name = json_text(found, "name");
    if (!id || !name)
        return err_set(err, ERR_NETWORK, "Vercel answered without a project");
    free(v->project_id);
    free(v->project_name);
    json_decref(v->project);
    v->project_id = xstrdup(id);
    v->project_name = xstrdup(name);
    v->project = TAKE(found);
    return 1;
}

int vc_need_project(struct vc *v, struct err *err)
{
    int r = vc_project(v, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = err_set(err, ERR_FAILURE, "there is no project '%s' at Vercel%s%s", v->creds.project,
                v->creds.team ? ", team " : "", v->creds.team ? v->creds.team : "");
    err_hint(err, "edgectl deploy --target %s makes it; or check targets.%s.project and .team",
             v->t.o.name, v->t.o.name);
    return r;
}

static int make_project(struct target *target, struct step *step, struct err *err)
{
    (void)step;
    struct vc *v = vc_of(target);
    cleanup(json_decref_p) json_t *answer = NULL;
    int r = vc_project(v, err); /* made by a call whose answer was lost */
    if (r != 0)
        return r < 0 ? r : 0;
    r = vc_do(v, "POST", xstrdup("/v11/projects"),
              json_pack("{s:s, s:b}", "name", v->creds.project, "skipGitConnectDuringLink", 1),
              true, &answer, err);
    /* A name that is taken now was free before: by the first try, whose answer was lost. */
    struct err failure;
    int there = r < 0 ? vc_project(v, &failure) : 0;
    const char *id = r == 0 ? json_text(answer, "id") : there > 0 ? v->project_id : NULL;
    return id ? fact_set(target, "vercel", "made", id, err) : r;
}

static int adopt_project(struct target *target, struct step *step, struct err *err)
{
    return fact_set(target, "vercel", "adopted", step->data, err);
}

static const char *production_of(const struct vc *v)
{
    const json_t *its = json_object_get(json_object_get(v->project, "targets"), "production");
    return its ? vc_deployment_id(its) : "";
}

/* Ours already: made here, adopted before, or with a release of ours in it. */
static int is_ours(struct vc *v, struct err *err)
{
    const char *made = fact_get(&v->t, "vercel", "made");
    const char *adopted = fact_get(&v->t, "vercel", "adopted");
    if ((made && strcmp(made, v->project_id) == 0) ||
        (adopted && strcmp(adopted, v->project_id) == 0))
        return 1;
    cleanup(json_decref_p) json_t *all = NULL;
    int r = vc_deployments(v, NULL, &all, err);
    size_t i;
    const json_t *one;
    if (r < 0)
        return r;
    json_array_foreach(all, i, one) {
        if (json_text(json_object_get(one, "meta"), "edgectlRelease"))
            return 1;
    }
    return json_array_size(all) == 0; /* an empty one is as good as new */
}

/* --- domains --- */

struct adding {
    struct vc *v;
    const char *name;
    json_t *answer;
};

static int post_domain(void *env, struct err *err)
{
    struct adding *a = env;
    return vc_do(a->v, "POST", api_path("/v10/projects/%s/domains", a->v->project_id),
                 json_pack("{s:s}", "name", a->name), false, &a->answer, err);
}

static int find_domain(void *env, struct err *err)
{
    struct adding *a = env;
    return vc_find(a->v, api_path("/v9/projects/%s/domains/%s", a->v->project_id, a->name),
                   &a->answer, err);
}

static int add_domain(struct target *target, struct step *step, struct err *err)
{
    struct vc *v = vc_of(target);
    struct adding a = {v, step->data, NULL};
    int r = vc_need_project(v, err);
    if (r == 0)
        r = make_once(v->api, post_domain, find_domain, &a, err);
    const json_t *verified = json_object_get(a.answer, "verified");
    const json_t *ask = json_array_get(json_object_get(a.answer, "verification"), 0);
    const char *type = json_text(ask, "type"), *domain = json_text(ask, "domain");
    const char *value = json_text(ask, "value");
    if (r == 0 && json_is_false(verified) && type && domain && value && target->o.note) {
        cleanup(free_p) char *text = xasprintf("%s has to be verified: set the %s record %s to %s",
                                               a.name, type, domain, value);
        target->o.note(target->o.env, text);
    }
    json_decref(a.answer);
    return r;
}

/* The names of the project's domains: a JSON array. */
static int read_domains(struct vc *v, json_t **ret, struct err *err)
{
    cleanup(json_decref_p) json_t *all = json_array();
    json_int_t until = 0;
    for (int page = 0; page < PAGES_MAX; page++) {
        cleanup(json_decref_p) json_t *answer = NULL;
        cleanup(free_p) char *base = api_path("/v9/projects/%s/domains", v->project_id);
        int r = vc_do(v, "GET",
                      until ? xasprintf("%s?limit=%d&until=%lld", base, PAGE, (long long)until)
                            : xasprintf("%s?limit=%d", base, PAGE), NULL, true, &answer, err);
        if (r < 0)
            return r;
        size_t i;
        json_t *domain;
        json_array_foreach(json_object_get(answer, "domains"), i, domain)
            json_array_append(all, json_object_get(domain, "name"));
        until = json_integer_value(json_object_get(json_object_get(answer, "pagination"), "next"));
        if (!until)
            break;
    }
    *ret = TAKE(all);
    return 0;
}

static bool has_name(const json_t *names, const char *name)
{
    size_t i;
    const json_t *its;
    json_array_foreach(names, i, its) {
        if (json_is_string(its) && strcasecmp(json_string_value(its), name) == 0)
            return true;
    }
    return false;
}

static int plan_domains(struct vc *v, bool exists, struct steps *to, struct err *err)
{
    const struct manifest_target *m = v->t.o.manifest->target;
    cleanup(json_decref_p) json_t *names = NULL;
    if (!m || !m->domain_count)
        return 0;
    int r = exists ? read_domains(v, &names, err) : 0;
    for (size_t i = 0; r == 0 && i < m->domain_count; i++) {
        if (has_name(names, m->domains[i]))
            continue;
        steps_add_named(to, STEP_MAKE, xasprintf("domain %s", m->domains[i]),
                        xasprintf("add the domain %s", m->domains[i]), add_domain, m->domains[i]);
    }
    return r;
}

/* --- the whole --- */

static int plan_existing(struct vc *v, struct shipment *s, struct steps *to, struct err *err)
{
    int r = is_ours(v, err);
    if (r < 0)
        return r;
    if (r == 0) {
        steps_add_named(
            to, STEP_ADOPT, xasprintf("project %s", v->project_name),
            xasprintf("adopt the project %s (%s): the release takes the place of %s",
                      v->project_name, v->project_id, *production_of(v) ? production_of(v)
                                                                         : "nothing"),
            adopt_project, v->project_id);
    }
    cleanup(json_decref_p) json_t *deployment = NULL;
    r = vc_deployment_find(v, s->bundle->id, s->preview ? NULL : "production", &deployment, err);
    if (r <= 0)
        return r;
    const char *state = json_text(deployment, "readyState");
    if (!state)
        state = json_text(deployment, "state");
    if (state && strcmp(state, "READY") == 0) {
        snprintf(s->version, sizeof s->version, "%s", vc_deployment_id(deployment));
        vc_note_urls(v, s, deployment);
    }
    return 0;
}

int vc_plan(struct target *target, struct shipment *s, struct steps *ret, struct err *err)
{
    struct vc *v = vc_of(target);
    int exists = vc_project(v, err);
    if (exists < 0)
        return exists;
    if (!exists)
        steps_add(ret, STEP_MAKE, xasprintf("project %s", v->creds.project),
                  xasprintf("make the project %s", v->creds.project), make_project);
    s->first = !exists || !*production_of(v);
    int r = exists ? plan_existing(v, s, ret, err) : 0;
    if (r == 0 && !*s->version)
        r = vc_plan_secrets(v, s, ret, err);
    for (size_t i = 0; i < s->bundle->binding_count && r == 0; i++)
        if (strcmp(s->bundle->bindings[i].kind, "kv") == 0)
            r = kv_rest_plan_seed(target, s->bundle->bindings[i].store, ret, err);
    if (r == 0 && !s->preview)
        r = plan_domains(v, exists, ret, err);
    if (r == 0 && !*s->version)
        steps_add(ret, STEP_MAKE, xasprintf("deployment %s", s->bundle->id),
                  xasprintf("deploy the release to %s%s", v->creds.project,
                            s->preview ? " as a preview" : ", without traffic"), vc_deploy);
    return r;
}

/* --- taking away --- */

static int delete_deployment(struct target *target, struct step *step, struct err *err)
{
    return vc_delete(vc_of(target), api_path("/v13/deployments/%s", (char *)step->data), err);
}

static int plan_deletes(struct vc *v, const struct gc_options *o, const struct split *split,
                        struct steps *to, struct err *err)
{
    cleanup(json_decref_p) json_t *all = NULL;
    int r = vc_deployments(v, NULL, &all, err);
    int64_t before_ms = o->older_than_ms ? clock_wall_ns() / 1000000 - o->older_than_ms : INT64_MAX;
    int kept = 0;
    size_t i;
    const json_t *one;
    if (r < 0)
        return r;
    json_array_foreach(all, i, one) {
        const char *id = vc_deployment_id(one), *url = json_text(one, "url");
        int64_t created_ms = json_integer_value(json_object_get(one, "created"));
        if (!json_text(json_object_get(one, "meta"), "edgectlRelease") || !*id ||
            split_share(split, id) > 0)
            continue;
        bool used = false;
        for (int k = 0; k < split->count; k++)
            used |= strcmp(split->arms[k].version, id) == 0;
        if (used || kept++ < o->keep || created_ms >= before_ms)
            continue;
        steps_add_named(to, STEP_DELETE, xasprintf("deployment %s", id),
                        xasprintf("delete the deployment %s (%s)", id,
                                  url ? url : "no address"), delete_deployment, id);
    }
    return 0;
}

int vc_gc(struct target *target, const struct gc_options *o, struct steps *ret, struct err *err)
{
    struct vc *v = vc_of(target);
    struct split split = {0};
    int r = vc_need_project(v, err);
    if (r == 0)
        r = vc_get_split(target, &split, err);
    if (r == 0)
        r = plan_deletes(v, o, &split, ret, err);
    split_clear(&split);
    return r;
}

static int delete_notes(struct target *target, struct step *step, struct err *err)
{
    return vc_delete(vc_of(target), api_path("/v1/edge-config/%s", (char *)step->data), err);
}

static int delete_project(struct target *target, struct step *step, struct err *err)
{
    int r = vc_delete(vc_of(target), api_path("/v9/projects/%s", (char *)step->data), err);
    return r < 0 ? r : fact_set(target, "vercel", "made", NULL, err);
}

/* The Edge Config of the notes is the team's, not the project's. */
static int plan_notes_end(struct vc *v, struct steps *to, struct err *err)
{
    char *id = NULL;
    int r = vc_notes_find(v, &id, err);
    if (r <= 0)
        return r;
    struct step *step = steps_add(to, STEP_DELETE, xstrdup("notes"),
                                  xasprintf("delete the Edge Config of edgectl's notes (%s)", id),
                                  delete_notes);
    step->data = id;
    step->free_data = free;
    return 0;
}

int vc_destroy(struct target *target, struct steps *ret, struct err *err)
{
    struct vc *v = vc_of(target);
    int r = vc_project(v, err);
    if (r >= 0) {
        int planned = plan_notes_end(v, ret, err);
        r = planned < 0 ? planned : r;
    }
    if (r <= 0)
        return r;
    const char *made = fact_get(target, "vercel", "made");
    if (made && strcmp(made, v->project_id) == 0) {
        steps_add_named(ret, STEP_DELETE, xasprintf("project %s", v->project_name),
                        xasprintf("delete the project %s with all deployments",
                                  v->project_name), delete_project, v->project_id);
        return 0;
    }
    /* A project that was there before stays: only what edgectl put there goes. */
    r = plan_deletes(v, &(struct gc_options){0}, &(struct split){0}, ret, err);
    return r < 0 ? r : vc_plan_no_secrets(v, ret, err);
}
