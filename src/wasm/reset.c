/* SPDX-License-Identifier: Apache-2.0 */
#include "wasm/reset.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "wasm/module_info.h"
#include "wasm/reader.h"

/* Opcodes (core specification, chapter 5.4), those with immediates or with a meaning here. */
enum {
    OP_BLOCK = 0x02, OP_LOOP, OP_IF, OP_ELSE, OP_END = 0x0b, OP_BR, OP_BR_IF, OP_BR_TABLE,
    OP_RETURN, OP_CALL, OP_CALL_INDIRECT, OP_RETURN_CALL, OP_RETURN_CALL_INDIRECT, OP_DROP = 0x1a,
    OP_SELECT,
    OP_SELECT_TYPED, OP_LOCAL_GET = 0x20, OP_GLOBAL_SET = 0x24, OP_TABLE_GET, OP_LOAD_FIRST = 0x28,
    OP_STORE_LAST = 0x3e, OP_MEMORY_SIZE, OP_MEMORY_GROW, OP_I32_CONST, OP_I64_CONST, OP_F32_CONST,
    OP_F64_CONST, OP_NUMERIC_LAST = 0xc4, OP_REF_NULL = 0xd0, OP_REF_IS_NULL, OP_REF_FUNC,
    OP_PREFIX_MISC = 0xfc, OP_PREFIX_SIMD,
};

enum {
    MISC_TRUNC_LAST = 7, MISC_MEMORY_INIT, MISC_MEMORY_COPY = 10, MISC_MEMORY_FILL,
    MISC_TABLE_SIZE = 16,
};

enum { TYPE_I32 = 0x7f, TYPE_F64 = 0x7c };

static const char prefix[] = "edgectl:";
static const char mark[] = "edgectl:reset";

/* --- instructions that leave tables and segments alone --- */

static void skip_memarg(struct wasm_cursor *c)
{
    if (wasm_u32(c) & 0x40) /* a memory's index follows */
        wasm_u32(c);
    wasm_u64(c);
}

static void skip_vector(struct wasm_cursor *c)
{
    for (uint32_t n = wasm_u32(c); n && !c->bad; n--)
        wasm_u32(c);
}

static bool skip_misc(struct wasm_cursor *c)
{
    uint32_t op = wasm_u32(c);
    if (op <= MISC_TRUNC_LAST)
        return true;
    switch (op) {
    case MISC_MEMORY_INIT:
    case MISC_MEMORY_COPY:
        wasm_u32(c);
        wasm_u32(c);
        return true;
    case MISC_MEMORY_FILL:
    case MISC_TABLE_SIZE:
        wasm_u32(c);
        return true;
    default:
        return false;
    }
}

/* Loads and stores have a memarg, some of these a lane; lanes stand alone as well. */
static bool skip_simd(struct wasm_cursor *c)
{
    uint32_t op = wasm_u32(c);
    bool lane_access = op >= 84 && op <= 91;
    if (op <= 11 || lane_access || op == 92 || op == 93)
        skip_memarg(c);
    if (op == 12 || op == 13)
        wasm_skip(c, 16);
    if (lane_access || (op >= 21 && op <= 34))
        wasm_skip(c, 1);
    return true;
}

/* Skip what follows an opcode. False: it may write to a table or drop a segment, or is of a
 * proposal that nothing is known of here. */
static bool skip_immediates(struct wasm_cursor *c, uint8_t op)
{
    switch (op) {
    case OP_BLOCK:
    case OP_LOOP:
    case OP_IF:
        wasm_s64(c);
        return true;
    case OP_BR_TABLE:
        skip_vector(c);
        wasm_u32(c);
        return true;
    case OP_CALL_INDIRECT:
    case OP_RETURN_CALL_INDIRECT:
        wasm_u32(c);
        wasm_u32(c);
        return true;
    case OP_BR:
    case OP_BR_IF:
    case OP_CALL:
    case OP_RETURN_CALL:
    case OP_MEMORY_SIZE:
    case OP_MEMORY_GROW:
    case OP_REF_FUNC:
    case OP_TABLE_GET:
        wasm_u32(c);
        return true;
    case OP_SELECT_TYPED:
        skip_vector(c);
        return true;
    case OP_I32_CONST:
    case OP_I64_CONST:
    case OP_REF_NULL:
        wasm_s64(c);
        return true;
    case OP_F32_CONST:
        wasm_skip(c, 4);
        return true;
    case OP_F64_CONST:
        wasm_skip(c, 8);
        return true;
    case OP_PREFIX_MISC:
        return skip_misc(c);
    case OP_PREFIX_SIMD:
        return skip_simd(c);
    default:
        break;
    }
    if (op >= OP_LOCAL_GET && op <= OP_GLOBAL_SET)
        wasm_u32(c);
    else if (op >= OP_LOAD_FIRST && op <= OP_STORE_LAST)
        skip_memarg(c);
    else
        return op <= 0x01 || op == OP_ELSE || op == OP_END || op == OP_RETURN || op == OP_DROP ||
               op == OP_SELECT || op == OP_REF_IS_NULL ||
               (op > OP_F64_CONST && op <= OP_NUMERIC_LAST);
    return true;
}

