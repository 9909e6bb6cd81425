/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes that may be many more than a process should hold: pieces that are written once and read as
 * if they were in memory. The first of them are; what is too much goes to a file without a name,
 * which is mapped, so that nobody can change or cut it and a kill leaves nothing behind. Pages of a
 * mapped piece count as the process's memory from when they are read until they are given back:
 *
 *     for (size_t at = 0, n; at < len; at += n) {
 *         n = spool_slice(len - at);
 *         use(data + at, n);
 *         spool_forget(sp, data + at, n);
 *     }
 *
 * Reading and giving back may be done by several threads, writing by one. */
#ifndef EDGECTL_BASE_SPOOL_H
#define EDGECTL_BASE_SPOOL_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct spool;

/* Nothing is made until it is needed. The file goes to `dir` (copied) or, where that is NULL or not
 * there, to $TMPDIR or /tmp; up to `memory` bytes are kept in memory. */
struct spool *spool_new(const char *dir, size_t memory);
/* Mapped pieces are gone then. NULL is allowed. */
void spool_free(struct spool *sp);
void spool_free_p(struct spool **sp);

/* A piece that is being written: one at a time for each spool. Zero-initialise. */
struct spool_piece {
    struct spool *spool;
    uint8_t *memory;            /* NULL: in the file */
    size_t cap;
    uint64_t start;             /* in the file */
    size_t at, len;             /* where the next bytes go, and all of them */
};

/* `about` bytes are expected; where it goes depends on that. -ERR_IO, also of the two below: the
 * disk is full, or no folder can be written to. -ERR_LIMIT: larger than any spool. */
must_use int spool_begin(struct spool *sp, size_t about, struct spool_piece *piece,
                         struct err *err);
must_use int spool_add(struct spool_piece *piece, const void *data, size_t len, struct err *err);
/* The piece with a NUL behind it. It stays the spool's: see spool_drop. */
must_use int spool_end(struct spool_piece *piece, uint8_t **ret_data, size_t *ret_len,
                       struct err *err);
/* Give it up. */
void spool_cancel(struct spool_piece *piece);

/* Free a piece. Also one from malloc, and with a NULL spool; NULL data is allowed. */
void spool_drop(struct spool *sp, void *data);

/* How much to take at a time of what is left. */
size_t spool_slice(size_t left);
/* Give back the pages of what was read; it can be read again. Nothing for memory that is not of the
 * spool's file, or a NULL spool. */
void spool_forget(const struct spool *sp, const void *data, size_t len);

#endif
