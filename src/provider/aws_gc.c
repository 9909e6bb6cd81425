/* SPDX-License-Identifier: Apache-2.0 */
/* Taking away. A version that was at the edge has copies there, which AWS removes some hours after
 * the last distribution has let go of it; until then it cannot be deleted, and a later gc does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "provider/aws_distribution.h"
#include "provider/aws_traffic.h"
#include "provider/journal.h"

static void note(const struct aws_target *t, const char *what)
{
    cleanup(free_p) char *text = xasprintf(
        "%s still has copies at the edge: AWS lets go of them some hours after it was used last; "
        "run it again then", what);
    if (t->base.o.note)
        t->base.o.note(t->base.o.env, text);
}

static int delete_version(struct target *target, struct step *step, struct err *err)
{
    struct aws_target *t = aws_of(target);
    int r = aws_lambda_delete(t, step->data, err);
    cleanup(free_p) char *what = xasprintf("version %s of %s", (char *)step->data, t->function);
    if (r == 0)
        note(t, what);
    return r < 0 ? r : 0;
}

static void plan_version(struct aws_target *t, const char *version, const char *what,
                         struct steps *to)
{
    steps_add_named(to, STEP_DELETE, xasprintf("version %s", version),
                    xasprintf("delete version %s of %s%s", version, t->function,
                              what), delete_version, version);
}

/* Pairs are made for a rollout, and again when they are wanted again. */
static int gc_pairs(struct aws_target *t, const struct aws_traffic *s, json_t *kept,
                    struct steps *to, struct err *err)
{
    cleanup(json_decref_p) json_t *all = NULL;
    int r = aws_lambda_versions(t, &all, err);
    size_t i;
    const json_t *one;
    if (r < 0)
        return r;
    json_array_foreach(all, i, one) {
        char holds[2][PROVIDER_ID_MAX];
        const char *version = aws_text(one, "Version");
        if (!aws_pair_read(aws_text(one, "Description"), holds))
            continue;
        if (s->at && strcmp(s->at, version) == 0)
            json_array_append_new(kept, json_string(version));
        else
            plan_version(t, version, ", made for a rollout", to);
    }
    return 0;
}

int aws_gc(struct target *target, const struct gc_options *o, struct steps *ret, struct err *err)
{
    struct aws_target *t = aws_of(target);
    cleanup(aws_traffic_clear) struct aws_traffic s = {0};
    cleanup(version_list_clear) struct version_list versions = {0};
    cleanup(json_decref_p) json_t *stays = json_array();
    int r = aws_traffic_read(t, &s, err);
    if (r == 0)
        r = aws_versions(target, &versions, err);
    int64_t before_ms = o->older_than_ms ? clock_wall_ns() / 1000000 - o->older_than_ms : INT64_MAX;
    int kept = 0;
    for (size_t i = 0; r == 0 && i < versions.count; i++) {
        const struct version *v = &versions.list[i];
        bool used = (s.stable && strcmp(s.stable, v->id) == 0) ||
                    (s.bp >= 0 && strcmp(s.canary, v->id) == 0);
        if (!used && kept++ >= o->keep && v->created_ms < before_ms)
            plan_version(t, v->id, "", ret);
        else
            json_array_append_new(stays, json_string(v->id));
    }
    if (r == 0)
        r = gc_pairs(t, &s, stays, ret, err);
    return r < 0 ? r : aws_secrets_gc(t, stays, ret, err);
}

/* --- everything --- */

struct release {
    const char *function, *router;
    struct aws_policies policies;
};

static int release_edit(struct xml *config, void *env, struct err *err)
{
    (void)err;
    const struct release *l = env;
    const char *now = aws_distribution_function(config, AWS_GUEST_EVENT);
    bool changed = aws_router_detach(config, l->router);
    changed |= aws_policies_apply(config, &l->policies);
    return (now && aws_version_of(now, l->function) &&
            aws_distribution_set_function(config, AWS_GUEST_EVENT, NULL)) || changed;
}

/* An adopted distribution stays, without our function. */
static int release_distribution(struct target *target, struct step *step, struct err *err)
{
    struct aws_target *t = aws_of(target);
    cleanup(free_p) char *function = NULL;
    cleanup(free_p) char *router = NULL;
    struct release l = {0};
    int r = aws_function_arn(t, &function, err);
    if (r == 0)
        r = aws_router_arn(t, &router, err);
    int routed = r < 0 ? r : aws_router_exists(t, err);
    r = routed > 0 ? aws_policies_back(t, &l.policies, err) : routed;
    l.function = function;
    l.router = router;
    if (r == 0)
        r = aws_distribution_edit(t, step->data, release_edit, &l, err);
    aws_policies_clear(&l.policies);
    return r < 0 ? r : aws_distribution_settle(t, step->data, err);
}

static int delete_distribution(struct target *target, struct step *step, struct err *err)
{
    int r = aws_distribution_delete(aws_of(target), step->data, err);
    struct journal *j = target->o.journal;
    return r == 0 && j ? journal_set_fact(j, "aws.distribution", NULL, err) : r;
}

