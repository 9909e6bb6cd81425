/* SPDX-License-Identifier: Apache-2.0 */
/* What a deploy to this machine consists of, and what deleting does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "bundle/bundle.h"
#include "provider/common.h"
#include "provider/journal.h"
#include "provider/local.h"

/* Of a release's id; all of it is in the version's record. */
enum { VERSION_ID = 16 };

static json_t *hosts_of(const struct manifest *m)
{
    json_t *hosts = json_array();
    const struct manifest_target *t = m->target;
    for (size_t i = 0; t && i < t->domain_count; i++)
        json_array_append_new(hosts, json_string(t->domains[i]));
    return hosts;
}

/* --- the app --- */

static int put_app(struct target *t, struct step *s, struct err *err)
{
    struct local *l = local_of(t);
    cleanup(free_p) char *path = api_path("/v1/apps/%s", l->app);
    json_t *body = json_pack("{so}", "hosts", hosts_of(t->o.manifest));
    (void)s;
    int r = local_call(l, "PUT", path, api_body_json(body), NULL, err);
    return r < 0 ? r : journal_set_fact(t->o.journal, "app", l->app, err);
}

static bool find_release(const json_t *app, const char *release, char *ret_version)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(app, "versions"), i, v) {
        const char *have = json_string_value(json_object_get(v, "release"));
        if (have && strcmp(have, release) == 0) {
            snprintf(ret_version, PROVIDER_ID_MAX, "%s",
                     json_string_value(json_object_get(v, "id")));
            return true;
        }
    }
    return false;
}

/* `known`: this very release is there already, so that whoever made it was us, though from another
 * checkout: a CI job has a new one each time. */
static void plan_app(struct local *l, const json_t *app, bool known, struct steps *ret)
{
    struct target *t = &l->target;
    cleanup(json_decref_p) json_t *hosts = hosts_of(t->o.manifest);
    bool ours = journal_fact(t->o.journal, "app") != NULL;
    if (!app)
        steps_add(ret, STEP_MAKE, xstrdup("app"), xasprintf("make the app '%s'", l->app), put_app);
    else if (!ours && !known)
        steps_add(ret, STEP_ADOPT, xstrdup("app"),
                  xasprintf("take over the app '%s', which is there already", l->app), put_app);
    else if (!json_equal(hosts, json_object_get(app, "hosts")))
        steps_add(ret, STEP_CHANGE, xstrdup("app"),
                  xasprintf("change the hosts of the app '%s'", l->app), put_app);
}

/* --- secrets --- */

static const char *digest_of(const struct bundle *b, const char *store, const char *key)
{
    for (size_t i = 0; i < b->binding_count; i++) {
        const struct bundle_binding *s = &b->bindings[i];
        if (strcmp(s->kind, "secret") == 0 && strcmp(s->store, store) == 0 && s->key &&
            strcmp(s->key, key) == 0)
            return s->digest;
    }
    return "";
}

static int put_secrets(struct target *t, struct step *step, struct err *err)
{
    struct local *l = local_of(t);
    const struct shipment *s = t->shipment;
    int r = 0;
    (void)step;
    for (size_t i = 0; r >= 0 && i < s->secret_count; i++) {
        const struct bundle_secret *secret = &s->secrets[i];
        const char *digest = digest_of(s->bundle, secret->store, secret->key);
        if (!secret->value || !*digest)
            continue;
        cleanup(free_p) char *path = api_path("/v1/apps/%s/secrets/%s/%s/%s", l->app,
                                              secret->store, secret->key, digest);
        r = local_call(l, "PUT", path,
                       api_body_text("application/octet-stream", secret_expose(secret->value),
                                     secret_len(secret->value)), NULL, err);
    }
    return r < 0 ? r : 0;
}

/* How many are not there with the value that the release wants. */
static int count_missing(struct local *l, const json_t *app, const struct shipment *s,
                         size_t *ret_count, struct err *err)
{
    *ret_count = 0;
    for (size_t i = 0; i < s->secret_count; i++) {
        const struct bundle_secret *secret = &s->secrets[i];
        const char *digest = digest_of(s->bundle, secret->store, secret->key);
        if (!*digest)
            continue;
        cleanup(free_p) char *path = api_path("/v1/apps/%s/secrets/%s/%s/%s", l->app,
                                              secret->store, secret->key, digest);
        int r = app ? local_call(l, "GET", path, NULL, NULL, err) : 0;
        if (r < 0)
            return r;
        *ret_count += r == 0;
    }
    return 0;
}

/* --- the version --- */

static json_t *secrets_json(const struct shipment *s)
{
    json_t *list = json_array();
    for (size_t i = 0; i < s->secret_count; i++) {
        const char *digest = digest_of(s->bundle, s->secrets[i].store, s->secrets[i].key);
        if (*digest)
            json_array_append_new(list, json_pack("{ss ss ss}", "store", s->secrets[i].store, "key",
                                                  s->secrets[i].key, "digest", digest));
    }
    return list;
}

