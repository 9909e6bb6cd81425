/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/manifest.h"

#include <ctype.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>
#include "base/nearest.h"
#include "manifest/bind.h"

static void free_names(char **names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    free(names);
}

static void free_backends(struct manifest *m)
{
    for (size_t i = 0; i < m->backend_count; i++) {
        struct manifest_backend *b = &m->backends[i];
        if (b->client_key_pem)
            explicit_bzero(b->client_key_pem, strlen(b->client_key_pem));
        free(b->name);
        free(b->url);
        free(b->local);
        free(b->host);
        free(b->prefix);
        free(b->override_host);
        free(b->cert_host);
        free(b->ca_pem);
        free(b->client_cert_pem);
        free(b->client_key_pem);
    }
    free(m->backends);
}

static void free_stores(struct manifest_store *stores, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(stores[i].name);
        free(stores[i].json_file);
        data_pairs_free(stores[i].pairs, stores[i].count);
    }
    free(stores);
}

static void free_world(struct manifest *m)
{
    for (size_t i = 0; i < m->kv_count; i++) {
        free(m->kv[i].name);
        free(m->kv[i].stored_as);
        free(m->kv[i].seed_file);
        data_kv_entries_free(m->kv[i].entries, m->kv[i].count);
    }
    free(m->kv);
    for (size_t i = 0; i < m->geo_count; i++) {
        free(m->geo[i].address);
        free(m->geo[i].json);
    }
    free(m->geo);
    for (size_t i = 0; i < m->device_count; i++) {
        free(m->devices[i].user_agent);
        free(m->devices[i].json);
    }
    free(m->devices);
    for (size_t i = 0; i < m->acl_count; i++) {
        free(m->acls[i].name);
        free(m->acls[i].file);
        acl_free(m->acls[i].acl);
    }
    free(m->acls);
    for (size_t i = 0; i < m->shield_count; i++) {
        free(m->shields[i].name);
        free(m->shields[i].encrypted);
        free(m->shields[i].unencrypted);
    }
    free(m->shields);
    for (size_t i = 0; i < m->static_count; i++) {
        free(m->statics[i].path);
        free(m->statics[i].dir);
    }
    free(m->statics);
}

struct manifest *manifest_ref(struct manifest *m)
{
    __atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
    return m;
}

