/* SPDX-License-Identifier: Apache-2.0 */
#include "bundle/app.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/media.h"

enum { CONFIG_VALUE_BYTES = 64 * 1024 };

static const char *provider(const struct making *mk)
{
    return manifest_provider_name(mk->target->provider);
}

/* The JavaScript platforms: all that the bundle says must be in it. Fastly has these things by API,
 * and `local` reads the manifest. */
static bool has_host(const struct making *mk)
{
    return mk->target->provider == PROVIDER_CLOUDFLARE || mk->target->provider == PROVIDER_AWS ||
           mk->target->provider == PROVIDER_VERCEL;
}

/* --- names --- */

static bool name_taken(const struct bundle *b, const char *name)
{
    for (size_t i = 0; i < b->binding_count; i++)
        if (strcmp(b->bindings[i].name, name) == 0)
            return true;
    return false;
}

/* A name that every platform takes for a variable: capitals, digits, '_'. The order of the manifest
 * decides who gets a plain one. */
static char *variable(const struct bundle *b, const char *prefix, const char *store,
                      const char *key)
{
    cleanup(free_p) char *name = xasprintf("%s_%s%s%s", prefix, store ? store : "",
                                           store && key ? "_" : "", key ? key : "");
    for (char *p = name; *p; p++)
        *p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
    char *unique = xstrdup(name);
    for (int n = 2; name_taken(b, unique); n++) {
        free(unique);
        unique = xasprintf("%s_%d", name, n);
    }
    return unique;
}

static struct bundle_binding *add(struct bundle *b, const char *kind, const char *store,
                                  const char *key, char *name, const char *remote)
{
    b->bindings = xreallocarray(b->bindings, b->binding_count + 1, sizeof *b->bindings);
    struct bundle_binding *binding = &b->bindings[b->binding_count++];
    *binding = (struct bundle_binding){
        .kind = kind, .store = xstrdup(store), .key = key ? xstrdup(key) : NULL, .name = name,
        .remote = remote ? xstrdup(remote) : NULL,
    };
    return binding;
}

/* What a store is called where a host has it, or by the platform itself. */
static char *plain_name(const struct making *mk, const char *prefix, const char *store,
                        const char *key)
{
    return has_host(mk) ? variable(mk->b, prefix, store, key) : xstrdup(key ? key : store);
}

static char *secret_name(const struct making *mk, const char *store, const char *key)
{
    return plain_name(mk, "SECRET", strcmp(store, "secrets") == 0 ? NULL : store, key);
}

/* --- what the target lacks --- */

static int lacks(const struct making *mk, struct err *err, const char *hint, const char *fmt, ...)
    printf_like(4, 5);

static int lacks(const struct making *mk, struct err *err, const char *hint, const char *fmt, ...)
{
    char what[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    err_set(err, ERR_MANIFEST, "target '%s' (%s) cannot have %s", mk->target->name, provider(mk),
            what);
    err_hint(err, "%s", hint);
    if (mk->m->file)
        err_place(err, mk->m->file, 0, 0);
    return -ERR_MANIFEST;
}

static bool is_loopback(const char *host)
{
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "::1") == 0;
}

static int check_backend(struct making *mk, const struct manifest_backend *be, struct err *err)
{
    if (!has_host(mk))
        return 0;
    if (be->client_cert_pem)
        return lacks(mk, err, "a private key must not be in a bundle; use another backend there: "
                              "targets.NAME.backends",
                     "the client certificate of backend '%s'", be->name);
    if (be->own_path)
        return lacks(mk, err, "give it a URL that is reachable from there",
                     "backend '%s', which is a path on edgectl's own server", be->name);
    if (is_loopback(be->host))
        bundle_note(mk->b, "name the one for this target in targets.NAME.backends",
                    "backend '%s' is on this machine: %s", be->name, be->url);
    if (mk->target->provider == PROVIDER_CLOUDFLARE && be->ca_pem)
        return lacks(mk, err, "a Worker trusts public authorities only",
                     "an authority of its own for backend '%s'", be->name);
    if (mk->target->provider == PROVIDER_CLOUDFLARE && (be->cert_host || be->no_sni))
        bundle_note(mk->b, "a Worker takes both from the URL",
                    "backend '%s': cert-host and sni have no effect on cloudflare", be->name);
    return 0;
}

/* --- config stores --- */

