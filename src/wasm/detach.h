/* SPDX-License-Identifier: Apache-2.0 */
/* Parting a module's code from its data, so that compiled code serves every app built on it.
 *
 * A JavaScript SDK ships one engine and lays each app over it as memory contents: two such modules
 * differ in their data segments and in the least size of their memory, nowhere else. The detached
 * code module is what they have in common:
 *   - active data segments at a constant offset are emptied and moved to offset 0. They are kept
 *     in number, because memory.init and data.drop name segments by index; an active segment is
 *     dropped at instantiation and so behaves as an empty one in both forms. Passive segments stay;
 *   - the memory's least size becomes 0 pages (its maximum stays);
 *   - custom sections go, but for "name": it names the functions in a backtrace, and two modules
 *     with the same code have the same names.
 * Whoever instantiates the code module grows memory 0 to memory_min_pages and copies the segments,
 * in order, before anything of the guest runs. That is only the same thing if nothing of the guest
 * runs during instantiation and the memory is the module's own; where it is not, or where an offset
 * is computed, `possible` is false and the module has to be compiled whole. */
#ifndef EDGECTL_WASM_DETACH_H
#define EDGECTL_WASM_DETACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "crypto/hash.h"

struct detached_segment {
    uint32_t offset;        /* bytes from the start of memory 0; offset + len is within
                             * memory_min_pages */
    uint32_t len;
    const uint8_t *data;    /* borrowed from the module's bytes */
};

struct detached_part {
    const uint8_t *ptr;
    size_t len;
};

enum { DETACHED_PARTS_MAX = 32 };

struct detached {
    bool possible;
    const char *why_not;            /* static text; NULL if possible */
    uint8_t key[HASH_SIZE];         /* SHA-256 of the code module; of all bytes if not possible */
    uint64_t memory_min_pages;      /* 64 KiB each */
    struct detached_segment *segments;
    size_t segment_count;
    /* The code module in order, see detached_code; and the module that it came from. */
    struct detached_part parts[DETACHED_PARTS_MAX];
    size_t part_count;
    uint8_t *made;                  /* the parts that are not in the module's bytes */
    const uint8_t *bytes;
    size_t len;
};

/* Borrows `bytes` until detached_free. Fails with -ERR_BUILD only for bytes that are not a
 * readable core module (see module_info_read). Reads the code once, to hash it, and copies neither
 * code nor active data: 7 ms for an 11.5 MB JavaScript app. */
must_use int detach_module(const uint8_t *bytes, size_t len, struct detached **ret_detached,
                           struct err *err);
/* The code module's bytes, wanted when `key` is not in the compile cache; only if possible. The
 * caller frees them. */
uint8_t *detached_code(const struct detached *d, size_t *ret_len);
/* A name for the whole module: made of `key` and of what was taken out, so that the code is hashed
 * only once. Equal to `key` if not possible. */
void detached_whole_key(const struct detached *d, uint8_t ret_key[HASH_SIZE]);
/* NULL is allowed. */
void detached_free(struct detached *d);
void detached_free_p(struct detached **d);

#endif
