/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer with a hard maximum, always NUL-terminated after `len` bytes. */
#ifndef EDGECTL_BASE_BUF_H
#define EDGECTL_BASE_BUF_H

#include <stdbool.h>
#include <stdarg.h>
#include <stddef.h>
#include "base/cleanup.h"

struct buf {
    char *data;     /* NULL until something is added */
    size_t len;
    size_t cap;
    size_t max;     /* bytes; an add that would pass it is refused whole */
    bool overflow;  /* some add was refused */
};

#define BUF_INIT(maximum) {.max = (maximum)}

void buf_init(struct buf *b, size_t max);
/* Frees the memory; the buffer can be used again. */
void buf_clear(struct buf *b);
/* Keeps the memory, drops the content and the overflow mark. */
void buf_reset(struct buf *b);
/* All adds return false, and set `overflow`, when the maximum would be passed. */
bool buf_add(struct buf *b, const void *data, size_t len);
bool buf_add_str(struct buf *b, const char *s);
bool buf_add_char(struct buf *b, char c);
bool buf_printf(struct buf *b, const char *fmt, ...) printf_like(2, 3);
bool buf_vprintf(struct buf *b, const char *fmt, va_list ap);
/* Room for `len` more bytes at data+len (add to len what was filled); NULL past the maximum. */
char *buf_reserve(struct buf *b, size_t len);
/* Drop the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* The content as a NUL-terminated string that the caller frees; the buffer is empty after. */
char *buf_take(struct buf *b);
/* The content, "" when nothing was added; valid until the next change. */
const char *buf_str(const struct buf *b);

#endif
