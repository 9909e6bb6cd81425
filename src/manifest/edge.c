/* SPDX-License-Identifier: Apache-2.0 */
/* edge.yaml: from the checked tree to struct manifest. */
#include <stdlib.h>
#include <string.h>
#include "manifest/bind.h"

/* Something stands there, right or wrong: what is wrong with it has been said. */
static bool has(const struct node *map, const char *key)
{
    const struct node *n = node_child(map, key);
    return n && n->kind != NODE_NULL;
}

static char *path_of(struct load *l, const struct node *map, const char *key)
{
    cleanup(free_p) char *text = bind_text(map, key);
    return text ? load_path(l->m, text) : NULL;
}

static void bind_build(struct load *l, const struct node *root)
{
    struct manifest *m = l->m;
    const struct node *build = bind_child(root, "build");
    m->build.command = bind_text(build, "command");
    m->build.artifact = path_of(l, build, "artifact");
    m->build.dir = path_of(l, build, "dir");
    const struct node *watch = bind_child(build, "watch");
    FOR_CHILDREN (n, watch)
        *PUSH(m->build.watch, m->build.watch_count) = load_path(m, n->text);
}

/* Anything that may be a header is taken, as a fastly.toml has it, but most likely it is wrong. */
static char *host_name(struct load *l, const struct node *map, const char *key)
{
    const struct node *n = bind_child(map, key);
    if (n && rule_host(n->text))
        warning_at(l, n, "'%.60s' is no host name: %s", n->text, rule_host(n->text));
    return bind_text(map, key);
}

static void bind_backend(struct load *l, struct node *n)
{
    struct manifest_backend *b = PUSH(l->m->backends, l->m->backend_count);
    b->name = xstrdup(n->key);
    if (n->kind == NODE_TEXT) {
        bind_url(l, n, b);
        return;
    }
    bind_url(l, bind_child(n, "url"), b);
    b->local = bind_text(n, "local");
    if (l->local)
        bind_url(l, bind_child(n, "local"), b);
    b->override_host = host_name(l, n, "override-host");
    b->cert_host = host_name(l, n, "cert-host");
    b->no_sni = !bind_bool(n, "sni", true);
    b->ca_pem = bind_pem(l, bind_child(n, "ca"), "CERTIFICATE");
    struct node *cert = bind_child(n, "client-cert"), *key = bind_child(n, "client-key");
    if (has(n, "client-cert") != has(n, "client-key"))
        problem_at(l, n, "client-cert and client-key belong together");
    b->client_cert_pem = bind_pem(l, cert, "CERTIFICATE");
    b->client_key_pem = bind_pem(l, key, "PRIVATE KEY");
    b->http2 = bind_bool(n, "http2", false);
    b->grpc = bind_bool(n, "grpc", false);
    int64_t both = bind_duration(n, "timeout"), first = bind_duration(n, "first-byte-timeout"),
            between = bind_duration(n, "between-bytes-timeout");
    b->connect_timeout_ms = bind_duration(n, "connect-timeout");
    b->first_byte_timeout_ms = first ? first : both;
    b->between_bytes_timeout_ms = between ? between : both;
    b->health = bind_health(n, "health");
}

static void bind_kv_entry(struct load *l, struct node *n, struct manifest_kv *kv)
{
    struct manifest_kv_entry *e = PUSH(kv->entries, kv->count);
    e->key = xstrdup(n->key);
    if (n->kind != NODE_MAP) {
        e->value = bind_source_text(n);
        return;
    }
    struct node *text = bind_child(n, "text"), *file = bind_child(n, "file");
    if (has(n, "text") == has(n, "file")) {
        problem_at(l, n, "entry '%s' needs one of 'text' and 'file'%s", n->key,
                   text ? ", not both" : "");
        return;
    }
    if (text)
        e->value = bind_source_text(text);
    else
        e->value.file = bind_file(l, file);
    e->metadata = bind_text(n, "metadata");
}