void manifest_unref(struct manifest *m)
{
    if (!m || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    free_backends(m);
    free_world(m);
    free_stores(m->configs, m->config_count);
    free_stores(m->secrets, m->secret_count);
    free_names(m->fastly_keys, m->fastly_key_count);
    free_names(m->log_endpoints, m->log_endpoint_count);
    free_names(m->regions, m->region_count);
    free_names(m->targets, m->target_count);
    manifest_rollout_free(m->rollout);
    manifest_target_free(m->target);
    free_names(m->files, m->file_count);
    free_names(m->build.watch, m->build.watch_count);
    free(m->build.command);
    free(m->build.artifact);
    free(m->build.dir);
    dotenv_free(m->env);
    free(m->file);
    free(m->dir);
    free(m->name);
    free(m);
}

void manifest_unref_p(struct manifest **m)
{
    manifest_unref(*m);
}

const char *manifest_function(const struct manifest *m)
{
    return m->target && m->target->function ? m->target->function : m->name;
}

const struct manifest_backend *manifest_backend(const struct manifest *m, const char *name,
                                                size_t len)
{
    for (size_t i = 0; i < m->backend_count; i++) {
        if (strlen(m->backends[i].name) == len && memcmp(m->backends[i].name, name, len) == 0)
            return &m->backends[i];
    }
    return NULL;
}

const char *manifest_getenv(const struct manifest *m, const char *name)
{
    return dotenv_get(m->env, name);
}

/* Directory part of a path, absolute when it exists. */
static char *directory_of(const char *path)
{
    cleanup(free_p) char *copy = xstrdup(path);
    const char *dir = dirname(copy);
    char *real = realpath(dir, NULL);
    return real ? real : xstrdup(dir);
}

struct manifest *manifest_for_module(const char *module_path)
{
    struct manifest *m = xnew(struct manifest);
    cleanup(free_p) char *copy = xstrdup(module_path);
    const char *base = basename(copy);
    const char *dot = strrchr(base, '.');
    m->refs = 1;
    m->kind = MANIFEST_NONE;
    m->dir = directory_of(module_path);
    m->name = xstrndup(base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
    m->build.artifact = xasprintf("%s/%s", strcmp(m->dir, "/") == 0 ? "" : m->dir, base);
    m->dynamic_backends = true;
    m->geo_default_loopback = true;
    load_build_defaults(m);
    return m;
}

/* EDGECTL_BACKEND_<NAME>: the name in capitals, what is not a letter or digit as '_'. */
static void override_backend(struct load *l, struct manifest_backend *b)
{
    cleanup(free_p) char *var = xasprintf("EDGECTL_BACKEND_%s", b->name);
    for (char *p = var; *p; p++)
        *p = isalnum((unsigned char)*p) ? (char)toupper((unsigned char)*p) : '_';
    const char *url = manifest_getenv(l->m, var);
    if (!url || !*url)
        return;
    struct url_parts parts;
    const char *why = url_split(url, &parts);
    if (why) {
        struct err err = {0};
        err_set(&err, ERR_MANIFEST, "%s is not a usable URL: %s", var, why);
        problem_err(l, NULL, &err);
        return;
    }
    struct node *n = node_scalar(NODE_TEXT, url, strlen(url), 0, 0);
    bind_url(l, n, b);
    node_free(n);
}

static void finish(struct load *l)
{
    for (size_t i = 0; l->local && i < l->m->backend_count; i++)
        override_backend(l, &l->m->backends[i]);
    load_build_defaults(l->m);
    if (!l->m->name)
        l->m->name = xstrdup("app");
}

int manifest_override_backends(struct manifest *m, struct err *err)
{
    struct manifest_problems problems = {0};
    struct load l = {.m = m, .problems = &problems};
    for (size_t i = 0; i < m->backend_count; i++) {
        struct manifest_backend *b = &m->backends[i];
        struct node *n = b->local ? node_scalar(NODE_TEXT, b->local, strlen(b->local), 0, 0) : NULL;
        bind_url(&l, n, b);
        node_free(n);
        override_backend(&l, b);
    }
    int r = problems.count ? -ERR_MANIFEST : 0;
    if (r < 0 && err)
        *err = problems.list[0];
    manifest_problems_clear(&problems);
    return r;
}

void manifest_serve_at(struct manifest *m, const char *host, uint16_t port, const char *ca_pem)
{
    for (size_t i = 0; i < m->backend_count; i++) {
        struct manifest_backend *b = &m->backends[i];
        if (!b->own_path)
            continue;
        free(b->host);
        b->host = xstrdup(host);
        b->port = port;
        b->tls = ca_pem != NULL;
        if (!ca_pem)
            continue;
        free(b->ca_pem);
        b->ca_pem = xstrdup(ca_pem);
        free(b->cert_host);
        b->cert_host = xstrdup("localhost");
    }
}

static bool is_toml(const char *path)
{
    size_t len = strlen(path);
    return len > 5 && strcasecmp(path + len - 5, ".toml") == 0;
}

/* The manifest's path as messages show it. */
static int find_file(const char *dir, const char *file, char **ret_path, struct err *err)
{
    static const char *const names[] = {"edge.yaml", "fastly.toml"};
    bool here = strcmp(dir, ".") == 0;
    if (file) {
        *ret_path = here || file[0] == '/' ? xstrdup(file) : xasprintf("%s/%s", dir, file);
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char *path = here ? xstrdup(names[i]) : xasprintf("%s/%s", dir, names[i]);
        if (access(path, F_OK) == 0) {
            *ret_path = path;
            return 0;
        }
        free(path);
    }
    int r = err_set(err, ERR_MANIFEST, "no edge.yaml or fastly.toml in '%s'", dir);
    err_hint(err, "name the app's folder: edgectl -C DIR; or make a new app: edgectl init NAME");
    return r;
}

/* The .env file; a bad one is reported and ignored. */
static void load_dotenv(struct load *l)
{
    cleanup(free_p) char *path = xasprintf("%s/.env", l->m->dir);
    cleanup(free_p) char *text = NULL;
    struct err err = {0};
    size_t len = 0;
    if (access(path, F_OK) != 0)
        return;
    int r = load_file(path, DOTENV_MAX, &text, &len, &err);
    if (r == 0)
        r = dotenv_parse(text, len, path, &l->m->env, &err);
    if (r < 0)
        problem_err(l, NULL, &err);
    if (text)
        explicit_bzero(text, len);
    load_depends(l->m, path);
}

static void merge(struct node *into, const struct node *from, const char *path)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct node *n = from->items[i];
        struct node *old = node_child(into, n->key);
        char below[160];
        snprintf(below, sizeof below, "%s.*", path);
        size_t copied = 0;
        if (n->bad || target_remote_id(below, n))
            continue;
        if (old && old->kind == NODE_MAP && n->kind == NODE_MAP)
            merge(old, n, below);
        else
            node_replace(into, node_copy(n, &copied));
    }
}

