/* SPDX-License-Identifier: Apache-2.0 */
/* Fastly Compute; the inside is told in fs.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/fs.h"

static const char *const base_variables[] = {"FASTLY_API_ENDPOINT", "FASTLY_API_URL", NULL};

static void fs_close(struct target *t)
{
    struct fs *f = fs_of(t);
    fs_check_clear(&f->check);
    api_free(f->api);
    for (size_t i = 0; i < f->headers.count; i++)
        explicit_bzero(f->headers.list[i].value, f->headers.list[i].value_len);
    headers_clear(&f->headers);
    free(f->token_from);
    fs_links_clear(&f->links);
    fs_service_clear(&f->front);
    for (int i = 0; i < FS_SLOTS; i++)
        fs_service_clear(&f->slots[i]);
    target_fini(t);
    free(f);
}

/* The service that the target names, or FASTLY_SERVICE_ID, else the one of the app's name. */
static void name_services(struct fs *f)
{
    const struct manifest *m = f->t.o.manifest;
    const char *id = m->target ? m->target->service : NULL;
    id = id ? id : target_variable(&f->t.o, "FASTLY_SERVICE_ID");
    f->front.id = id ? xstrdup(id) : NULL;
    f->front.name = xstrdup(m->name);
    for (int i = 0; i < FS_SLOTS; i++)
        f->slots[i].name = xasprintf("%s-%c", m->name, 'a' + i);
}

static int fs_open(const struct target_options *o, struct target **ret, struct err *err)
{
    struct fs *f = xnew(struct fs);
    target_init(&f->t, &provider_fastly, o);
    f->router = o->manifest->target && o->manifest->target->router;
    if (f->router)
        f->t.caps.split = SPLIT_ROUTER;
    name_services(f);
    int r = fs_creds_find(o, &f->headers, &f->token_from, err);
    if (r == 0) {
        struct api_options options = {.name = "Fastly", .headers = &f->headers,
                                      .explain = fs_explain, .hint_credentials = fs_hint_scopes};
        options.base = base_from_variables(o, base_variables, "https://api.fastly.com",
                                           &options.base_from);
        api_options_for(o, &options);
        r = api_new(&options, &f->api, err);
    }
    if (r < 0)
        fs_close(&f->t);
    else
        *ret = &f->t;
    return r;
}

/* --- who we are --- */

static void read_scopes(const char *text, struct identity *ret)
{
    while (text && *(text += strspn(text, " "))) {
        size_t len = strcspn(text, " ");
        ret->scopes = xreallocarray(ret->scopes, ret->scope_count + 1, sizeof *ret->scopes);
        ret->scopes[ret->scope_count++] = xstrndup(text, len);
        text += len;
    }
}

static int fs_whoami(struct target *t, struct identity *ret, struct err *err)
{
    struct fs *f = fs_of(t);
    static const char path[] = "/tokens/self";
    cleanup(api_response_clear) struct api_response r = {0};
    ret->from = xstrdup(f->token_from);
    int result = api_do(f->api, &(struct api_request){.method = "GET", .path = path}, &r, err);
    if (result < 0)
        return result;
    if (r.status != 200) {
        result = api_fail(f->api, "GET", path, &r, err);
        if (result == -ERR_CREDENTIALS)
            err_hint(err, "the token comes from %s; %s", f->token_from, fs_hint_scopes);
        return result;
    }
    cleanup(json_decref_p) json_t *root = NULL;
    result = api_json(f->api, "GET", path, &r, &root, err);
    if (result < 0)
        return result;
    ret->account = json_text_copy(root, "customer_id");
    ret->user = json_text_copy(root, "user_id");
    ret->expires_ms = time_ms_from_iso(json_text(root, "expires_at"));
    ret->skew_ms = clock_skew_ms(&r);
    read_scopes(json_text(root, "scope"), ret);
    return 0;
}

/* --- leaving --- */

/* What is gone already is as good as deleted. */
static int gone_or_done(struct fs *f, const char *method, char *path, struct err *err)
{
    struct fs_call call = fs_start(f, method, path, NULL, false);
    cleanup(json_decref_p) json_t *root = NULL;
    int r = fs_wait(f, &call, &root, err);
    return r < 0 ? r : 0;
}

static int run_delete(struct target *t, struct step *step, struct err *err)
{
    return gone_or_done(fs_of(t), "DELETE", xstrdup(step->data), err);
}

static void add_delete(struct steps *steps, char *id, char *text, char *path)
{
    struct step *s = steps_add(steps, STEP_DELETE, id, text, run_delete);
    s->data = path;
    s->free_data = free;
}

/* An active version keeps its service from being deleted. */
static int run_delete_service(struct target *t, struct step *step, struct err *err)
{
    struct fs *f = fs_of(t);
    int r = 0;
    struct fs_service *all[] = {&f->front, &f->slots[0], &f->slots[1]};
    for (size_t i = 0; i < ARRAY_LEN(all) && r == 0; i++) {
        struct fs_service *s = all[i];
        if (!s->id || strcmp(s->id, step->data) != 0)
            continue;
        char number[16];
        snprintf(number, sizeof number, "%d", s->active);
        if (s->active)
            r = gone_or_done(f, "PUT", api_path("/service/%s/version/%s/deactivate", s->id, number),
                             err);
        r = r < 0 ? r : gone_or_done(f, "DELETE", api_path("/service/%s", s->id), err);
    }
    return r;
}

