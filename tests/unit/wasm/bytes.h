/* SPDX-License-Identifier: Apache-2.0 */
/* Writing small modules byte by byte, for tests of what reads them. */
#ifndef EDGECTL_TESTS_WASM_BYTES_H
#define EDGECTL_TESTS_WASM_BYTES_H

#include <stdint.h>
#include <stddef.h>
#include <string.h>
#include "base/buf.h"
#include "wasm/reader.h"

static inline void put_u(struct buf *b, uint64_t v)
{
    uint8_t leb[10];
    buf_add(b, leb, wasm_put_u64(leb, v));
}

static inline void put_name(struct buf *b, const char *s)
{
    put_u(b, strlen(s));
    buf_add_str(b, s);
}

static inline void put_section(struct buf *b, uint8_t id, const struct buf *content)
{
    buf_add_char(b, (char)id);
    put_u(b, content->len);
    if (content->len)
        buf_add(b, content->data, content->len);
}

/* A section given as a string literal, NULs and all. */
#define PUT_SECTION(b, id, literal)                                      \
    do {                                                                 \
        buf_add_char(b, (char)(id));                                     \
        put_u(b, sizeof(literal) - 1);                                   \
        if (sizeof(literal) > 1)                                         \
            buf_add(b, literal, sizeof(literal) - 1);                    \
    } while (0)

static inline void put_header(struct buf *b)
{
    buf_add(b, "\0asm\1\0\0\0", 8);
}

#endif
