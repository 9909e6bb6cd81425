/* SPDX-License-Identifier: Apache-2.0 */
/* Versions, and how traffic is divided: a deployment is one or two versions with percentages, made
 * by one call. A version at 0 % is in the deployment all the same: requests can be pinned to it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "provider/cf.h"

/* "secrets have changed since": a release brings its own, so that is no reason to stop. */
enum { SECRETS_CHANGED = 10220 };

/* --- addresses --- */

int cf_know_subdomain(struct cf *c, struct err *err)
{
    if (c->subdomain)
        return 0;
    cleanup(json_decref_p) json_t *root = NULL;
    struct cf_call call = cf_start(c, "GET", cf_account_path(c, "/workers/subdomain"), NULL, false);
    int r = cf_wait(c, &call, &root, err);
    if (r > 0)
        c->subdomain = json_text_copy(json_object_get(root, "result"), "subdomain");
    return r < 0 ? r : 0;
}

char *cf_url(const struct cf *c)
{
    const struct manifest_target *mt = c->t.o.manifest->target;
    if (mt->domain_count)
        return xasprintf("https://%s", mt->domains[0]);
    char *routed = cf_route_url(c);
    if (routed)
        return routed;
    return c->subdomain ? xasprintf("https://%s.%s.workers.dev", c->script, c->subdomain) : NULL;
}

char *cf_preview_url(const struct cf *c, const char *version)
{
    return c->subdomain ? xasprintf("https://%.8s-%s.%s.workers.dev", version, c->script,
                                    c->subdomain)
                        : NULL;
}

/* --- versions --- */

/* "text (git REVISION)" in two. */
static void split_message(const char *text, struct version *v)
{
    const char *git = text ? strstr(text, " (git ") : NULL;
    size_t len = text ? strlen(text) : 0;
    if (!git || text[len - 1] != ')') {
        v->message = text && *text ? xstrdup(text) : NULL;
        return;
    }
    v->message = xstrndup(text, (size_t)(git - text));
    v->revision = xstrndup(git + 6, len - 1 - (size_t)(git + 6 - text));
}

static void read_version(const struct cf *c, const json_t *item, struct version *v)
{
    const json_t *annotations = json_object_get(item, "annotations");
    const json_t *metadata = json_object_get(item, "metadata");
    const char *tag = json_text(annotations, "workers/tag"), *id = json_text(item, "id");
    snprintf(v->id, sizeof v->id, "%s", id ? id : "");
    v->number = json_integer_value(json_object_get(item, "number"));
    snprintf(v->release, sizeof v->release, "%s", cf_is_release(tag) ? tag : "");
    split_message(json_text(annotations, "workers/message"), v);
    v->by = json_text_copy(metadata, "author_email");
    v->created_ms = time_ms_from_iso(json_text(metadata, "created_on"));
    if (json_is_true(json_object_get(metadata, "has_preview")))
        v->preview_url = cf_preview_url(c, v->id);
    v->deployable = true;
}

int cf_versions(struct target *t, struct version_list *ret, struct err *err)
{
    struct cf *c = cf_of(t);
    int r = cf_account(c, err);
    if (r < 0)
        return r;
    cleanup(json_decref_p) json_t *root = NULL;
    struct cf_call call = cf_start(c, "GET", cf_script_path(c, "/versions?deployable=true"), NULL,
                                   false);
    r = cf_know_subdomain(c, err);
    if (r == 0)
        r = cf_wait(c, &call, &root, err);
    cf_drop(&call);
    size_t i;
    json_t *item;
    json_array_foreach(json_object_get(json_object_get(root, "result"), "items"), i, item)
        read_version(c, item, version_list_add(ret));
    return r < 0 ? r : 0;
}

/* --- split --- */

void cf_know_deployments(struct cf *c, json_t *root)
{
    json_incref(root);
    json_decref(c->deployments);
    c->deployments = root;
    c->deployments_ns = clock_mono_ns();
}

static int read_deployments(struct cf *c, struct err *err)
{
    cleanup(json_decref_p) json_t *root = NULL;
    struct cf_call call = cf_start(c, "GET", cf_script_path(c, "/deployments"), NULL, false);
    int r = cf_wait(c, &call, &root, err);
    if (r >= 0)
        cf_know_deployments(c, root);
    return r < 0 ? r : 0;
}

int cf_get_split(struct target *t, struct split *ret, struct err *err)
{
    struct cf *c = cf_of(t);
    int r = cf_account(c, err);
    bool fresh = c->deployments_ns && clock_mono_ns() - c->deployments_ns < FRESH_NS;
    if (r == 0 && !fresh)
        r = read_deployments(c, err);
    if (r < 0)
        return r;
    json_t *list = json_object_get(json_object_get(c->deployments, "result"), "deployments");
    const json_t *d = json_array_get(list, 0), *arms = json_object_get(d, "versions");
    ret->settled = true;
    if (!d)
        return 0;
    snprintf(ret->revision, sizeof ret->revision, "%s", json_text(d, "id"));
    ret->by = json_text_copy(d, "author_email");
    ret->changed_ms = time_ms_from_iso(json_text(d, "created_on"));
    for (size_t i = 0; i < json_array_size(arms) && ret->count < SPLIT_ARMS; i++) {
        const json_t *arm = json_array_get(arms, i);
        const char *id = json_text(arm, "version_id");
        struct split_arm *to = &ret->arms[ret->count++];
        snprintf(to->version, sizeof to->version, "%s", id ? id : "");
        to->bp = (int)lround(json_number_value(json_object_get(arm, "percentage")) * 100);
    }
    return 0;
}

static json_t *percentage(int bp)
{
    return bp % 100 ? json_real(bp / 100.0) : json_integer(bp / 100);
}

