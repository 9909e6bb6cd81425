/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a file that should be a guest, said in the terms of who built it. */
#include "wasm/module_info.h"

#include <string.h>

static const uint8_t magic[4] = {0x00, 'a', 's', 'm'};
static const uint8_t core_version[4] = {0x01, 0x00, 0x00, 0x00};

/* --- formats --- */

/* Past white space and comments of the text format: ";;" to the end of the line, "(;" to ";)",
 * nested. Returns the offset of the first other character, or len. */
static size_t skip_text_space(const uint8_t *bytes, size_t len)
{
    size_t i = 0, depth = 0;
    while (i < len) {
        uint8_t c = bytes[i], next = i + 1 < len ? bytes[i + 1] : 0;
        if (c == '(' && next == ';') {
            depth++;
            i += 2;
        } else if (depth && c == ';' && next == ')') {
            depth--;
            i += 2;
        } else if (depth || c == ' ' || c == '\t' || c == '\n' || c == '\r') {
            i++;
        } else if (c == ';' && next == ';') {
            while (i < len && bytes[i] != '\n')
                i++;
        } else {
            break;
        }
    }
    return i;
}

static bool starts(const uint8_t *bytes, size_t len, const char *with)
{
    size_t n = strlen(with);
    return len >= n && memcmp(bytes, with, n) == 0;
}

static bool is_text(const uint8_t *bytes, size_t len)
{
    size_t i = skip_text_space(bytes, len);
    if (i == len || bytes[i] != '(')
        return false;
    i++;
    i += skip_text_space(bytes + i, len - i);
    static const char *const words[] = {
        "module", "component", "type", "import", "func", "memory", "table", "global", "export",
        "start", "elem", "data",
    };
    for (size_t w = 0; w < ARRAY_LEN(words); w++)
        if (starts(bytes + i, len - i, words[w]))
            return true;
    return false;
}

enum module_format module_format(const uint8_t *bytes, size_t len)
{
    if (len == 0)
        return MODULE_EMPTY;
    if (len >= WASM_HEADER_SIZE && memcmp(bytes, magic, 4) == 0)
        return memcmp(bytes + 4, core_version, 4) == 0 ? MODULE_CORE : MODULE_COMPONENT;
    return is_text(bytes, len) ? MODULE_TEXT : MODULE_OTHER;
}

struct look {
    const char *start;      /* how such a file begins */
    size_t len;
    const char *what, *hint;
};

static const struct look looks[] = {
    {"\x7f" "ELF", 4, "a native program",
     "build for WebAssembly: cargo build --target wasm32-wasip1, GOOS=wasip1 GOARCH=wasm go build"},
    {"\xcf\xfa\xed\xfe", 4, "a native program",
     "build for WebAssembly: cargo build --target wasm32-wasip1, GOOS=wasip1 GOARCH=wasm go build"},
    {"!<arch>", 7, "a static library",
     "name the linked program; in Rust a [[bin]] target, not a library"},
    {"\x1f\x8b", 2, "a gzip archive",
     "name the module inside of it; in a Fastly package that is bin/main.wasm"},
    {"PK\x03\x04", 4, "a zip archive", "name the module inside of it"},
    {"BC\xc0\xde", 4, "LLVM bitcode", "link it: with clang, leave out -c and -emit-llvm"},
};

static int other_error(const uint8_t *bytes, size_t len, const char *path, struct err *err)
{
    int r;
    for (size_t i = 0; i < ARRAY_LEN(looks); i++) {
        if (len < looks[i].len || memcmp(bytes, looks[i].start, looks[i].len) != 0)
            continue;
        r = err_set(err, ERR_BUILD, "%s is %s, not a WebAssembly module", path, looks[i].what);
        err_hint(err, "%s", looks[i].hint);
        return r;
    }
    if (len < WASM_HEADER_SIZE && memcmp(bytes, magic, len < 4 ? len : 4) == 0) {
        r = err_set(err, ERR_BUILD, "%s is cut short: it ends at byte %zu, inside the header", path,
                    len);
        err_hint(err, "the build may have been stopped while it wrote: run it again");
        return r;
    }
    r = err_set(err, ERR_BUILD, "%s is not a WebAssembly module: it does not begin with"
                " 00 61 73 6d", path);
    err_hint(err, "name the .wasm file that the build writes");
    return r;
}

