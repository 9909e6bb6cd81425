/* SPDX-License-Identifier: Apache-2.0 */
/* Secret stores as guests see them: what the manifest names (value, file, environment or .env),
 * overridden and extended by `edgectl secret put`. Names are `[A-Za-z0-9_.-]{1,255}`. Values are
 * held in locked memory and come out only through secret_expose. */
#ifndef EDGECTL_WORLD_SECRETS_H
#define EDGECTL_WORLD_SECRETS_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "crypto/secret.h"
#include "manifest/manifest.h"

enum { SECRET_NAME_MAX = 255 };

struct secrets;     /* all stores of a project, for all threads */

/* Takes a reference to the manifest. A secret that has no value yet (a variable that is not set, a
 * missing file) is absent, and said so by secrets_warning. -ERR_CREDENTIALS when stored secrets
 * cannot be opened with the folder's key. */
must_use int secrets_open(struct manifest *m, const char *state_dir, struct secrets **ret_secrets,
                          struct err *err);
/* What was looked up stays valid. NULL is allowed. */
void secrets_close(struct secrets *s);
void secrets_close_p(struct secrets **s);
/* Warning i, or NULL past the last. Valid until secrets_close. */
const struct err *secrets_warning(const struct secrets *s, size_t i);
/* True, with *err, if changed secrets could not be read since the last call: lookups go on with
 * what was read before. Any thread. */
bool secrets_take_error(struct secrets *s, struct err *err);

/* The value as it is now, with a reference for the caller; NULL if there is none. Any thread. */
struct secret *secrets_lookup(struct secrets *s, const char *store, size_t store_len,
                              const char *key, size_t key_len);

/* --- the command line's side --- */

/* Seal the value and keep it in the state folder. Durable, and seen by running servers at their
 * next lookup, when it returns 0. -ERR_USAGE for a bad name, -ERR_LIMIT past SECRET_MAX. */
must_use int secrets_put(const char *state_dir, const char *store, const char *key,
                         const struct secret *value, struct err *err);
/* 1 if it was there, 0 if not. */
must_use int secrets_delete(const char *state_dir, const char *store, const char *key,
                            struct err *err);

/* For listings: every secret by store and key, in byte order. */
struct secret_info {
    const char *store, *key;
    bool local;         /* from `edgectl secret put` */
    bool set;           /* it has a value */
    char print[24];     /* keyed fingerprint of the value, "" if none: see crypto/seal.h */
};
typedef void secrets_fn(void *env, const struct secret_info *info);
must_use int secrets_each(struct secrets *s, secrets_fn *fn, void *env, struct err *err);

#endif
