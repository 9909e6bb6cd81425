/* SPDX-License-Identifier: Apache-2.0 */
/* What goes to an edgectl on this machine: the manifest, made self-contained, and the files that it
 * then names. No secret is in it: their values go by themselves. */
#ifndef EDGECTL_PROVIDER_LOCAL_PACK_H
#define EDGECTL_PROVIDER_LOCAL_PACK_H

#include "base/buf.h"
#include "crypto/hash.h"
#include "manifest/manifest.h"

struct local_file {
    char *path;                     /* within the version's folder */
    char *from;                     /* where it is now; NULL: in `data` */
    char *data;                     /* NULL with `from` */
    size_t len;
    char sha256[HASH_HEX_SIZE];
};

struct local_pack {
    struct buf manifest;            /* edge.yaml */
    struct local_file *files;       /* app.wasm is the first */
    size_t count;
};

/* -ERR_IO, -ERR_MANIFEST, -ERR_LIMIT. */
must_use int local_pack_make(const struct manifest *m, struct local_pack *ret, struct err *err);
void local_pack_clear(struct local_pack *p);

#endif
