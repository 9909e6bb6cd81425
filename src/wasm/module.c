/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/units.h"
#include "wasm/engine.h"
#include "wasm/internal.h"
#include "wasm/module_info.h"
#include "wasm/wat.h"

enum {
    /* A module of this size is compiled in two parts the first time: a JavaScript SDK's engine, in
     * all likelihood, whose code the next edit will have again. */
    DETACH_MIN_BYTES = 4 << 20,
};

/* The binary form of what a file holds. */
struct source {
    const char *path;
    uint8_t *bytes;
    size_t len;
    struct detached *detached;  /* points into bytes */
};

static void source_clear(struct source *s)
{
    detached_free(s->detached);
    free(s->bytes);
}

static int check_memory(const struct engine *e, const struct wasm_limits *memory, struct err *err)
{
    char wanted[UNIT_TEXT_MAX], limit[UNIT_TEXT_MAX];
    uint64_t bytes = memory->min > (e->memory_max >> 16) ? memory->min << 16 : 0;
    if (bytes == 0)
        return 0;
    err_set(err, ERR_BUILD, "the module's memory begins with %s; the limit is %s",
            format_size(bytes, wanted), format_size(e->memory_max, limit));
    err_hint(err, "raise limits.memory in the manifest, or link with a smaller --initial-memory");
    return -ERR_BUILD;
}

static int check_guest(const struct engine *e, const struct source *s, struct err *err)
{
    struct module_info info;
    struct err problems[MODULE_PROBLEMS_MAX];
    int r = module_info_read(s->bytes, s->len, &info, err);
    if (r < 0)
        return err_wrap(err, r, "%s", s->path);
    size_t n = module_info_problems(&info, problems);
    r = n == 0 && info.memory_count ? check_memory(e, &info.memory, err) : 0;
    module_info_clear(&info);
    if (r < 0)
        return err_wrap(err, r, "%s", s->path);
    if (n == 0)
        return 0;
    if (err) {
        *err = problems[0];
        err_wrap(err, 0, "%s", s->path);
    }
    return -(int)problems[0].code;
}

static int to_binary(struct source *s, struct err *err)
{
    enum module_format format = module_format(s->bytes, s->len);
    if (format == MODULE_CORE)
        return 0;
    if (format != MODULE_TEXT)
        return module_format_error(s->bytes, s->len, s->path, err);
    uint8_t *binary;
    int r = wat_to_module(s->path, (const char *)s->bytes, s->len, &binary, &s->len, err);
    if (r < 0)
        return r;
    free(s->bytes);
    s->bytes = binary;
    return 0;
}

/* Path, bytes (now owned) and length of the file are in *s: source_clear is due in any case. */
static int open_source(const struct engine *e, struct source *s, struct err *err)
{
    int r = to_binary(s, err);
    if (r == 0)
        r = check_guest(e, s, err);
    return r < 0 ? r : detach_module(s->bytes, s->len, &s->detached, err);
}

static int compile(struct engine *e, const struct source *s, const uint8_t *bytes, size_t len,
                   wasmtime_module_t **ret, struct err *err)
{
    wasmtime_error_t *error = wasmtime_module_new(e->wasm, bytes, len, ret);
    if (!error)
        return 0;
    char line[512];
    wasm_error_text(error, line, sizeof line, NULL);
    return err_set(err, ERR_BUILD, "%s cannot be compiled: %s", s->path, line);
}

static int compile_code_part(struct engine *e, const struct source *s, wasmtime_module_t **ret,
                             struct err *err)
{
    size_t len;
    cleanup(free_p) uint8_t *code = detached_code(s->detached, &len);
    int r = compile(e, s, code, len, ret, err);
    if (r == 0)
        cache_store(e, s->detached->key, *ret);
    return r;
}

static int compile_whole(struct engine *e, const struct source *s, wasmtime_module_t **ret,
                         struct err *err)
{
    uint8_t key[HASH_SIZE];
    int r = compile(e, s, s->bytes, s->len, ret, err);
    detached_whole_key(s->detached, key);
    if (r == 0)
        cache_store(e, key, *ret);
    return r;
}

/* From the cache, whole or in part; else compiled. */
static int get_code(struct engine *e, const struct source *s, wasmtime_module_t **ret,
                    struct module_report *report, struct err *err)
{
    uint8_t key[HASH_SIZE];
    detached_whole_key(s->detached, key);
    *report = (struct module_report){.from_cache = true};
    if ((*ret = cache_fetch(e, key)))
        return 0;
    report->detached = s->detached->possible;
    if (report->detached && (*ret = cache_fetch(e, s->detached->key)))
        return 0;
    report->from_cache = false;
    report->detached = report->detached && s->len >= DETACH_MIN_BYTES && e->cache_dir;
    return report->detached ? compile_code_part(e, s, ret, err) : compile_whole(e, s, ret, err);
}