/* `targets.NAME` over the top level. */
static void apply_target(struct node *root, const struct node *target)
{
    for (size_t i = 0; target && i < target->count; i++) {
        const struct node *n = target->items[i];
        struct node *old = node_child(root, n->key);
        size_t copied = 0;
        if (n->bad || strcmp(n->key, "targets") == 0 || n->key[strcspn(n->key, ".*[")] ||
            !key_find(&edge_keys, n->key))
            continue;
        if (!old && n->kind == NODE_MAP) {
            old = node_new(NODE_MAP, n->line, n->col);
            old->key = xstrdup(n->key);
            node_append(root, old);
        }
        if (old && old->kind == NODE_MAP && n->kind == NODE_MAP)
            merge(old, n, n->key);
        else
            node_replace(root, node_copy(n, &copied));
    }
}

/* The target's map. NULL without one, and where only a provider is named. */
static struct node *find_target(struct load *l, struct node *root)
{
    struct node *targets = node_child(root, "targets");
    struct node *target = l->target ? node_child(targets, l->target) : NULL;
    if (target || l->local || provider_named(l->target))
        return target;
    struct err err = {0};
    struct nearest near = {.word = l->target};
    cleanup(buf_clear) struct buf known = BUF_INIT(400);
    for (size_t i = 0; targets && targets->kind == NODE_MAP && i < targets->count; i++) {
        nearest_offer(&near, targets->items[i]->key);
        buf_printf(&known, "%s%s", i ? ", " : "", targets->items[i]->key);
    }
    err_set(&err, ERR_MANIFEST, "no target '%s' in the manifest", l->target);
    if (near.best)
        err_hint(&err, "did you mean '%s'?", near.best);
    else if (known.len)
        err_hint(&err, "known targets: %s", buf_str(&known));
    else
        err_hint(&err, "a provider's name is a target too: cloudflare, fastly, aws, vercel");
    problem_err(l, targets, &err);
    return NULL;
}

static void read_edge(struct load *l, struct node *root)
{
    struct node *target = find_target(l, root);
    for (size_t i = 0; i < root->count; i++) {
        if (strcmp(root->items[i]->key ? root->items[i]->key : "", "targets") != 0)
            expand_tree(l, root->items[i]);
    }
    if (target)
        expand_tree(l, target);
    keys_check(l, &edge_keys, root);
    if (root->kind != NODE_MAP)
        return;
    apply_target(root, target);
    keys_check_required(l, &edge_keys, root);
    bind_edge(l, root);
    if (l->target)
        l->m->target = bind_target(l->target, target);
}

static void read_fastly(struct load *l, struct node *root)
{
    find_target(l, NULL);
    if (l->target)
        l->m->target = bind_target(l->target, NULL);
    fastly_join_spellings(l, root);
    keys_check(l, &fastly_keys, root);
    keys_check_required(l, &fastly_keys, root);
    bind_fastly(l, root);
}

static int parse(const char *path, bool toml, struct node **ret_root, struct err *err)
{
    cleanup(free_p) char *text = NULL;
    size_t len;
    int r = load_file(path, NODE_FILE_MAX, &text, &len, err);
    if (r < 0)
        return r;
    r = toml ? node_from_toml(text, len, path, ret_root, err)
             : node_from_yaml(text, len, path, ret_root, err);
    explicit_bzero(text, len);
    return r;
}

int manifest_load(const char *dir, const char *file, const char *target,
                  struct manifest **ret_manifest, struct manifest_problems *problems)
{
    cleanup(manifest_unref_p) struct manifest *m = xnew(struct manifest);
    cleanup(node_freep) struct node *root = NULL;
    cleanup(free_p) char *path = NULL;
    struct load l = {.m = m, .problems = problems, .file = "", .target = target,
                     .local = !target || strcmp(target, "local") == 0};
    struct err err = {0};
    *problems = (struct manifest_problems){0};
    m->refs = 1;
    int r = find_file(dir, file, &path, &err);
    if (r == 0) {
        l.file = path;
        m->kind = is_toml(path) ? MANIFEST_FASTLY : MANIFEST_EDGE;
        m->dir = directory_of(path);
        r = parse(path, m->kind == MANIFEST_FASTLY, &root, &err);
    }
    if (r < 0) {
        problem_err(&l, NULL, &err);
        return r;
    }
    m->file = realpath(path, NULL);
    if (!m->file)
        m->file = xstrdup(path);
    load_dotenv(&l);
    if (m->kind == MANIFEST_FASTLY)
        read_fastly(&l, root);
    else
        read_edge(&l, root);
    finish(&l);
    problems_sort(problems, path);
    if (problems_any_error(problems))
        return -ERR_MANIFEST;
    *ret_manifest = TAKE(m);
    return 0;
}
