/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP header fields: an ordered list of (name, value) lines. Names are stored in lower case and
 * compared without case; values are bytes. No validation happens here: see http.h. */
#ifndef EDGECTL_BASE_HEADERS_H
#define EDGECTL_BASE_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct header {
    char *name;         /* lower case, NUL-terminated; owned by the list, like value */
    char *value;        /* NUL-terminated for convenience; may hold other bytes */
    uint32_t name_len, value_len;
};

struct headers {
    struct header *list;
    size_t count, cap;
    /* One allocation for a whole section, made by headers_reserve: the first `list`, then the text
     * of lines. Lines that do not fit have an allocation each. */
    char *block;
    size_t block_used, block_size;
};

void headers_clear(struct headers *h);
/* Room for so many lines with so many bytes of names and values in all, in one allocation. A hint:
 * no effect on a list that is not empty, and more may be added. */
void headers_reserve(struct headers *h, size_t lines, size_t bytes);
/* Deep copy of src's lines onto the end of dst. */
void headers_copy(struct headers *dst, const struct headers *src);
void headers_add(struct headers *h, const char *name, size_t name_len, const char *value,
                 size_t value_len);
/* Remove every line of that name, then add one at the end. Both may be borrowed from h. */
void headers_set(struct headers *h, const char *name, size_t name_len, const char *value,
                 size_t value_len);
/* Lines removed. `name` must not be borrowed from h. */
size_t headers_remove(struct headers *h, const char *name, size_t name_len);
/* Index of the first line of that name at or after `from`, or -1. */
long headers_find(const struct headers *h, const char *name, size_t name_len, size_t from);
/* For literal names, NUL-terminated: value of the first line, or NULL; borrowed. */
const char *headers_get(const struct headers *h, const char *name);
void headers_add_str(struct headers *h, const char *name, const char *value);
void headers_set_str(struct headers *h, const char *name, const char *value);
/* True if a comma-separated list header holds the token (any case) in any of its lines. */
bool headers_has_token(const struct headers *h, const char *name, const char *token);

#endif
