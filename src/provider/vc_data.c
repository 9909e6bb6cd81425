/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets are sensitive environment variables of the project, which cannot be read back; a
 * deployment keeps those it was made with. A variable's comment tells which value it has. Config of
 * a target that names an Edge Config, and notes, are items of one. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/vc.h"

/* "edgectl STORE/KEY@DIGEST" */
static const char mark[] = "edgectl ";

int vc_variables(struct vc *v, json_t **ret, struct err *err)
{
    cleanup(json_decref_p) json_t *answer = NULL;
    int r = vc_do(v, "GET", api_path("/v10/projects/%s/env?decrypt=false", v->project_id), NULL,
                  true, &answer, err);
    if (r < 0)
        return r;
    json_t *list = json_object_get(answer, "envs");
    *ret = json_is_array(list) ? json_incref(list) : json_array();
    return 0;
}

static char *comment_of(const char *store, const char *key, const char *digest)
{
    return xasprintf("%s%s/%s@%.16s", mark, store, key, digest ? digest : "");
}

static const json_t *by_name(const json_t *variables, const char *name)
{
    size_t i;
    const json_t *one;
    json_array_foreach(variables, i, one) {
        const char *its = json_text(one, "key");
        if (its && strcmp(its, name) == 0)
            return one;
    }
    return NULL;
}

/* As bundle/app.c names a secret's variable, where no two secrets come down to one name. */
static char *variable_name(const char *store, const char *key)
{
    bool flat = strcmp(store, "secrets") == 0;
    char *name = xasprintf("SECRET_%s%s%s", flat ? "" : store, flat ? "" : "_", key);
    for (char *p = name; *p; p++)
        *p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
    return name;
}

/* --- putting --- */

static int put_variable(struct vc *v, const char *name, const struct secret *value,
                        const char *comment, struct err *err)
{
    json_t *text = json_stringn((const char *)secret_expose(value), secret_len(value));
    if (!text) {
        int r = err_set(err, ERR_FAILURE, "%s: Vercel only takes text", name);
        err_hint(err, "put it as base64 and decode it in the app");
        return r;
    }
    cleanup(json_decref_p) json_t *answer = NULL;
    int r = vc_do(v, "POST", api_path("/v10/projects/%s/env?upsert=true", v->project_id),
                  json_pack("{s:s, s:o, s:s, s:[s, s], s:s}", "key", name, "value", text, "type",
                            "sensitive", "target", "production", "preview", "comment", comment),
                  true, &answer, err);
    if (r < 0)
        return r;
    const json_t *failed = json_array_get(json_object_get(answer, "failed"), 0);
    const char *why = json_text(json_object_get(failed, "error"), "message");
    return failed ? err_set(err, ERR_FAILURE, "Vercel did not take the variable %s: %s", name,
                            why ? why : "no reason given")
                  : 0;
}

struct put {
    char *name, *comment;
    struct secret *value;
};

static void put_free(void *data)
{
    struct put *p = data;
    free(p->name);
    free(p->comment);
    secret_unref(p->value);
    free(p);
}

static int put_run(struct target *target, struct step *step, struct err *err)
{
    const struct put *p = step->data;
    int r = vc_need_project(vc_of(target), err);
    return r < 0 ? r : put_variable(vc_of(target), p->name, p->value, p->comment, err);
}

static const struct secret *value_of(const struct shipment *s, const struct bundle_binding *b)
{
    for (size_t i = 0; i < s->secret_count; i++) {
        if (strcmp(s->secrets[i].store, b->store) == 0 && strcmp(s->secrets[i].key, b->key) == 0)
            return s->secrets[i].value;
    }
    return NULL;
}

/* Takes what is in `p` but for the value, of which it takes a reference. */
static void plan_put(struct steps *to, bool exists, const struct put *p, const char *store,
                     const char *key)
{
    struct step *step = steps_add(
        to, exists ? STEP_CHANGE : STEP_MAKE, xasprintf("secret %s/%s", store, key),
        xasprintf("put secret '%s' of '%s' as the sensitive variable %s", key, store, p->name),
        put_run);
    struct put *data = xnew(struct put);
    *data = *p;
    secret_ref(data->value);
    step->data = data;
    step->free_data = put_free;
}

