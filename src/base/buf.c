/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf)BUF_INIT(max);
}

void buf_clear(struct buf *b)
{
    free(b->data);
    *b = (struct buf)BUF_INIT(b->max);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->overflow = false;
    if (b->data)
        b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t len)
{
    if (len > b->max || b->len > b->max - len) {
        b->overflow = true;
        return NULL;
    }
    size_t need = b->len + len + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 64;
        b->cap = cap > need ? cap : need;
        b->data = xrealloc(b->data, b->cap);
    }
    return b->data + b->len;
}

bool buf_add(struct buf *b, const void *data, size_t len)
{
    char *at = buf_reserve(b, len);
    if (!at)
        return false;
    if (len)
        memcpy(at, data, len);
    b->len += len;
    b->data[b->len] = '\0';
    return true;
}

bool buf_add_str(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

bool buf_add_char(struct buf *b, char c)
{
    return buf_add(b, &c, 1);
}

bool buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
    /* Most texts fit what is there already: no allocation for them. */
    va_list again;
    va_copy(again, ap);
    size_t room = b->cap > b->len ? b->cap - b->len : 0;
    int n = vsnprintf(room ? b->data + b->len : NULL, room, fmt, again);
    va_end(again);
    if (n >= 0 && (size_t)n < room && (size_t)n <= b->max - b->len) {
        b->len += (size_t)n;
        return true;
    }
    if (room)
        b->data[b->len] = '\0';
    cleanup(free_p) char *s = xvasprintf(fmt, ap);
    return buf_add_str(b, s);
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    bool ok = buf_vprintf(b, fmt, ap);
    va_end(ap);
    return ok;
}

void buf_consume(struct buf *b, size_t n)
{
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = '\0';
}

char *buf_take(struct buf *b)
{
    char *s = b->data ? b->data : xstrdup("");
    *b = (struct buf)BUF_INIT(b->max);
    return s;
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}