static int put_version(struct target *t, struct step *step, struct err *err)
{
    struct local *l = local_of(t);
    struct shipment *s = t->shipment;
    cleanup(free_p) char *path = api_path("/v1/apps/%s/versions", l->app);
    json_t *files = json_array();
    char id[VERSION_ID + 1] = "";
    (void)step;
    memcpy(id, s->bundle->id, VERSION_ID);
    int r = local_upload(l, err);
    for (size_t i = 0; r >= 0 && i < l->pack.count; i++) {
        const struct local_file *f = &l->pack.files[i];
        json_array_append_new(files, json_pack("{ss ss}", "path", f->path, "sha256", f->sha256));
    }
    json_t *body = json_pack("{ss ss ss so so ss* ss*}", "id", id, "release", s->bundle->id,
                             "manifest", buf_str(&l->pack.manifest), "files", files, "secrets",
                             secrets_json(s), "message", s->message, "revision", s->revision);
    if (r < 0)
        json_decref(body);
    else
        r = local_call(l, "POST", path, api_body_json(body), NULL, err);
    if (r < 0)
        return r;
    memcpy(s->version, id, sizeof id);
    return 0;
}

static int plan_version(struct local *l, const json_t *app, struct shipment *s,
                        struct steps *ret, struct err *err)
{
    size_t missing = 0;
    if (find_release(app, s->bundle->id, s->version))
        return 0;
    int r = local_pack_make(l->target.o.manifest, &l->pack, err);
    if (r == 0)
        r = count_missing(l, app, s, &missing, err);
    if (r < 0)
        return r;
    if (missing)
        steps_add(ret, STEP_MAKE, xstrdup("secrets"), xasprintf("put %zu secret value%s", missing,
                  missing == 1 ? "" : "s"), put_secrets);
    steps_add(ret, STEP_MAKE, xstrdup("version"),
              xasprintf("upload version %.*s", VERSION_ID, s->bundle->id), put_version);
    return 0;
}

int local_plan(struct target *t, struct shipment *s, struct steps *ret, struct err *err)
{
    struct local *l = local_of(t);
    cleanup(json_decref_p) json_t *app = NULL;
    cleanup(json_decref_p) json_t *self = NULL;
    int r = local_call(l, "GET", "/v1", NULL, &self, err);
    if (r >= 0)
        r = local_app(l, &app, err);
    if (r < 0)
        return r;
    const char *url = json_string_value(json_object_get(self, "url"));
    const char *port = url ? strrchr(url, ':') : NULL;
    free(s->url);
    s->url = xasprintf("%s://%s.localhost%s", url && strncmp(url, "https", 5) == 0 ? "https"
                       : "http", l->app, port ? port : "");
    free(s->preview_url);
    s->preview_url = xasprintf("%s://%.*s.%s.localhost%s", url && strncmp(url, "https", 5) == 0
                               ? "https" : "http", VERSION_ID, s->bundle->id, l->app,
                               port ? port : "");
    s->first = json_array_size(json_object_get(json_object_get(app, "split"), "arms")) == 0;
    char there[PROVIDER_ID_MAX];
    plan_app(l, app, find_release(app, s->bundle->id, there), ret);
    return plan_version(l, app, s, ret, err);
}

/* --- deleting --- */

static int delete_version(struct target *t, struct step *s, struct err *err)
{
    struct local *l = local_of(t);
    cleanup(free_p) char *path = api_path("/v1/apps/%s/versions/%s", l->app,
                                          (const char *)s->data);
    int r = local_call(l, "DELETE", path, NULL, NULL, err);
    return r < 0 ? r : 0;
}

int local_gc(struct target *t, const struct gc_options *o, struct steps *ret, struct err *err)
{
    struct local *l = local_of(t);
    cleanup(json_decref_p) json_t *app = NULL;
    int r = local_app(l, &app, err);
    size_t i;
    json_t *v;
    int kept = 0;
    int64_t now = clock_wall_ns() / 1000000;
    if (r <= 0)
        return r;
    json_array_foreach(json_object_get(app, "versions"), i, v) {
        json_t *arms = json_object_get(json_object_get(app, "split"), "arms"), *arm;
        const char *id = json_string_value(json_object_get(v, "id"));
        bool used = false;
        size_t k;
        json_array_foreach(arms, k, arm)
            used = used || strcmp(json_string_value(json_object_get(arm, "version")), id) == 0;
        bool young = json_integer_value(json_object_get(v, "created_ms")) > now - o->older_than_ms;
        if (used || kept++ < o->keep || (o->older_than_ms && young))
            continue;
        steps_add_named(ret, STEP_DELETE, xasprintf("version %s", id),
                        xasprintf("delete version %s", id), delete_version, id);
    }
    return 0;
}

static int delete_app(struct target *t, struct step *s, struct err *err)
{
    struct local *l = local_of(t);
    cleanup(free_p) char *path = api_path("/v1/apps/%s", l->app);
    (void)s;
    int r = local_call(l, "DELETE", path, NULL, NULL, err);
    return r < 0 ? r : journal_set_fact(t->o.journal, "app", NULL, err);
}

int local_destroy(struct target *t, struct steps *ret, struct err *err)
{
    struct local *l = local_of(t);
    cleanup(json_decref_p) json_t *app = NULL;
    int r = local_app(l, &app, err);
    if (r <= 0)
        return r;
    steps_add(ret, STEP_DELETE, xstrdup("app"),
              xasprintf("delete the app '%s' with %zu versions, its secrets and its KV data",
                        l->app, json_array_size(json_object_get(app, "versions"))), delete_app);
    return 0;
}
