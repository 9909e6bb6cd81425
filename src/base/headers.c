/* SPDX-License-Identifier: Apache-2.0 */
#include "base/headers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool in_block(const struct headers *h, const void *p)
{
    return h->block && (uintptr_t)p - (uintptr_t)h->block < h->block_size;
}

static void free_unless_in_block(const struct headers *h, void *p)
{
    if (!in_block(h, p))
        free(p);
}

void headers_clear(struct headers *h)
{
    for (size_t i = 0; i < h->count; i++)
        free_unless_in_block(h, h->list[i].name);
    free_unless_in_block(h, h->list);
    free(h->block);
    *h = (struct headers){0};
}

void headers_reserve(struct headers *h, size_t lines, size_t bytes)
{
    if (h->list || h->block || lines == 0)
        return;
    h->block_used = lines * sizeof *h->list;
    h->block_size = h->block_used + bytes + 2 * lines;
    h->block = xmalloc(h->block_size);
    h->list = (struct header *)(void *)h->block;
    h->cap = lines;
}

static void grow_list(struct headers *h)
{
    size_t cap = h->cap ? h->cap * 2 : 8;
    if (in_block(h, h->list)) {
        struct header *list = xreallocarray(NULL, cap, sizeof *list);
        memcpy(list, h->list, h->count * sizeof *list);
        h->list = list;
    } else {
        h->list = xreallocarray(h->list, cap, sizeof *h->list);
    }
    h->cap = cap;
}

static char *text_room(struct headers *h, size_t len)
{
    if (h->block_size - h->block_used < len)
        return xmalloc(len);
    char *p = h->block + h->block_used;
    h->block_used += len;
    return p;
}

void headers_add(struct headers *h, const char *name, size_t name_len, const char *value,
                 size_t value_len)
{
    if (h->count == h->cap)
        grow_list(h);
    char *p = text_room(h, name_len + value_len + 2);
    for (size_t i = 0; i < name_len; i++)
        p[i] = lower(name[i]);
    p[name_len] = '\0';
    if (value_len)
        memcpy(p + name_len + 1, value, value_len);
    p[name_len + 1 + value_len] = '\0';
    h->list[h->count++] = (struct header){
        .name = p,
        .value = p + name_len + 1,
        .name_len = (uint32_t)name_len,
        .value_len = (uint32_t)value_len,
    };
}

void headers_copy(struct headers *dst, const struct headers *src)
{
    size_t bytes = 0;
    for (size_t i = 0; i < src->count; i++)
        bytes += (size_t)src->list[i].name_len + src->list[i].value_len;
    headers_reserve(dst, src->count, bytes);
    for (size_t i = 0; i < src->count; i++)
        headers_add(dst, src->list[i].name, src->list[i].name_len, src->list[i].value,
                    src->list[i].value_len);
}

static bool same_name(const struct header *line, const char *name, size_t len)
{
    if (line->name_len != len)
        return false;
    for (size_t i = 0; i < len; i++)
        if (line->name[i] != lower(name[i]))
            return false;
    return true;
}

long headers_find(const struct headers *h, const char *name, size_t name_len, size_t from)
{
    for (size_t i = from; i < h->count; i++)
        if (same_name(&h->list[i], name, name_len))
            return (long)i;
    return -1;
}

/* Remove the lines of that name among the first `end`. */
static size_t remove_before(struct headers *h, size_t end, const char *name, size_t name_len)
{
    size_t kept = 0;
    for (size_t i = 0; i < end; i++) {
        if (same_name(&h->list[i], name, name_len))
            free_unless_in_block(h, h->list[i].name);
        else
            h->list[kept++] = h->list[i];
    }
    size_t removed = end - kept;
    if (removed)
        memmove(h->list + kept, h->list + end, (h->count - end) * sizeof *h->list);
    h->count -= removed;
    return removed;
}

size_t headers_remove(struct headers *h, const char *name, size_t name_len)
{
    return remove_before(h, h->count, name, name_len);
}

void headers_set(struct headers *h, const char *name, size_t name_len, const char *value,
                 size_t value_len)
{
    /* In this order, so that name and value may be those of a line that is replaced. */
    size_t before = h->count;
    headers_add(h, name, name_len, value, value_len);
    remove_before(h, before, h->list[before].name, name_len);
}

const char *headers_get(const struct headers *h, const char *name)
{
    long i = headers_find(h, name, strlen(name), 0);
    return i < 0 ? NULL : h->list[i].value;
}

void headers_add_str(struct headers *h, const char *name, const char *value)
{
    headers_add(h, name, strlen(name), value, strlen(value));
}

void headers_set_str(struct headers *h, const char *name, const char *value)
{
    headers_set(h, name, strlen(name), value, strlen(value));
}

static bool list_has(const char *list, const char *token, size_t token_len)
{
    while (*list) {
        size_t skip = strspn(list, " \t,");
        list += skip;
        size_t len = strcspn(list, ",");
        size_t used = len;
        while (used && (list[used - 1] == ' ' || list[used - 1] == '\t'))
            used--;
        if (used == token_len && strncasecmp(list, token, used) == 0)
            return true;
        list += len;
    }
    return false;
}

bool headers_has_token(const struct headers *h, const char *name, const char *token)
{
    size_t name_len = strlen(name), token_len = strlen(token);
    for (long i = headers_find(h, name, name_len, 0); i >= 0;
         i = headers_find(h, name, name_len, (size_t)i + 1))
        if (list_has(h->list[i].value, token, token_len))
            return true;
    return false;
}