static struct api_body *deployment(const struct split *want)
{
    json_t *arms = json_array();
    for (int i = 0; i < want->count; i++)
        json_array_append_new(arms, json_pack("{s:s, s:o}", "version_id", want->arms[i].version,
                                              "percentage", percentage(want->arms[i].bp)));
    return api_body_json(json_pack("{s:s, s:o, s:{s:s}}", "strategy", "percentage", "versions",
                                   arms, "annotations", "workers/message", "split by edgectl"));
}

struct deploying {
    struct cf *c;
    const struct split *want;
    bool force;
};

static int make_deployment(void *env, struct err *err)
{
    const struct deploying *d = env;
    struct cf *c = d->c;
    cleanup(json_decref_p) json_t *root = NULL;
    struct cf_call call = cf_start(
        c, "POST", cf_script_path(c, d->force ? "/deployments?force=true" : "/deployments"),
        deployment(d->want), false);
    int r = cf_wait(c, &call, &root, err);
    c->deployments_ns = 0;
    if (r == 0)
        return err_set(err, ERR_DRIFT, "the worker %s, or that version of it, is not there",
                       c->script);
    return r < 0 ? r : 0;
}

static int find_deployment(void *env, struct err *err)
{
    const struct deploying *d = env;
    cleanup(split_clear) struct split now = {0};
    int r = read_deployments(d->c, err);
    r = r < 0 ? r : cf_get_split(&d->c->t, &now, err);
    return r < 0 ? r : now.count == d->want->count && split_equal(&now, d->want);
}

/* Made twice it would be the same split still, but another deployment. */
static int deploy(struct cf *c, const struct split *want, bool force, struct err *err)
{
    struct deploying d = {c, want, force};
    return make_once(c->api, make_deployment, find_deployment, &d, err);
}

int cf_set_split(struct target *t, const struct split *want, const char *expect, struct err *err)
{
    struct cf *c = cf_of(t);
    int total = 0;
    for (int i = 0; i < want->count; i++)
        total += want->arms[i].bp;
    if (total != SPLIT_WHOLE)
        return err_set(err, ERR_USAGE, "the shares add up to %.2f %%", total / 100.0);
    int r = cf_account(c, err);
    if (r < 0)
        return r;
    if (expect) {
        cleanup(split_clear) struct split now = {0};
        r = read_deployments(c, err);
        r = r < 0 ? r : cf_get_split(t, &now, err);
        if (r < 0)
            return r;
        if (strcmp(now.revision, expect) != 0)
            return err_set(err, ERR_DRIFT, "somebody%s%s deployed the worker %s meanwhile",
                           now.by ? ", " : "", now.by ? now.by : "", c->script);
    }
    struct err why = {0};
    r = deploy(c, want, false, &why);
    if (r < 0 && cf_code(&why) == SECRETS_CHANGED)
        r = deploy(c, want, true, &why);
    if (r < 0 && err)
        *err = why;
    return r;
}

/* --- probes --- */

/* A version that no deployment has is reached by its preview address; where that is off, it joins
 * the deployment with no traffic. */
static int probe_url_of(struct cf *c, const struct probe *p, char **ret_url, bool *ret_pinned,
                        struct err *err)
{
    cleanup(split_clear) struct split now = {0};
    cleanup(json_decref_p) json_t *root = NULL;
    struct cf_call call = cf_start(c, "GET", cf_script_path(c, "/subdomain"), NULL, false);
    int r = cf_know_subdomain(c, err);
    r = r < 0 ? r : cf_get_split(&c->t, &now, err);
    r = r < 0 ? r : cf_wait(c, &call, &root, err);
    cf_drop(&call);
    if (r < 0)
        return r;
    bool has = false;
    for (int i = 0; i < now.count; i++)
        has = has || strcmp(now.arms[i].version, p->version) == 0;
    json_t *own = json_object_get(root, "result");
    bool previews = json_is_true(json_object_get(own, "previews_enabled")) && c->subdomain;
    if (!has && previews && !p->host) {
        *ret_url = cf_preview_url(c, p->version);
        return 0;
    }
    if (!has && now.count == 1) {
        struct split joined = now;
        joined.by = NULL;
        joined.arms[joined.count++] = (struct split_arm){.bp = 0};
        snprintf(joined.arms[1].version, sizeof joined.arms[1].version, "%s", p->version);
        r = deploy(c, &joined, false, err);
    }
    *ret_pinned = true;
    *ret_url = p->host ? xasprintf("https://%s", p->host) : cf_url(c);
    return r;
}

int cf_probe(struct target *t, const struct probe *p, struct probe_result *ret, struct err *err)
{
    struct cf *c = cf_of(t);
    cleanup(free_p) char *base = NULL;
    bool pinned = false;
    int r = cf_account(c, err);
    r = r < 0 ? r : probe_url_of(c, p, &base, &pinned, err);
    if (r < 0)
        return r;
    if (!base) {
        *ret = (struct probe_result){0};
        snprintf(ret->why, sizeof ret->why, "the worker %s has no address", c->script);
        return 0;
    }
    cleanup(headers_clear) struct headers h = {0};
    cleanup(free_p) char *override = xasprintf("%s=\"%s\"", c->script, p->version);
    if (pinned)
        headers_add_str(&h, "cloudflare-workers-version-overrides", override);
    cleanup(free_p) char *url = xasprintf("%s%s", base, p->path ? p->path : "/");
    probe_url(t, url, &h, NULL, p->timeout_ms, ret);
    /* A preview's address is the version's own. */
    if (!pinned && ret->status && !ret->version[0])
        snprintf(ret->version, sizeof ret->version, "%s", p->version);
    ret->verified = ret->status && strcmp(ret->version, p->version) == 0;
    return 0;
}