/* The host reads the token of a REST store that stands for KV by this name: bundle/app.c. */
static int plan_token(struct vc *v, const struct bundle_binding *b, const json_t *variables,
                      struct steps *to, struct err *err)
{
    cleanup(free_p) char *name = xasprintf("%s_TOKEN", b->name);
    const char *token;
    if (by_name(variables, name))
        return 0;
    int r = kv_rest_token(&v->t.o, b->name, &token, err);
    if (r < 0)
        return r;
    cleanup(secret_unref_p) struct secret *value = secret_new(token, strlen(token));
    plan_put(to, false, &(struct put){TAKE(name), comment_of("kv", b->store, NULL), value}, "kv",
             b->store);
    return 0;
}

int vc_plan_secrets(struct vc *v, const struct shipment *s, struct steps *ret, struct err *err)
{
    cleanup(json_decref_p) json_t *variables = json_array();
    if (v->project_id) {
        json_decref(TAKE(variables));
        int r = vc_variables(v, &variables, err);
        if (r < 0)
            return r;
    }
    for (size_t i = 0; i < s->bundle->binding_count; i++) {
        const struct bundle_binding *b = &s->bundle->bindings[i];
        if (strcmp(b->kind, "kv") == 0 && b->remote) {
            int r = plan_token(v, b, variables, ret, err);
            if (r < 0)
                return r;
        }
        if (strcmp(b->kind, "secret") != 0)
            continue;
        cleanup(free_p) char *comment = comment_of(b->store, b->key, b->digest);
        const json_t *has = by_name(variables, b->name);
        const char *its = json_text(has, "comment");
        const struct secret *value = value_of(s, b);
        if ((its && strcmp(its, comment) == 0) || (has && !value))
            continue;
        if (!value) {
            int r = err_set(err, ERR_CREDENTIALS, "secret '%s' of '%s' has no value here, and the "
                            "project has no variable %s", b->key, b->store, b->name);
            err_hint(err, "edgectl secret put %s --target %s", b->key, v->t.o.name);
            return r;
        }
        plan_put(ret, has != NULL,
                 &(struct put){xstrdup(b->name), TAKE(comment), (struct secret *)value}, b->store,
                 b->key);
    }
    return 0;
}

/* --- Edge Config --- */

static char *slug(const struct vc *v)
{
    return xasprintf("edgectl-%s", v->creds.project);
}

/* The one for notes, by its slug: 1 found, 0 not. */
static int find_notes(struct vc *v, char **ret, struct err *err)
{
    cleanup(json_decref_p) json_t *list = NULL;
    cleanup(free_p) char *name = slug(v);
    int r = vc_do(v, "GET", xstrdup("/v1/edge-config"), NULL, true, &list, err);
    size_t i;
    const json_t *one;
    if (r < 0)
        return r;
    json_array_foreach(list, i, one) {
        const char *its = json_text(one, "slug"), *id = json_text(one, "id");
        if (its && id && strcmp(its, name) == 0) {
            *ret = xstrdup(id);
            return 1;
        }
    }
    return 0;
}

static int make_notes(struct vc *v, char **ret, struct err *err)
{
    cleanup(json_decref_p) json_t *answer = NULL;
    cleanup(free_p) char *name = slug(v);
    int r = vc_do(v, "POST", xstrdup("/v1/edge-config"),
                  json_pack("{s:s, s:{}}", "slug", name, "items"), false, &answer, err);
    const char *id = r == 0 ? json_text(answer, "id") : NULL;
    if (r == 0 && !id)
        r = err_set(err, ERR_NETWORK, "Vercel made an Edge Config without an id");
    if (r == 0)
        *ret = xstrdup(id);
    return r;
}

/* `value` NULL deletes. */
static json_t *change_of(const char *key, json_t *value)
{
    return value ? json_pack("{s:s, s:s, s:o}", "operation", "upsert", "key", key, "value", value)
                 : json_pack("{s:s, s:s}", "operation", "delete", "key", key);
}

