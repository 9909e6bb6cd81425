/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets that would be shipped: the app's own, in the forms in which values end up in code and
 * files, and what is known to be a token by its looks. One pass over the data, however many secrets
 * there are; files inside of compressed files are not seen. */
#ifndef EDGECTL_BUNDLE_SCAN_H
#define EDGECTL_BUNDLE_SCAN_H

#include "bundle/bundle.h"

/* Shorter values are not looked for: they would be found anywhere. */
enum { SCAN_VALUE_MIN = 8 };

struct scan;

struct scan *scan_new(const struct bundle_secret *secrets, size_t count);
/* Wipes what was derived from the values. NULL is allowed. */
void scan_free(struct scan *s);
void scan_free_p(struct scan **s);
/* -ERR_FAILURE names the secret (never its value), its form, `where` and the offset of the first
 * that is found. `data` may be of the spool `sp`; NULL = it is not. */
must_use int scan_bytes(const struct scan *s, const struct spool *sp, const uint8_t *data,
                        size_t len, const char *where, struct err *err);

#endif
