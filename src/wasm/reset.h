/* SPDX-License-Identifier: Apache-2.0 */
/* Making a module whose instances can be brought back to how they began, where a new instance for
 * each request is dear: a JavaScript engine takes 50 us and more for one, and several times that
 * when it has to collect them.
 *
 * The state of an instance is its memory, its mutable globals, its tables, and which segments it
 * has dropped. Where no instruction writes to a table or drops a segment, memory and globals are
 * all. So the module gets an export for each mutable global, "edgectl:0" and so on, and a custom
 * section "edgectl:reset", empty, which says that this is done: whoever holds an instance can write
 * down the globals and the memory when it is new, and set them again later. Nothing else changes;
 * code, data and indices stay. */
#ifndef EDGECTL_WASM_RESET_H
#define EDGECTL_WASM_RESET_H

#include <stddef.h>
#include <stdint.h>

/* 10 MiB: a JavaScript SDK's app has less. A host has no room to keep larger ones in waiting. */
enum { RESET_PAGES_MAX = 160 };
/* 32 MiB: what is more than that in the file itself is no code, and would be copied. */
enum { RESET_BYTES_MAX = 32 << 20 };

/* The bytes of such a module, owned by the caller, and *ret_len; or NULL if it cannot be made, and
 * *ret_why_not (static text) says why. `bytes` is a core module that the engine takes. */
uint8_t *reset_module(const uint8_t *bytes, size_t len, size_t *ret_len, const char **ret_why_not);

#endif
