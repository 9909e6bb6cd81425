/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/site.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/clock.h"
#include "base/labels.h"
#include "base/mem.h"
#include "base/uri.h"

/* --- life --- */

struct deployment *deployment_new(const char *site, const char *id, struct guest_app *app,
                                  unsigned workers)
{
    struct deployment *d = xnew(struct deployment);
    atomic_init(&d->refs, 1);
    snprintf(d->id, sizeof d->id, "%s", id);
    d->site = xstrdup(site);
    d->app = app;
    d->tally = tally_new(workers, clock_wall_ns() / 1000000);
    return d;
}

struct deployment *deployment_ref(struct deployment *d)
{
    atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    return d;
}

void deployment_unref(struct deployment *d)
{
    if (!d || atomic_fetch_sub(&d->refs, 1) != 1)
        return;
    guest_app_unref(d->app);
    tally_free(d->tally);
    free(d->site);
    free(d);
}

struct sites *sites_new(void)
{
    struct sites *s = xnew(struct sites);
    atomic_init(&s->refs, 1);
    return s;
}

struct site *sites_add(struct sites *s)
{
    s->list = xreallocarray(s->list, s->count + 1, sizeof *s->list);
    s->list[s->count] = (struct site){0};
    return &s->list[s->count++];
}

struct sites *sites_ref(struct sites *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

void sites_unref(struct sites *s)
{
    if (!s || atomic_fetch_sub(&s->refs, 1) != 1)
        return;
    for (size_t i = 0; i < s->count; i++) {
        struct site *site = &s->list[i];
        for (size_t k = 0; k < site->host_count; k++)
            free(site->hosts[k]);
        for (size_t k = 0; k < site->version_count; k++)
            deployment_unref(site->versions[k].deployment);
        for (int k = 0; k < site->arm_count; k++)
            deployment_unref(site->arms[k].deployment);
        free(site->hosts);
        free(site->versions);
        free(site->name);
    }
    free(s->list);
    free(s);
}

/* --- which app --- */

static bool has_host(const struct site *site, const char *host, size_t len)
{
    for (size_t i = 0; i < site->host_count; i++)
        if (strlen(site->hosts[i]) == len && strncasecmp(site->hosts[i], host, len) == 0)
            return true;
    return false;
}

/* VERSION.<the app's own host>: the version's id, in `ret_id`. */
static bool names_version(const struct site *site, const char *host, size_t len,
                          char ret_id[SITE_ID_MAX])
{
    const char *own = site->hosts[0], *dot = memchr(host, '.', len);
    size_t id_len = dot ? (size_t)(dot - host) : 0, own_len = strlen(own);
    if (!dot || id_len >= SITE_ID_MAX || len - id_len - 1 != own_len ||
        strncasecmp(dot + 1, own, own_len) != 0)
        return false;
    memcpy(ret_id, host, id_len);
    ret_id[id_len] = '\0';
    return true;
}

/* *ret_id: the version that the host names, "" if it names none. */
static const struct site *find_site(const struct sites *s, const struct exchange *ex,
                                    char ret_id[SITE_ID_MAX])
{
    struct uri uri;
    struct uri_host host;
    ret_id[0] = '\0';
    if (uri_parse(ex->uri, strlen(ex->uri), &uri) && uri.authority &&
        uri_split_host(uri.authority, uri.authority_len, &host)) {
        for (size_t i = 0; i < s->count; i++)
            if (has_host(&s->list[i], host.host, host.host_len) ||
                names_version(&s->list[i], host.host, host.host_len, ret_id))
                return &s->list[i];
    }
    return s->any_host && s->count == 1 ? &s->list[0] : NULL;
}

/* --- which version --- */

static const struct site_version *named(const struct site *site, const char *id)
{
    for (size_t i = 0; i < site->version_count; i++)
        if (strcmp(site->versions[i].id, id) == 0)
            return &site->versions[i];
    return NULL;
}

static void no_such(const struct site_version *v, struct site_pick *ret)
{
    ret->status = v ? 503 : 404;
    ret->problem = !v           ? "This app has no such version"
                   : v->loading ? "This version is being loaded"
                                : "This version cannot be served";
    ret->detail = !v           ? "`edgectl versions` lists what is there"
                  : v->loading ? "The server has just begun; ask again in a moment."
                               : "`edgectl versions --json` says why";
}

static void none_serves(const struct site *site, struct site_pick *ret)
{
    ret->status = site->arm_count ? 503 : 404;
    ret->problem = site->arm_count ? "The version that has the traffic cannot be served"
                                   : "No version of this app is served";
    ret->detail = site->arm_count ? "`edgectl versions --json` says why; another gets the traffic "
                                    "with `edgectl rollback`"
                                  : "`edgectl versions` lists what is there";
}

/* FNV-1a, then a finalizer: near keys must not fall into one bucket. */
static uint64_t hash(uint64_t h, const char *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ (uint8_t)data[i]) * UINT64_C(1099511628211);
    return h;
}