static int change_items(struct vc *v, const char *config, json_t *items, struct err *err)
{
    return vc_do(v, "PATCH", api_path("/v1/edge-config/%s/items", config),
                 json_pack("{s:o}", "items", items), true, NULL, err);
}

/* Keys there are [A-Za-z0-9_-]+; what else a note's name has becomes '_'. */
static char *note_key(const char *key)
{
    char *name = xasprintf("note-%s", key);
    for (char *p = name; *p; p++) {
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-", *p))
            *p = '_';
    }
    return name;
}

int vc_put_note(struct target *target, const char *key, const char *text, struct err *err)
{
    struct vc *v = vc_of(target);
    cleanup(free_p) char *config = NULL;
    cleanup(free_p) char *name = note_key(key);
    int r = find_notes(v, &config, err);
    if (r == 0 && !*text)
        return 0;
    if (r == 0)
        r = make_notes(v, &config, err);
    return r < 0 ? r
                 : change_items(v, config,
                                json_pack("[o]", change_of(name, *text ? json_string(text) : NULL)),
                                err);
}

static int read_item(struct vc *v, const char *config, const char *key, struct buf *value,
                     struct err *err)
{
    cleanup(json_decref_p) json_t *item = NULL;
    int r = vc_find(v, api_path("/v1/edge-config/%s/item/%s", config, key), &item, err);
    const json_t *its = json_object_get(item, "value");
    if (r <= 0 || !its)
        return r < 0 ? r : 0;
    cleanup(free_p) char *text = json_is_string(its) ? xstrdup(json_string_value(its))
                                                     : json_dumps(its, JSON_ENCODE_ANY);
    buf_add_str(value, text);
    return 1;
}

int vc_get_note(struct target *target, const char *key, struct buf *text, struct err *err)
{
    struct vc *v = vc_of(target);
    cleanup(free_p) char *config = NULL;
    cleanup(free_p) char *name = note_key(key);
    int r = find_notes(v, &config, err);
    return r <= 0 ? r : read_item(v, config, name, text, err);
}

/* --- data --- */

/* The Edge Config that the target names for a config store. */
static int config_id(const struct vc *v, const struct store_ref *store, const char **ret,
                     struct err *err)
{
    *ret = manifest_remote_id(v->t.o.manifest->target, "config", store->name, NULL);
    if (*ret)
        return 0;
    int r = err_set(err, ERR_USAGE, "config '%s' is shipped with the release on Vercel",
                    store->name);
    err_hint(err, "change it in the manifest and deploy; or name an Edge Config in "
             "targets.%s.config.%s", v->t.o.name, store->name);
    return r;
}

static int no_kv(const struct store_ref *store, struct err *err)
{
    int r = err_set(err, ERR_USAGE, "Vercel has no KV store of its own: '%s' is elsewhere",
                    store->name);
    err_hint(err, "use the tools of the store that the target names for it");
    return r;
}

static int list_secrets(struct vc *v, const struct store_ref *store, const char *prefix,
                        entry_fn *fn, void *env, struct err *err)
{
    cleanup(json_decref_p) json_t *variables = NULL;
    cleanup(free_p) char *start = xasprintf("%s%s/%s", mark, store->name, prefix ? prefix : "");
    size_t base = strlen(mark) + strlen(store->name) + 1;
    int r = vc_need_project(v, err);
    if (r == 0)
        r = vc_variables(v, &variables, err);
    size_t i;
    const json_t *one;
    if (r < 0)
        return r;
    json_array_foreach(variables, i, one) {
        const char *comment = json_text(one, "comment");
        const char *at = comment ? strrchr(comment, '@') : NULL;
        if (!at || strncmp(comment, start, strlen(start)) != 0 || at < comment + base)
            continue;
        cleanup(free_p) char *key = xstrndup(comment + base, (size_t)(at - comment) - base);
        cleanup(free_p) char *digest = xstrdup(at + 1);
        if (!fn(env, &(struct entry){.key = key, .digest = digest}))
            return 0;
    }
    return 0;
}

