/* SPDX-License-Identifier: Apache-2.0 */
/* Handle tables (abi README section 4). */
#include <stdlib.h>
#include "base/mem.h"
#include "guest/session.h"

/* The list of a full table, with room for more. `first` is the space within the table. */
static void *grow(void *list, const void *first, uint32_t *cap, size_t size)
{
    uint32_t count = *cap;
    *cap *= 2;
    if (list != first)
        return xreallocarray(list, *cap, size);
    void *more = xreallocarray(NULL, *cap, size);
    return memcpy(more, first, count * size);
}

uint32_t table_add(struct table *t, void *ptr)
{
    if (t->count == TABLE_MAX)
        return HANDLE_INVALID;
    if (!t->list) {
        t->list = t->first;
        t->cap = ARRAY_LEN(t->first);
    }
    if (t->count == t->cap)
        t->list = grow(t->list, t->first, &t->cap, sizeof *t->list);
    t->list[t->count] = ptr;
    return t->count++;
}

void *table_get(const struct table *t, uint64_t handle)
{
    return handle < t->count ? t->list[handle] : NULL;
}

void *table_take(struct table *t, uint64_t handle)
{
    void *ptr = table_get(t, handle);
    if (ptr)
        t->list[handle] = NULL;
    return ptr;
}

void table_clear(struct table *t)
{
    if (t->list != t->first)
        free(t->list);
    t->list = NULL;
    t->count = t->cap = 0;
}

uint32_t item_add(struct guest *g, enum item_kind kind, void *ptr)
{
    struct item_table *t = &g->items;
    if (t->count == TABLE_MAX)
        return HANDLE_INVALID;
    if (!t->list) {
        t->list = t->first;
        t->cap = ARRAY_LEN(t->first);
    }
    if (t->count == t->cap)
        t->list = grow(t->list, t->first, &t->cap, sizeof *t->list);
    t->list[t->count] = (struct item){kind, ptr};
    return t->count++;
}

struct item *item_any(struct guest *g, uint64_t handle)
{
    if (handle >= g->items.count || g->items.list[handle].kind == ITEM_NONE)
        return NULL;
    return &g->items.list[handle];
}

struct item *item_get(struct guest *g, uint64_t handle, enum item_kind kind)
{
    struct item *it = item_any(g, handle);
    return it && it->kind == kind ? it : NULL;
}

void item_clear(struct item *it)
{
    *it = (struct item){0};
}

void items_clear(struct item_table *t)
{
    if (t->list != t->first)
        free(t->list);
    t->list = NULL;
    t->count = t->cap = 0;
}

/* --- bodies --- */

uint32_t guest_add_body(struct guest *g, struct body *source)
{
    struct body *b = body_new_held();
    if (source)
        body_append(b, source);
    body_on_readable(b, guest_event, g);
    uint32_t handle = item_add(g, ITEM_BODY, b);
    if (handle == HANDLE_INVALID) {
        body_stop(b);
        body_unref(b);
    }
    return handle;
}

struct body *guest_body(struct guest *g, uint64_t handle)
{
    struct item *it = item_get(g, handle, ITEM_BODY);
    return it ? it->ptr : NULL;
}

struct body *guest_take_body(struct guest *g, uint64_t handle)
{
    struct body *b = guest_body(g, handle);
    if (!b)
        return NULL;
    item_clear(item_any(g, handle));
    body_on_readable(b, NULL, NULL);
    body_release(b, false);
    return b;
}

struct body *guest_begin_stream(struct guest *g, uint64_t handle)
{
    struct item *it = item_get(g, handle, ITEM_BODY);
    if (!it)
        return NULL;
    struct body *b = it->ptr;
    it->kind = ITEM_STREAM;
    body_on_readable(b, NULL, NULL);
    body_on_drain(b, guest_event, g);
    body_release(b, true);
    return body_ref(b);
}
