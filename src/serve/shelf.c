/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/shelf.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "serve/shelf_internal.h"
#include "world/core_cache.h"
#include "world/kv.h"
#include "world/state.h"

enum { CACHE_BYTES = 64 << 20 };

static int64_t now_ms(void)
{
    return clock_wall_ns() / 1000000;
}

/* --- looking up --- */

struct shelf_app *shelf_find(struct shelf *s, const char *app)
{
    for (size_t i = 0; i < s->count; i++)
        if (strcmp(s->apps[i]->name, app) == 0)
            return s->apps[i];
    return NULL;
}

struct shelf_version *shelf_find_version(struct shelf_app *a, const char *id)
{
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->versions[i].id, id) == 0)
            return &a->versions[i];
    return NULL;
}

int shelf_no_app(const char *app, struct err *err)
{
    return err_set(err, ERR_USAGE, "no app '%.100s' is deployed here", app);
}

int shelf_no_version(const char *app, const char *id, struct err *err)
{
    return err_set(err, ERR_USAGE, "app '%.100s' has no version '%.100s'", app, id);
}

static int arm_of(const struct shelf_app *a, const char *id)
{
    for (int i = 0; i < a->arm_count; i++)
        if (strcmp(a->arms[i].version, id) == 0)
            return i;
    return -1;
}

bool shelf_in_split(const struct shelf_app *a, const char *id)
{
    return arm_of(a, id) >= 0;
}

/* --- to JSON and disk --- */

static json_t *split_json(const struct shelf_app *a)
{
    json_t *arms = json_array();
    for (int i = 0; i < a->arm_count; i++)
        json_array_append_new(arms, json_pack("{ss si}", "version", a->arms[i].version, "bp",
                                              a->arms[i].bp));
    char revision[32];
    snprintf(revision, sizeof revision, "%lld", (long long)a->revision);
    return json_pack("{so ss sI ss*}", "arms", arms, "revision", revision, "changed_ms",
                     (json_int_t)a->changed_ms, "by", a->changed_by);
}

json_t *shelf_version_json(const struct shelf_app *a, const struct shelf_version *v)
{
    json_t *json = json_copy(v->spec);
    int arm = arm_of(a, v->id);
    json_object_set_new(json, "bp", json_integer(arm < 0 ? 0 : a->arms[arm].bp));
    if (v->problem)
        json_object_set_new(json, "problem", json_string(v->problem));
    return json;
}

static json_t *app_json(const struct shelf_app *a, bool whole)
{
    json_t *versions = json_array();
    for (size_t i = a->count; i-- > 0;)
        json_array_append_new(versions, whole ? json_incref(a->versions[i].spec)
                                              : shelf_version_json(a, &a->versions[i]));
    json_t *json = json_pack("{ss sO so so}", "name", a->name, "hosts", a->hosts, "versions",
                             versions, "split", split_json(a));
    if (whole) {
        json_object_set_new(json, "next_number", json_integer(a->next_number));
        json_object_set(json, "notes", a->notes);
    }
    return json;
}

int shelf_save(const struct shelf_app *a, struct err *err)
{
    cleanup(free_p) char *path = xasprintf("%s/app.json", a->dir);
    cleanup(json_decref_p) json_t *json = app_json(a, true);
    cleanup(free_p) char *text = json_dumps(json, JSON_INDENT(1));
    return file_write(path, text, strlen(text), 0600, err);
}

/* --- to the server --- */

/* The host that an app has by its name. The caller frees. */
static char *own_host(const char *app)
{
    return xasprintf("%s.localhost", app);
}

static void add_hosts(struct site *site, const struct shelf_app *a)
{
    size_t i;
    json_t *host;
    site->hosts = xcalloc(json_array_size(a->hosts) + 1, sizeof(char *));
    site->hosts[site->host_count++] = own_host(a->name);
    json_array_foreach(a->hosts, i, host)
        site->hosts[site->host_count++] = xstrdup(json_string_value(host));
}

