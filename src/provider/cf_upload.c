/* SPDX-License-Identifier: Apache-2.0 */
/* A version of a worker: one multipart upload with its modules, bindings and secrets. The first one
 * makes the worker, and has all traffic at once; later ones have none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "provider/cf.h"

enum { MESSAGE_MAX = 900 };

bool cf_is_release(const char *tag)
{
    return tag && strlen(tag) == HASH_HEX_SIZE - 1 &&
           strspn(tag, "0123456789abcdef") == HASH_HEX_SIZE - 1;
}

const json_t *cf_find_release(const json_t *versions, const char *release)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(json_object_get(versions, "result"), "items"), i, v) {
        const char *tag = json_text(json_object_get(v, "annotations"), "workers/tag");
        if (tag && strcmp(tag, release) == 0)
            return v;
    }
    return NULL;
}

/* --- metadata --- */

static const struct bundle_secret *secret_of(const struct shipment *s,
                                             const struct bundle_binding *b)
{
    for (size_t i = 0; i < s->secret_count; i++)
        if (strcmp(s->secrets[i].store, b->store) == 0 && strcmp(s->secrets[i].key, b->key) == 0)
            return &s->secrets[i];
    return NULL;
}

static int bind_secret(const struct cf *c, const struct shipment *s,
                       const struct bundle_binding *b, json_t *list, struct err *err)
{
    const struct bundle_secret *secret = secret_of(s, b);
    json_t *binding = NULL;
    if (secret && secret->value) {
        int r = cf_secret_json(secret->value, b->key, &binding, err);
        if (r < 0)
            return r;
        json_object_set_new(binding, "name", json_string(b->name));
    } else if (c->exists) {
        binding = json_pack("{s:s, s:s}", "name", b->name, "type", "inherit");
    } else {
        int r = err_set(err, ERR_MANIFEST, "secret '%s' of store '%s' has no value", b->key,
                        b->store);
        err_hint(err, "a worker that is not there yet has none to keep: set it first");
        return r;
    }
    json_array_append_new(list, binding);
    return 0;
}

static int bind_namespace(struct cf *c, const struct bundle_binding *b, json_t *list,
                          struct err *err)
{
    const char *id;
    int r = b->remote ? 0 : cf_namespace_find(c, b->store, &id, err);
    if (b->remote || r < 0)
        return r;
    if (r == 0)
        return err_set(err, ERR_FAILURE, "KV store '%s' has no namespace", b->store);
    json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", b->name, "type",
                                          "kv_namespace", "namespace_id", id));
    return 0;
}

static void annotate(const struct shipment *s, json_t *root)
{
    json_t *annotations = json_object_get(root, "annotations");
    if (!annotations) {
        annotations = json_object();
        json_object_set_new(root, "annotations", annotations);
    }
    const char *message = s->message ? s->message : "deployed by edgectl";
    cleanup(free_p) char *text =
        xasprintf("%.*s%s%s%s", (int)utf8_cut(message, strlen(message), MESSAGE_MAX), message,
                  s->revision ? " (git " : "", s->revision ? s->revision : "",
                  s->revision ? ")" : "");
    json_object_set_new(annotations, "workers/message", json_string(text));
    json_object_set_new(annotations, "workers/tag", json_string(s->bundle->id));
}

static int make_metadata(struct cf *c, const struct shipment *s, json_t **ret, struct err *err)
{
    json_t *root = json_loads(s->bundle->metadata, 0, NULL);
    json_t *list = json_object_get(root, "bindings");
    int r = list ? 0 : err_set(err, ERR_FAILURE, "the bundle is not one for Cloudflare");
    for (size_t i = 0; i < s->bundle->binding_count && r == 0; i++) {
        const struct bundle_binding *b = &s->bundle->bindings[i];
        if (strcmp(b->kind, "kv") == 0)
            r = bind_namespace(c, b, list, err);
        else if (strcmp(b->kind, "secret") == 0)
            r = bind_secret(c, s, b, list, err);
    }
    if (r < 0) {
        cf_wipe_json(root);
        json_decref(root);
        return r;
    }
    /* What was set by hand stays. */
    if (c->exists)
        json_object_set_new(root, "keep_bindings",
                            json_pack("[s, s]", "secret_text", "secret_key"));
    annotate(s, root);
    *ret = root;
    return 0;
}