/* The stores whose names begin as ours do; `in_use` (ids) stay. */
static int plan_stores(struct fs *f, enum store_kind kind, const json_t *in_use,
                       struct steps *steps, struct err *err)
{
    cleanup(json_decref_p) json_t *root = NULL;
    cleanup(free_p) char *prefix = xasprintf("%s-", f->t.o.manifest->name);
    int r = fs_do(f, "GET", xasprintf("%s%s", fs_store_path(kind),
                                      kind == STORE_CONFIG ? "" : "?limit=1000"),
                  NULL, &root, err);
    json_t *list = json_is_array(root) ? root : json_object_get(root, "data"), *store;
    size_t i;
    json_array_foreach(list, i, store) {
        const char *name = json_text(store, "name"), *id = json_text(store, "id");
        if (!name || !id || strncmp(name, prefix, strlen(prefix)) != 0 ||
            json_object_get(in_use, id))
            continue;
        /* Names of other apps may begin the same: ours is known by the journal. */
        const char *fact = fact_get(&f->t, "filled", name);
        if (fact && strcmp(fact, id) == 0)
            add_delete(steps, xasprintf("store %s", name), xasprintf("delete the store %s", name),
                       xasprintf("%s/%s", fs_store_path(kind), id));
    }
    return r;
}

static int note_links(struct fs *f, const struct fs_service *s, int number, json_t *in_use,
                      struct err *err)
{
    char text[16];
    snprintf(text, sizeof text, "%d", number);
    cleanup(json_decref_p) json_t *list = NULL;
    int r = fs_do(f, "GET", api_path("/service/%s/version/%s/resource", s->id, text), NULL, &list,
                  err);
    size_t i;
    json_t *link;
    json_array_foreach(list, i, link)
        if (json_text(link, "resource_id"))
            json_object_set_new(in_use, json_text(link, "resource_id"), json_true());
    return r;
}

/* Versions cannot be deleted; the stores of those that nobody goes back to can. */
static int fs_gc(struct target *t, const struct gc_options *o, struct steps *ret, struct err *err)
{
    struct fs *f = fs_of(t);
    cleanup(json_decref_p) json_t *in_use = json_object();
    int r = fs_read_all(f, err);
    struct fs_service *all[] = {&f->front, &f->slots[0], &f->slots[1]};
    for (size_t i = 0; i < ARRAY_LEN(all) && r == 0; i++) {
        int kept = 0;
        for (size_t n = json_array_size(all[i]->versions); n-- > 0 && r == 0;) {
            int number = (int)json_integer_value(
                json_object_get(json_array_get(all[i]->versions, n), "number"));
            if (kept++ < o->keep || number == all[i]->active)
                r = note_links(f, all[i], number, in_use, err);
        }
    }
    r = r < 0 ? r : plan_stores(f, STORE_CONFIG, in_use, ret, err);
    return r < 0 ? r : plan_stores(f, STORE_SECRET, in_use, ret, err);
}

static int fs_destroy(struct target *t, struct steps *ret, struct err *err)
{
    struct fs *f = fs_of(t);
    cleanup(json_decref_p) json_t *none = json_object();
    int r = fs_read_all(f, err);
    /* The front, which the target may name by its id, goes last: what is left is found by it. */
    struct fs_service *all[] = {&f->slots[0], &f->slots[1], &f->front};
    for (size_t i = 0; i < ARRAY_LEN(all) && r == 0; i++) {
        if (!all[i]->id)
            continue;
        struct step *s = steps_add(ret, STEP_DELETE, xasprintf("service %s", all[i]->id),
                                   xasprintf("delete the service %s (%s) and its versions",
                                             all[i]->name, all[i]->id), run_delete_service);
        s->data = xstrdup(all[i]->id);
        s->free_data = free;
    }
    r = r < 0 ? r : plan_stores(f, STORE_KV, none, ret, err);
    r = r < 0 ? r : plan_stores(f, STORE_CONFIG, none, ret, err);
    return r < 0 ? r : plan_stores(f, STORE_SECRET, none, ret, err);
}

static const char *const variables[] = {
    "FASTLY_API_TOKEN", "FASTLY_API_KEY", "FASTLY_SERVICE_ID", "FASTLY_API_ENDPOINT",
    "FASTLY_API_URL", "FASTLY_PROFILE", NULL,
};

const struct provider provider_fastly = {
    .name = "fastly", .title = "Fastly Compute",
    .caps = {.split = SPLIT_NONE, .min_bp = 1, .max_bp = 9999, .step_bp = 1,
             .sticky = STICKY_CLIENT, .upload_without_traffic = true, .probe = true,
             .versions = true, .metrics = true, .kv = true, .config = true, .secrets = true,
             .config_live = true, .secrets_live = true, .logs = true, .purge = true,
             .propagation_ms = 10 * 1000, .metric_lag_ms = 3 * 60 * 1000},
    .variables = variables,
    .open = fs_open, .close = fs_close, .whoami = fs_whoami, .plan = fs_plan,
    .versions = fs_versions, .get_split = fs_get_split, .set_split = fs_set_split,
    .probe = fs_probe, .metrics = fs_metrics, .tail = fs_tail, .purge = fs_purge, .list = fs_list,
    .get = fs_get, .put = fs_put, .remove = fs_remove, .gc = fs_gc, .destroy = fs_destroy,
};