static void add_site(struct sites *sites, struct shelf_app *a)
{
    struct site *site = sites_add(sites);
    site->name = xstrdup(a->name);
    add_hosts(site, a);
    site->versions = xcalloc(a->count + 1, sizeof *site->versions);
    for (size_t i = 0; i < a->count; i++) {
        const struct shelf_version *v = &a->versions[i];
        struct site_version *to = &site->versions[site->version_count++];
        snprintf(to->id, sizeof to->id, "%s", v->id);
        to->deployment = v->deployment ? deployment_ref(v->deployment) : NULL;
        to->loading = !v->deployment && !v->problem;
    }
    for (int i = 0; i < a->arm_count; i++) {
        const struct shelf_version *v = shelf_find_version(a, a->arms[i].version);
        struct deployment *d = v && v->deployment ? deployment_ref(v->deployment) : NULL;
        site->arms[site->arm_count++] = (struct site_arm){d, a->arms[i].bp};
    }
}

void shelf_publish(struct shelf *s)
{
    if (s->count == 0) {
        server_set_sites(s->o.server, NULL); /* nothing is looked up for any request */
        return;
    }
    struct sites *sites = sites_new();
    sites->any_host = s->o.any_host;
    for (size_t i = 0; i < s->count; i++)
        add_site(sites, s->apps[i]);
    server_set_sites(s->o.server, sites);
}

/* --- apps --- */

static bool is_host(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > 253)
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && !strchr(".-_:", text[i]))
            return false;
    return true;
}

bool shelf_name_good(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > 63 || name[0] == '.' || name[0] == '-')
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && !strchr("-_.", name[i]))
            return false;
    return true;
}

/* The app that has it; NULL: none. */
static const char *host_taken(struct shelf *s, const char *app, const char *host)
{
    for (size_t i = 0; i < s->count; i++) {
        size_t k;
        json_t *other;
        if (strcmp(s->apps[i]->name, app) == 0)
            continue;
        cleanup(free_p) char *own = own_host(s->apps[i]->name);
        if (strcasecmp(own, host) == 0)
            return s->apps[i]->name;
        json_array_foreach(s->apps[i]->hosts, k, other)
            if (strcasecmp(json_string_value(other), host) == 0)
                return s->apps[i]->name;
    }
    return NULL;
}

static int check_host(struct shelf *s, const char *app, const char *host, struct err *err)
{
    const char *other = host_taken(s, app, host);
    if (!other)
        return 0;
    int r = err_set(err, ERR_DRIFT, "host '%s' belongs to app '%s'", host, other);
    err_hint(err, "take it from that app's domains first, or choose another");
    return r;
}

static int check_hosts(struct shelf *s, const char *app, const json_t *hosts, struct err *err)
{
    size_t i;
    json_t *host;
    cleanup(free_p) char *own = own_host(app);
    int r = check_host(s, app, own, err);
    json_array_foreach(hosts, i, host) {
        const char *text = json_string_value(host);
        if (r == 0 && (!text || !is_host(text)))
            r = err_set(err, ERR_USAGE, "'%.100s' is no host name", text ? text : "");
        if (r == 0)
            r = check_host(s, app, text, err);
    }
    return r;
}

void shelf_version_clear(struct shelf_version *v)
{
    free(v->id);
    free(v->problem);
    json_decref(v->spec);
    deployment_unref(v->deployment);
}

static void app_free(struct shelf_app *a)
{
    for (size_t i = 0; i < a->count; i++)
        shelf_version_clear(&a->versions[i]);
    for (int i = 0; i < a->arm_count; i++)
        free(a->arms[i].version);
    free(a->versions);
    free(a->name);
    free(a->dir);
    free(a->changed_by);
    json_decref(a->hosts);
    json_decref(a->notes);
    free(a);
}

static struct shelf_app *add_app(struct shelf *s, const char *name)
{
    struct shelf_app *a = xnew(struct shelf_app);
    a->name = xstrdup(name);
    a->dir = xasprintf("%s/apps/%s", s->o.state_dir, name);
    a->hosts = json_array();
    a->notes = json_object();
    a->next_number = 1;
    s->apps = xreallocarray(s->apps, s->count + 1, sizeof *s->apps);
    s->apps[s->count++] = a;
    return a;
}

static void remove_app(struct shelf *s, struct shelf_app *a)
{
    for (size_t i = 0; i < s->count; i++) {
        if (s->apps[i] != a)
            continue;
        memmove(&s->apps[i], &s->apps[i + 1], (s->count - i - 1) * sizeof *s->apps);
        s->count--;
        break;
    }
    app_free(a);
}

