/* SPDX-License-Identifier: Apache-2.0 */
/* What a file is and what a module in it asks for, read from its bytes alone: no engine is needed
 * and nothing in the file is trusted. This is not a validator; the engine checks the code. */
#ifndef EDGECTL_WASM_MODULE_INFO_H
#define EDGECTL_WASM_MODULE_INFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "wasm/reader.h"

/* What a file holds, told by its first bytes. */
enum module_format {
    MODULE_CORE,            /* a core module: the only thing that runs here */
    MODULE_COMPONENT,       /* component model (any layer or version that is not a core module's) */
    MODULE_TEXT,            /* WebAssembly text, .wat */
    MODULE_EMPTY,
    MODULE_OTHER,
};

enum module_extern { MODULE_FUNC, MODULE_TABLE, MODULE_MEMORY, MODULE_GLOBAL, MODULE_TAG };

/* More imports or exports, or longer names, are refused: engines stop at such numbers too. */
enum { MODULE_EXTERNS_MAX = 100000, MODULE_NAME_MAX = 100000 };

struct module_import {
    char *module, *name;    /* UTF-8, NUL-terminated; a NUL inside is shown as '?' */
    enum module_extern kind;
    char *signature;        /* of a function: "(i32,i64)->(i32)", "()->()"; NULL if the type is
                             * none of plain value types, and for all other kinds */
};

struct module_export {
    char *name;
    enum module_extern kind;
    uint32_t index;
    char *signature;
};

struct module_producer {    /* one entry of the custom section "producers" */
    char *field;            /* "language", "processed-by", "sdk" */
    char *name, *version;
};

struct module_info {
    size_t size;            /* bytes of the whole module */
    struct module_import *imports;
    size_t import_count;
    struct module_export *exports;
    size_t export_count;
    struct module_producer *producers;
    size_t producer_count;
    struct wasm_section sections[WASM_SECTION_IDS]; /* end == 0: absent; custom ones are not kept */
    uint32_t memory_count;  /* imported ones too */
    bool memory_imported;
    struct wasm_limits memory;      /* of memory 0, in pages of 64 KiB; valid if there is one */
    uint32_t func_count, table_count, global_count;     /* imported ones too */
    uint32_t imported_func_count;
    uint32_t data_count;            /* data segments */
    bool has_start;                 /* a start section */
    bool has_names, has_debug;      /* custom sections "name", ".debug_info" */
    size_t custom_size;             /* bytes in custom sections */
};

/* One letter for each type ('i' = i32, 'I' = i64, 'f', 'F' the floats, '?' anything else), ':'
 * between parameters and results: "(i32,i64)->(i32)" is "iI:i". The caller frees. */
char *module_signature_letters(const char *signature);

enum module_format module_format(const uint8_t *bytes, size_t len);
/* Why a file of another format than MODULE_CORE cannot run, in the user's terms; sets err (with a
 * hint) and returns its negative code. `path` is for the message and may be NULL. */
int module_format_error(const uint8_t *bytes, size_t len, const char *path, struct err *err);

/* Read a core module. Nothing in *ret_info points into `bytes`. Fails with -ERR_BUILD, telling
 * section and byte, if the bytes are not a core module, end early or are malformed. */
must_use int module_info_read(const uint8_t *bytes, size_t len, struct module_info *ret_info,
                              struct err *err);
void module_info_clear(struct module_info *info);
/* NULL if there is no such export. */
const struct module_export *module_info_export(const struct module_info *info, const char *name);

enum { MODULE_PROBLEMS_MAX = 8 };
/* Whatever keeps a readable module from being run as a guest: no `_start`, no exported memory,
 * several memories and the like. Fills up to MODULE_PROBLEMS_MAX errors (each with a hint), the
 * gravest first, and returns how many; 0 = fine. */
size_t module_info_problems(const struct module_info *info,
                            struct err ret_problems[MODULE_PROBLEMS_MAX]);

#endif
