/* SPDX-License-Identifier: Apache-2.0 */
/* gzip of a whole buffer, on all cores. Pieces have a fixed size and each begins with the window of
 * the one before, so that the bytes do not depend on how many threads there were. */
#ifndef EDGECTL_BUNDLE_GZIP_H
#define EDGECTL_BUNDLE_GZIP_H

#include <stdint.h>
#include "base/buf.h"

/* One gzip member without name and time, added to `out`; false if that is too small. Level 1..9. */
must_use bool gzip_bytes(const uint8_t *data, size_t len, int level, struct buf *out);

#endif
