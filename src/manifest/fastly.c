/* SPDX-License-Identifier: Apache-2.0 */
/* fastly.toml: from the checked tree to struct manifest. What the reference emulator refuses at
 * start is a problem here. Source: abi README section 12. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "manifest/bind.h"

enum { INLINE_NONE, INLINE_TOML, JSON_FILE };

static char *bind_ca(struct load *l, struct node *n)
{
    cleanup(buf_clear) struct buf all = BUF_INIT(4 * 1024 * 1024);
    cleanup(free_p) char *one = NULL;
    if (!n)
        return NULL;
    if (n->kind == NODE_LIST) {
        FOR_CHILDREN (item, n) {
            cleanup(free_p) char *pem = bind_ca(l, item);
            buf_printf(&all, "%s\n", pem ? pem : "");
        }
        return n->count ? buf_take(&all) : NULL;
    }
    if (n->kind != NODE_MAP)
        return bind_pem_text(l, n, "CERTIFICATE");
    struct node *file = bind_child(n, "file"), *value = bind_child(n, "value");
    if (!file == !value) {
        problem_at(l, n, "a CA certificate is { file = \"...\" } or { value = \"...\" }");
        return NULL;
    }
    return file ? bind_pem_file(l, file, "CERTIFICATE") : bind_pem_text(l, value, "CERTIFICATE");
}

static char *bind_client_part(struct load *l, struct node *map, const char *inline_key,
                              const char *file_key, const char *label)
{
    struct node *text = bind_child(map, inline_key), *file = bind_child(map, file_key);
    if (file)
        return bind_pem_file(l, file, label);
    if (text)
        return bind_pem_text(l, text, label);
    if (!node_child(map, inline_key) && !node_child(map, file_key))
        problem_at(l, map, "a client certificate needs '%s' or '%s'", inline_key, file_key);
    return NULL;
}

static void bind_backend(struct load *l, struct node *n)
{
    struct manifest_backend *b = PUSH(l->m->backends, l->m->backend_count);
    b->name = xstrdup(n->key);
    bind_url(l, bind_child(n, "url"), b);
    b->override_host = bind_text(n, "override_host");
    b->cert_host = bind_text(n, "cert_host");
    b->no_sni = !bind_bool(n, "use_sni", true);
    b->ca_pem = bind_ca(l, bind_child(n, "ca_certificate"));
    struct node *client = bind_child(n, "client_certificate");
    if (client) {
        b->client_cert_pem =
            bind_client_part(l, client, "certificate", "certificate_file", "CERTIFICATE");
        b->client_key_pem = bind_client_part(l, client, "key", "key_file", "PRIVATE KEY");
    }
    b->grpc = bind_bool(n, "grpc", false);
    b->first_byte_timeout_ms = bind_int(n, "first_byte_timeout_ms");
    b->between_bytes_timeout_ms = bind_int(n, "between_bytes_timeout_ms");
    b->health = bind_health(n, "health");
}

/* `format` and what it asks for: `inline_key`, or `file`. */
static int bind_format(struct load *l, struct node *n, const char *inline_key, bool strict)
{
    struct node *format = bind_child(n, "format");
    if (!format)
        return INLINE_NONE;
    bool json = bind_is(format, "json");
    const char *want = json ? "file" : inline_key, *other = json ? inline_key : "file";
    if (!node_child(n, want))
        problem_at(l, n, "format \"%s\" needs '%s'", format->text, want);
    if (strict && node_child(n, other))
        problem_at_key(l, node_child(n, other), "'%s' does not go with format \"%s\"", other,
                       format->text);
    return json ? JSON_FILE : INLINE_TOML;
}

static void bind_config(struct load *l, struct node *n)
{
    struct manifest_store *s = PUSH(l->m->configs, l->m->config_count);
    s->name = xstrdup(n->key);
    int format = bind_format(l, n, "contents", true);
    if (format == JSON_FILE) {
        bind_store_file(l, bind_child(n, "file"), s, MANIFEST_CONFIG);
    } else if (format == INLINE_TOML) {
        FOR_CHILDREN (e, bind_child(n, "contents")) {
            struct manifest_pair *p = PUSH(s->pairs, s->count);
            *p = (struct manifest_pair){xstrdup(e->key), bind_source_text(e)};
        }
    }
}

