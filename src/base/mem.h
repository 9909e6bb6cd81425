/* SPDX-License-Identifier: Apache-2.0 */
/* Allocation that cannot fail: running out of memory aborts (design: only I/O, network, time and
 * input can fail). Results are freed with free(). */
#ifndef EDGECTL_BASE_MEM_H
#define EDGECTL_BASE_MEM_H

#include <stdarg.h>
#include <stddef.h>
#include "base/cleanup.h"

void *xmalloc(size_t size) __attribute__((malloc));
void *xcalloc(size_t count, size_t size) __attribute__((malloc));
void *xrealloc(void *ptr, size_t size);
/* Grow to count*size bytes, aborting on overflow. */
void *xreallocarray(void *ptr, size_t count, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t len);
void *xmemdup(const void *p, size_t len);
char *xasprintf(const char *fmt, ...) printf_like(1, 2);
char *xvasprintf(const char *fmt, va_list ap);

#define xnew(type) ((type *)xcalloc(1, sizeof(type)))

#endif
