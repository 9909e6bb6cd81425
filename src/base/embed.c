/* SPDX-License-Identifier: Apache-2.0 */
#include "base/embed.h"

#include <string.h>

/* The first file whose path is not below `path`. */
static size_t lower_bound(const char *path)
{
    size_t from = 0, to = embed_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (strcmp(embed_files[middle].path, path) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

const struct embed_file *embed_under(const char *prefix, size_t *ret_count)
{
    size_t first = lower_bound(prefix), len = strlen(prefix), end = first;
    while (end < embed_count && strncmp(embed_files[end].path, prefix, len) == 0)
        end++;
    *ret_count = end - first;
    return end > first ? &embed_files[first] : NULL;
}
