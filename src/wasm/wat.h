/* SPDX-License-Identifier: Apache-2.0 */
/* From WebAssembly's text format to its binary format, by Wasmtime. */
#ifndef EDGECTL_WASM_WAT_H
#define EDGECTL_WASM_WAT_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

/* The caller frees *ret_bytes. `path` is for messages. Fails with -ERR_BUILD, placed at the line of
 * the mistake where the parser tells it. */
must_use int wat_to_module(const char *path, const char *text, size_t len, uint8_t **ret_bytes,
                           size_t *ret_len, struct err *err);

#endif
