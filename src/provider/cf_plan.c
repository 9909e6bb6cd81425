/* SPDX-License-Identifier: Apache-2.0 */
/* What a release still needs at Cloudflare. All that can be asked at once is asked at once: the
 * plan of an app that is there costs one round trip. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/cf.h"

/* What was asked, and what came back; NULL = absent. */
struct look {
    struct cf_call service, deployments, versions, own_subdomain, namespaces, domains;
    json_t *json_service, *json_deployments, *json_versions, *json_own, *json_namespaces,
        *json_domains;
};

/* --- asking --- */

static void look_clear(struct look *l)
{
    cf_drop(&l->service);
    cf_drop(&l->deployments);
    cf_drop(&l->versions);
    cf_drop(&l->own_subdomain);
    cf_drop(&l->namespaces);
    cf_drop(&l->domains);
    json_decref(l->json_service);
    json_decref(l->json_deployments);
    json_decref(l->json_versions);
    json_decref(l->json_own);
    json_decref(l->json_namespaces);
    json_decref(l->json_domains);
}

static int collect(struct cf *c, struct cf_call *call, json_t **ret, int *r, struct err *err)
{
    if (*r >= 0 && call->call)
        *r = cf_wait(c, call, ret, err);
    return *r;
}

static int look(struct cf *c, bool wants_namespaces, struct look *l, struct err *err)
{
    cleanup(free_p) char *service = api_path("/workers/services/%s", c->script);
    l->service = cf_start(c, "GET", cf_account_path(c, service), NULL, false);
    l->deployments = cf_start(c, "GET", cf_script_path(c, "/deployments"), NULL, false);
    l->versions = cf_start(c, "GET", cf_script_path(c, "/versions?deployable=true"), NULL, false);
    l->own_subdomain = cf_start(c, "GET", cf_script_path(c, "/subdomain"), NULL, false);
    if (wants_namespaces)
        l->namespaces = cf_start(c, "GET",
                                 cf_account_path(c, "/storage/kv/namespaces?per_page=100&order="
                                                    "title&direction=asc&page=1"),
                                 NULL, false);
    if (cf_wants_domains(c))
        l->domains = cf_start(c, "GET", cf_account_path(c, "/workers/domains"), NULL, false);
    int r = cf_know_subdomain(c, err);
    collect(c, &l->service, &l->json_service, &r, err);
    collect(c, &l->deployments, &l->json_deployments, &r, err);
    collect(c, &l->versions, &l->json_versions, &r, err);
    collect(c, &l->own_subdomain, &l->json_own, &r, err);
    collect(c, &l->namespaces, &l->json_namespaces, &r, err);
    collect(c, &l->domains, &l->json_domains, &r, err);
    return r < 0 ? r : 0;
}

static json_t *result_of(json_t *root)
{
    return json_object_get(root, "result");
}

/* --- namespaces --- */

char *cf_namespace_title(const struct cf *c, const char *store)
{
    return *store ? xasprintf("%s-%s", c->script, store)
                  : xasprintf("%s (edgectl's notes)", c->script);
}

static const char *known_namespace(const struct cf *c, const char *store)
{
    for (size_t i = 0; i < c->namespace_count; i++)
        if (strcmp(c->namespaces[i].store, store) == 0)
            return c->namespaces[i].id;
    const char *id = manifest_remote_id(c->t.o.manifest->target, "kv", store, NULL);
    return id;
}

static void know_namespace(struct cf *c, const char *store, const char *id)
{
    if (known_namespace(c, store))
        return;
    c->namespaces = xreallocarray(c->namespaces, c->namespace_count + 1, sizeof *c->namespaces);
    c->namespaces[c->namespace_count++] = (struct cf_namespace){xstrdup(store), xstrdup(id)};
}

static const char *id_with_title(const json_t *list, const char *title)
{
    size_t i;
    json_t *n;
    json_array_foreach(list, i, n)
        if (json_text(n, "title") && strcmp(json_text(n, "title"), title) == 0)
            return json_text(n, "id");
    return NULL;
}

/* Goes on from `page`, an envelope (NULL: from the first), until the title turns up. */
static int search_namespaces(struct cf *c, const char *store, json_t *page, const char **ret_id,
                             struct err *err)
{
    cleanup(free_p) char *title = cf_namespace_title(c, store);
    cleanup(json_decref_p) json_t *root = json_incref(page);
    for (int n = page ? 2 : 1;; n++) {
        json_t *list = result_of(root);
        const char *id = id_with_title(list, title);
        if (id) {
            know_namespace(c, store, id);
            *ret_id = known_namespace(c, store);
            return 1;
        }
        json_t *info = json_object_get(root, "result_info");
        json_int_t total = json_integer_value(json_object_get(info, "total_count"));
        if (root && (json_array_size(list) == 0 || (json_int_t)(n - 1) * 100 >= total))
            return 0;
        char rest[96];
        snprintf(rest, sizeof rest, "/storage/kv/namespaces?per_page=100&order=title&direction=asc"
                                    "&page=%d", n);
        json_t *next = NULL;
        int r = cf_do(c, "GET", cf_account_path(c, rest), NULL, &next, err);
        if (r < 0)
            return r;
        json_decref(root);
        root = next;
    }
}