static void bind_kv_entry(struct load *l, struct node *n, struct manifest_kv *kv)
{
    struct node *key = bind_child(n, "key"), *data = bind_child(n, "data");
    struct node *file = bind_child(n, "file") ? bind_child(n, "file") : bind_child(n, "path");
    const char *why = key ? rule_kv_key(key->text, key->len) : NULL;
    if (why)
        problem_at(l, key, "%s", why);
    if (!data == !file) {
        if (!node_child(n, "data") && !node_child(n, "file") && !node_child(n, "path"))
            problem_at(l, n, "an entry needs 'data' or 'file'");
        else if (data)
            problem_at(l, n, "an entry has 'data' or 'file', not both");
        return;
    }
    if (!key)
        return;
    struct manifest_kv_entry *e = PUSH(kv->entries, kv->count);
    e->key = xstrdup(key->text);
    e->metadata = bind_text(n, "metadata");
    if (data)
        e->value = bind_source_text(data);
    else
        e->value.file = bind_file(l, file);
}

static void bind_kv(struct load *l, struct node *n)
{
    struct manifest_kv *kv = PUSH(l->m->kv, l->m->kv_count);
    kv->name = xstrdup(n->key);
    if (n->kind == NODE_LIST) {
        FOR_CHILDREN (e, n)
            bind_kv_entry(l, e, kv);
        return;
    }
    bind_kv_seed(l, bind_child(n, "file"), kv);
}

static void bind_secret(struct load *l, struct node *n, struct manifest_store *s)
{
    struct node *key = bind_child(n, "key"), *env = bind_child(n, "env"),
                *file = bind_child(n, "file"), *data = bind_child(n, "data");
    const char *why = key ? rule_secret_name(key->text, key->len) : NULL;
    if (why)
        problem_at(l, key, "secret name '%.60s': %s", key->text, why);
    size_t named = !!node_child(n, "env") + !!node_child(n, "file") + !!node_child(n, "data");
    if (named != 1) {
        problem_at(l, n, "a secret needs exactly one of 'data', 'file' and 'env'");
        return;
    }
    if (!key || !(env || file || data))
        return;
    struct manifest_pair *p = PUSH(s->pairs, s->count);
    p->key = xstrdup(key->text);
    if (env)
        p->value.env = xstrdup(env->text);
    else if (file)
        p->value.file = bind_file(l, file);
    else
        p->value = bind_source_text(data);
}

static void bind_secret_store(struct load *l, struct node *n)
{
    struct manifest_store *s = PUSH(l->m->secrets, l->m->secret_count);
    s->name = xstrdup(n->key);
    if (n->kind == NODE_LIST) {
        FOR_CHILDREN (e, n)
            bind_secret(l, e, s);
    } else {
        bind_store_file(l, bind_child(n, "file"), s, MANIFEST_SECRET);
    }
}

static void bind_geo(struct load *l, struct node *geo)
{
    struct err err = {0};
    l->m->geo_default_loopback = bind_bool(geo, "use_default_loopback", true);
    int format = geo ? bind_format(l, geo, "addresses", false) : INLINE_NONE;
    if (format == JSON_FILE) {
        struct node *file = bind_child(geo, "file");
        cleanup(free_p) char *path = bind_file(l, file);
        if (path && data_geo_load(l->m, path, &err) < 0)
            problem_err(l, file, &err);
    } else if (format == INLINE_TOML) {
        FOR_CHILDREN (n, bind_child(geo, "addresses"))
            data_geo_add(l->m, n->key, bind_json(l, n, true));
    } else if (geo && node_child(geo, "addresses")) {
        warning_at(l, node_child(geo, "addresses"), "without 'format' the addresses are ignored");
    }
}

