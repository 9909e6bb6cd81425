/* SPDX-License-Identifier: Apache-2.0 */
/* Taking away: old versions, which the API of Workers that is in beta deletes one by one; and all
 * that edgectl made. */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "provider/cf.h"

enum { PAGE = 100, PAGES_MAX = 100 };

static int run_delete(struct target *t, struct step *step, struct err *err)
{
    struct cf *c = cf_of(t);
    struct cf_call call = cf_start(c, "DELETE", cf_account_path(c, step->data), NULL, false);
    cleanup(json_decref_p) json_t *root = NULL;
    int r = cf_wait(c, &call, &root, err);
    return r < 0 ? r : 0; /* gone already is as good */
}

static void add_delete(struct steps *steps, char *id, char *text, char *path)
{
    struct step *s = steps_add(steps, STEP_DELETE, id, text, run_delete);
    s->data = path;
    s->free_data = free;
}

/* --- old versions --- */

/* All versions, also those that can get no traffic any more, newest first. 1, or 0 when there is no
 * such worker. */
static int all_versions(struct cf *c, json_t **ret, struct err *err)
{
    cleanup(json_decref_p) json_t *all = json_array();
    for (int page = 1; page <= PAGES_MAX; page++) {
        char rest[64];
        snprintf(rest, sizeof rest, "/versions?page=%d&per_page=%d", page, PAGE);
        cleanup(json_decref_p) json_t *root = NULL;
        struct cf_call call = cf_start(c, "GET", cf_script_path(c, rest), NULL, false);
        int r = cf_wait(c, &call, &root, err);
        if (r <= 0)
            return r;
        json_t *items = json_object_get(json_object_get(root, "result"), "items");
        json_array_extend(all, items);
        if (json_array_size(items) < PAGE)
            break;
    }
    *ret = TAKE(all);
    return 1;
}

/* Made by edgectl: by a deploy, or by a change of config or secrets. */
static bool is_ours(const json_t *version)
{
    const json_t *annotations = json_object_get(version, "annotations");
    const char *message = json_text(annotations, "workers/message");
    return cf_is_release(json_text(annotations, "workers/tag")) ||
           (message && strcmp(message, cf_settings_message) == 0);
}

static bool has_traffic(const struct split *split, const char *id)
{
    for (int i = 0; i < split->count; i++)
        if (strcmp(split->arms[i].version, id) == 0)
            return true;
    return false;
}

static void plan_versions(struct cf *c, const struct gc_options *o, const json_t *all,
                          const struct split *split, struct steps *ret)
{
    int64_t before_ms = o->older_than_ms ? clock_wall_ns() / 1000000 - o->older_than_ms : INT64_MAX;
    int kept = 0;
    size_t i;
    const json_t *v;
    json_array_foreach(all, i, v) {
        const char *id = json_text(v, "id");
        const char *created = json_text(json_object_get(v, "metadata"), "created_on");
        /* The newest is what a change of secrets goes on from, whoever made it. */
        if (!id || i == 0 || !is_ours(v) || has_traffic(split, id) || kept++ < o->keep ||
            time_ms_from_iso(created) >= before_ms)
            continue;
        add_delete(ret, xasprintf("version %s", id),
                   xasprintf("delete version %lld (%s), made %s",
                             (long long)json_integer_value(json_object_get(v, "number")), id,
                             created ? created : "some time ago"),
                   api_path("/workers/workers/%s/versions/%s", c->script, id));
    }
}

int cf_gc(struct target *t, const struct gc_options *o, struct steps *ret, struct err *err)
{
    struct cf *c = cf_of(t);
    cleanup(json_decref_p) json_t *all = NULL;
    cleanup(split_clear) struct split split = {0};
    int r = cf_account(c, err);
    r = r < 0 ? r : all_versions(c, &all, err);
    if (r > 0)
        r = cf_get_split(t, &split, err);
    if (r == 0 && all)
        plan_versions(c, o, all, &split, ret);
    return r < 0 ? r : 0;
}

/* --- all of it --- */

int cf_destroy(struct target *t, struct steps *ret, struct err *err)
{
    struct cf *c = cf_of(t);
    cleanup(json_decref_p) json_t *root = NULL;
    int r = cf_account(c, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *service = api_path("/workers/services/%s", c->script);
    struct cf_call call = cf_start(c, "GET", cf_account_path(c, service), NULL, false);
    r = cf_wait(c, &call, &root, err);
    if (r >= 0) {
        int planned = cf_plan_no_routes(c, ret, err);
        r = planned < 0 ? planned : r;
    }
    if (r > 0)
        add_delete(ret, xasprintf("worker %s", c->script),
                   xasprintf("delete the worker %s, its versions, secrets and domains", c->script),
                   xasprintf("%s?force=true", service));
    const struct manifest *m = t->o.manifest;
    for (size_t i = 0; i < m->kv_count && r >= 0; i++) {
        const char *id;
        /* A namespace that the manifest names by its id was there before: it stays. */
        if (manifest_remote_id(m->target, "kv", m->kv[i].name, NULL))
            continue;
        r = cf_namespace_find(c, m->kv[i].name, &id, err);
        if (r > 0)
            add_delete(ret, xasprintf("kv %s", m->kv[i].name),
                       xasprintf("delete the KV namespace %s-%s and all that is in it", c->script,
                                 m->kv[i].name),
                       api_path("/storage/kv/namespaces/%s", id));
    }
    const char *notes;
    r = r < 0 ? r : cf_namespace_find(c, CF_NOTES, &notes, err);
    if (r > 0)
        add_delete(ret, xstrdup("notes"), xstrdup("delete the KV namespace of edgectl's notes"),
                   api_path("/storage/kv/namespaces/%s", notes));
    return r < 0 ? r : 0;
}
