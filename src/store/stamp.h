/* SPDX-License-Identifier: Apache-2.0 */
/* Change counters shared by all processes that use a state folder: a small mapped file. Whoever
 * changes something bumps its counter after the commit and before telling anyone; a reader that
 * sees the same number as last time need not look further. Costs one memory read. */
#ifndef EDGECTL_STORE_STAMP_H
#define EDGECTL_STORE_STAMP_H

#include <stdint.h>
#include "base/err.h"

enum stamp_kind { STAMP_CONFIG, STAMP_SECRET, STAMP_COUNT };

struct stamp;

/* Opens or makes the file. -ERR_IO. */
must_use int stamp_open(const char *path, struct stamp **ret_stamp, struct err *err);
/* NULL is allowed. */
void stamp_close(struct stamp *s);
/* Any thread. */
uint64_t stamp_read(const struct stamp *s, enum stamp_kind kind);
void stamp_bump(struct stamp *s, enum stamp_kind kind);

#endif