static void bind_devices(struct load *l, struct node *devices)
{
    struct err err = {0};
    int format = devices ? bind_format(l, devices, "user_agents", false) : INLINE_NONE;
    if (format == JSON_FILE) {
        struct node *file = bind_child(devices, "file");
        cleanup(free_p) char *path = bind_file(l, file);
        if (path && data_devices_load(l->m, path, &err) < 0)
            problem_err(l, file, &err);
    } else if (format == INLINE_TOML) {
        FOR_CHILDREN (n, bind_child(devices, "user_agents"))
            data_device_add(l->m, n->key, bind_json(l, n, false));
    } else if (devices && node_child(devices, "user_agents")) {
        warning_at(l, node_child(devices, "user_agents"),
                   "without 'format' the user agents are ignored");
    }
}

static void bind_acl(struct load *l, struct node *n)
{
    struct manifest_acl *a = PUSH(l->m->acls, l->m->acl_count);
    a->name = xstrdup(n->key);
    bind_acl_file(l, n->kind == NODE_MAP ? bind_child(n, "file") : n, a);
    if (!a->acl)
        a->acl = acl_new();
}

static void bind_shield(struct load *l, struct node *n)
{
    struct manifest_shield *s = PUSH(l->m->shields, l->m->shield_count);
    s->name = xstrdup(n->key);
    if (n->kind != NODE_MAP) {
        s->local = true;
        if (strcasecmp(n->text, "local") != 0)
            problem_at(l, n, "a shielding site is \"Local\", or a table of two URLs");
        return;
    }
    s->encrypted = bind_text(n, "encrypted");
    s->unencrypted = bind_text(n, "unencrypted");
}

/* The newest spelling holds what stands under older ones; the same name under two is a problem. */
static void join_spellings(struct load *l, struct node *server, const char *name,
                           const char *const *older, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct node *old = node_child(server, older[i]), *now = node_child(server, name);
        if (!old)
            continue;
        if (!now) {
            free(old->key);
            old->key = xstrdup(name);
            continue;
        }
        bool maps = now->kind == NODE_MAP && old->kind == NODE_MAP;
        bool lists = now->kind == NODE_LIST && old->kind == NODE_LIST;
        if (!maps && !lists) {
            problem_at_key(l, old, "'%s' and '%s' are the same thing", older[i], name);
            continue;
        }
        for (size_t k = 0; k < old->count; k++) {
            struct node *item = old->items[k];
            if (maps && node_child(now, item->key))
                problem_at_key(l, item, "'%s' is in '%s' already", item->key, name);
            size_t copied = 0;
            node_append(now, node_copy(item, &copied));
        }
    }
}

void fastly_join_spellings(struct load *l, struct node *root)
{
    static const char *const config[] = {"dictionaries"};
    static const char *const kv[] = {"object_stores", "object_store"};
    static const char *const keys[] = {"valid_mock_fastly_api_keys"};
    struct node *server = node_child(root, "local_server");
    join_spellings(l, server, "config_stores", config, ARRAY_LEN(config));
    join_spellings(l, server, "kv_stores", kv, ARRAY_LEN(kv));
    join_spellings(l, server, "fake_valid_fastly_keys", keys, ARRAY_LEN(keys));
}

void bind_fastly(struct load *l, struct node *root)
{
    struct manifest *m = l->m;
    const struct node *server = bind_child(root, "local_server");
    m->name = bind_text(root, "name");
    const struct node *build = bind_child(bind_child(root, "scripts"), "build");
    m->build.command = build && build->len > 0 ? xstrdup(build->text) : NULL;
    m->dynamic_backends = true;
    FOR_CHILDREN (n, bind_child(server, "backends"))
        bind_backend(l, n);
    FOR_CHILDREN (n, bind_child(server, "config_stores"))
        bind_config(l, n);
    FOR_CHILDREN (n, bind_child(server, "kv_stores"))
        bind_kv(l, n);
    FOR_CHILDREN (n, bind_child(server, "secret_stores"))
        bind_secret_store(l, n);
    bind_geo(l, bind_child(server, "geolocation"));
    bind_devices(l, bind_child(server, "device_detection"));
    FOR_CHILDREN (n, bind_child(server, "acls"))
        bind_acl(l, n);
    FOR_CHILDREN (n, bind_child(server, "shielding_sites"))
        bind_shield(l, n);
    m->fastly_keys =
        bind_names(bind_child(server, "fake_valid_fastly_keys"), &m->fastly_key_count);
}
