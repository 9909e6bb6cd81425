/* SPDX-License-Identifier: Apache-2.0 */
#include "wasm/reader.h"

struct wasm_cursor wasm_cursor(const uint8_t *base, size_t from, size_t to)
{
    return (struct wasm_cursor){.base = base, .at = base + from, .end = base + to};
}

size_t wasm_offset(const struct wasm_cursor *c)
{
    return (size_t)(c->at - c->base);
}

size_t wasm_left(const struct wasm_cursor *c)
{
    return (size_t)(c->end - c->at);
}

void wasm_bad(struct wasm_cursor *c, size_t offset)
{
    if (c->bad)
        return;
    c->bad = true;
    c->bad_at = offset;
    c->at = c->end;
}

uint8_t wasm_u8(struct wasm_cursor *c)
{
    if (c->at == c->end) {
        wasm_bad(c, wasm_offset(c));
        return 0;
    }
    return *c->at++;
}

/* LEB128 of at most `bits` bits. The unused high bits of the last possible byte must continue the
 * number (zero, or its sign), as the specification has it. */
static uint64_t leb(struct wasm_cursor *c, unsigned bits, bool is_signed)
{
    size_t from = wasm_offset(c);
    uint64_t v = 0;
    for (unsigned shift = 0; shift < bits; shift += 7) {
        uint8_t b = wasm_u8(c);
        v |= (uint64_t)(b & 0x7f) << shift;
        unsigned used = bits - shift;
        if (used < 7) {
            uint8_t rest = (uint8_t)((b & 0x7f) >> used);
            uint8_t ones = (uint8_t)(0x7f >> used);
            bool negative = is_signed && (b >> (used - 1) & 1);
            if (rest != (negative ? ones : 0))
                wasm_bad(c, from);
        }
        if (!(b & 0x80)) {
            if (is_signed && (b & 0x40) && shift + 7 < 64)
                v |= ~(uint64_t)0 << (shift + 7);
            return c->bad ? 0 : v;
        }
    }
    wasm_bad(c, from);
    return 0;
}

uint32_t wasm_u32(struct wasm_cursor *c)
{
    return (uint32_t)leb(c, 32, false);
}

uint64_t wasm_u64(struct wasm_cursor *c)
{
    return leb(c, 64, false);
}

int32_t wasm_s32(struct wasm_cursor *c)
{
    return (int32_t)leb(c, 32, true);
}

int64_t wasm_s64(struct wasm_cursor *c)
{
    return (int64_t)leb(c, 64, true);
}

void wasm_skip(struct wasm_cursor *c, size_t len)
{
    if (len > wasm_left(c))
        wasm_bad(c, wasm_offset(c));
    else
        c->at += len;
}

struct wasm_slice wasm_bytes(struct wasm_cursor *c)
{
    size_t len = wasm_u32(c);
    const uint8_t *ptr = c->at;
    wasm_skip(c, len);
    return c->bad ? (struct wasm_slice){.ptr = c->base} : (struct wasm_slice){ptr, len};
}

struct wasm_limits wasm_memory_limits(struct wasm_cursor *c)
{
    size_t from = wasm_offset(c);
    uint32_t flags = wasm_u32(c);
    if (flags > 15)
        wasm_bad(c, from);
    struct wasm_limits l = {.has_max = flags & 1, .shared = flags & 2, .is64 = flags & 4,
                            .custom_page = flags & 8};
    l.min = l.is64 ? wasm_u64(c) : wasm_u32(c);
    if (l.has_max)
        l.max = l.is64 ? wasm_u64(c) : wasm_u32(c);
    if (l.custom_page)
        wasm_u32(c);
    return l;
}

static void skip_ref_type(struct wasm_cursor *c)
{
    uint8_t form = wasm_u8(c);
    if (form == 0x63 || form == 0x64)   /* (ref null heaptype), (ref heaptype) */
        wasm_s64(c);
}

void wasm_skip_table(struct wasm_cursor *c)
{
    /* 0x40 0x00 announces an initialiser after the type: only in the table section, whose reader
     * does not come here. */
    skip_ref_type(c);
    uint32_t flags = wasm_u32(c);
    wasm_u64(c);
    if (flags & 1)
        wasm_u64(c);
}

bool wasm_next_section(struct wasm_cursor *c, struct wasm_section *s)
{
    if (c->bad || c->at == c->end)
        return false;
    *s = (struct wasm_section){.header = wasm_offset(c)};
    s->id = wasm_u8(c);
    size_t len = wasm_u32(c);
    if (c->bad) {
        s->start = s->end = c->bad_at;
        return false;
    }
    s->start = wasm_offset(c);
    s->end = s->start + len < s->start ? SIZE_MAX : s->start + len;
    wasm_skip(c, len);
    return !c->bad;
}

size_t wasm_put_u64(uint8_t to[10], uint64_t v)
{
    size_t n = 0;
    do {
        to[n] = (uint8_t)(v & 0x7f);
        v >>= 7;
        if (v)
            to[n] |= 0x80;
        n++;
    } while (v);
    return n;
}

const char *wasm_section_name(uint8_t id)
{
    static const char *const names[WASM_SECTION_IDS] = {
        "custom", "type", "import", "function", "table", "memory", "global", "export", "start",
        "element", "code", "data", "data count", "tag",
    };
    return id < WASM_SECTION_IDS ? names[id] : "unknown";
}