int module_format_error(const uint8_t *bytes, size_t len, const char *path, struct err *err)
{
    int r;
    if (!path)
        path = "the file";
    switch (module_format(bytes, len)) {
    case MODULE_EMPTY:
        r = err_set(err, ERR_BUILD, "%s is empty", path);
        err_hint(err, "the build may have been stopped while it wrote: run it again");
        return r;
    case MODULE_COMPONENT:
        r = err_set(err, ERR_BUILD, "%s is a WebAssembly component, not a core module", path);
        err_hint(err, "build a core module with WASI preview 1: in Rust --target wasm32-wasip1"
                 " instead of wasm32-wasip2, elsewhere leave out the step that makes a component");
        return r;
    case MODULE_TEXT:
        r = err_set(err, ERR_BUILD, "%s is WebAssembly text, not a binary module", path);
        err_hint(err, "run it as a file named .wat, or turn it into a module with wat2wasm");
        return r;
    case MODULE_CORE:
    case MODULE_OTHER:
        break;
    }
    return other_error(bytes, len, path, err);
}

/* --- a module that is no guest --- */

static void check_start(const struct module_info *info, struct err *err)
{
    const struct module_export *start = module_info_export(info, "_start");
    if (start && start->kind != MODULE_FUNC) {
        err_set(err, ERR_BUILD, "the module exports _start, but not as a function");
        err_hint(err, "link it as a program (a WASI command)");
    } else if (start && start->signature && strcmp(start->signature, "()->()") != 0) {
        err_set(err, ERR_BUILD, "_start has the type %.200s, where ()->() is needed",
                start->signature);
        err_hint(err, "let the toolchain make _start: link it as a program (a WASI command)");
    } else if (!start && module_info_export(info, "_initialize")) {
        err_set(err, ERR_BUILD, "the module is a library (a WASI reactor): it has no _start");
        err_hint(err, "build a program: in Rust a binary (src/main.rs) without crate-type cdylib,"
                 " in Go without -buildmode=c-shared, with clang without -mexec-model=reactor");
    } else if (!start) {
        err_set(err, ERR_BUILD, "the module has no entry point: it exports no function _start");
        err_hint(err, "build a program, not a library: in Rust src/main.rs with fn main, in C a"
                 " main() and no -nostartfiles, -Wl,--no-entry");
    }
}

static void check_memory(const struct module_info *info, struct err *err)
{
    const struct module_export *memory = module_info_export(info, "memory");
    const struct wasm_limits *m = &info->memory;
    if (info->memory_imported) {
        err_set(err, ERR_BUILD, "the module imports its memory, which the edge does not provide");
        err_hint(err, "link without --import-memory");
    } else if (info->memory_count == 0) {
        if (info->import_count == 0)    /* calls nothing, needs none */
            return;
        err_set(err, ERR_BUILD, "the module has no memory: the edge's calls can pass it nothing");
        err_hint(err, "export a memory named \"memory\"");
    } else if (info->memory_count > 1) {
        err_set(err, ERR_BUILD, "the module has %u memories; the edge gives one",
                info->memory_count);
        err_hint(err, "link without the multi-memory feature");
    } else if (m->is64 || m->shared || m->custom_page) {
        err_set(err, ERR_BUILD, "the module's memory is %s; the edge gives a plain 32-bit one",
                m->is64 ? "64-bit" : m->shared ? "shared between threads" : "of another page size");
        err_hint(err, "%s", m->is64 ? "build for wasm32, not wasm64" :
                 "build for wasm32-wasip1 without threads");
    } else if (info->import_count && (!memory || memory->kind != MODULE_MEMORY)) {
        err_set(err, ERR_BUILD, "the module does not export its memory as \"memory\"");
        err_hint(err, "without it the edge's calls can pass nothing; link with --export-memory, or"
                 " write (export \"memory\" (memory 0))");
    }
}

size_t module_info_problems(const struct module_info *info,
                            struct err ret_problems[MODULE_PROBLEMS_MAX])
{
    static void (*const checks[])(const struct module_info *, struct err *) = {
        check_start, check_memory,
    };
    size_t count = 0;
    for (size_t i = 0; i < ARRAY_LEN(checks) && count < MODULE_PROBLEMS_MAX; i++) {
        ret_problems[count] = (struct err){0};
        checks[i](info, &ret_problems[count]);
        count += ret_problems[count].code != ERR_NONE;
    }
    return count;
}