static int config_value(const struct making *mk, const char *store, const struct manifest_pair *p,
                        json_t *values, struct err *err)
{
    cleanup(buf_clear) struct buf text = BUF_INIT(CONFIG_VALUE_BYTES);
    int r = manifest_source_read(mk->m, &p->value, &text, err);
    if (r < 0)
        return err_wrap(err, r, "config '%s', key '%s'", store, p->key);
    json_t *value = json_stringn(buf_str(&text), text.len);
    if (!value)
        return err_set(err, ERR_MANIFEST, "config '%s', key '%s': the value is not UTF-8", store,
                       p->key);
    json_object_set_new(values, p->key, value);
    return 0;
}

static int config_values(const struct making *mk, const struct manifest_store *s, json_t *values,
                         struct err *err)
{
    struct manifest_pair *pairs = s->pairs;
    size_t count = s->count;
    int r = s->json_file ? manifest_store_read(s, MANIFEST_CONFIG, &pairs, &count, err) : 0;
    if (r < 0)
        return r;
    for (size_t i = 0; i < count && r == 0; i++)
        r = config_value(mk, s->name, &pairs[i], values, err);
    if (s->json_file)
        manifest_pairs_free(pairs, count);
    return r;
}

static int bind_config(struct making *mk, const struct manifest_store *s, struct err *err)
{
    json_t *values = json_object();
    json_object_set_new(mk->config, s->name, values);
    int r = config_values(mk, s, values, err);
    if (r < 0)
        return r;
    char *name = plain_name(mk, "CONFIG", s->name, NULL);
    struct bundle_binding *b = add(mk->b, "config", s->name, NULL, name,
                                   manifest_remote_id(mk->target, "config", s->name, NULL));
    cleanup(free_p) char *text = json_stable(values);
    uint8_t digest[HASH_SIZE];
    hash_bytes(text, strlen(text), digest);
    hash_hex(digest, b->digest);
    return 0;
}

/* --- KV and secrets --- */

static int bind_kv(struct making *mk, const struct manifest_kv *kv, struct err *err)
{
    const char *remote = manifest_remote_id(mk->target, "kv", kv->name, NULL);
    if (mk->target->provider == PROVIDER_AWS && !remote)
        return lacks(mk, err, "Lambda@Edge has none: name a CloudFront KeyValueStore, or the "
                              "URL of a REST store of Upstash's kind, in targets.NAME.kv",
                     "KV store '%s' as it is", kv->name);
    add(mk->b, "kv", kv->name, NULL,
        plain_name(mk, "KV", kv->name, NULL), remote);
    return 0;
}

static void bind_secret(struct making *mk, const struct bundle_secret *s)
{
    bool flat = strcmp(s->store, "secrets") == 0;
    const char *remote = manifest_remote_id(mk->target, flat ? "secrets" : "secret-stores",
                                            flat ? s->key : s->store, flat ? NULL : s->key);
    char *name = secret_name(mk, s->store, s->key);
    struct bundle_binding *b = add(mk->b, "secret", s->store, s->key, name, remote);
    if (s->digest)
        snprintf(b->digest, sizeof b->digest, "%s", s->digest);
    else if (s->value)
        secret_print(s->value, s->store, s->key, b->digest);
    /* Values cannot be read back, so each lives under a name that tells which one it is. */
    if (mk->target->provider == PROVIDER_AWS && !remote)
        b->remote = xasprintf("/edgectl/%s/%s/%s/%.16s", manifest_function(mk->m), s->store, s->key,
                              *b->digest ? b->digest : "unset");
    if (!*b->digest)
        bundle_note(mk->b, "set it before the app is deployed",
                    "secret '%s' of store '%s' has no value here", s->key, s->store);
}

int app_bind(struct making *mk, struct err *err)
{
    const struct manifest *m = mk->m;
    int r = 0;
    mk->config = json_object();
    for (size_t i = 0; i < m->backend_count && r == 0; i++) {
        const struct manifest_backend *be = &m->backends[i];
        r = check_backend(mk, be, err);
        add(mk->b, "backend", be->name, NULL, xstrdup(be->name), be->url);
    }
    for (size_t i = 0; i < m->kv_count && r == 0; i++)
        r = bind_kv(mk, &m->kv[i], err);
    for (size_t i = 0; i < m->config_count && r == 0; i++)
        r = bind_config(mk, &m->configs[i], err);
    for (size_t i = 0; i < mk->options->secret_count && r == 0; i++)
        bind_secret(mk, &mk->options->secrets[i]);
    return r;
}

