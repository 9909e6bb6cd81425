/* SPDX-License-Identifier: Apache-2.0 */
#include "wasm/module_info.h"

#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/utf8.h"

/* A signature of more values than this is shown as unknown: hostcalls take a dozen. */
enum { SIGNATURE_VALUES_MAX = 1000, PRODUCERS_MAX = 64, FIELD_MAX = 256 };

struct scan {
    const uint8_t *bytes;
    struct module_info *info;
    size_t *types;          /* offset of each function type; 0 = of another kind */
    size_t type_count, type_cap;
    size_t import_cap, export_cap;
    struct err *err;
};

static void scan_clear(struct scan *s)
{
    free(s->types);
}

/* --- small readers --- */

static char *text(struct wasm_slice s)
{
    char *t = xmalloc(s.len + 1);
    for (size_t i = 0; i < s.len; i++)
        t[i] = s.ptr[i] ? (char)s.ptr[i] : '?';
    t[s.len] = '\0';
    return t;
}

static struct wasm_slice name(struct wasm_cursor *c)
{
    size_t from = wasm_offset(c);
    struct wasm_slice s = wasm_bytes(c);
    if (s.len > MODULE_NAME_MAX || !utf8_valid(s.ptr, s.len))
        wasm_bad(c, from);
    return s;
}

/* The number of items that follow, each of at least one byte. */
static uint32_t item_count(struct wasm_cursor *c)
{
    size_t from = wasm_offset(c);
    uint32_t count = wasm_u32(c);
    if (count > wasm_left(c))
        wasm_bad(c, from);
    return c->bad ? 0 : count;
}

static const char *value_type(uint8_t byte)
{
    switch (byte) {
    case 0x7f:
        return "i32";
    case 0x7e:
        return "i64";
    case 0x7d:
        return "f32";
    case 0x7c:
        return "f64";
    case 0x7b:
        return "v128";
    case 0x70:
        return "funcref";
    case 0x6f:
        return "externref";
    default:
        return NULL;
    }
}

static bool value_list(struct wasm_cursor *c, struct buf *out)
{
    uint32_t count = wasm_u32(c);
    if (count > SIGNATURE_VALUES_MAX)
        return false;
    buf_add_char(out, '(');
    for (uint32_t i = 0; i < count; i++) {
        const char *type = value_type(wasm_u8(c));
        if (!type || c->bad)
            return false;
        if (i)
            buf_add_char(out, ',');
        buf_add_str(out, type);
    }
    return buf_add_char(out, ')');
}

/* The signature of function type `index`, or NULL. */
static char *signature(const struct scan *s, uint32_t index)
{
    if (index >= s->type_count || !s->types[index])
        return NULL;
    struct wasm_cursor c = wasm_cursor(s->bytes, s->types[index], s->info->sections[WASM_TYPE].end);
    cleanup(buf_clear) struct buf out = BUF_INIT(64 * 1024);
    if (!value_list(&c, &out) || !buf_add_str(&out, "->") || !value_list(&c, &out))
        return NULL;
    return buf_take(&out);
}

/* --- sections --- */

/* Only plain function types are understood. The first type of another kind (structures, arrays,
 * recursive groups) ends the list: what follows it counts as unknown, which is never wrong. */
static void read_types(struct scan *s, struct wasm_cursor *c)
{
    uint32_t count = item_count(c);
    for (uint32_t i = 0; i < count && !c->bad; i++) {
        if (wasm_u8(c) != 0x60)
            return;
        if (s->type_count == s->type_cap) {
            s->type_cap = s->type_cap ? s->type_cap * 2 : 64;
            s->types = xreallocarray(s->types, s->type_cap, sizeof(*s->types));
        }
        s->types[s->type_count++] = wasm_offset(c);
        for (int list = 0; list < 2; list++) {
            uint32_t values = wasm_u32(c);
            for (uint32_t v = 0; v < values && !c->bad; v++) {
                if (value_type(wasm_u8(c)))
                    continue;
                if (!c->bad)
                    s->type_count--;
                return;
            }
        }
    }
}

static void add_memory(struct module_info *info, struct wasm_limits limits, bool imported)
{
    if (info->memory_count++ == 0) {
        info->memory = limits;
        info->memory_imported = imported;
    }
}

static void read_import_type(struct scan *s, struct wasm_cursor *c, struct module_import *imp)
{
    struct module_info *info = s->info;
    size_t from = wasm_offset(c);
    uint8_t kind = wasm_u8(c);
    imp->kind = (enum module_extern)kind;
    switch (kind) {
    case MODULE_FUNC:
        imp->signature = signature(s, wasm_u32(c));
        info->func_count++;
        info->imported_func_count++;
        break;
    case MODULE_TABLE:
        wasm_skip_table(c);
        info->table_count++;
        break;
    case MODULE_MEMORY:
        add_memory(info, wasm_memory_limits(c), true);
        break;
    case MODULE_GLOBAL:
        if (!value_type(wasm_u8(c)))
            wasm_skip(c, 1);    /* (ref ...): one more byte for the heap types in use */
        wasm_u8(c);
        info->global_count++;
        break;
    case MODULE_TAG:
        wasm_u8(c);
        wasm_u32(c);
        break;
    default:
        wasm_bad(c, from);
    }
}

