/* SPDX-License-Identifier: Apache-2.0 */
/* From checked nodes to the fields of a manifest. A node that is absent, empty or bad reads as the
 * default: what is wrong with it has been reported. Strings returned are the caller's. */
#ifndef EDGECTL_MANIFEST_BIND_H
#define EDGECTL_MANIFEST_BIND_H

#include "base/mem.h"
#include "manifest/data.h"
#include "manifest/keys.h"

/* Append a zeroed element to a counted array and point at it. */
#define PUSH(list, count)                                              \
    ((list) = xreallocarray((list), (count) + 1, sizeof *(list)),      \
     memset(&(list)[(count)], 0, sizeof *(list)), &(list)[(count)++])

/* Child that can be read, or NULL. */
struct node *bind_child(const struct node *map, const char *key);
/* Children of a child map or list that can be read; loop with FOR_CHILDREN. */
#define FOR_CHILDREN(item, parent)                                                          \
    for (size_t i_ = 0; (parent) && i_ < (parent)->count; i_++)                             \
        for (struct node *item = (parent)->items[i_]; item && !item->bad; item = NULL)

char *bind_text(const struct node *map, const char *key);
bool bind_bool(const struct node *map, const char *key, bool dflt);
int64_t bind_int(const struct node *map, const char *key);
int64_t bind_duration(const struct node *map, const char *key);
int64_t bind_size(const struct node *map, const char *key);
bool bind_is(const struct node *n, const char *text);

struct manifest_source bind_source_text(const struct node *n);
/* Absolute path of a file that must exist; a problem and NULL when it does not. It becomes one of
 * the manifest's files. */
char *bind_file(struct load *l, struct node *n);
char *bind_dir(struct load *l, struct node *n);
/* PEM with at least one block whose label ends with `label`: text, or from the file named. */
char *bind_pem_text(struct load *l, struct node *n, const char *label);
char *bind_pem_file(struct load *l, struct node *n, const char *label);
char *bind_pem(struct load *l, struct node *n, const char *label);
void bind_url(struct load *l, struct node *n, struct manifest_backend *b);
enum manifest_health bind_health(const struct node *map, const char *key);
/* A map as JSON text; with `flat`, only scalars may be in it. */
char *bind_json(struct load *l, struct node *n, bool flat);
/* The file of a store (`kind`), or of a KV store: remembered and read once, to find what is wrong
 * with it now. */
void bind_store_file(struct load *l, struct node *n, struct manifest_store *s,
                     enum manifest_store_kind kind);
void bind_kv_seed(struct load *l, struct node *n, struct manifest_kv *kv);
void bind_acl_file(struct load *l, struct node *n, struct manifest_acl *acl);
/* Is it a provider's name? Such a target needs no declaration. */
bool provider_named(const char *name);
/* The target of that name; `n`, its map, may be NULL when it is a provider's name. */
struct manifest_target *bind_target(const char *name, const struct node *n);
/* Text in a store of a target is the provider's id for it, not its content. `pattern`: path of n
 * in the key table. */
bool target_remote_id(const char *pattern, const struct node *n);
char **bind_names(const struct node *list, size_t *ret_count);

#endif