static int put_app(struct shelf *s, const char *app, const json_t *hosts, struct err *err)
{
    if (!shelf_name_good(app))
        return err_set(err, ERR_USAGE, "'%.100s' is no name for an app", app);
    int r = check_hosts(s, app, hosts, err);
    if (r < 0)
        return r;
    struct shelf_app *a = shelf_find(s, app);
    if (a && json_equal(a->hosts, hosts))
        return 0;
    bool made = !a;
    if (!a)
        a = add_app(s, app);
    json_t *old = a->hosts;
    a->hosts = json_deep_copy(hosts);
    r = file_make_dirs(a->dir, err);
    if (r == 0)
        r = shelf_save(a, err);
    if (r < 0) {
        json_decref(a->hosts);
        a->hosts = old;
        if (made)
            remove_app(s, a);
        return r;
    }
    json_decref(old);
    shelf_publish(s);
    return 0;
}

int shelf_put_app(struct shelf *s, const char *app, const json_t *hosts, struct err *err)
{
    uv_mutex_lock(&s->lock);
    int r = put_app(s, app, hosts, err);
    uv_mutex_unlock(&s->lock);
    return r;
}

int shelf_delete_app(struct shelf *s, const char *app, struct err *err)
{
    uv_mutex_lock(&s->lock);
    struct shelf_app *a = shelf_find(s, app);
    int r = a ? 0 : shelf_no_app(app, err);
    if (a) {
        /* Without app.json it is no app any more; what is left of it is swept at the next start.
         * The folder goes last: it is what a start finds. */
        cleanup(free_p) char *dir = xstrdup(a->dir);
        cleanup(free_p) char *path = xasprintf("%s/app.json", a->dir);
        if (unlink(path) < 0 && errno != ENOENT)
            r = err_sys(err, ERR_IO, errno, "cannot delete %s", path);
        if (r == 0) {
            remove_app(s, a);
            shelf_publish(s);
            r = shelf_forget_kv(s, app, err);
            if (r == 0)
                shelf_remove_tree(dir);
        }
    }
    uv_mutex_unlock(&s->lock);
    return r;
}

json_t *shelf_apps(struct shelf *s)
{
    json_t *list = json_array();
    uv_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->count; i++)
        json_array_append_new(list, json_pack("{ss sO}", "name", s->apps[i]->name, "hosts",
                                              s->apps[i]->hosts));
    uv_mutex_unlock(&s->lock);
    return list;
}

json_t *shelf_app(struct shelf *s, const char *app)
{
    uv_mutex_lock(&s->lock);
    struct shelf_app *a = shelf_find(s, app);
    json_t *json = a ? app_json(a, false) : NULL;
    uv_mutex_unlock(&s->lock);
    return json;
}

/* --- the split --- */

static int read_arms(struct shelf_app *a, const json_t *want, struct shelf_arm *to, int *ret_count,
                     struct err *err)
{
    size_t i;
    json_t *arm;
    int total = 0, count = 0;
    if (!json_is_array(json_object_get(want, "arms")))
        return err_set(err, ERR_USAGE, "a split needs its arms, of which there may be none");
    json_array_foreach(json_object_get(want, "arms"), i, arm) {
        const char *id = json_string_value(json_object_get(arm, "version"));
        json_int_t bp = json_integer_value(json_object_get(arm, "bp"));
        if (!id || bp < 0 || bp > SITE_WHOLE || count == SITE_ARMS)
            return err_set(err, ERR_USAGE, "a split is one or two versions with shares in basis "
                                           "points");
        struct shelf_version *v = shelf_find_version(a, id);
        if (!v)
            return shelf_no_version(a->name, id, err);
        if (!v->deployment && bp > 0)
            return err_set(err, ERR_FAILURE, "version '%s' cannot be served: %s", id,
                           v->problem ? v->problem : "it is being loaded");
        if (count == 1 && strcmp(to[0].version, id) == 0)
            return err_set(err, ERR_USAGE, "version '%s' stands in the split twice", id);
        to[count++] = (struct shelf_arm){v->id, (int)bp};
        total += (int)bp;
    }
    if (count > 0 && total != SITE_WHOLE)
        return err_set(err, ERR_USAGE, "the shares add up to %d basis points, not 10000", total);
    *ret_count = count;
    return 0;
}