static void read_imports(struct scan *s, struct wasm_cursor *c)
{
    struct module_info *info = s->info;
    uint32_t count = item_count(c);
    if (count > MODULE_EXTERNS_MAX)
        wasm_bad(c, info->sections[WASM_IMPORT].start);
    for (uint32_t i = 0; i < count && !c->bad; i++) {
        if (info->import_count == s->import_cap) {
            s->import_cap = s->import_cap ? s->import_cap * 2 : 64;
            info->imports = xreallocarray(info->imports, s->import_cap, sizeof(*info->imports));
        }
        struct wasm_slice module = name(c), field = name(c);
        struct module_import imp = {0};
        read_import_type(s, c, &imp);
        if (c->bad) {
            free(imp.signature);
            return;
        }
        imp.module = text(module);
        imp.name = text(field);
        info->imports[info->import_count++] = imp;
    }
}

/* The type of a function by its index: imported ones come first, then the function section. */
static char *func_signature(const struct scan *s, uint32_t index)
{
    const struct module_info *info = s->info;
    if (index < info->imported_func_count) {
        for (size_t i = 0; i < info->import_count; i++) {
            const struct module_import *imp = &info->imports[i];
            if (imp->kind == MODULE_FUNC && index-- == 0)
                return imp->signature ? xstrdup(imp->signature) : NULL;
        }
    }
    const struct wasm_section *section = &info->sections[WASM_FUNCTION];
    if (!section->end)
        return NULL;
    struct wasm_cursor c = wasm_cursor(s->bytes, section->start, section->end);
    uint32_t count = wasm_u32(&c), at = index - info->imported_func_count, type = 0;
    if (at >= count)
        return NULL;
    for (uint32_t i = 0; i <= at && !c.bad; i++)
        type = wasm_u32(&c);
    return c.bad ? NULL : signature(s, type);
}

static void read_exports(struct scan *s, struct wasm_cursor *c)
{
    struct module_info *info = s->info;
    uint32_t count = item_count(c);
    if (count > MODULE_EXTERNS_MAX)
        wasm_bad(c, info->sections[WASM_EXPORT].start);
    for (uint32_t i = 0; i < count && !c->bad; i++) {
        if (info->export_count == s->export_cap) {
            s->export_cap = s->export_cap ? s->export_cap * 2 : 16;
            info->exports = xreallocarray(info->exports, s->export_cap, sizeof(*info->exports));
        }
        struct wasm_slice field = name(c);
        size_t from = wasm_offset(c);
        uint8_t kind = wasm_u8(c);
        struct module_export e = {.kind = (enum module_extern)kind, .index = wasm_u32(c)};
        if (kind > MODULE_TAG)
            wasm_bad(c, from);
        if (c->bad)
            return;
        e.name = text(field);
        /* Looking a type up walks the function section: only for the one that is asked for. */
        if (kind == MODULE_FUNC && strcmp(e.name, "_start") == 0)
            e.signature = func_signature(s, e.index);
        info->exports[info->export_count++] = e;
    }
}

/* A custom section is never an error: engines ignore those they cannot read. */
static void read_producers(struct module_info *info, struct wasm_cursor *c)
{
    uint32_t fields = wasm_u32(c);
    for (uint32_t f = 0; f < fields && !c->bad; f++) {
        struct wasm_slice field = wasm_bytes(c);
        uint32_t count = wasm_u32(c);
        for (uint32_t i = 0; i < count && !c->bad; i++) {
            struct wasm_slice tool = wasm_bytes(c), version = wasm_bytes(c);
            if (c->bad || field.len > FIELD_MAX || tool.len > FIELD_MAX || version.len > FIELD_MAX)
                return;
            if (!utf8_valid(field.ptr, field.len) || !utf8_valid(tool.ptr, tool.len) ||
                !utf8_valid(version.ptr, version.len))
                return;
            if (info->producer_count == PRODUCERS_MAX)
                return;
            info->producers = xreallocarray(info->producers, info->producer_count + 1,
                                            sizeof(*info->producers));
            info->producers[info->producer_count++] = (struct module_producer){
                .field = text(field), .name = text(tool), .version = text(version)};
        }
    }
}

static bool slice_is(struct wasm_slice s, const char *name_text)
{
    return s.len == strlen(name_text) && memcmp(s.ptr, name_text, s.len) == 0;
}

static void read_custom(struct module_info *info, struct wasm_cursor *c)
{
    info->custom_size += wasm_left(c);
    struct wasm_slice custom = wasm_bytes(c);
    if (slice_is(custom, "name"))
        info->has_names = true;
    else if (slice_is(custom, ".debug_info"))
        info->has_debug = true;
    else if (slice_is(custom, "producers") && info->producer_count == 0)
        read_producers(info, c);
}