static int delete_function(struct target *target, struct step *step, struct err *err)
{
    (void)step;
    struct aws_target *t = aws_of(target);
    int r = aws_lambda_delete(t, NULL, err);
    if (r == 0)
        note(t, t->function);
    return r < 0 ? r : 0;
}

static int delete_parameters(struct target *target, struct step *step, struct err *err)
{
    json_t *names = step->data;
    size_t i;
    const json_t *name;
    json_array_foreach(names, i, name) {
        int r = aws_parameter_delete(aws_of(target), json_string_value(name), err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int delete_store(struct target *target, struct step *step, struct err *err)
{
    return aws_kvs_delete(aws_of(target), step->data, err);
}

static void json_free(void *data)
{
    json_decref(data);
}

static int destroy_distribution(struct aws_target *t, struct steps *to, struct err *err)
{
    cleanup(aws_distribution_clear) struct aws_distribution d = {0}, staging = {0};
    int r = aws_distribution_find(t, &d, err);
    if (r <= 0)
        return r;
    r = aws_staging_find(t, &d, &staging, err);
    if (r < 0)
        return r;
    if (r > 0)
        steps_add(to, STEP_DELETE, xstrdup("staging"),
                  xasprintf("delete the staging distribution %s and its policy", staging.id),
                  aws_staging_delete);
    const char *comment = xml_get(d.config, "Comment");
    const struct manifest_target *m = t->base.o.manifest->target;
    bool ours = !(m && m->distribution) && comment && strncmp(comment, "edgectl: ", 9) == 0;
    steps_add_named(
        to, ours ? STEP_DELETE : STEP_CHANGE, xasprintf("distribution %s", d.id),
        ours ? xasprintf("delete the distribution %s (%s)", d.id, d.domain)
             : xasprintf("take %s off the distribution %s (%s), which stays", t->function, d.id,
                         d.domain), ours ? delete_distribution : release_distribution, d.id);
    return 0;
}

static int destroy_parameters(struct aws_target *t, struct steps *to, struct err *err)
{
    cleanup(free_p) char *path = xasprintf("/edgectl/%s", t->function);
    cleanup(json_decref_p) json_t *names = NULL;
    int r = aws_parameter_names(t, path, &names, err);
    if (r < 0 || !json_array_size(names))
        return r;
    struct step *step = steps_add(to, STEP_DELETE, xstrdup("parameters"),
                                  xasprintf("delete %zu parameters below %s",
                                            json_array_size(names), path), delete_parameters);
    step->data = TAKE(names);
    step->free_data = json_free;
    return 0;
}

/* Those that were made for this app: others have its content in them, or their own. */
static int destroy_stores(struct aws_target *t, struct steps *to, struct err *err)
{
    const struct manifest *m = t->base.o.manifest;
    int r = 0;
    for (size_t i = 0; r >= 0 && i < m->kv_count + m->config_count; i++) {
        const char *id = i < m->kv_count
            ? manifest_remote_id(m->target, "kv", m->kv[i].name, NULL)
            : manifest_remote_id(m->target, "config", m->configs[i - m->kv_count].name, NULL);
        r = aws_kvs_id(id) && !aws_kvs_is_arn(id) ? aws_kvs_owned(t, id, err) : 0;
        if (r <= 0)
            continue;
        steps_add_named(to, STEP_DELETE, xasprintf("store %s", id),
                        xasprintf("delete the KeyValueStore %s, with what is in it",
                                  id), delete_store, id);
    }
    return r;
}

static int destroy_function(struct aws_target *t, struct steps *to, struct err *err)
{
    cleanup(json_decref_p) json_t *function = NULL;
    int r = aws_lambda_read(t, NULL, &function, err);
    if (r <= 0)
        return r;
    const char *owner = aws_text(json_object_get(function, "Tags"), AWS_TAG);
    if (strcmp(owner, t->app) == 0)
        steps_add(to, STEP_DELETE, xasprintf("function %s", t->function),
                  xasprintf("delete the Lambda function %s with all versions", t->function),
                  delete_function);
    return 0;
}

int aws_destroy(struct target *target, struct steps *ret, struct err *err)
{
    struct aws_target *t = aws_of(target);
    const struct manifest_target *m = t->base.o.manifest->target;
    int r = destroy_distribution(t, ret, err);
    int routed = r < 0 ? r : aws_router_exists(t, err);
    if (routed > 0)
        steps_add(ret, STEP_DELETE, xstrdup("router"),
                  xasprintf("delete the router %s, its KeyValueStore and policies", t->own),
                  aws_router_delete);
    r = routed < 0 ? routed : destroy_function(t, ret, err);
    if (r >= 0)
        r = destroy_stores(t, ret, err);
    if (r >= 0)
        r = destroy_parameters(t, ret, err);
    if (r < 0 || (m && m->role))
        return r < 0 ? r : 0;
    bool exists;
    r = aws_role_ready(t, &exists, err);
    if (r >= 0 && exists)
        steps_add(ret, STEP_DELETE, xasprintf("role %s", t->own),
                  xasprintf("delete the role %s", t->own), aws_role_delete);
    return r < 0 ? r : 0;
}