static void bind_kv(struct load *l, struct node *n)
{
    struct manifest_kv *kv = PUSH(l->m->kv, l->m->kv_count);
    kv->name = xstrdup(n->key);
    const struct node *entries = bind_child(n, "entries");
    FOR_CHILDREN (e, entries)
        bind_kv_entry(l, e, kv);
    bind_kv_seed(l, bind_child(n, "seed"), kv);
}

static void bind_config(struct load *l, struct node *n)
{
    struct manifest_store *s = PUSH(l->m->configs, l->m->config_count);
    s->name = xstrdup(n->key);
    struct node *file = bind_child(n, "file"), *entries = bind_child(n, "entries");
    if ((file || entries) && n->count > 1) {
        problem_at(l, file ? file : entries, "'%s' must be the only key of config store '%s'",
                   file ? "file" : "entries", s->name);
        problem_hint(l, "put the keys below 'entries'");
        return;
    }
    if (file) {
        bind_store_file(l, file, s, MANIFEST_CONFIG);
        return;
    }
    FOR_CHILDREN (e, entries ? entries : n) {
        struct manifest_pair *p = PUSH(s->pairs, s->count);
        *p = (struct manifest_pair){xstrdup(e->key), bind_source_text(e)};
    }
}

static void bind_secret(struct load *l, struct node *n, struct manifest_store *s)
{
    struct manifest_pair *p = PUSH(s->pairs, s->count);
    p->key = xstrdup(n->key);
    if (n->kind != NODE_MAP)
        return;
    struct node *env = bind_child(n, "env"), *file = bind_child(n, "file"),
                *value = bind_child(n, "value");
    if (has(n, "env") + has(n, "file") + has(n, "value") != 1) {
        problem_at(l, n, "secret '%s' needs one of 'env', 'file' and 'value'", n->key);
        problem_hint(l, "leave it empty to set it with: edgectl secret put %s", n->key);
    } else if (env) {
        p->value.env = xstrdup(env->text);
        if (!manifest_getenv(l->m, env->text))
            warning_at(l, env, "environment variable %s is not set", env->text);
    } else if (file) {
        p->value.file = bind_file(l, file);
    } else if (value) {
        p->value = bind_source_text(value);
    }
}

static void bind_secret_store(struct load *l, struct node *n, const char *name)
{
    struct manifest_store *s = PUSH(l->m->secrets, l->m->secret_count);
    s->name = xstrdup(name);
    struct node *file = bind_child(n, "file");
    if (file && file->kind != NODE_MAP && strcmp(name, "secrets") != 0) {
        if (n->count > 1)
            problem_at(l, file, "a file must be the only key of secret store '%s'", name);
        bind_store_file(l, file, s, MANIFEST_SECRET);
        return;
    }
    FOR_CHILDREN (e, n)
        bind_secret(l, e, s);
}

static void bind_secrets(struct load *l, const struct node *root)
{
    struct node *flat = bind_child(root, "secrets");
    const struct node *stores = bind_child(root, "secret-stores");
    if (flat)
        bind_secret_store(l, flat, "secrets");
    FOR_CHILDREN (n, stores) {
        if (flat && strcmp(n->key, "secrets") == 0)
            problem_at_key(l, n, "the store 'secrets' is declared by the key 'secrets' already");
        else
            bind_secret_store(l, n, n->key);
    }
}

static void bind_geo(struct load *l, const struct node *root)
{
    const struct node *geo = bind_child(root, "geo"), *addresses = bind_child(geo, "addresses");
    struct node *file = bind_child(geo, "file");
    struct err err = {0};
    l->m->geo_default_loopback = bind_bool(geo, "default-loopback", true);
    cleanup(free_p) char *path = bind_file(l, file);
    if (path && data_geo_load(l->m, path, &err) < 0)
        problem_err(l, file, &err);
    FOR_CHILDREN (n, addresses)
        data_geo_add(l->m, n->key, bind_json(l, n, true));
}

