/* SPDX-License-Identifier: Apache-2.0 */
/* Config stores as guests see them (dictionaries are the same): read only; what the manifest says,
 * overridden and extended by `edgectl config put`. Changes show at the next open: the store's JSON
 * file is read again when it has changed, local overrides when their counter has. */
#ifndef EDGECTL_WORLD_CONFIG_H
#define EDGECTL_WORLD_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"
#include "manifest/manifest.h"

enum { CONFIG_STORE_MAX = 255 };

struct configs;     /* all stores of a project, for all threads */
struct config;      /* one store as it was when opened: immutable, counted */

/* Takes a reference to the manifest. `state_dir` as from state_dir_for. Reads every store once:
 * fails with the place of what is wrong. */
must_use int configs_open(struct manifest *m, const char *state_dir, struct configs **ret_configs,
                          struct err *err);
/* What was opened stays valid. NULL is allowed. */
void configs_close(struct configs *c);
void configs_close_p(struct configs **c);
/* True, with *err, if a changed file or override could not be read since the last call: guests go
 * on with what was read before. Any thread. */
bool configs_take_error(struct configs *c, struct err *err);

/* NULL if the manifest has no such store. Any thread; the caller closes it. */
struct config *config_open(struct configs *c, const char *name, size_t len);
/* NULL is allowed. */
void config_close(struct config *s);
void config_close_p(struct config **s);
/* False if there is no such key. The value is borrowed from the store. */
bool config_get(const struct config *s, const char *key, size_t len, const char **ret_value,
                size_t *ret_len);

/* For listings: item i, in byte order of the keys; false past the end. */
struct config_item {
    const char *key;
    const char *value;
    size_t value_len;
    bool local;         /* from `edgectl config put` */
};
bool config_item(const struct config *s, size_t i, struct config_item *ret_item);

/* Key at most 256 characters, value at most 8000, both UTF-8: -ERR_USAGE says what is wrong. */
must_use int config_check(const char *key, const char *value, size_t value_len, struct err *err);

#endif
