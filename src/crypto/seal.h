/* SPDX-License-Identifier: Apache-2.0 */
/* Sealing secrets at rest: XChaCha20-Poly1305 with a key that is kept in a file beside the data
 * (mode 0600). It protects backups, copies and commits of the data file without its key; it does
 * not protect from someone who can read the whole folder as this user. */
#ifndef EDGECTL_CRYPTO_SEAL_H
#define EDGECTL_CRYPTO_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "crypto/secret.h"

struct seal;        /* an opened key */

/* Read the key file; with `create` make it first if there is none (two processes agree on one).
 * -ERR_CREDENTIALS if it is missing, not a key, or open to other users; -ERR_IO. */
must_use int seal_open(const char *path, bool create, struct seal **ret_seal, struct err *err);
/* Clears the key. NULL is allowed. */
void seal_close(struct seal *s);
void seal_close_p(struct seal **s);

/* What a value is sealed for: it opens only under the same names. */
struct seal_label {
    const char *store, *key;
};

/* The sealed form of a value, from malloc. */
uint8_t *seal_value(const struct seal *s, const struct seal_label *label,
                          const struct secret *value, size_t *ret_len);
/* -ERR_CREDENTIALS if it was not sealed with this key, for this label, or was changed since. */
must_use int seal_unseal(const struct seal *s, const struct seal_label *label,
                             const uint8_t *sealed, size_t len, struct secret **ret_value,
                             struct err *err);

/* A fingerprint to tell values apart: hexadecimal, keyed, so that it cannot be used to try guesses
 * without the key file. The same value has another fingerprint in another state folder. */
enum { SEAL_PRINT_SIZE = 17 };
void seal_print(const struct seal *s, const struct secret *value, char ret_hex[SEAL_PRINT_SIZE]);

#endif