static int set_split(struct shelf *s, struct shelf_app *a, const json_t *want, struct err *err)
{
    struct shelf_arm arms[SITE_ARMS];
    char revision[32];
    int count = 0;
    const char *expect = json_string_value(json_object_get(want, "expect"));
    const char *by = json_string_value(json_object_get(want, "by"));
    snprintf(revision, sizeof revision, "%lld", (long long)a->revision);
    if (expect && strcmp(expect, revision) != 0)
        return err_set(err, ERR_DRIFT, "the split was changed meanwhile%s%s",
                       a->changed_by ? " by " : "", a->changed_by ? a->changed_by : "");
    int r = read_arms(a, want, arms, &count, err);
    if (r < 0)
        return r;
    struct shelf_app old = *a;
    for (int i = 0; i < count; i++)
        a->arms[i] = (struct shelf_arm){xstrdup(arms[i].version), arms[i].bp};
    a->arm_count = count;
    a->revision++;
    a->changed_ms = now_ms();
    a->changed_by = by ? xstrdup(by) : NULL;
    r = shelf_save(a, err);
    struct shelf_app *gone = r < 0 ? a : &old;
    for (int i = 0; i < gone->arm_count; i++)
        free(gone->arms[i].version);
    free(gone->changed_by);
    if (r < 0)
        *a = old;
    else
        shelf_publish(s);
    return r;
}

int shelf_set_split(struct shelf *s, const char *app, const json_t *want, json_t **ret_split,
                    struct err *err)
{
    uv_mutex_lock(&s->lock);
    struct shelf_app *a = shelf_find(s, app);
    int r = a ? set_split(s, a, want, err) : shelf_no_app(app, err);
    if (r == 0)
        *ret_split = split_json(a);
    uv_mutex_unlock(&s->lock);
    return r;
}

/* --- notes --- */

int shelf_put_note(struct shelf *s, const char *app, const char *key, const char *text,
                   struct err *err)
{
    cleanup(json_decref_p) json_t *words = text ? json_string(text) : NULL;
    if (text && (!words || !utf8_valid(key, strlen(key))))
        return err_set(err, ERR_USAGE, "a note and its name are UTF-8");
    uv_mutex_lock(&s->lock);
    struct shelf_app *a = shelf_find(s, app);
    int r = a ? 0 : shelf_no_app(app, err);
    if (a) {
        json_t *old = json_incref(json_object_get(a->notes, key));
        if (words)
            json_object_set(a->notes, key, words);
        else
            json_object_del(a->notes, key);
        r = shelf_save(a, err);
        if (r < 0 && old)
            json_object_set(a->notes, key, old);
        else if (r < 0)
            json_object_del(a->notes, key);
        json_decref(old);
    }
    uv_mutex_unlock(&s->lock);
    return r;
}

json_t *shelf_note(struct shelf *s, const char *app, const char *key)
{
    uv_mutex_lock(&s->lock);
    struct shelf_app *a = shelf_find(s, app);
    json_t *note = a ? json_incref(json_object_get(a->notes, key)) : NULL;
    uv_mutex_unlock(&s->lock);
    return note;
}

/* --- numbers --- */

void shelf_mark(struct shelf *s)
{
    int64_t now = now_ms();
    uv_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->apps[i]->count; k++)
            if (s->apps[i]->versions[k].deployment)
                tally_mark(s->apps[i]->versions[k].deployment->tally, now);
    uv_mutex_unlock(&s->lock);
}

static json_t *metrics_json(const struct tally *t, int64_t since_ms)
{
    struct tally_totals totals;
    int64_t from_ms;
    tally_since(t, since_ms, &totals, &from_ms);
    json_t *latency = json_array();
    for (int i = 0; i < LATENCY_BUCKETS; i++)
        json_array_append_new(latency, json_integer((json_int_t)totals.latency[i]));
    return json_pack("{sI sI sI sI sI so}", "from_ms", (json_int_t)from_ms, "until_ms",
                     (json_int_t)now_ms(), "requests", (json_int_t)totals.requests, "errors",
                     (json_int_t)totals.errors, "traps", (json_int_t)totals.traps, "latency",
                     latency);
}