int module_precompile(struct engine *e, const char *path, void *bytes, size_t len,
                      struct err *err)
{
    cleanup(source_clear) struct source s = {.path = path, .bytes = bytes, .len = len};
    int r = open_source(e, &s, err);
    if (r < 0)
        return r;
    uint8_t key[HASH_SIZE];
    detached_whole_key(s.detached, key);
    wasmtime_module_t *code = cache_fetch(e, key);
    r = code ? 0 : compile_whole(e, &s, &code, err);
    if (r == 0)
        wasmtime_module_delete(code);
    return r;
}

static bool answered(const struct engine *e, const wasm_name_t *module, const wasm_name_t *name)
{
    for (size_t i = 0; i < e->func_count; i++) {
        const struct host_func *f = &e->funcs[i];
        if (strlen(f->module) == module->size && strlen(f->name) == name->size &&
            memcmp(f->module, module->data, module->size) == 0 &&
            memcmp(f->name, name->data, name->size) == 0)
            return true;
    }
    return false;
}

/* Name the imports that nobody answers; 0 of them is possible (then a signature differs). */
static size_t list_unknown(struct engine *e, wasmtime_module_t *code, struct buf *list)
{
    wasm_importtype_vec_t imports;
    wasmtime_module_imports(code, &imports);
    size_t unknown = 0;
    for (size_t i = 0; i < imports.size; i++) {
        const wasm_name_t *module = wasm_importtype_module(imports.data[i]);
        const wasm_name_t *name = wasm_importtype_name(imports.data[i]);
        if (answered(e, module, name))
            continue;
        buf_printf(list, "%s%.*s.%.*s", unknown ? ", " : "", (int)module->size, module->data,
                   (int)name->size, name->data);
        unknown++;
    }
    wasm_importtype_vec_delete(&imports);
    return unknown;
}

static int link_module(struct engine *e, const char *path, wasmtime_module_t *code,
                       wasmtime_instance_pre_t **ret, struct err *err)
{
    wasmtime_error_t *error = wasmtime_linker_instantiate_pre(e->linker, code, ret);
    if (!error)
        return 0;
    char line[512];
    wasm_error_text(error, line, sizeof line, NULL);
    cleanup(buf_clear) struct buf list = BUF_INIT(800);
    size_t unknown = list_unknown(e, code, &list);
    if (unknown == 0)
        return err_set(err, ERR_BUILD, "%s cannot be linked: %s", path, line);
    err_set(err, ERR_BUILD, "%s imports %zu function%s that no edge host has: %s%s", path, unknown,
            unknown == 1 ? "" : "s", buf_str(&list), list.overflow ? ", ..." : "");
    err_hint(err, "build it for wasm32-wasip1 with a Fastly Compute SDK or edge.h; functions of "
                  "other hosts (env.*, wasi 0.2) do not exist here");
    return -ERR_BUILD;
}

int module_load(struct engine *e, const char *path, void *bytes, size_t len,
                struct module **ret, struct module_report *ret_report, struct err *err)
{
    int64_t start = clock_mono_ns();
    cleanup(source_clear) struct source s = {.path = path, .bytes = bytes, .len = len};
    struct module_report report;
    int r = open_source(e, &s, err);
    if (r < 0)
        return r;
    wasmtime_module_t *code;
    r = get_code(e, &s, &code, &report, err);
    if (r < 0)
        return r;
    struct module *m = xnew(struct module);
    atomic_init(&m->refs, 1);
    m->engine = e;
    m->code = code;
    r = link_module(e, path, code, &m->pre, err);
    if (r < 0) {
        module_unref(m);
        return r;
    }
    if (report.detached) {
        m->bytes = TAKE(s.bytes);
        m->data = TAKE(s.detached);
        m->image = image_new(m->data);
    }
    report.load_ns = clock_mono_ns() - start;
    if (ret_report)
        *ret_report = report;
    *ret = m;
    return 0;
}

struct module *module_ref(struct module *m)
{
    atomic_fetch_add(&m->refs, 1);
    return m;
}

void module_unref(struct module *m)
{
    if (!m || atomic_fetch_sub(&m->refs, 1) != 1)
        return;
    if (m->pre)
        wasmtime_instance_pre_delete(m->pre);
    wasmtime_module_delete(m->code);
    image_free(m->image);
    detached_free(m->data);
    free(m->bytes);
    free(m);
}
