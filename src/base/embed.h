/* SPDX-License-Identifier: Apache-2.0 */
/* Files built into the binary: everything under templates/ (build output excepted), put there by
 * embed.sh. Constant, sorted by path (bytes), nothing to open or free. */
#ifndef EDGECTL_BASE_EMBED_H
#define EDGECTL_BASE_EMBED_H

#include <stddef.h>

struct embed_file {
    const char *path;           /* relative to templates/, "rust/src/main.rs" */
    const unsigned char *data;  /* len bytes, then a NUL that len does not count */
    size_t len;
    unsigned mode;              /* 0644 or 0755 */
};

extern const struct embed_file embed_files[];
extern const size_t embed_count;

/* The files whose path begins with `prefix` ("rust/") stand together: the first of them, and how
 * many; NULL and 0 when there is none. */
const struct embed_file *embed_under(const char *prefix, size_t *ret_count);

#endif