int shelf_metrics(struct shelf *s, const char *app, const char *version, int64_t since_ms,
                  json_t **ret, struct err *err)
{
    uv_mutex_lock(&s->lock);
    struct shelf_app *a = shelf_find(s, app);
    struct shelf_version *v = a ? shelf_find_version(a, version) : NULL;
    int r = !a ? shelf_no_app(app, err) : !v ? shelf_no_version(app, version, err) : 0;
    if (r == 0 && !v->deployment)
        r = err_set(err, ERR_FAILURE, "version '%s' is not loaded", version);
    if (r == 0)
        *ret = metrics_json(v->deployment->tally, since_ms);
    uv_mutex_unlock(&s->lock);
    return r;
}

/* --- what apps have for themselves --- */

struct core_cache *shelf_cache(struct shelf *s, const char *app)
{
    struct core_cache *cache = NULL;
    uv_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->cache_count; i++)
        if (strcmp(s->caches[i].app, app) == 0)
            cache = s->caches[i].cache;
    if (!cache) {
        cache = core_cache_new(CACHE_BYTES);
        s->caches = xreallocarray(s->caches, s->cache_count + 1, sizeof *s->caches);
        s->caches[s->cache_count++] = (struct shelf_cache){xstrdup(app), cache};
    }
    uv_mutex_unlock(&s->lock);
    return cache;
}

char *shelf_config_dir(struct shelf *s, const char *app)
{
    uv_mutex_lock(&s->lock);
    struct shelf_app *a = shelf_find(s, app);
    char *dir = a ? xasprintf("%s/config", a->dir) : NULL;
    uv_mutex_unlock(&s->lock);
    return dir;
}

struct deployment *shelf_stable(struct shelf *s, const char *app)
{
    struct deployment *d = NULL;
    uv_mutex_lock(&s->lock);
    struct shelf_app *a = shelf_find(s, app);
    for (int i = 0; a && i < a->arm_count; i++) {
        struct shelf_version *v = shelf_find_version(a, a->arms[i].version);
        if (v && v->deployment && (!d || a->arms[i].bp > SITE_WHOLE / 2)) {
            deployment_unref(d);
            d = deployment_ref(v->deployment);
        }
    }
    uv_mutex_unlock(&s->lock);
    return d;
}

void shelf_broken(struct shelf *s, void (*fn)(void *env, const char *app, const char *version,
                                              int bp, const char *why), void *env)
{
    uv_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->count; i++) {
        struct shelf_app *a = s->apps[i];
        for (int k = 0; k < a->arm_count; k++) {
            const struct shelf_version *v = shelf_find_version(a, a->arms[k].version);
            if (a->arms[k].bp > 0 && (!v || !v->deployment))
                fn(env, a->name, a->arms[k].version, a->arms[k].bp,
                   v && v->problem ? v->problem : "it is not there");
        }
    }
    uv_mutex_unlock(&s->lock);
}

/* --- life --- */

static int read_app(struct shelf *s, const char *name, struct err *err)
{
    cleanup(free_p) char *path = xasprintf("%s/apps/%s/app.json", s->o.state_dir, name);
    cleanup(free_p) char *text = NULL;
    cleanup(json_decref_p) json_t *json = NULL;
    size_t len, i;
    json_t *item;
    int r = file_read(path, SHELF_APP_MAX, &text, &len, err);
    if (r < 0)
        return r;
    json = json_loadb(text, len, 0, NULL);
    if (!json) {
        r = err_set(err, ERR_FAILURE, "%s is damaged", path);
        err_hint(err, "move the app's folder away, and deploy it again");
        return r;
    }
    struct shelf_app *a = add_app(s, name);
    json_t *hosts = json_object_get(json, "hosts"), *notes = json_object_get(json, "notes");
    json_t *split = json_object_get(json, "split");
    json_array_extend(a->hosts, hosts);
    if (json_is_object(notes))
        json_object_update(a->notes, notes);
    a->next_number = json_integer_value(json_object_get(json, "next_number"));
    a->changed_ms = json_integer_value(json_object_get(split, "changed_ms"));
    const char *revision = json_string_value(json_object_get(split, "revision"));
    const char *by = json_string_value(json_object_get(split, "by"));
    a->revision = revision ? strtoll(revision, NULL, 10) : 0;
    a->changed_by = by ? xstrdup(by) : NULL;
    json_t *versions = json_object_get(json, "versions");
    for (i = json_array_size(versions); i-- > 0;)
        shelf_add_version(a, json_array_get(versions, i));
    json_array_foreach(json_object_get(split, "arms"), i, item) {
        const char *id = json_string_value(json_object_get(item, "version"));
        if (id && a->arm_count < SITE_ARMS)
            a->arms[a->arm_count++] = (struct shelf_arm){
                xstrdup(id), (int)json_integer_value(json_object_get(item, "bp"))};
    }
    return 0;
}