/* Goes through the manifest as app_bind does: who comes first has the plain name. */
char *bundle_binding_name(const struct manifest *m, const char *kind, const char *store,
                          const char *key)
{
    struct bundle b = {0};
    const struct making mk = {.m = m, .target = m->target, .b = &b};
    for (size_t i = 0; i < m->backend_count; i++)
        add(&b, "backend", m->backends[i].name, NULL, xstrdup(m->backends[i].name), NULL);
    for (size_t i = 0; i < m->kv_count; i++)
        add(&b, "kv", m->kv[i].name, NULL, plain_name(&mk, "KV", m->kv[i].name, NULL), NULL);
    for (size_t i = 0; i < m->config_count; i++)
        add(&b, "config", m->configs[i].name, NULL,
            plain_name(&mk, "CONFIG", m->configs[i].name, NULL), NULL);
    for (size_t i = 0; i < m->secret_count; i++)
        for (size_t k = 0; k < m->secrets[i].count; k++)
            add(&b, "secret", m->secrets[i].name, m->secrets[i].pairs[k].key,
                secret_name(&mk, m->secrets[i].name, m->secrets[i].pairs[k].key), NULL);
    char *found = NULL;
    for (size_t i = 0; i < b.binding_count; i++) {
        struct bundle_binding *its = &b.bindings[i];
        if (!found && strcmp(its->kind, kind) == 0 && strcmp(its->store, store) == 0 &&
            (key ? its->key && strcmp(its->key, key) == 0 : !its->key))
            found = TAKE(its->name);
        free(its->store);
        free(its->key);
        free(its->name);
    }
    free(b.bindings);
    return found;
}

/* --- bindings.js --- */

static void set_text(json_t *o, const char *key, const char *text)
{
    if (text)
        json_object_set_new(o, key, json_string(text));
}

static void set_number(json_t *o, const char *key, uint64_t number)
{
    if (number)
        json_object_set_new(o, key, json_integer((json_int_t)number));
}

static void set_true(json_t *o, const char *key, bool yes)
{
    if (yes)
        json_object_set_new(o, key, json_true());
}

static json_t *backend_json(const struct manifest_backend *be)
{
    static const char *const health[] = {NULL, "healthy", "unhealthy"};
    json_t *o = json_object();
    set_text(o, "url", be->url);
    set_text(o, "overrideHost", be->override_host);
    set_text(o, "certHost", be->cert_host);
    set_text(o, "ca", be->ca_pem);
    set_true(o, "noSni", be->no_sni);
    set_true(o, "http2", be->http2);
    set_true(o, "grpc", be->grpc);
    set_text(o, "health", health[be->health]);
    set_number(o, "connectTimeout", (uint64_t)be->connect_timeout_ms);
    set_number(o, "firstByteTimeout", (uint64_t)be->first_byte_timeout_ms);
    set_number(o, "betweenBytesTimeout", (uint64_t)be->between_bytes_timeout_ms);
    return o;
}

/* Of text that the manifest's reader has made from a JSON tree. */
static json_t *json_of(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    return json ? json : json_null();
}

static json_t *acl_json(const struct acl *acl)
{
    json_t *list = json_array();
    const char *prefix, *action;
    for (size_t i = 0; acl_entry(acl, i, &prefix, &action); i++)
        json_array_append_new(list, json_pack("[s, s]", prefix, action));
    return list;
}

/* o[a], made if it is not there. */
static json_t *member(json_t *o, const char *key)
{
    json_t *m = json_object_get(o, key);
    if (!m) {
        m = json_object();
        json_object_set_new(o, key, m);
    }
    return m;
}

static json_t *config_json(const struct making *mk, const struct bundle_binding *b)
{
    json_t *o = json_object();
    bool aws = mk->target->provider == PROVIDER_AWS;
    bool remote = mk->target->provider == PROVIDER_CLOUDFLARE ||
                  ((aws || mk->target->provider == PROVIDER_VERCEL) && b->remote);
    /* On AWS, beside the KeyValueStore: for runs on this machine. */
    if (!remote || aws)
        json_object_set(o, "values", json_object_get(mk->config, b->store));
    if (!remote)
        return o;
    set_text(o, "binding", b->name);
    set_text(o, "id", b->remote);
    return o;
}