int cf_namespace_find(struct cf *c, const char *store, const char **ret_id, struct err *err)
{
    *ret_id = known_namespace(c, store);
    return *ret_id ? 1 : search_namespaces(c, store, NULL, ret_id, err);
}

struct making {
    struct cf *c;
    const char *store;
};

static int make_namespace(void *env, struct err *err)
{
    const struct making *m = env;
    cleanup(free_p) char *title = cf_namespace_title(m->c, m->store);
    cleanup(json_decref_p) json_t *root = NULL;
    int r = cf_do(m->c, "POST", cf_account_path(m->c, "/storage/kv/namespaces"),
                  api_body_json(json_pack("{s:s}", "title", title)), &root, err);
    const char *id = json_text(result_of(root), "id");
    if (r == 0 && !id)
        return err_set(err, ERR_NETWORK, "Cloudflare made a KV namespace without an id");
    if (r == 0)
        know_namespace(m->c, m->store, id);
    return r;
}

static int find_namespace(void *env, struct err *err)
{
    const struct making *m = env;
    const char *id;
    return cf_namespace_find(m->c, m->store, &id, err);
}

int cf_namespace_make(struct cf *c, const char *store, struct err *err)
{
    struct making m = {c, store};
    return make_once(c->api, make_namespace, find_namespace, &m, err);
}

static int run_namespace(struct target *t, struct step *step, struct err *err)
{
    return cf_namespace_make(cf_of(t), step->data, err);
}

/* --- first content --- */

struct filling {
    struct cf *c;
    const char *id;
};

static int fill(void *env, const struct entry *entries, size_t count, struct err *err)
{
    const struct filling *f = env;
    return cf_kv_put(f->c, f->id, entries, count, err);
}

static int run_seed(struct target *t, struct step *step, struct err *err)
{
    struct filling f = {.c = cf_of(t)};
    int r = cf_namespace_find(f.c, step->data, &f.id, err);
    if (r <= 0)
        return r < 0 ? r : err_set(err, ERR_FAILURE, "KV store '%s' has gone", (char *)step->data);
    return target_kv_seed(t, step->data, f.id, fill, &f, err);
}

/* A namespace with content is somebody's already; one that we began to fill is not. */
static int needs_seed(struct cf *c, const char *store, const char *id, struct err *err)
{
    int known = target_kv_seed_known(&c->t, store, id);
    if (known >= 0)
        return known;
    cleanup(free_p) char *keys = api_path("/storage/kv/namespaces/%s/keys?limit=10", id);
    cleanup(json_decref_p) json_t *root = NULL;
    int r = cf_do(c, "GET", cf_account_path(c, keys), NULL, &root, err);
    return r < 0 ? r : json_array_size(result_of(root)) == 0;
}

static int plan_kv(struct cf *c, const struct bundle_binding *b, json_t *page,
                   struct steps *steps, struct err *err)
{
    const char *id = b->remote ? b->remote : known_namespace(c, b->store);
    int found = id ? 1 : search_namespaces(c, b->store, page, &id, err);
    if (found < 0)
        return found;
    if (!found) {
        cleanup(free_p) char *title = cf_namespace_title(c, b->store);
        steps_add_named(steps, STEP_MAKE, xasprintf("kv %s", b->store),
                        xasprintf("make the KV namespace %s", title), run_namespace, b->store);
    }
    if (!kv_of(&c->t, b->store))
        return 0;
    int seed = found ? needs_seed(c, b->store, id, err) : 1;
    if (seed > 0)
        steps_add_named(steps, STEP_MAKE, xasprintf("kv-seed %s", b->store),
                        xasprintf("put the first content into the KV store %s", b->store), run_seed,
                        b->store);
    return seed < 0 ? seed : 0;
}

static int plan_stores(struct cf *c, const struct shipment *s, const struct look *l,
                       struct steps *steps, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < s->bundle->binding_count && r == 0; i++)
        if (strcmp(s->bundle->bindings[i].kind, "kv") == 0)
            r = plan_kv(c, &s->bundle->bindings[i], l->json_namespaces, steps, err);
    return r;
}

/* --- the worker --- */

static bool is_ours(const json_t *versions)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(json_object_get(versions, "result"), "items"), i, v)
        if (cf_is_release(json_text(json_object_get(v, "annotations"), "workers/tag")))
            return true;
    return false;
}

static int run_adopt(struct target *t, struct step *step, struct err *err)
{
    return fact_set(t, "adopted", step->data, "yes", err);
}

