/* SPDX-License-Identifier: Apache-2.0 */
/* What a target of edge.yaml says beside the keys that it lays over the manifest's own: whose
 * network it is, what the app is called there, and the provider's ids for stores. */
#ifndef EDGECTL_MANIFEST_TARGET_H
#define EDGECTL_MANIFEST_TARGET_H

#include <stdbool.h>
#include <stddef.h>

enum manifest_provider {
    PROVIDER_LOCAL,
    PROVIDER_CLOUDFLARE,
    PROVIDER_FASTLY,
    PROVIDER_AWS,
    PROVIDER_VERCEL,
    PROVIDER_COUNT,
};

struct manifest_remote {
    char *path;                 /* "kv.sessions", "secret-stores.team.api-key" */
    char *id;
};

/* Texts are NULL where the target says nothing. */
struct manifest_target {
    char *name;                 /* below targets: */
    enum manifest_provider provider;
    char **domains;
    size_t domain_count;
    char *account, *worker;                             /* cloudflare */
    char **routes;
    size_t route_count;
    char *service;                                      /* fastly */
    bool router;
    char *distribution, *function, *region, *role;      /* aws */
    char *project, *team;                               /* vercel */
    struct manifest_remote *remotes;
    size_t remote_count;
};

/* NULL is allowed. */
void manifest_target_free(struct manifest_target *t);

/* "cloudflare": the word of the manifest. */
const char *manifest_provider_name(enum manifest_provider provider);

/* The provider's id for `section`.`store` (for a single secret with `key`, else NULL), where
 * section is "kv", "config", "secrets" or "secret-stores". NULL if the target names none; `t` may
 * be NULL. Borrowed. */
const char *manifest_remote_id(const struct manifest_target *t, const char *section,
                               const char *store, const char *key);

#endif