static json_t *kv_json(const struct making *mk, const struct bundle_binding *b)
{
    json_t *o = json_pack("{s:s}", "binding", b->name);
    cleanup(free_p) char *token = mk->target->provider == PROVIDER_AWS
                                      ? xasprintf("/edgectl/%s/kv/%s/token",
                                                  manifest_function(mk->m), b->store)
                                      : xasprintf("%s_TOKEN", b->name);
    set_text(o, "id", b->remote);
    bool rest = b->remote && strstr(b->remote, "://");
    if ((mk->target->provider == PROVIDER_AWS && rest) || mk->target->provider == PROVIDER_VERCEL)
        set_text(o, "token", token);
    return o;
}

static void binding_json(const struct making *mk, const struct bundle_binding *b, json_t *root)
{
    if (strcmp(b->kind, "config") == 0) {
        json_object_set_new(member(root, "config"), b->store, config_json(mk, b));
    } else if (strcmp(b->kind, "kv") == 0) {
        json_object_set_new(member(root, "kv"), b->store, kv_json(mk, b));
    } else if (strcmp(b->kind, "secret") == 0) {
        bool parameter = mk->target->provider == PROVIDER_AWS;
        set_text(member(member(root, "secrets"), b->store), b->key,
                 parameter ? b->remote : b->name);
    }
}

char *asset_part_name(const struct asset *a)
{
    return xasprintf("assets%s", a->url);
}

static json_t *asset_json(const struct asset *a)
{
    cleanup(free_p) char *part = asset_part_name(a);
    char etag[20];
    snprintf(etag, sizeof etag, "\"%.16s\"", a->digest);
    return json_pack("{s:s, s:s, s:s, s:I}", "part", part, "type", media_type(a->url), "etag", etag,
                     "size", (json_int_t)a->len);
}

/* What the guest is told about addresses, devices, lists and sites. */
static void data_json(const struct manifest *m, json_t *root)
{
    for (size_t i = 0; i < m->geo_count; i++) {
        if (i == 0)
            json_object_set_new(root, "geo", json_array());
        json_array_append_new(json_object_get(root, "geo"),
                              json_pack("[s, o]", m->geo[i].address, json_of(m->geo[i].json)));
    }
    for (size_t i = 0; i < m->device_count; i++)
        json_object_set_new(member(root, "devices"), m->devices[i].user_agent,
                            json_of(m->devices[i].json));
    for (size_t i = 0; i < m->acl_count; i++)
        json_object_set_new(member(root, "acls"), m->acls[i].name, acl_json(m->acls[i].acl));
    for (size_t i = 0; i < m->shield_count; i++) {
        json_t *o = member(member(root, "shields"), m->shields[i].name);
        set_true(o, "local", m->shields[i].local);
        set_text(o, "encrypted", m->shields[i].encrypted);
        set_text(o, "unencrypted", m->shields[i].unencrypted);
    }
}

static json_t *app_json(const struct making *mk, bool assets)
{
    const struct manifest *m = mk->m;
    json_t *root = json_pack("{s:s, s:s, s:s}", "name", m->name, "target", mk->target->name,
                             "provider", provider(mk));
    set_text(root, "release", *mk->b->id ? mk->b->id : NULL);
    for (size_t i = 0; i < m->backend_count; i++)
        json_object_set_new(member(root, "backends"), m->backends[i].name,
                            backend_json(&m->backends[i]));
    set_true(root, "dynamicBackends", m->dynamic_backends);
    for (size_t i = 0; i < mk->b->binding_count; i++)
        binding_json(mk, &mk->b->bindings[i], root);
    data_json(m, root);
    json_t *limits = json_object();
    set_number(limits, "cpu", (uint64_t)m->limits.cpu_ms);
    set_number(limits, "wall", (uint64_t)m->limits.wall_ms);
    set_number(limits, "memory", m->limits.memory_bytes);
    json_object_set_new(root, "limits", limits);
    for (size_t i = 0; assets && i < mk->assets.count; i++)
        json_object_set_new(member(root, "assets"), mk->assets.list[i].url,
                            asset_json(&mk->assets.list[i]));
    return root;
}

/* JSON.parse, because in an object literal the key "__proto__" would not be one. */
char *app_module(const struct making *mk, bool assets)
{
    json_t *root = app_json(mk, assets);
    cleanup(free_p) char *json = json_stable(root);
    json_t *text = json_string(json);
    cleanup(free_p) char *literal = json_dumps(text, JSON_ENCODE_ANY | JSON_ENSURE_ASCII);
    json_decref(text);
    json_decref(root);
    return xasprintf("export default JSON.parse(%s);\n", literal);
}