int vc_list(struct target *target, struct store_ref store, const char *prefix, entry_fn *fn,
            void *env, struct err *err)
{
    struct vc *v = vc_of(target);
    const char *config;
    if (store.kind == STORE_KV)
        return no_kv(&store, err);
    if (store.kind == STORE_SECRET)
        return list_secrets(v, &store, prefix, fn, env, err);
    cleanup(json_decref_p) json_t *items = NULL;
    int r = config_id(v, &store, &config, err);
    if (r == 0)
        r = vc_do(v, "GET", api_path("/v1/edge-config/%s/items", config), NULL, true, &items, err);
    size_t i;
    const json_t *one;
    if (r < 0)
        return r;
    json_array_foreach(items, i, one) {
        const char *key = json_text(one, "key");
        if (!key || (prefix && strncmp(key, prefix, strlen(prefix)) != 0))
            continue;
        cleanup(free_p) char *name = xstrdup(key);
        if (!fn(env, &(struct entry){.key = name}))
            return 0;
    }
    return 0;
}

int vc_get(struct target *target, struct store_ref store, const char *key, struct buf *value,
           struct entry *ret, struct err *err)
{
    const char *config;
    if (store.kind == STORE_KV)
        return no_kv(&store, err);
    int r = config_id(vc_of(target), &store, &config, err);
    if (r == 0)
        r = read_item(vc_of(target), config, key, value, err);
    if (r > 0)
        *ret = (struct entry){.key = xstrdup(key)};
    return r;
}

static int put_secrets(struct vc *v, const struct store_ref *store, const struct entry *entries,
                       size_t count, struct err *err)
{
    int r = vc_need_project(v, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        const struct entry *e = &entries[i];
        char digest[HASH_HEX_SIZE];
        if (!e->digest)
            secret_print(e->secret, store->name, e->key, digest);
        cleanup(free_p) char *comment = comment_of(store->name, e->key,
                                                   e->digest ? e->digest : digest);
        cleanup(free_p) char *name = variable_name(store->name, e->key);
        r = put_variable(v, name, e->secret, comment, err);
    }
    return r;
}

int vc_put(struct target *target, struct store_ref store, const struct entry *entries,
           size_t count, struct err *err)
{
    struct vc *v = vc_of(target);
    const char *config;
    if (store.kind == STORE_KV)
        return no_kv(&store, err);
    if (store.kind == STORE_SECRET)
        return put_secrets(v, &store, entries, count, err);
    int r = config_id(v, &store, &config, err);
    if (r < 0)
        return r;
    json_t *items = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *text = json_stringn(entries[i].value, entries[i].len);
        if (!text) {
            json_decref(items);
            return err_set(err, ERR_FAILURE, "config '%s': Edge Config only takes text",
                           entries[i].key);
        }
        json_array_append_new(items, change_of(entries[i].key, text));
    }
    return change_items(v, config, items, err);
}

static int remove_secret(struct vc *v, const json_t *variables, const struct store_ref *store,
                         const char *key, struct err *err)
{
    cleanup(free_p) char *start = xasprintf("%s%s/%s@", mark, store->name, key);
    size_t i;
    const json_t *one;
    json_array_foreach(variables, i, one) {
        const char *comment = json_text(one, "comment"), *id = json_text(one, "id");
        if (!comment || !id || strncmp(comment, start, strlen(start)) != 0)
            continue;
        int r = vc_do(v, "DELETE", api_path("/v9/projects/%s/env/%s", v->project_id, id), NULL,
                      true, NULL, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int vc_remove(struct target *target, struct store_ref store, const char *const *keys, size_t count,
              struct err *err)
{
    struct vc *v = vc_of(target);
    const char *config;
    if (store.kind == STORE_KV)
        return no_kv(&store, err);
    if (store.kind == STORE_CONFIG) {
        int r = config_id(v, &store, &config, err);
        json_t *items = json_array();
        for (size_t i = 0; i < count; i++)
            json_array_append_new(items, change_of(keys[i], NULL));
        if (r == 0)
            return change_items(v, config, items, err);
        json_decref(items);
        return r;
    }
    cleanup(json_decref_p) json_t *variables = NULL;
    int r = vc_need_project(v, err);
    if (r == 0)
        r = vc_variables(v, &variables, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = remove_secret(v, variables, &store, keys[i], err);
    return r;
}
