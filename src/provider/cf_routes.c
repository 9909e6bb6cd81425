/* SPDX-License-Identifier: Apache-2.0 */
/* Where a worker answers beside workers.dev: custom domains, whole hosts for which Cloudflare keeps
 * the DNS record, and routes, patterns of URLs of a zone. What is made here is kept in the journal,
 * before it is made; when the manifest does not name it any more, it goes. What was there before,
 * or was taken over from another worker, stays. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/cf.h"
#include "provider/journal.h"

#define DOMAIN_FACT "cf-domain"     /* "cf-domain HOST": its zone */
#define ROUTE_FACT "cf-route"       /* "cf-route PATTERN": its zone */

enum { DNS_RECORD_EXISTS = 100117 };

static json_t *result_of(const json_t *root)
{
    return json_object_get(root, "result");
}

/* --- what was made here --- */

struct made {
    const char *kind;
    json_t *list;                   /* {name: zone} */
};

static void note_made(void *env, const char *key, const char *value)
{
    struct made *m = env;
    size_t len = strlen(m->kind);
    if (strncmp(key, m->kind, len) == 0 && key[len] == ' ')
        json_object_set_new(m->list, key + len + 1, json_string(value));
}

static json_t *made_here(const struct cf *c, const char *kind)
{
    struct made m = {kind, json_object()};
    if (c->t.o.journal)
        journal_each_fact(c->t.o.journal, note_made, &m);
    return m.list;
}

bool cf_wants_domains(const struct cf *c)
{
    cleanup(json_decref_p) json_t *made = made_here(c, DOMAIN_FACT);
    return c->t.o.manifest->target->domain_count > 0 || json_object_size(made) > 0;
}

static bool is_named(char *const *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], name) == 0)
            return true;
    return false;
}

static bool is_script(const struct cf *c, const json_t *item, const char *member)
{
    const char *its = json_text(item, member);
    return its && strcmp(its, c->script) == 0;
}

/* --- zones --- */

/* The host of a route's pattern, without a '*' before it; the caller frees. */
static char *route_host(const char *pattern)
{
    const char *host = pattern + (pattern[0] == '*');
    host += host != pattern && host[0] == '.';
    return xstrndup(host, strcspn(host, "/"));
}

char *cf_route_url(const struct cf *c)
{
    const struct manifest_target *mt = c->t.o.manifest->target;
    for (size_t i = 0; i < mt->route_count; i++) {
        if (mt->routes[i][0] != '*') {
            cleanup(free_p) char *host = route_host(mt->routes[i]);
            return xasprintf("https://%s", host);
        }
    }
    return NULL;
}

