/* SPDX-License-Identifier: Apache-2.0 */
/* The tree a manifest is read into, the same from YAML and from TOML, so that every rule is
 * checked once. Each node knows its place. Bounded in nodes and depth: input is not trusted. */
#ifndef EDGECTL_MANIFEST_NODE_H
#define EDGECTL_MANIFEST_NODE_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

enum {
    NODE_DEPTH_MAX = 48,
    NODE_COUNT_MAX = 20000,
    NODE_FILE_MAX = 4 * 1024 * 1024,    /* bytes of a manifest */
};

enum node_kind {
    NODE_NULL, NODE_BOOL, NODE_INT, NODE_FLOAT, NODE_TEXT, NODE_DATE, NODE_LIST, NODE_MAP,
};

struct node {
    enum node_kind kind;
    int line, col;              /* of the value, from 1 */
    char *text;                 /* scalars: as written, or expanded; NUL-terminated */
    size_t len;
    char *written;              /* what stood there before ${...} was expanded, else NULL */
    bool bad;                   /* reported already; readers skip it */
    char *key;                  /* name in the map that holds this node, else NULL */
    int key_line, key_col;
    struct node **items;        /* lists and maps, in file order */
    size_t count, cap;
};

struct node *node_new(enum node_kind kind, int line, int col);
struct node *node_scalar(enum node_kind kind, const char *text, size_t len, int line, int col);
/* Frees the tree; secrets that stood in it are wiped. NULL is fine. */
void node_free(struct node *n);
void node_freep(struct node **n);
/* Deep copy, key included. Adds the number of nodes to *count and gives NULL past the maximum. */
struct node *node_copy(const struct node *n, size_t *count);
/* The child `item` becomes the last one; takes ownership. */
void node_append(struct node *parent, struct node *item);
/* Replaces (or adds) the child of the same key; takes ownership. */
void node_replace(struct node *map, struct node *item);
/* Child of a map by name, or NULL; `map` may be NULL. */
struct node *node_child(const struct node *map, const char *key);
/* What kind of thing this is, for messages: "text", "a list" ... */
const char *node_kind_name(enum node_kind kind);

/* Building from a stream of events. */
struct node_builder {
    struct node *root;          /* complete once depth is back to 0 */
    struct node *stack[NODE_DEPTH_MAX];
    int depth;
    char *key;                  /* name waiting for its value */
    int key_line, key_col;
    size_t count;
};

/* A map's next value gets this name. Duplicates and names with NUL are errors at line:col. */
must_use int node_builder_key(struct node_builder *b, const char *text, size_t len, int line,
                              int col, struct err *err);
/* Adds a value; takes ownership even on failure. A map or list becomes the innermost. */
must_use int node_builder_add(struct node_builder *b, struct node *n, struct err *err);
/* Ends the innermost map or list. */
void node_builder_end(struct node_builder *b);
/* True when a map is innermost and waits for a name. */
bool node_builder_wants_key(const struct node_builder *b);
void node_builder_clear(struct node_builder *b);

/* Parse text (len bytes). On failure err has line and col, and `file` as its file. An empty YAML
 * document is an empty map. */
must_use int node_from_yaml(const char *text, size_t len, const char *file, struct node **ret_root,
                            struct err *err);
must_use int node_from_toml(const char *text, size_t len, const char *file, struct node **ret_root,
                            struct err *err);

#endif
