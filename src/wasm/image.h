/* SPDX-License-Identifier: Apache-2.0 */
/* The first contents of a guest's memory as a file in memory, mapped copy-on-write into each
 * instance of detached code (detach.h): what Wasmtime does by itself for a module that is compiled
 * whole. */
#ifndef EDGECTL_WASM_IMAGE_H
#define EDGECTL_WASM_IMAGE_H

#include <stdbool.h>
#include "wasm/detach.h"

struct image;

/* NULL when the system gives no such file: then the segments have to be copied. */
struct image *image_new(const struct detached *d);
/* Mappings stay valid. NULL is allowed. */
void image_free(struct image *i);
/* Lay it over a memory that holds at least memory_min_pages and has not been written to. False: the
 * memory is as it was. */
bool image_map(const struct image *i, uint8_t *memory);
/* Put back memory of zeros, as the pool that lent it expects. */
void image_unmap(const struct image *i, uint8_t *memory);

#endif
