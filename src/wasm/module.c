/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "wasm/engine.h"
#include "wasm/internal.h"

static int compile(struct engine *e, const char *path, const void *bytes, size_t len,
                   wasmtime_module_t **ret, struct err *err)
{
    static const char magic[4] = {'\0', 'a', 's', 'm'};
    wasm_byte_vec_t binary = {0};
    char line[512];
    bool text = len < 4 || memcmp(bytes, magic, 4) != 0;
    if (text) {
        wasmtime_error_t *error = wasmtime_wat2wasm(bytes, len, &binary);
        if (error) {
            wasm_error_text(error, line, sizeof line, NULL);
            return err_set(err, ERR_BUILD, "%s is neither a WebAssembly module nor its text form: %s",
                           path, line);
        }
    }
    wasmtime_error_t *error = wasmtime_module_new(
        e->wasm, text ? (const uint8_t *)binary.data : bytes, text ? binary.size : len, ret);
    if (text)
        wasm_byte_vec_delete(&binary);
    if (!error)
        return 0;
    wasm_error_text(error, line, sizeof line, NULL);
    return err_set(err, ERR_BUILD, "%s cannot be compiled: %s", path, line);
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

int module_load(struct engine *e, const char *path, const void *bytes, size_t len,
                struct module **ret, struct module_report *report, struct err *err)
{
    int64_t start = clock_mono_ns();
    wasmtime_module_t *code = cache_fetch(e, bytes, len);
    bool cached = code != NULL;
    if (!cached) {
        int r = compile(e, path, bytes, len, &code, err);
        if (r < 0)
            return r;
        cache_store(e, bytes, len, code);
    }
    wasmtime_instance_pre_t *pre;
    int r = link_module(e, path, code, &pre, err);
    if (r < 0) {
        wasmtime_module_delete(code);
        return r;
    }
    struct module *m = xnew(struct module);
    atomic_init(&m->refs, 1);
    m->engine = e;
    m->code = code;
    m->pre = pre;
    if (report)
        *report = (struct module_report){cached, clock_mono_ns() - start};
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
    wasmtime_instance_pre_delete(m->pre);
    wasmtime_module_delete(m->code);
    free(m);
}
