/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

enum { WORD_MAX_LEN = 63 };

static int fold(char c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Optimal string alignment: three rows of the usual table are enough. */
size_t edit_distance(const char *a, const char *b)
{
    size_t la = strlen(a), lb = strlen(b);
    if (la > WORD_MAX_LEN || lb > WORD_MAX_LEN)
        return SIZE_MAX;
    size_t rows[3][WORD_MAX_LEN + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= lb; j++)
        above[j] = j;
    for (size_t i = 1; i <= la; i++) {
        row[0] = i;
        for (size_t j = 1; j <= lb; j++) {
            size_t same = fold(a[i - 1]) == fold(b[j - 1]) ? 0 : 1;
            row[j] = min3(above[j] + 1, row[j - 1] + 1, above[j - 1] + same);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]) && before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
        size_t *spare = before;
        before = above;
        above = row;
        row = spare;
    }
    return above[lb];
}

void nearest_offer(struct nearest *n, const char *name)
{
    size_t len = strlen(n->word);
    size_t limit = len / 3 < 1 ? 1 : len / 3 > 3 ? 3 : len / 3;
    size_t d = edit_distance(n->word, name);
    if (len >= 2 && strncasecmp(name, n->word, len) == 0)
        d = 1;
    if (d <= limit && (!n->best || d < n->distance)) {
        n->best = name;
        n->distance = d;
    }
}

const char *nearest_of(const char *word, const char *const *names, size_t count)
{
    struct nearest n = {.word = word};
    for (size_t i = 0; i < count; i++)
        nearest_offer(&n, names[i]);
    return n.best;
}
