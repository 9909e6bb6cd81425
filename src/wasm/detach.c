/* SPDX-License-Identifier: Apache-2.0 */
#include "wasm/detach.h"

#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "wasm/module_info.h"

enum {
    /* Engines take no more segments than this. */
    SEGMENTS_MAX = 100000,
    PAGE = 65536,
    SEGMENT_ACTIVE = 0, SEGMENT_PASSIVE = 1, SEGMENT_ACTIVE_INDEX = 2,
    OP_I32_CONST = 0x41, OP_END = 0x0b,
};

/* flags 0, i32.const 0, end, no bytes */
static const uint8_t empty_segment[] = {SEGMENT_ACTIVE, OP_I32_CONST, 0, OP_END, 0};

struct work {
    struct detached *d;
    const struct module_info *info;
    struct buf memory, data;    /* the two sections made anew */
};

static void work_clear(struct work *w)
{
    buf_clear(&w->memory);
    buf_clear(&w->data);
}

/* --- what can be parted --- */

static const char *why_not(const struct module_info *info)
{
    const struct module_export *memory = module_info_export(info, "memory");
    if (info->has_start)
        return "it has a start section";
    if (info->memory_imported || info->memory_count != 1)
        return "it has no memory of its own, or several";
    if (info->memory.is64 || info->memory.shared || info->memory.custom_page)
        return "its memory is not a plain 32-bit one";
    if (!memory || memory->kind != MODULE_MEMORY)
        return "it does not export its memory";
    if (info->data_count > SEGMENTS_MAX)
        return "it has too many data segments";
    return NULL;
}

/* The offset of an active segment: exactly `i32.const N end`. */
static bool constant_offset(struct wasm_cursor *c, uint32_t *ret_offset)
{
    if (wasm_u8(c) != OP_I32_CONST)
        return false;
    *ret_offset = (uint32_t)wasm_s32(c);
    return wasm_u8(c) == OP_END && !c->bad;
}

/* Reads one segment and adds its emptied form to w->data. Returns NULL or why it cannot be. */
static const char *take_segment(struct work *w, struct wasm_cursor *c)
{
    struct detached *d = w->d;
    const uint8_t *from = c->at;
    uint32_t flags = wasm_u32(c), offset = 0;
    if (flags == SEGMENT_PASSIVE) {
        wasm_bytes(c);
        buf_add(&w->data, from, (size_t)(c->at - from));
        return c->bad ? "its data section is malformed" : NULL;
    }
    if (flags == SEGMENT_ACTIVE_INDEX && wasm_u32(c) != 0)
        return "it has data for another memory";
    if (flags > SEGMENT_ACTIVE_INDEX)
        return "its data section is malformed";
    if (!constant_offset(c, &offset))
        return "it has data at computed offsets";
    struct wasm_slice data = wasm_bytes(c);
    if (c->bad)
        return "its data section is malformed";
    if (offset + (uint64_t)data.len > d->memory_min_pages * PAGE)
        return "it has data beyond its memory";
    buf_add(&w->data, empty_segment, sizeof(empty_segment));
    if (data.len)
        d->segments[d->segment_count++] = (struct detached_segment){
            .offset = offset, .len = (uint32_t)data.len, .data = data.ptr};
    return NULL;
}

static const char *take_data(struct work *w)
{
    const struct wasm_section *s = &w->info->sections[WASM_DATA];
    if (!s->end)
        return NULL;
    struct wasm_cursor c = wasm_cursor(w->d->bytes, s->start, s->end);
    uint32_t count = wasm_u32(&c);
    uint8_t leb[10];
    buf_add(&w->data, leb, wasm_put_u64(leb, count));
    w->d->segments = xcalloc(count ? count : 1, sizeof(*w->d->segments));
    for (uint32_t i = 0; i < count; i++) {
        const char *why = take_segment(w, &c);
        if (why)
            return why;
    }
    return wasm_left(&c) ? "its data section is malformed" : NULL;
}

static void make_memory(struct work *w)
{
    const struct wasm_limits *m = &w->info->memory;
    uint8_t leb[10];
    buf_add(&w->memory, (uint8_t[]){1, m->has_max ? 1 : 0, 0}, 3);
    if (m->has_max)
        buf_add(&w->memory, leb, wasm_put_u64(leb, m->max));
}

/* --- the code module, as parts --- */

static void add_part(struct detached *d, const uint8_t *ptr, size_t len)
{
    struct detached_part *last = d->part_count ? &d->parts[d->part_count - 1] : NULL;
    if (last && last->ptr + last->len == ptr)
        last->len += len;
    else
        d->parts[d->part_count++] = (struct detached_part){ptr, len};
}

