/* SPDX-License-Identifier: Apache-2.0 */
/* Systems Manager's parameters: secrets, which a function at the edge reads through its role since
 * it has no environment of its own, and notes. A secret's value lives under a name that follows
 * from it, so that an older release still finds the one it was made with. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bundle/bundle.h"
#include "provider/aws_target.h"
#include "provider/kv_rest.h"

enum { NAMES_AT_ONCE = 10, PRINT_DIGITS = 16 };

static int call(struct aws_target *t, const char *operation, json_t *body, json_t **ret,
                struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_SSM, &s, err);
    if (r < 0) {
        json_decref(body);
        return r;
    }
    return aws_target_json(s, operation, body, ret, err);
}

int aws_parameter_get(struct aws_target *t, const char *name, struct buf *value, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_SSM, &s, err);
    if (r < 0)
        return r;
    cleanup(api_response_clear) struct api_response answer = {0};
    r = aws_target_call(s, "GetParameter",
                        json_pack("{s:s, s:b}", "Name", name, "WithDecryption", value != NULL),
                        &answer, err);
    if (r < 0)
        return r;
    if (aws_error_is(&answer, "ParameterNotFound"))
        return 0;
    if (answer.status != 200)
        return aws_fail(s, "POST", "GetParameter", &answer, err);
    cleanup(json_decref_p) json_t *found = NULL;
    r = api_json(aws_service_api(s), "POST", "GetParameter", &answer, &found, err);
    if (r < 0)
        return r;
    if (value)
        buf_add_str(value, aws_text(json_object_get(found, "Parameter"), "Value"));
    return 1;
}

int aws_parameter_put(struct aws_target *t, const char *name, const void *value, size_t len,
                      bool secret, bool overwrite, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_SSM, &s, err);
    if (r < 0)
        return r;
    json_t *text = json_stringn(value, len);
    if (!text) {
        r = err_set(err, ERR_FAILURE, "parameter %s: AWS Systems Manager only takes text", name);
        err_hint(err, "put it as base64 and decode it in the app");
        return r;
    }
    cleanup(api_response_clear) struct api_response answer = {0};
    r = aws_target_call(s, "PutParameter",
                        json_pack("{s:s, s:o, s:s, s:b, s:s}", "Name", name, "Value", text, "Type",
                                  secret ? "SecureString" : "String", "Overwrite", overwrite,
                                  "Tier", "Intelligent-Tiering"),
                        &answer, err);
    if (r < 0)
        return r;
    /* A name that follows from its value has that value already. */
    if (answer.status == 200 || (!overwrite && aws_error_is(&answer, "ParameterAlreadyExists")))
        return 0;
    return aws_fail(s, "POST", "PutParameter", &answer, err);
}

int aws_parameter_delete(struct aws_target *t, const char *name, struct err *err)
{
    cleanup(json_decref_p) json_t *answer = NULL;
    return call(t, "DeleteParameters", json_pack("{s:[s]}", "Names", name), &answer, err);
}

int aws_parameters_list(struct aws_target *t, const char *path, json_t **ret, struct err *err)
{
    cleanup(json_decref_p) json_t *all = json_array();
    cleanup(free_p) char *next = NULL;
    do {
        cleanup(json_decref_p) json_t *page = NULL;
        int r = call(t, "GetParametersByPath",
                     json_pack("{s:s, s:b, s:i, s:s*}", "Path", path, "Recursive", 1, "MaxResults",
                               NAMES_AT_ONCE, "NextToken", next), &page, err);
        if (r < 0)
            return r;
        json_t *some = json_object_get(page, "Parameters");
        if (some)
            json_array_extend(all, some);
        free(next);
        const char *token = aws_text(page, "NextToken");
        next = *token ? xstrdup(token) : NULL;
    } while (next);
    *ret = TAKE(all);
    return 0;
}

int aws_parameter_names(struct aws_target *t, const char *path, json_t **ret, struct err *err)
{
    cleanup(json_decref_p) json_t *all = NULL;
    int r = aws_parameters_list(t, path, &all, err);
    size_t i;
    const json_t *one;
    if (r < 0)
        return r;
    *ret = json_array();
    json_array_foreach(all, i, one)
        json_array_append(*ret, json_object_get(one, "Name"));
    return 0;
}

/* --- secrets --- */

static char *secret_name(const struct aws_target *t, const char *store, const char *key,
                         const char *digest)
{
    return xasprintf("/edgectl/%s/%s/%s/%.*s", t->function, store, key, PRINT_DIGITS, digest);
}

static bool is_ours(const struct aws_target *t, const char *name)
{
    cleanup(free_p) char *path = xasprintf("/edgectl/%s/", t->function);
    return name && strncmp(name, path, strlen(path)) == 0;
}

struct put {
    char *name;
    struct secret *value;
};

static void put_free(void *data)
{
    struct put *p = data;
    free(p->name);
    secret_unref(p->value);
    free(p);
}

static int put_run(struct target *t, struct step *s, struct err *err)
{
    const struct put *p = s->data;
    return aws_parameter_put(aws_of(t), p->name, secret_expose(p->value), secret_len(p->value),
                             true, false, err);
}

static void plan_put(struct steps *to, const char *store, const char *key, char *name,
                     struct secret *value)
{
    struct step *step = steps_add(to, STEP_MAKE, xasprintf("secret %s/%s", store, key),
                                  xasprintf("put secret '%s' of '%s' as the parameter %s", key,
                                            store, name), put_run);
    struct put *p = xnew(struct put);
    *p = (struct put){name, secret_ref(value)};
    step->data = p;
    step->free_data = put_free;
}