/* --- the upload --- */

static int make_body(struct cf *c, const struct shipment *s, struct api_body **ret,
                     struct err *err)
{
    json_t *metadata = NULL;
    int r = make_metadata(c, s, &metadata, err);
    if (r < 0)
        return r;
    struct api_body *body = api_body_parts(s->bundle->id);
    char *text = json_dumps(metadata, JSON_COMPACT);
    api_body_part(body, "metadata", NULL, NULL);
    api_body_add(body, text, strlen(text));
    explicit_bzero(text, strlen(text));
    free(text);
    cf_wipe_json(metadata);
    json_decref(metadata);
    for (size_t i = 0; i < s->bundle->part_count; i++) {
        const struct bundle_part *p = &s->bundle->parts[i];
        api_body_part(body, p->name, p->name, p->type);
        api_body_add_borrowed(body, p->data, p->len);
    }
    api_body_end_parts(body);
    api_body_spool(body, s->bundle->spool);
    *ret = body;
    return 0;
}

static int upload(struct cf *c, const struct shipment *s, json_t **ret, struct err *err)
{
    struct api_body *body = NULL;
    int r = make_body(c, s, &body, err);
    if (r < 0)
        return r;
    struct cf_call call = {.method = c->exists ? "POST" : "PUT"};
    call.path = cf_script_path(c, c->exists ? "/versions?bindings_inherit=strict"
                                            : "?excludeScript=true&bindings_inherit=strict");
    struct api_request request = {.method = call.method, .path = call.path, .body = body,
                                  .unrepeatable = true, .progress = upload_progress,
                                  .progress_env = &c->t};
    call.call = api_start(c->api, &request);
    r = cf_wait(c, &call, ret, err);
    if (r == 0)
        return err_set(err, ERR_DRIFT, "the worker %s has gone meanwhile", c->script);
    return r < 0 ? r : 0;
}

/* The first upload names its version without hyphens. */
static void version_id(const json_t *result, char ret[PROVIDER_ID_MAX])
{
    const char *bare = json_text(result, "deployment_id"), *id = json_text(result, "id");
    if (!bare || strlen(bare) != 32)
        snprintf(ret, PROVIDER_ID_MAX, "%s", bare ? bare : id ? id : "");
    else
        snprintf(ret, PROVIDER_ID_MAX, "%.8s-%.4s-%.4s-%.4s-%s", bare, bare + 8, bare + 12,
                 bare + 16, bare + 20);
}

static int make_version(void *env, struct err *err)
{
    struct cf *c = env;
    cleanup(json_decref_p) json_t *root = NULL;
    int r = upload(c, c->t.shipment, &root, err);
    if (r == 0)
        version_id(json_object_get(root, "result"), c->t.shipment->version);
    return r;
}

static int find_version(void *env, struct err *err)
{
    struct cf *c = env;
    cleanup(json_decref_p) json_t *versions = NULL;
    struct cf_call call = cf_start(c, "GET", cf_script_path(c, "/versions?deployable=true"), NULL,
                                   false);
    int r = cf_wait(c, &call, &versions, err);
    if (r <= 0)
        return r;
    c->exists = true;
    const json_t *found = cf_find_release(versions, c->t.shipment->bundle->id);
    if (found)
        snprintf(c->t.shipment->version, PROVIDER_ID_MAX, "%s", json_text(found, "id"));
    return found != NULL;
}

int cf_run_version(struct target *t, struct step *step, struct err *err)
{
    (void)step;
    struct cf *c = cf_of(t);
    struct shipment *s = t->shipment;
    int r = make_once(c->api, make_version, find_version, c, err);
    r = r < 0 ? r : fact_set(t, "account", c->creds.from, c->account, err);
    if (r < 0)
        return r;
    if (!c->exists)
        c->deployments_ns = 0; /* the first version is deployed with that */
    c->exists = true;
    s->preview_url = s->preview_url ? s->preview_url : cf_preview_url(c, s->version);
    return 0;
}
