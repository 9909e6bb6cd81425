/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "manifest/bind.h"

static const char *const providers[PROVIDER_COUNT] = {
    [PROVIDER_LOCAL] = "local", [PROVIDER_CLOUDFLARE] = "cloudflare", [PROVIDER_FASTLY] = "fastly",
    [PROVIDER_AWS] = "aws", [PROVIDER_VERCEL] = "vercel",
};

const char *manifest_provider_name(enum manifest_provider provider)
{
    return providers[provider];
}

bool provider_named(const char *name)
{
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        if (strcmp(name, providers[i]) == 0)
            return true;
    }
    return false;
}

void manifest_target_free(struct manifest_target *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->domain_count; i++)
        free(t->domains[i]);
    for (size_t i = 0; i < t->route_count; i++)
        free(t->routes[i]);
    for (size_t i = 0; i < t->remote_count; i++) {
        free(t->remotes[i].path);
        free(t->remotes[i].id);
    }
    free(t->domains);
    free(t->routes);
    free(t->remotes);
    free(t->name);
    free(t->account);
    free(t->worker);
    free(t->service);
    free(t->distribution);
    free(t->function);
    free(t->region);
    free(t->role);
    free(t->project);
    free(t->team);
    free(t);
}

const char *manifest_remote_id(const struct manifest_target *t, const char *section,
                               const char *store, const char *key)
{
    cleanup(free_p) char *path = xasprintf("%s.%s%s%s", section, store, key ? "." : "",
                                           key ? key : "");
    for (size_t i = 0; t && i < t->remote_count; i++) {
        if (strcmp(t->remotes[i].path, path) == 0)
            return t->remotes[i].id;
    }
    return NULL;
}

bool target_remote_id(const char *pattern, const struct node *n)
{
    const struct manifest_key *k = key_find(&edge_keys, pattern);
    return k && (k->flags & KEY_REMOTE) && n->kind != NODE_MAP && n->kind != NODE_NULL;
}

/* `path` is where n stands ("kv"), `pattern` its path in the key table. */
static void bind_remotes(struct manifest_target *t, const struct node *n, const char *path,
                         const char *pattern)
{
    cleanup(free_p) char *item_pattern = xasprintf("%s.*", pattern);
    FOR_CHILDREN (item, n) {
        cleanup(free_p) char *item_path = xasprintf("%s.%s", path, item->key);
        if (target_remote_id(item_pattern, item))
            *PUSH(t->remotes, t->remote_count) =
                (struct manifest_remote){.path = TAKE(item_path), .id = xstrdup(item->text)};
        else if (item->kind == NODE_MAP)
            bind_remotes(t, item, item_path, item_pattern);
    }
}

struct manifest_target *bind_target(const char *name, const struct node *n)
{
    static const char *const sections[] = {"kv", "config", "secrets", "secret-stores"};
    struct manifest_target *t = xnew(struct manifest_target);
    t->name = xstrdup(name);
    const struct node *word = bind_child(n, "provider");
    for (size_t i = 0; i < PROVIDER_COUNT; i++) {
        if (strcmp(word ? word->text : name, providers[i]) == 0)
            t->provider = (enum manifest_provider)i;
    }
    t->domains = bind_names(bind_child(n, "domains"), &t->domain_count);
    t->routes = bind_names(bind_child(n, "routes"), &t->route_count);
    t->account = bind_text(n, "account");
    t->worker = bind_text(n, "worker");
    t->service = bind_text(n, "service");
    t->router = bind_bool(n, "router", false);
    t->distribution = bind_text(n, "distribution");
    t->function = bind_text(n, "function");
    t->region = bind_text(n, "region");
    t->role = bind_text(n, "role");
    t->project = bind_text(n, "project");
    t->team = bind_text(n, "team");
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        const struct node *section = bind_child(n, sections[i]);
        if (section && section->kind == NODE_MAP)
            bind_remotes(t, section, sections[i], sections[i]);
    }
    return t;
}
