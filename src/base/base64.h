/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 with padding, the standard alphabet (RFC 4648 section 4). */
#ifndef EDGECTL_BASE_BASE64_H
#define EDGECTL_BASE_BASE64_H

#include <stddef.h>
#include "base/cleanup.h"

/* A NUL-terminated string that the caller frees. */
char *base64_encode(const void *data, size_t len);
/* The bytes, NUL-terminated behind *ret_len, freed by the caller; NULL when the text is not valid:
 * foreign characters, missing padding, or bits that no encoder sets. */
void *base64_decode(const char *text, size_t len, size_t *ret_len);

#endif
