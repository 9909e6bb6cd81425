/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/node.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

struct node *node_new(enum node_kind kind, int line, int col)
{
    struct node *n = xnew(struct node);
    n->kind = kind;
    n->line = line;
    n->col = col;
    return n;
}

struct node *node_scalar(enum node_kind kind, const char *text, size_t len, int line, int col)
{
    struct node *n = node_new(kind, line, col);
    n->text = xstrndup(text, len);
    n->len = len;
    return n;
}

void node_free(struct node *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->count; i++)
        node_free(n->items[i]);
    free(n->items);
    if (n->text)
        explicit_bzero(n->text, n->len);
    free(n->text);
    free(n->written);
    free(n->key);
    free(n);
}

void node_freep(struct node **n)
{
    node_free(*n);
}

struct node *node_copy(const struct node *n, size_t *count)
{
    if (++*count > NODE_COUNT_MAX)
        return NULL;
    struct node *copy = xmemdup(n, sizeof *n);
    copy->text = n->text ? xmemdup(n->text, n->len + 1) : NULL;
    copy->written = n->written ? xstrdup(n->written) : NULL;
    copy->key = n->key ? xstrdup(n->key) : NULL;
    copy->items = NULL;
    copy->count = copy->cap = 0;
    for (size_t i = 0; i < n->count; i++) {
        struct node *item = node_copy(n->items[i], count);
        if (!item) {
            node_free(copy);
            return NULL;
        }
        node_append(copy, item);
    }
    return copy;
}

void node_append(struct node *parent, struct node *item)
{
    if (parent->count == parent->cap) {
        parent->cap = parent->cap ? parent->cap * 2 : 4;
        parent->items = xreallocarray(parent->items, parent->cap, sizeof *parent->items);
    }
    parent->items[parent->count++] = item;
}

void node_replace(struct node *map, struct node *item)
{
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->items[i]->key, item->key) == 0) {
            node_free(map->items[i]);
            map->items[i] = item;
            return;
        }
    }
    node_append(map, item);
}

struct node *node_child(const struct node *map, const char *key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    for (size_t i = 0; i < map->count; i++) {
        if (strcmp(map->items[i]->key, key) == 0)
            return map->items[i];
    }
    return NULL;
}

const char *node_kind_name(enum node_kind kind)
{
    static const char *const names[] = {
        [NODE_NULL] = "nothing",  [NODE_BOOL] = "a boolean", [NODE_INT] = "a number",
        [NODE_FLOAT] = "a number", [NODE_TEXT] = "text",      [NODE_DATE] = "a date",
        [NODE_LIST] = "a list",   [NODE_MAP] = "a map",
    };
    return names[kind];
}

static struct node *innermost(const struct node_builder *b)
{
    return b->depth > 0 ? b->stack[b->depth - 1] : NULL;
}

bool node_builder_wants_key(const struct node_builder *b)
{
    const struct node *top = innermost(b);
    return top && top->kind == NODE_MAP && !b->key;
}

int node_builder_key(struct node_builder *b, const char *text, size_t len, int line, int col,
                     struct err *err)
{
    int r = 0;
    cleanup(free_p) char *key = xstrndup(text, len);
    const struct node *first = NULL;
    if (strlen(key) != len)
        r = err_set(err, ERR_MANIFEST, "a key may not contain a NUL character");
    else if ((first = node_child(innermost(b), key)))
        r = err_set(err, ERR_MANIFEST, "duplicate key '%s' (first on line %d)", key,
                    first->key_line);
    if (r < 0) {
        err_place(err, NULL, line, col);
        return r;
    }
    free(b->key);
    b->key = TAKE(key);
    b->key_line = line;
    b->key_col = col;
    return 0;
}

int node_builder_add(struct node_builder *b, struct node *n, struct err *err)
{
    bool opens = n->kind == NODE_MAP || n->kind == NODE_LIST;
    int line = n->line, col = n->col, r = 0;
    if (++b->count > NODE_COUNT_MAX)
        r = err_set(err, ERR_MANIFEST, "more than %d values in one file", NODE_COUNT_MAX);
    else if (opens && b->depth == NODE_DEPTH_MAX)
        r = err_set(err, ERR_MANIFEST, "nested deeper than %d levels", NODE_DEPTH_MAX);
    if (r < 0) {
        err_place(err, NULL, line, col);
        node_free(n);
        return r;
    }
    struct node *top = innermost(b);
    if (top && top->kind == NODE_MAP) {
        n->key = TAKE(b->key);
        n->key_line = b->key_line;
        n->key_col = b->key_col;
    }
    if (top)
        node_append(top, n);
    else
        b->root = n;
    if (opens)
        b->stack[b->depth++] = n;
    return 0;
}

void node_builder_end(struct node_builder *b)
{
    b->depth--;
}

void node_builder_clear(struct node_builder *b)
{
    node_free(b->root);
    free(b->key);
    *b = (struct node_builder){0};
}