static bool code_is_plain(const uint8_t *bytes, const struct wasm_section *s)
{
    struct wasm_cursor c = wasm_cursor(bytes, s->start, s->end);
    for (uint32_t n = wasm_u32(&c); n && !c.bad; n--) {
        struct wasm_slice body = wasm_bytes(&c);
        struct wasm_cursor f = wasm_cursor(body.ptr, 0, c.bad ? 0 : body.len);
        for (uint32_t locals = wasm_u32(&f); locals && !f.bad; locals--) {
            wasm_u32(&f);
            wasm_s64(&f);
        }
        while (!f.bad && wasm_left(&f))
            if (!skip_immediates(&f, wasm_u8(&f)))
                return false;
        if (f.bad)
            return false;
    }
    return !c.bad;
}

/* --- globals --- */

static void skip_constant(struct wasm_cursor *c)
{
    for (uint8_t op = wasm_u8(c); op != OP_END && !c->bad; op = wasm_u8(c))
        if (!skip_immediates(c, op))
            wasm_bad(c, wasm_offset(c));
}

/* Add an export of each mutable global; their number, or -1 if one is not a number. */
static long export_globals(const uint8_t *bytes, const struct wasm_section *s, struct buf *to)
{
    long count = 0;
    if (s->end == 0)
        return 0;
    struct wasm_cursor c = wasm_cursor(bytes, s->start, s->end);
    uint32_t n = wasm_u32(&c);
    for (uint32_t i = 0; i < n && !c.bad; i++) {
        uint8_t type = wasm_u8(&c), mutable = wasm_u8(&c), number[10];
        if (mutable && (type > TYPE_I32 || type < TYPE_F64))
            return -1;
        skip_constant(&c);
        if (!mutable)
            continue;
        char name[32];
        int len = snprintf(name, sizeof name, "%s%ld", prefix, count++);
        buf_add_char(to, (char)len);
        buf_add(to, name, (size_t)len);
        buf_add_char(to, MODULE_GLOBAL);
        buf_add(to, number, wasm_put_u64(number, i));
    }
    return c.bad ? -1 : count;
}

/* --- the module --- */

static const char *why_not(const struct module_info *info, const uint8_t *bytes)
{
    for (size_t i = 0; i < info->import_count; i++)
        if (info->imports[i].kind != MODULE_FUNC)
            return "it imports more than functions";
    for (size_t i = 0; i < info->export_count; i++)
        if (strncmp(info->exports[i].name, prefix, strlen(prefix)) == 0)
            return "it has exports of that kind already";
    if (info->memory_count != 1 || info->memory.shared || info->memory.is64)
        return "its memory is not a plain one";
    if (info->memory.min > RESET_PAGES_MAX)
        return "its memory is large";
    if (info->sections[WASM_START].end)
        return "it has a start section";
    if (!info->sections[WASM_EXPORT].end || !info->sections[WASM_CODE].end)
        return "it has no code, or exports nothing";
    if (!code_is_plain(bytes, &info->sections[WASM_CODE]))
        return "its code writes to tables or drops segments";
    return NULL;
}

static void add_section(struct buf *to, enum wasm_section_id id, const struct buf *content)
{
    uint8_t size[10];
    buf_add_char(to, (char)id);
    buf_add(to, size, wasm_put_u64(size, content->len));
    buf_add(to, content->data, content->len);
}

static void add_mark(struct buf *to)
{
    cleanup(buf_clear) struct buf content = BUF_INIT(sizeof mark);
    buf_add_char(&content, (char)(sizeof mark - 1));
    buf_add_str(&content, mark);
    add_section(to, WASM_CUSTOM, &content);
}

/* The export section, with `more` of `count` exports behind its own. */
static void add_exports(struct buf *to, const uint8_t *bytes, const struct wasm_section *s,
                        const struct buf *more, long count)
{
    cleanup(buf_clear) struct buf content = BUF_INIT(SIZE_MAX);
    struct wasm_cursor c = wasm_cursor(bytes, s->start, s->end);
    uint8_t number[10];
    uint64_t total = (uint64_t)wasm_u32(&c) + (uint64_t)count;
    buf_add(&content, number, wasm_put_u64(number, total));
    buf_add(&content, bytes + wasm_offset(&c), wasm_left(&c));
    buf_add(&content, more->data, more->len);
    add_section(to, WASM_EXPORT, &content);
}

uint8_t *reset_module(const uint8_t *bytes, size_t len, size_t *ret_len, const char **ret_why_not)
{
    cleanup(module_info_clear) struct module_info info = {0};
    cleanup(buf_clear) struct buf more = BUF_INIT(SIZE_MAX);
    struct err err;
    *ret_why_not = "it is large";
    if (len > RESET_BYTES_MAX)
        return NULL;
    if (module_info_read(bytes, len, &info, &err) < 0) {
        *ret_why_not = "it cannot be read";
        return NULL;
    }
    *ret_why_not = why_not(&info, bytes);
    if (*ret_why_not)
        return NULL;
    long count = export_globals(bytes, &info.sections[WASM_GLOBAL], &more);
    if (count < 0) {
        *ret_why_not = "it has a mutable global that is not a number";
        return NULL;
    }
    const struct wasm_section *s = &info.sections[WASM_EXPORT];
    struct buf out = BUF_INIT(SIZE_MAX);
    buf_reserve(&out, len + more.len + sizeof mark + 16);
    buf_add(&out, bytes, s->header);
    add_exports(&out, bytes, s, &more, count);
    buf_add(&out, bytes + s->end, len - s->end);
    add_mark(&out);
    *ret_len = out.len;
    return (uint8_t *)buf_take(&out);
}
