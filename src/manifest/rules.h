/* SPDX-License-Identifier: Apache-2.0 */
/* What names may look like: one rule for the manifest, the command line and the guest. Each gives
 * NULL when `s` is fine, else what is wrong, in words. Source: abi README section 10. */
#ifndef EDGECTL_MANIFEST_RULES_H
#define EDGECTL_MANIFEST_RULES_H

#include <stddef.h>

/* A key of a KV store: 1 to 1024 bytes of UTF-8 without certain characters and parts. `s` need
 * not end with NUL. */
const char *rule_kv_key(const char *s, size_t len);
/* The name of a secret or of a secret store: [A-Za-z0-9_.-]{1,255}. */
const char *rule_secret_name(const char *s, size_t len);

#endif
