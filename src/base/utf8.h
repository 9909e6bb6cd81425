/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDGECTL_BASE_UTF8_H
#define EDGECTL_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Is it UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing past U+10FFFF)? NULs are. */
bool utf8_valid(const void *text, size_t len);
/* How many of the `len` bytes at `text` fit into `max` without cutting a character in two. */
size_t utf8_cut(const void *text, size_t len, size_t max);
/* A copy with '?' for each byte that is none, for where only UTF-8 may stand. The caller frees. */
char *utf8_clean(const char *text);

#endif