/* Id, length and content of a new section; returns where the next one may be written. */
static uint8_t *add_made(struct detached *d, uint8_t *to, uint8_t id, const struct buf *content)
{
    uint8_t *at = to;
    *at++ = id;
    at += wasm_put_u64(at, content->len);
    if (content->len)
        memcpy(at, content->data, content->len);
    at += content->len;
    add_part(d, to, (size_t)(at - to));
    return at;
}

static bool is_names(const struct detached *d, const struct wasm_section *s)
{
    struct wasm_cursor c = wasm_cursor(d->bytes, s->start, s->end);
    struct wasm_slice name = wasm_bytes(&c);
    return !c.bad && name.len == 4 && memcmp(name.ptr, "name", 4) == 0;
}

/* The next section, and whether it goes into the code module as it is. Of several "name" sections
 * only the first counts. */
static bool next_section(const struct detached *d, struct wasm_cursor *c, struct wasm_section *s,
                         bool *names, bool *stays)
{
    if (!wasm_next_section(c, s))
        return false;
    bool is_first_names = s->id == WASM_CUSTOM && !*names && is_names(d, s);
    *names = *names || is_first_names;
    *stays = s->id == WASM_CUSTOM ? is_first_names : s->id != WASM_MEMORY && s->id != WASM_DATA;
    return true;
}

/* At most: the header, 13 known sections, the names; each either joins its neighbour or not. */
static void make_parts(struct work *w)
{
    struct detached *d = w->d;
    bool names = false, stays;
    /* Two sections, each with an id and a length. */
    uint8_t *made = d->made = xmalloc(w->memory.len + w->data.len + 2 * 11);
    add_part(d, d->bytes, WASM_HEADER_SIZE);
    struct wasm_cursor c = wasm_cursor(d->bytes, WASM_HEADER_SIZE, d->len);
    struct wasm_section s;
    while (next_section(d, &c, &s, &names, &stays)) {
        if (stays)
            add_part(d, d->bytes + s.header, s.end - s.header);
        else if (s.id == WASM_MEMORY)
            made = add_made(d, made, s.id, &w->memory);
        else if (s.id == WASM_DATA)
            made = add_made(d, made, s.id, &w->data);
    }
}

/* --- outside --- */

int detach_module(const uint8_t *bytes, size_t len, struct detached **ret_detached, struct err *err)
{
    cleanup(module_info_clear) struct module_info info = {0};
    int r = module_info_read(bytes, len, &info, err);
    if (r < 0)
        return r;
    cleanup(detached_free_p) struct detached *d = xnew(struct detached);
    cleanup(work_clear) struct work w = {.d = d, .info = &info, .memory = BUF_INIT(64),
                                         /* no segment gets longer, but for the count */
                                         .data = BUF_INIT(len + 10)};
    d->bytes = bytes;
    d->len = len;
    d->memory_min_pages = info.memory.min;
    d->why_not = why_not(&info);
    if (!d->why_not)
        d->why_not = take_data(&w);
    d->possible = !d->why_not;
    if (d->possible) {
        make_memory(&w);
        make_parts(&w);
    } else {
        d->segment_count = 0;
        add_part(d, bytes, len);
    }
    cleanup(hash_free_p) struct hash *h = hash_new();
    for (size_t i = 0; i < d->part_count; i++)
        hash_add(h, d->parts[i].ptr, d->parts[i].len);
    hash_final(h, d->key);
    *ret_detached = TAKE(d);
    return 0;
}

uint8_t *detached_code(const struct detached *d, size_t *ret_len)
{
    size_t len = 0, at = 0;
    for (size_t i = 0; i < d->part_count; i++)
        len += d->parts[i].len;
    uint8_t *code = xmalloc(len);
    for (size_t i = 0; i < d->part_count; at += d->parts[i++].len)
        memcpy(code + at, d->parts[i].ptr, d->parts[i].len);
    *ret_len = len;
    return code;
}

void detached_whole_key(const struct detached *d, uint8_t ret_key[HASH_SIZE])
{
    memcpy(ret_key, d->key, HASH_SIZE);
    if (!d->possible)
        return;
    cleanup(hash_free_p) struct hash *h = hash_new();
    hash_add(h, d->key, HASH_SIZE);
    bool names = false, stays;
    struct wasm_cursor c = wasm_cursor(d->bytes, WASM_HEADER_SIZE, d->len);
    struct wasm_section s;
    while (next_section(d, &c, &s, &names, &stays))
        if (!stays)
            hash_add(h, d->bytes + s.header, s.end - s.header);
    hash_final(h, ret_key);
}

void detached_free(struct detached *d)
{
    if (!d)
        return;
    free(d->segments);
    free(d->made);
    free(d);
}

void detached_free_p(struct detached **d)
{
    detached_free(*d);
}
