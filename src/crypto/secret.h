/* SPDX-License-Identifier: Apache-2.0 */
/* A value that must not get out: kept in memory of its own that is locked, fenced by guard pages,
 * left out of core files and cleared when freed (libsodium's secure heap). Immutable and counted;
 * references may be taken and dropped by any thread. Nothing may format it: secret_expose is for
 * handing the bytes on to where they belong. */
#ifndef EDGECTL_CRYPTO_SECRET_H
#define EDGECTL_CRYPTO_SECRET_H

#include <stddef.h>
#include <stdint.h>
#include "crypto/hash.h"

enum { SECRET_MAX = 64 * 1024 };

struct secret;

/* A copy of the bytes; the caller clears its own (secret_wipe). */
struct secret *secret_new(const void *data, size_t len);
/* Memory for `len` bytes to be filled once through *ret_data, before anyone else sees it. */
struct secret *secret_alloc(size_t len, uint8_t **ret_data);
struct secret *secret_ref(struct secret *s);
/* NULL is allowed. */
void secret_unref(struct secret *s);
void secret_unref_p(struct secret **s);
const uint8_t *secret_expose(const struct secret *s);
size_t secret_len(const struct secret *s);
/* What tells values apart wherever they are known: the same on every machine, and slow to make
 * (some 20 ms), so that a value that could be guessed is not given away. For release records. */
void secret_print(const struct secret *s, const char *store, const char *key,
                  char ret_hex[HASH_HEX_SIZE]);
/* Clear memory in a way that the compiler does not drop. */
void secret_wipe(void *data, size_t len);

#endif
