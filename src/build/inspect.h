/* SPDX-License-Identifier: Apache-2.0 */
/* Looking at an artifact without running it: what it is, what it asks for, and what keeps it from
 * running, in the terms of who built it. */
#ifndef EDGECTL_BUILD_INSPECT_H
#define EDGECTL_BUILD_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "wasm/module_info.h"

/* Can a guest that imports this function be linked? `signature`: one letter for each parameter
 * ('i' = i32, 'I' = i64, 'f', 'F' the floats, '?' anything else), ':', the results likewise; NULL
 * asks about the name alone. */
typedef bool inspect_known_fn(const char *module, const char *name, const char *signature);

enum inspect_import_state {
    IMPORT_KNOWN,
    IMPORT_UNKNOWN,             /* no edge host has it */
    IMPORT_OTHER_TYPE,          /* the name is known, with another signature or kind */
};

struct inspection {
    char *path;
    size_t size;                /* bytes of the file */
    size_t gzip_size;           /* compressed at level 9, the way it is shipped */
    bool text;                  /* the file is .wat; `info` is of what it means */
    struct module_info info;
    enum inspect_import_state *imports;     /* one for each of info.imports */
    size_t unknown_count;       /* imports that are not IMPORT_KNOWN */
    char language[64];          /* "Rust", "JavaScript", ...; "" if nothing tells */
    char sdk[320];              /* tool or SDK with its version; "" if nothing tells */
    struct err problems[MODULE_PROBLEMS_MAX + 1];   /* why it cannot run, the gravest first */
    size_t problem_count;
};

/* Reads, inspects and compresses the file (a second for 10 MB): not on an event loop. Fails with
 * -ERR_IO if the file cannot be read, with -ERR_BUILD if it is no readable module; what is wrong
 * with a readable one stands in `problems`. */
must_use int inspect_artifact(const char *path, inspect_known_fn *known,
                              struct inspection *ret_inspection, struct err *err);
void inspection_clear(struct inspection *in);

#endif