static void plan_adoption(struct cf *c, const struct look *l, struct steps *steps)
{
    if (!c->exists || is_ours(l->json_versions) || fact_get(&c->t, "adopted", c->script))
        return;
    json_t *last = json_array_get(json_object_get(result_of(l->json_deployments), "deployments"),
                                  0);
    const char *by = json_text(last, "author_email"), *when = json_text(last, "created_on");
    steps_add_named(steps, STEP_ADOPT, xasprintf("adopt %s", c->script),
                    xasprintf("take over the worker %s, which edgectl did not make (last deployed "
                              "by %s, %s)", c->script, by ? by : "somebody",
                              when ? when : "some time ago"),
                    run_adopt, c->script);
}

static void plan_version(struct cf *c, struct shipment *s, const struct look *l,
                         struct steps *steps)
{
    const json_t *found = cf_find_release(l->json_versions, s->bundle->id);
    s->first = json_array_size(json_object_get(result_of(l->json_deployments),
                                               "deployments")) == 0;
    if (found) {
        snprintf(s->version, sizeof s->version, "%s", json_text(found, "id"));
        return;
    }
    steps_add(steps, c->exists ? STEP_CHANGE : STEP_MAKE, xasprintf("version %s", s->bundle->id),
              c->exists ? xasprintf("upload a version of the worker %s", c->script)
                        : xasprintf("make the worker %s, with its first version", c->script),
              cf_run_version);
}

/* --- where it is reached --- */

static int run_workers_dev(struct target *t, struct step *step, struct err *err)
{
    struct cf *c = cf_of(t);
    bool enabled = strcmp(step->data, "on") == 0;
    cleanup(headers_clear) struct headers h = {0};
    headers_add_str(&h, "cloudflare-workers-script-api-date", "2025-08-01");
    struct api_body *body = api_body_json(json_pack("{s:b, s:b}", "enabled", enabled,
                                                    "previews_enabled", true));
    struct cf_call call = {.method = "POST", .path = cf_script_path(c, "/subdomain")};
    call.call = api_start(c->api, &(struct api_request){.method = call.method, .path = call.path,
                                                         .headers = &h, .body = body,
                                                         .repeatable = true});
    cleanup(json_decref_p) json_t *root = NULL;
    int r = cf_wait(c, &call, &root, err);
    return r < 0 ? r : r > 0 ? 0 : err_set(err, ERR_FAILURE, "the worker %s has gone", c->script);
}

/* Without domains and routes of its own an app is below workers.dev; previews always are. */
static int plan_workers_dev(struct cf *c, const struct shipment *s, const struct look *l,
                            struct steps *steps, struct err *err)
{
    const struct manifest_target *mt = c->t.o.manifest->target;
    json_t *own = result_of(l->json_own);
    bool on = json_is_true(json_object_get(own, "enabled"));
    bool previews = json_is_true(json_object_get(own, "previews_enabled"));
    bool elsewhere = mt->domain_count || mt->route_count;
    bool wanted = on || !elsewhere;
    if (on == wanted && previews)
        return 0;
    if (!c->subdomain && elsewhere && !s->preview)
        return 0; /* nothing is there to be had below workers.dev, and nothing is needed */
    if (!c->subdomain) {
        int r = err_set(err, ERR_FAILURE, "the account has no workers.dev subdomain, so that the "
                                          "worker %s would be reached nowhere", c->script);
        err_hint(err, "name `domains` in the target, or choose a subdomain once, at "
                      "https://dash.cloudflare.com/%s/workers/subdomain", c->account);
        return r;
    }
    steps_add_named(steps, STEP_CHANGE, xasprintf("workers.dev %s", c->script),
                    xasprintf("answer at %s.%s.workers.dev%s", c->script, c->subdomain,
                              wanted ? "" : " (previews only)"),
                    run_workers_dev, wanted ? "on" : "off");
    return 0;
}

/* --- the whole --- */

static bool wants_namespaces(const struct shipment *s)
{
    for (size_t i = 0; i < s->bundle->binding_count; i++)
        if (strcmp(s->bundle->bindings[i].kind, "kv") == 0 && !s->bundle->bindings[i].remote)
            return true;
    return false;
}

int cf_plan(struct target *t, struct shipment *s, struct steps *ret, struct err *err)
{
    struct cf *c = cf_of(t);
    cleanup(look_clear) struct look l = {0};
    int r = cf_account(c, err);
    if (r == 0)
        r = look(c, wants_namespaces(s), &l, err);
    if (r < 0)
        return r;
    c->exists = l.json_service != NULL;
    cf_know_deployments(c, l.json_deployments);
    plan_adoption(c, &l, ret);
    r = plan_stores(c, s, &l, ret, err);
    if (r < 0)
        return r;
    plan_version(c, s, &l, ret);
    r = plan_workers_dev(c, s, &l, ret, err);
    if (r == 0 && !s->preview)
        r = cf_plan_routes(c, l.json_domains, ret, err);
    s->url = cf_url(c);
    s->preview_url = s->version[0] ? cf_preview_url(c, s->version) : NULL;
    return r;
}