static int read_apps(struct shelf *s, struct err *err)
{
    cleanup(free_p) char *dir = xasprintf("%s/apps", s->o.state_dir);
    int r = 0;
    DIR *d = opendir(dir);
    if (!d)
        return err_sys(err, ERR_IO, errno, "cannot read the folder %s", dir);
    const struct dirent *e;
    while (r == 0 && (e = readdir(d))) {
        cleanup(free_p) char *file = xasprintf("%s/%s/app.json", dir, e->d_name);
        if (!shelf_name_good(e->d_name))
            continue;
        if (access(file, F_OK) == 0) {
            r = read_app(s, e->d_name, err);
            if (r == 0)
                shelf_sweep(s->apps[s->count - 1]);
        } else {
            /* Killed while the app was deleted. */
            cleanup(free_p) char *rest = xasprintf("%s/%s", dir, e->d_name);
            r = shelf_forget_kv(s, e->d_name, err);
            if (r == 0)
                shelf_remove_tree(rest);
        }
    }
    closedir(d);
    return r;
}

/* One that is on its way out has closed its admin socket, and one that has just begun opens it
 * soon: worth waiting for. */
static bool lock_or_wait(struct shelf *s)
{
    enum { NAP_MS = 50, NAPS = 200 };
    for (int i = 0; flock(s->folder, LOCK_EX | LOCK_NB) < 0; i++) {
        if (errno != EWOULDBLOCK || i == NAPS || state_server_answers(s->o.state_dir))
            return false;
        nanosleep(&(struct timespec){.tv_nsec = NAP_MS * 1000000L}, NULL);
    }
    return true;
}

/* The lock goes with the process, however that ends. */
static int lock_folder(struct shelf *s, struct err *err)
{
    cleanup(free_p) char *dir = xasprintf("%s/apps", s->o.state_dir);
    int r = file_make_dirs(dir, err);
    if (r < 0)
        return r;
    s->folder = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->folder < 0)
        return err_sys(err, ERR_IO, errno, "cannot read the folder %s", dir);
    if (lock_or_wait(s))
        return 0;
    r = err_set(err, ERR_DRIFT, "another edgectl serves from %s", s->o.state_dir);
    err_hint(err, "stop it, or name another folder with --state");
    return r;
}

int shelf_open(const struct shelf_options *options, struct shelf **ret, struct err *err)
{
    struct shelf *s = xnew(struct shelf);
    s->o = *options;
    s->folder = -1;
    uv_mutex_init(&s->lock);
    uv_cond_init(&s->made);
    int r = lock_folder(s, err);
    if (r == 0)
        r = read_apps(s, err);
    if (r < 0) {
        shelf_close(s);
        return r;
    }
    shelf_load_start(s);
    *ret = s;
    return 0;
}

void shelf_stop(struct shelf *s)
{
    if (s)
        shelf_load_stop(s);
}

void shelf_close(struct shelf *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        app_free(s->apps[i]);
    free(s->apps);
    for (size_t i = 0; i < s->cache_count; i++) {
        free(s->caches[i].app);
        core_cache_free(s->caches[i].cache);
    }
    free(s->caches);
    free(s->making);
    close_p(&s->folder);
    uv_cond_destroy(&s->made);
    uv_mutex_destroy(&s->lock);
    free(s);
}