static void bind_devices(struct load *l, const struct node *root)
{
    const struct node *devices = bind_child(root, "devices");
    const struct node *agents = bind_child(devices, "user-agents");
    struct node *file = bind_child(devices, "file");
    struct err err = {0};
    cleanup(free_p) char *path = bind_file(l, file);
    if (path && data_devices_load(l->m, path, &err) < 0)
        problem_err(l, file, &err);
    FOR_CHILDREN (n, agents)
        data_device_add(l->m, n->key, bind_json(l, n, false));
}

static void bind_acl_entry(struct load *l, struct node *n, struct acl *acl)
{
    struct node *prefix = bind_child(n, "prefix"), *action = bind_child(n, "action");
    const char *why = prefix && action ? acl_add(acl, prefix->text, action->text) : NULL;
    if (why)
        problem_at(l, prefix, "prefix '%.60s': %s", prefix->text, why);
}

static void bind_acl(struct load *l, struct node *n)
{
    struct manifest_acl *a = PUSH(l->m->acls, l->m->acl_count);
    a->name = xstrdup(n->key);
    struct node *file = n->kind == NODE_MAP ? bind_child(n, "file") : n;
    const struct node *entries = bind_child(n, "entries");
    if (n->kind == NODE_MAP && has(n, "file") == has(n, "entries"))
        problem_at(l, n, "ACL '%s' needs one of 'file' and 'entries'", n->key);
    else if (file)
        bind_acl_file(l, file, a);
    if (!a->acl)
        a->acl = acl_new();
    FOR_CHILDREN (e, entries)
        bind_acl_entry(l, e, a->acl);
}

static void bind_shield(struct load *l, struct node *n)
{
    struct manifest_shield *s = PUSH(l->m->shields, l->m->shield_count);
    s->name = xstrdup(n->key);
    s->local = n->kind != NODE_MAP;
    s->encrypted = bind_text(n, "encrypted");
    s->unencrypted = bind_text(n, "unencrypted");
}

void bind_edge(struct load *l, struct node *root)
{
    struct manifest *m = l->m;
    m->name = bind_text(root, "name");
    bind_build(l, root);
    FOR_CHILDREN (n, bind_child(root, "backends"))
        bind_backend(l, n);
    m->dynamic_backends = bind_is(bind_child(root, "dynamic-backends"), "allow");
    FOR_CHILDREN (n, bind_child(root, "kv"))
        bind_kv(l, n);
    FOR_CHILDREN (n, bind_child(root, "config"))
        bind_config(l, n);
    bind_secrets(l, root);
    bind_geo(l, root);
    bind_devices(l, root);
    FOR_CHILDREN (n, bind_child(root, "acls"))
        bind_acl(l, n);
    FOR_CHILDREN (n, bind_child(root, "shields"))
        bind_shield(l, n);
    FOR_CHILDREN (n, bind_child(root, "static")) {
        struct manifest_static *s = PUSH(m->statics, m->static_count);
        s->path = xstrdup(n->key);
        s->dir = bind_dir(l, n);
    }
    const struct node *limits = bind_child(root, "limits");
    m->limits.cpu_ms = bind_duration(limits, "cpu");
    m->limits.wall_ms = bind_duration(limits, "wall");
    m->limits.memory_bytes = (uint64_t)bind_size(limits, "memory");
    m->regions = bind_names(bind_child(root, "regions"), &m->region_count);
    FOR_CHILDREN (n, bind_child(root, "targets"))
        *PUSH(m->targets, m->target_count) = xstrdup(n->key);
    m->log_endpoints = bind_names(bind_child(root, "log"), &m->log_endpoint_count);
    m->fastly_keys = bind_names(bind_child(root, "fastly-api-keys"), &m->fastly_key_count);
    m->rollout = rollout_bind(l, root);
}
