/* SPDX-License-Identifier: Apache-2.0 */
/* "Did you mean": the known name closest to what was written. */
#ifndef EDGECTL_BASE_NEAREST_H
#define EDGECTL_BASE_NEAREST_H

#include <stddef.h>

/* Edits (insert, delete, replace, swap neighbours) that turn `a` into `b`, without case. Words
 * longer than 63 bytes count as far apart. */
size_t edit_distance(const char *a, const char *b);

/* A running best match; zero-initialise but for `word`. */
struct nearest {
    const char *word;
    const char *best;       /* borrowed from what was offered; NULL when nothing is close */
    size_t distance;
};

/* Offer one known name. Close means: one edit for every three letters, at least one and at most
 * three, or `word` being its beginning. */
void nearest_offer(struct nearest *n, const char *name);

/* The best of a list, or NULL. */
const char *nearest_of(const char *word, const char *const *names, size_t count);

#endif
