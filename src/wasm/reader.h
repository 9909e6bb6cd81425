/* SPDX-License-Identifier: Apache-2.0 */
/* Reading the WebAssembly binary format (core specification, chapter 5) from bytes that nobody
 * has checked. A cursor never leaves its range: the first read that would do so, or that meets a
 * malformed number, turns it bad, and all later reads give zero. Nothing is allocated. */
#ifndef EDGECTL_WASM_READER_H
#define EDGECTL_WASM_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wasm_cursor {
    const uint8_t *base;    /* offsets count from here */
    const uint8_t *at, *end;
    bool bad;
    size_t bad_at;          /* offset of the item that could not be read */
};

struct wasm_slice {
    const uint8_t *ptr;
    size_t len;
};

enum wasm_section_id {
    WASM_CUSTOM, WASM_TYPE, WASM_IMPORT, WASM_FUNCTION, WASM_TABLE, WASM_MEMORY, WASM_GLOBAL,
    WASM_EXPORT, WASM_START, WASM_ELEMENT, WASM_CODE, WASM_DATA, WASM_DATA_COUNT, WASM_TAG,
    WASM_SECTION_IDS,
};

struct wasm_section {
    uint8_t id;
    size_t header;          /* offset of the id byte */
    size_t start, end;      /* offsets of the content */
};

/* A memory's limits (binary format 5.3.9, memory64 and threads included). */
struct wasm_limits {
    uint64_t min, max;      /* pages; max only with has_max */
    bool has_max, shared, is64, custom_page;
};

enum { WASM_HEADER_SIZE = 8 };  /* magic and version */

/* A cursor over base[from..to). */
struct wasm_cursor wasm_cursor(const uint8_t *base, size_t from, size_t to);
size_t wasm_offset(const struct wasm_cursor *c);
size_t wasm_left(const struct wasm_cursor *c);
/* Turn bad at the given offset. No effect if it is bad already. */
void wasm_bad(struct wasm_cursor *c, size_t offset);

uint8_t wasm_u8(struct wasm_cursor *c);
uint32_t wasm_u32(struct wasm_cursor *c);
uint64_t wasm_u64(struct wasm_cursor *c);
int32_t wasm_s32(struct wasm_cursor *c);
/* A signed LEB128 of up to 64 bits. */
int64_t wasm_s64(struct wasm_cursor *c);
void wasm_skip(struct wasm_cursor *c, size_t len);
/* A vector of bytes, or a name, borrowed from the input. */
struct wasm_slice wasm_bytes(struct wasm_cursor *c);
struct wasm_limits wasm_memory_limits(struct wasm_cursor *c);
/* A table type is skipped, its element type included. */
void wasm_skip_table(struct wasm_cursor *c);
/* The next section; false at the end of the range, or when the cursor turned bad. A section that
 * claims to go beyond the range makes it bad, with s filled in and s->end as claimed. */
bool wasm_next_section(struct wasm_cursor *c, struct wasm_section *s);

/* Write an unsigned LEB128; returns the bytes used, at most 10. */
size_t wasm_put_u64(uint8_t to[10], uint64_t v);

/* The name of a section for messages, "unknown" if id is none. */
const char *wasm_section_name(uint8_t id);

#endif