static void read_section(struct scan *s, struct wasm_cursor *c, uint8_t id)
{
    struct module_info *info = s->info;
    switch (id) {
    case WASM_TYPE:
        read_types(s, c);
        break;
    case WASM_IMPORT:
        read_imports(s, c);
        break;
    case WASM_FUNCTION:
        info->func_count += item_count(c);
        break;
    case WASM_TABLE:
        info->table_count += item_count(c);
        break;
    case WASM_MEMORY:
        for (uint32_t count = item_count(c); count > 0 && !c->bad; count--)
            add_memory(info, wasm_memory_limits(c), false);
        break;
    case WASM_GLOBAL:
        info->global_count += item_count(c);
        break;
    case WASM_EXPORT:
        read_exports(s, c);
        break;
    case WASM_START:
        info->has_start = true;
        break;
    case WASM_DATA:
        info->data_count = item_count(c);
        break;
    default:
        break;
    }
}

/* --- the whole --- */

static int bad_module(struct err *err, size_t at, const char *section, const char *what)
{
    int r = err_set(err, ERR_BUILD, "the module is damaged: %s in the %s section (byte %zu)", what,
                    section, at);
    err_hint(err, "build it again; if that does not help, check the tool that wrote it last");
    return r;
}

static int cut_short(struct err *err, size_t len, const struct wasm_section *s)
{
    int r;
    if (s->end > len)
        r = err_set(err, ERR_BUILD,
                    "the module is cut short: the file ends at byte %zu, inside the %s section that"
                    " starts at byte %zu and goes to byte %zu", len, wasm_section_name(s->id),
                    s->header, s->end);
    else
        r = err_set(err, ERR_BUILD,
                    "the module is cut short: the file ends at byte %zu, inside a section header",
                    len);
    err_hint(err, "the build may have been stopped while it wrote: run it again");
    return r;
}

static int missing_section(struct err *err, size_t len, uint8_t id)
{
    int r = err_set(err, ERR_BUILD,
                    "the module is cut short: the file ends at byte %zu, before the %s section",
                    len, wasm_section_name(id));
    err_hint(err, "the build may have been stopped while it wrote: run it again");
    return r;
}

static int scan_section(struct scan *s, const struct wasm_section *section)
{
    struct module_info *info = s->info;
    struct wasm_cursor c = wasm_cursor(s->bytes, section->start, section->end);
    if (section->id == WASM_CUSTOM) {
        read_custom(info, &c);
        return 0;
    }
    if (section->id >= WASM_SECTION_IDS) {
        int r = err_set(s->err, ERR_BUILD, "the module has a section of unknown kind %u (byte %zu)",
                        section->id, section->header);
        err_hint(s->err, "it is damaged, or it uses a WebAssembly feature newer than this edgectl");
        return r;
    }
    if (info->sections[section->id].end)
        return bad_module(s->err, section->header, wasm_section_name(section->id), "a second one");
    info->sections[section->id] = *section;
    read_section(s, &c, section->id);
    if (c.bad)
        return bad_module(s->err, c.bad_at, wasm_section_name(section->id), "an item is malformed");
    return 0;
}

int module_info_read(const uint8_t *bytes, size_t len, struct module_info *ret_info,
                     struct err *err)
{
    if (module_format(bytes, len) != MODULE_CORE)
        return module_format_error(bytes, len, NULL, err);
    cleanup(module_info_clear) struct module_info info = {.size = len};
    cleanup(scan_clear) struct scan scan = {.bytes = bytes, .info = &info, .err = err};
    struct wasm_cursor c = wasm_cursor(bytes, WASM_HEADER_SIZE, len);
    struct wasm_section section;
    while (wasm_next_section(&c, &section)) {
        int r = scan_section(&scan, &section);
        if (r < 0)
            return r;
    }
    if (c.bad && c.bad_at < len && section.end <= len)
        return bad_module(err, c.bad_at, "next", "the length of it is malformed");
    if (c.bad)
        return cut_short(err, len, &section);
    if ((info.sections[WASM_FUNCTION].end && !info.sections[WASM_CODE].end) ||
        (info.sections[WASM_DATA_COUNT].end && !info.sections[WASM_DATA].end))
        return missing_section(err, len, info.sections[WASM_CODE].end ? WASM_DATA : WASM_CODE);
    *ret_info = info;
    info = (struct module_info){0};
    return 0;
}

void module_info_clear(struct module_info *info)
{
    for (size_t i = 0; i < info->import_count; i++) {
        free(info->imports[i].module);
        free(info->imports[i].name);
        free(info->imports[i].signature);
    }
    for (size_t i = 0; i < info->export_count; i++) {
        free(info->exports[i].name);
        free(info->exports[i].signature);
    }
    for (size_t i = 0; i < info->producer_count; i++) {
        free(info->producers[i].field);
        free(info->producers[i].name);
        free(info->producers[i].version);
    }
    free(info->imports);
    free(info->exports);
    free(info->producers);
    *info = (struct module_info){0};
}

const struct module_export *module_info_export(const struct module_info *info,
                                               const char *name_text)
{
    for (size_t i = 0; i < info->export_count; i++)
        if (strcmp(info->exports[i].name, name_text) == 0)
            return &info->exports[i];
    return NULL;
}