static struct secret *value_of(const struct shipment *s, const struct bundle_binding *b)
{
    for (size_t i = 0; i < s->secret_count; i++) {
        if (strcmp(s->secrets[i].store, b->store) == 0 && strcmp(s->secrets[i].key, b->key) == 0)
            return (struct secret *)s->secrets[i].value;
    }
    return NULL;
}

/* The host reads the token of a REST store that stands for KV by this name: bundle/app.c. */
static int plan_token(struct aws_target *t, const struct bundle_binding *b, struct steps *to,
                      struct err *err)
{
    cleanup(free_p) char *name = xasprintf("/edgectl/%s/kv/%s/token", t->function, b->store);
    const char *token;
    int r = aws_parameter_get(t, name, NULL, err);
    if (r == 0)
        r = kv_rest_token(&t->base.o, b->name, &token, err);
    else
        return r < 0 ? r : 0;
    if (r < 0)
        return r;
    cleanup(secret_unref_p) struct secret *value = secret_new(token, strlen(token));
    plan_put(to, "kv", b->store, TAKE(name), value);
    return 0;
}

int aws_secrets_plan(struct aws_target *t, struct shipment *s, struct steps *ret, struct err *err)
{
    for (size_t i = 0; i < s->bundle->binding_count; i++) {
        const struct bundle_binding *b = &s->bundle->bindings[i];
        if (strcmp(b->kind, "kv") == 0 && b->remote && !aws_kvs_id(b->remote)) {
            int token = plan_token(t, b, ret, err);
            if (token < 0)
                return token;
        }
        if (strcmp(b->kind, "secret") != 0 || !is_ours(t, b->remote))
            continue; /* the target names a parameter that somebody else looks after */
        int r = aws_parameter_get(t, b->remote, NULL, err);
        if (r < 0)
            return r;
        struct secret *value = value_of(s, b);
        if (r == 0 && !value) {
            r = err_set(err, ERR_CREDENTIALS, "secret '%s' of '%s' has no value here, and AWS has "
                        "none for it", b->key, b->store);
            err_hint(err, "edgectl secret put %s --target %s", b->key, t->base.o.name);
            return r;
        }
        if (r == 0)
            plan_put(ret, b->store, b->key, xstrdup(b->remote), value);
    }
    return 0;
}

int aws_secrets_list(struct target *target, struct store_ref store, const char *prefix,
                     entry_fn *fn, void *env, struct err *err)
{
    struct aws_target *t = aws_of(target);
    cleanup(free_p) char *path = xasprintf("/edgectl/%s/%s", t->function, store.name);
    cleanup(json_decref_p) json_t *names = NULL;
    int r = aws_parameter_names(t, path, &names, err);
    if (r < 0)
        return r;
    size_t i;
    const json_t *one;
    json_array_foreach(names, i, one) {
        const char *name = json_string_value(one), *slash = name ? strrchr(name, '/') : NULL;
        if (!slash || strlen(path) + 1 >= (size_t)(slash - name) ||
            (prefix && strncmp(name + strlen(path) + 1, prefix, strlen(prefix)) != 0))
            continue;
        cleanup(free_p) char *key = xstrndup(name + strlen(path) + 1,
                                             (size_t)(slash - name) - strlen(path) - 1);
        cleanup(free_p) char *digest = xstrdup(slash + 1);
        if (!fn(env, &(struct entry){.key = key, .digest = digest}))
            return 0;
    }
    return 0;
}

int aws_secrets_put(struct target *t, struct store_ref store, const struct entry *entries,
                    size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct entry *e = &entries[i];
        char digest[HASH_HEX_SIZE];
        if (!e->digest)
            secret_print(e->secret, store.name, e->key, digest);
        cleanup(free_p) char *name = secret_name(aws_of(t), store.name, e->key,
                                                 e->digest ? e->digest : digest);
        int r = aws_parameter_put(aws_of(t), name, secret_expose(e->secret), secret_len(e->secret),
                                  true, false, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int aws_secrets_remove(struct target *target, struct store_ref store, const char *const *keys,
                       size_t count, struct err *err)
{
    struct aws_target *t = aws_of(target);
    for (size_t i = 0; i < count; i++) {
        cleanup(free_p) char *path = xasprintf("/edgectl/%s/%s/%s", t->function, store.name,
                                               keys[i]);
        cleanup(json_decref_p) json_t *names = NULL;
        int r = aws_parameter_names(t, path, &names, err);
        size_t k;
        const json_t *name;
        if (r == 0)
            json_array_foreach(names, k, name)
                if (r == 0)
                    r = aws_parameter_delete(t, json_string_value(name), err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* --- notes --- */

static char *note_name(const struct aws_target *t, const char *key)
{
    return xasprintf("/edgectl/%s/notes/%s", t->function, key);
}

int aws_put_note(struct target *target, const char *key, const char *text, struct err *err)
{
    struct aws_target *t = aws_of(target);
    cleanup(free_p) char *name = note_name(t, key);
    /* No parameter is empty: no text is no note. */
    return *text ? aws_parameter_put(t, name, text, strlen(text), false, true, err)
                 : aws_parameter_delete(t, name, err);
}

int aws_get_note(struct target *target, const char *key, struct buf *text, struct err *err)
{
    cleanup(free_p) char *name = note_name(aws_of(target), key);
    return aws_parameter_get(aws_of(target), name, text, err);
}
