/* SPDX-License-Identifier: Apache-2.0 */
/* gzip, on all cores, of what comes piece by piece. What is compressed at a time has a fixed size,
 * and each begins with the window of the one before, so that the bytes depend neither on how many
 * threads there were nor on how the data came. A few MiB are held. */
#ifndef EDGECTL_BUNDLE_GZIP_H
#define EDGECTL_BUNDLE_GZIP_H

#include "base/spool.h"

struct gzip;

/* One gzip member without name and time, added to `to`, which must outlive it. Level 1..9. */
struct gzip *gzip_new(int level, struct spool_piece *to);
/* The errors of spool_add. */
must_use int gzip_add(struct gzip *g, const void *data, size_t len, struct err *err);
/* Nothing more can be added. */
must_use int gzip_end(struct gzip *g, struct err *err);
/* NULL is allowed. */
void gzip_free(struct gzip *g);
void gzip_free_p(struct gzip **g);

#endif