static int need_zone(struct cf *c, const char *what, const char *host, char **ret, struct err *err)
{
    int r = cf_zone(c, host, ret, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = err_set(err, ERR_MANIFEST, "%s '%s' is in no zone of account %s", what, host, c->account);
    err_hint(err, "add the site to the account first, or let the token see it (Zone: Read)");
    return r;
}

int cf_each_zone(struct cf *c,
                 int (*fn)(struct cf *c, const char *zone, void *env, struct err *err),
                 void *env, struct err *err)
{
    const struct manifest_target *mt = c->t.o.manifest->target;
    cleanup(json_decref_p) json_t *seen = json_object();
    int r = 0;
    for (size_t i = 0; i < mt->domain_count + mt->route_count && r == 0; i++) {
        bool is_domain = i < mt->domain_count;
        cleanup(free_p) char *host = is_domain ? xstrdup(mt->domains[i])
                                               : route_host(mt->routes[i - mt->domain_count]);
        cleanup(free_p) char *zone = NULL;
        r = need_zone(c, is_domain ? "domain" : "route", host, &zone, err);
        if (r < 0 || json_object_get(seen, zone))
            continue;
        json_object_set_new(seen, zone, json_true());
        r = fn(c, zone, env, err);
    }
    return r;
}

/* The routes of a zone, asked for once in a plan: `known` is {zone: list}. */
static int routes_of(struct cf *c, json_t *known, const char *zone, const json_t **ret,
                     struct err *err)
{
    *ret = json_object_get(known, zone);
    if (*ret)
        return 0;
    cleanup(json_decref_p) json_t *root = NULL;
    int r = cf_do(c, "GET", api_path("/zones/%s/workers/routes", zone), NULL, &root, err);
    if (r < 0)
        return r;
    json_t *list = result_of(root);
    *ret = json_is_array(list) ? json_incref(list) : json_array();
    json_object_set_new(known, zone, (json_t *)*ret);
    return 0;
}

static const json_t *route_with(const json_t *list, const char *pattern)
{
    size_t i;
    json_t *route;
    json_array_foreach((json_t *)list, i, route) {
        const char *its = json_text(route, "pattern");
        if (its && strcmp(its, pattern) == 0)
            return route;
    }
    return NULL;
}

/* --- domains --- */

static int put_domain(struct cf *c, const char *host, const char *zone, struct err *err)
{
    int r = cf_do(c, "PUT", cf_account_path(c, "/workers/domains"),
                  api_body_json(json_pack("{s:s, s:s, s:s}", "hostname", host, "service",
                                          c->script, "zone_id", zone)),
                  NULL, err);
    if (r < 0 && err && cf_code(err) == DNS_RECORD_EXISTS)
        err_hint(err, "delete the DNS record of %s first, or name '%s/*' in targets.%s.routes "
                 "instead, which leaves it", host, host, c->t.o.name);
    return r;
}

static int move_domain(struct target *t, struct step *step, struct err *err)
{
    struct cf *c = cf_of(t);
    cleanup(free_p) char *zone = NULL;
    int r = need_zone(c, "domain", step->data, &zone, err);
    return r < 0 ? r : put_domain(c, step->data, zone, err);
}

static int make_domain(struct target *t, struct step *step, struct err *err)
{
    struct cf *c = cf_of(t);
    cleanup(free_p) char *zone = NULL;
    int r = need_zone(c, "domain", step->data, &zone, err);
    if (r == 0)
        r = fact_set(t, DOMAIN_FACT, step->data, zone, err);
    return r < 0 ? r : put_domain(c, step->data, zone, err);
}

/* Data: the path of the thing, a blank, the key of its fact. */
static int delete_made(struct target *t, struct step *step, struct err *err)
{
    struct cf *c = cf_of(t);
    const char *path = step->data, *key = strchr(path, ' ') + 1;
    struct cf_call call = cf_start(c, "DELETE", xstrndup(path, (size_t)(key - 1 - path)), NULL,
                                   false);
    cleanup(json_decref_p) json_t *root = NULL;
    int r = cf_wait(c, &call, &root, err);
    /* Gone already is as good. */
    return r < 0 ? r : t->o.journal ? journal_set_fact(t->o.journal, key, NULL, err) : 0;
}

static const json_t *domain_of(const json_t *attached, const char *host)
{
    size_t i;
    json_t *d;
    json_array_foreach(result_of(attached), i, d) {
        const char *its = json_text(d, "hostname");
        if (its && strcasecmp(its, host) == 0)
            return d;
    }
    return NULL;
}

static int plan_domain(struct cf *c, const char *host, const json_t *attached, json_t *known,
                       struct steps *steps, struct err *err)
{
    const json_t *its = domain_of(attached, host), *routes;
    if (its && is_script(c, its, "service"))
        return 0;
    cleanup(free_p) char *zone = NULL;
    cleanup(free_p) char *pattern = xasprintf("%s/*", host);
    int r = need_zone(c, "domain", host, &zone, err);
    if (r < 0)
        return r;
    const char *owner = json_text(its, "service");
    if (owner) {
        steps_add_named(steps, STEP_ADOPT, xasprintf("domain %s", host),
                        xasprintf("move the domain %s here from the worker %s", host, owner),
                        move_domain, host);
        return 0;
    }
    /* It may have the whole host by a route, as older set-ups do. */
    r = routes_of(c, known, zone, &routes, err);
    if (r == 0 && !is_script(c, route_with(routes, pattern), "script"))
        steps_add_named(steps, STEP_MAKE, xasprintf("domain %s", host),
                        xasprintf("answer at https://%s", host), make_domain, host);
    return r;
}

static void plan_domain_end(struct cf *c, const char *host, const json_t *attached,
                            struct steps *steps)
{
    const json_t *its = domain_of(attached, host);
    const char *id = json_text(its, "id");
    if (!id || !is_script(c, its, "service"))
        return;
    cleanup(free_p) char *rest = api_path("/workers/domains/%s", id);
    cleanup(free_p) char *path = cf_account_path(c, rest);
    cleanup(free_p) char *data = xasprintf("%s %s %s", path, DOMAIN_FACT, host);
    steps_add_named(steps, STEP_DELETE, xasprintf("domain %s", host),
                    xasprintf("answer at https://%s no more", host), delete_made, data);
}

/* --- routes --- */

struct routing {
    struct cf *c;
    const char *pattern;
    char *zone;
};

static int post_route(void *env, struct err *err)
{
    const struct routing *m = env;
    return cf_do(m->c, "POST", api_path("/zones/%s/workers/routes", m->zone),
                 api_body_json(json_pack("{s:s, s:s}", "pattern", m->pattern, "script",
                                         m->c->script)),
                 NULL, err);
}

static int find_route(void *env, struct err *err)
{
    const struct routing *m = env;
    cleanup(json_decref_p) json_t *known = json_object();
    const json_t *routes;
    int r = routes_of(m->c, known, m->zone, &routes, err);
    return r < 0 ? r : is_script(m->c, route_with(routes, m->pattern), "script");
}

static int find_routes_zone(struct cf *c, const char *pattern, char **ret, struct err *err)
{
    cleanup(free_p) char *host = route_host(pattern);
    return need_zone(c, "route", host, ret, err);
}

static int make_route(struct target *t, struct step *step, struct err *err)
{
    struct routing m = {.c = cf_of(t), .pattern = step->data};
    int r = find_routes_zone(m.c, m.pattern, &m.zone, err);
    if (r == 0)
        r = fact_set(t, ROUTE_FACT, m.pattern, m.zone, err);
    if (r == 0)
        r = make_once(m.c->api, post_route, find_route, &m, err);
    free(m.zone);
    return r;
}

static int move_route(struct target *t, struct step *step, struct err *err)
{
    struct cf *c = cf_of(t);
    const char *pattern = step->data;
    cleanup(free_p) char *zone = NULL;
    cleanup(json_decref_p) json_t *known = json_object();
    const json_t *routes = NULL;
    int r = find_routes_zone(c, pattern, &zone, err);
    if (r == 0)
        r = routes_of(c, known, zone, &routes, err);
    const char *id = r == 0 ? json_text(route_with(routes, pattern), "id") : NULL;
    if (r == 0 && !id)
        return err_set(err, ERR_DRIFT, "the route %s has gone meanwhile", pattern);
    return r < 0 ? r
                 : cf_do(c, "PUT", api_path("/zones/%s/workers/routes/%s", zone, id),
                         api_body_json(json_pack("{s:s, s:s}", "pattern", pattern, "script",
                                                 c->script)),
                         NULL, err);
}

static int plan_route(struct cf *c, const char *pattern, json_t *known, struct steps *steps,
                      struct err *err)
{
    cleanup(free_p) char *zone = NULL;
    const json_t *routes = NULL;
    int r = find_routes_zone(c, pattern, &zone, err);
    if (r == 0)
        r = routes_of(c, known, zone, &routes, err);
    const json_t *its = r == 0 ? route_with(routes, pattern) : NULL;
    if (r < 0 || is_script(c, its, "script"))
        return r;
    const char *owner = json_text(its, "script");
    steps_add_named(steps, its ? STEP_ADOPT : STEP_MAKE, xasprintf("route %s", pattern),
                    !its    ? xasprintf("answer at %s", pattern)
                    : owner ? xasprintf("move the route %s here from the worker %s", pattern, owner)
                            : xasprintf("take over the route %s, which has no worker", pattern),
                    its ? move_route : make_route, pattern);
    return 0;
}

static int plan_route_end(struct cf *c, const char *pattern, const char *zone, json_t *known,
                          struct steps *steps, struct err *err)
{
    const json_t *routes = NULL;
    int r = routes_of(c, known, zone, &routes, err);
    const json_t *its = r == 0 ? route_with(routes, pattern) : NULL;
    const char *id = json_text(its, "id");
    if (r < 0 || !id || !is_script(c, its, "script"))
        return r;
    cleanup(free_p) char *path = api_path("/zones/%s/workers/routes/%s", zone, id);
    cleanup(free_p) char *data = xasprintf("%s %s %s", path, ROUTE_FACT, pattern);
    steps_add_named(steps, STEP_DELETE, xasprintf("route %s", pattern),
                    xasprintf("answer at %s no more", pattern), delete_made, data);
    return 0;
}

/* --- the whole --- */

/* What was made here and is in neither list. */
static int plan_ends(struct cf *c, const struct manifest_target *keep, const json_t *attached,
                     json_t *known, struct steps *steps, struct err *err)
{
    cleanup(json_decref_p) json_t *domains = made_here(c, DOMAIN_FACT);
    cleanup(json_decref_p) json_t *routes = made_here(c, ROUTE_FACT);
    const char *name;
    json_t *zone;
    json_object_foreach(domains, name, zone)
        if (!is_named(keep->domains, keep->domain_count, name))
            plan_domain_end(c, name, attached, steps);
    json_object_foreach(routes, name, zone) {
        int r = is_named(keep->routes, keep->route_count, name)
                    ? 0
                    : plan_route_end(c, name, json_string_value(zone), known, steps, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int cf_plan_routes(struct cf *c, const json_t *attached, struct steps *steps, struct err *err)
{
    const struct manifest_target *mt = c->t.o.manifest->target;
    cleanup(json_decref_p) json_t *known = json_object();
    int r = 0;
    for (size_t i = 0; i < mt->domain_count && r == 0; i++)
        r = plan_domain(c, mt->domains[i], attached, known, steps, err);
    for (size_t i = 0; i < mt->route_count && r == 0; i++)
        r = plan_route(c, mt->routes[i], known, steps, err);
    return r < 0 ? r : plan_ends(c, mt, attached, known, steps, err);
}

int cf_plan_no_routes(struct cf *c, struct steps *steps, struct err *err)
{
    cleanup(json_decref_p) json_t *known = json_object();
    cleanup(json_decref_p) json_t *attached = NULL;
    cleanup(json_decref_p) json_t *domains = made_here(c, DOMAIN_FACT);
    int r = json_object_size(domains)
                ? cf_do(c, "GET", cf_account_path(c, "/workers/domains"), NULL, &attached, err)
                : 0;
    return r < 0 ? r : plan_ends(c, &(struct manifest_target){0}, attached, known, steps, err);
}
