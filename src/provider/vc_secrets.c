/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets are sensitive environment variables of the project, which cannot be read back; a
 * deployment keeps those it was made with. A variable's comment tells which value it has. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/kv_rest.h"
#include "provider/vc.h"

/* "edgectl STORE/KEY@DIGEST" */
static const char mark[] = "edgectl ";
/* "edgectl-kv STORE/URL@DIGEST" */
static const char kv_mark[] = "edgectl-kv ";

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

/* Some have a value for each environment; `target` is a name, or a list of them. */
static bool is_for_production(const json_t *variable)
{
    const json_t *target = json_object_get(variable, "target"), *one;
    size_t i;
    json_array_foreach(target, i, one) {
        if (json_is_string(one) && strcmp(json_string_value(one), "production") == 0)
            return true;
    }
    const char *name = json_string_value(target);
    return name && strcmp(name, "production") == 0;
}

/* That production has; NULL when there is none. */
static const json_t *by_name(const json_t *variables, const char *name)
{
    size_t i;
    const json_t *one;
    json_array_foreach(variables, i, one) {
        const char *its = json_text(one, "key");
        if (its && strcmp(its, name) == 0 && is_for_production(one))
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

/* What the host reads about a database that stands for a KV store, by these names
 * (templates/hosts/vercel). One that was put by hand, or by an integration, stays as it is. */
static int plan_kv_variable(const struct bundle_binding *b, const char *what,
                            const char *value, const json_t *variables, struct steps *to)
{
    cleanup(free_p) char *name = xasprintf("%s_%s", b->name, what);
    const json_t *has = by_name(variables, name);
    const char *its = json_text(has, "comment");
    if (!value)
        return has != NULL;
    if (has && (!its || strncmp(its, kv_mark, strlen(kv_mark)) != 0))
        return 1;
    char digest[HASH_HEX_SIZE];
    cleanup(secret_unref_p) struct secret *secret = secret_new(value, strlen(value));
    secret_print(secret, b->store, what, digest);
    cleanup(free_p) char *comment = xasprintf("%s%s/%s@%.16s", kv_mark, b->store, what, digest);
    if (its && strcmp(its, comment) == 0)
        return 1;
    struct step *step = steps_add(
        to, has ? STEP_CHANGE : STEP_MAKE, xasprintf("kv %s/%s", b->store, what),
        xasprintf("put the database of the KV store '%s' as the sensitive variable %s", b->store,
                  name), put_run);
    struct put *data = xnew(struct put);
    *data = (struct put){TAKE(name), TAKE(comment), TAKE(secret)};
    step->data = data;
    step->free_data = put_free;
    return 1;
}

/* The URL stands in the bundle where the target names it. */
static int plan_kv(struct vc *v, const struct bundle_binding *b, const json_t *variables,
                   struct steps *to, struct err *err)
{
    const char *token = NULL, *url = b->remote ? NULL : kv_rest_url(&v->t.o, b->store, b->name);
    int r = kv_rest_token(&v->t.o, b->name, &token, err);
    if (!b->remote && !plan_kv_variable(b, "URL", url, variables, to)) {
        r = err_set(err, ERR_MANIFEST, "Vercel has no KV store of its own, and nothing says which "
                    "database stands for '%s'", b->store);
        err_hint(err, "name its REST URL in targets.%s.kv.%s, or set %s_URL or "
                 "UPSTASH_REDIS_REST_URL", v->t.o.name, b->store, b->name);
        return r;
    }
    return plan_kv_variable(b, "TOKEN", token, variables, to) ? 0 : r;
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
        int r = strcmp(b->kind, "kv") == 0 ? plan_kv(v, b, variables, ret, err) : 0;
        if (r < 0)
            return r;
        if (strcmp(b->kind, "secret") != 0)
            continue;
        cleanup(free_p) char *comment = comment_of(b->store, b->key, b->digest);
        const json_t *has = by_name(variables, b->name);
        const char *its = json_text(has, "comment");
        const struct secret *value = value_of(s, b);
        if ((its && strcmp(its, comment) == 0) || (has && !value))
            continue;
        if (!value) {
            r = err_set(err, ERR_CREDENTIALS, "secret '%s' of '%s' has no value here, and the "
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

static int delete_variable(struct target *target, struct step *step, struct err *err)
{
    struct vc *v = vc_of(target);
    int r = vc_need_project(v, err);
    return r < 0 ? r
                 : vc_delete(v, api_path("/v9/projects/%s/env/%s", v->project_id,
                                               (char *)step->data), err);
}

int vc_plan_no_secrets(struct vc *v, struct steps *ret, struct err *err)
{
    cleanup(json_decref_p) json_t *variables = NULL;
    int r = vc_variables(v, &variables, err);
    size_t i;
    const json_t *one;
    if (r < 0)
        return r;
    json_array_foreach(variables, i, one) {
        const char *comment = json_text(one, "comment"), *id = json_text(one, "id");
        const char *name = json_text(one, "key");
        if (!comment || !id || !name || (strncmp(comment, mark, strlen(mark)) != 0 &&
                                         strncmp(comment, kv_mark, strlen(kv_mark)) != 0))
            continue;
        steps_add_named(ret, STEP_DELETE, xasprintf("variable %s", name),
                        xasprintf("delete the variable %s", name), delete_variable, id);
    }
    return 0;
}

/* --- as data --- */

int vc_list_secrets(struct vc *v, const struct store_ref *store, const char *prefix, entry_fn *fn,
                    void *env, struct err *err)
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

int vc_put_secrets(struct vc *v, const struct store_ref *store, const struct entry *entries,
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
        int r = vc_delete(v, api_path("/v9/projects/%s/env/%s", v->project_id, id), err);
        if (r < 0)
            return r;
    }
    return 0;
}

int vc_remove_secrets(struct vc *v, const struct store_ref *store, const char *const *keys,
                      size_t count, struct err *err)
{
    cleanup(json_decref_p) json_t *variables = NULL;
    int r = vc_need_project(v, err);
    if (r == 0)
        r = vc_variables(v, &variables, err);
    for (size_t i = 0; r == 0 && i < count; i++)
        r = remove_secret(v, variables, store, keys[i], err);
    return r;
}