/* Salted by the version that is being brought in, so that it is not the same clients who try each
 * release; not by its share, so that as it grows nobody goes back. */
static int bucket_of(const struct site *site, const char *key, size_t len)
{
    const char *salt = site->arms[1].deployment->id;
    uint64_t h = hash(UINT64_C(14695981039346656037), salt, strlen(salt) + 1);
    h = hash(h, key, len);
    h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return (int)((h ^ (h >> 33)) % SITE_WHOLE);
}

/* The cookie's value within a Cookie header; NULL if it is not there. */
static const char *cookie_value(const char *header, size_t *ret_len)
{
    size_t name = strlen(LABEL_CLIENT);
    for (const char *p = header; p && *p;) {
        p += strspn(p, " \t;");
        size_t len = strcspn(p, ";");
        if (len > name && strncmp(p, LABEL_CLIENT, name) == 0 && p[name] == '=') {
            *ret_len = len - name - 1;
            return p + name + 1;
        }
        p += len;
    }
    return NULL;
}

static int new_client(struct exchange *ex, const struct site *site)
{
    char id[17], cookie[128];
    snprintf(id, sizeof id, "%016llx", (unsigned long long)random_u64());
    snprintf(cookie, sizeof cookie,
             LABEL_CLIENT "=%s; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax", id);
    exchange_add_header(ex, "set-cookie", cookie);
    return bucket_of(site, id, strlen(id));
}

static struct deployment *by_split(const struct site *site, struct exchange *ex)
{
    const struct site_arm *stable = &site->arms[0], *canary = &site->arms[1];
    if (site->arm_count == 0)
        return NULL;
    if (site->arm_count == 1 || canary->bp == 0 || !canary->deployment)
        return stable->deployment;
    if (stable->bp == 0)
        return canary->deployment;
    size_t len;
    const char *key = headers_get(&ex->headers, LABEL_CLIENT);
    if (key)
        len = strlen(key);
    else
        key = cookie_value(headers_get(&ex->headers, "cookie"), &len);
    int bucket = key && len ? bucket_of(site, key, len) : new_client(ex, site);
    return bucket < canary->bp ? canary->deployment : stable->deployment;
}

bool sites_pick(const struct sites *s, struct exchange *ex, struct site_pick *ret)
{
    char by_host[SITE_ID_MAX];
    *ret = (struct site_pick){0};
    const struct site *site = find_site(s, ex, by_host);
    if (!site)
        return false;
    const char *header = headers_get(&ex->headers, LABEL_VERSION);
    const char *wanted = header ? header : by_host[0] ? by_host : NULL;
    ret->forced = wanted != NULL;
    const struct site_version *v = wanted ? named(site, wanted) : NULL;
    struct deployment *d = !wanted ? by_split(site, ex) : v ? v->deployment : NULL;
    if (!d && wanted)
        no_such(v, ret);
    else if (!d)
        none_serves(site, ret);
    if (!d)
        return true;
    ret->deployment = deployment_ref(d);
    exchange_add_header(ex, LABEL_VERSION, d->id);
    return true;
}
