/* SPDX-License-Identifier: Apache-2.0 */
/* Small XML documents as a tree, read by libexpat: what CloudFront, IAM and STS speak. Everything
 * that was read is written again in its order, known or not, so that a configuration can be
 * fetched, changed in one place and put back. Comments and processing instructions are dropped; a
 * document type is refused, and with it every entity but the five predefined ones.
 *
 * Names are compared without their prefix: nothing here needs two vocabularies in one document. */
#ifndef EDGECTL_XML_XML_H
#define EDGECTL_XML_XML_H

#include <stddef.h>
#include "base/buf.h"
#include "base/err.h"

enum { XML_DEPTH_MAX = 64 };

struct xml_attribute {
    char *name, *value;
};

/* An element, or a run of text between elements (then `name` is NULL). Freed with its root. */
struct xml {
    char *name;                     /* as written, with its prefix */
    char *text;                     /* of a run of text; never NULL there */
    struct xml_attribute *attributes;
    size_t attribute_count;
    struct xml *parent, *first, *last, *prev, *next;
};

/* The root element. -ERR_NETWORK when it is not well-formed (with the line), too deep, or has a
 * document type: such text only comes from the other end of a connection. */
must_use int xml_parse(const char *text, size_t len, struct xml **ret_root, struct err *err);
/* An element without content. */
struct xml *xml_new(const char *name);
/* Takes it out of its parent, then frees it and all below it. NULL is allowed. */
void xml_free(struct xml *x);
void xml_free_p(struct xml **x);
struct xml *xml_copy(const struct xml *x);

/* The first element below x along "A/B/C"; NULL if there is none. x may be NULL. */
struct xml *xml_find(const struct xml *x, const char *path);
/* Its own text, all runs joined, for an element that has no elements in it; NULL when there is no
 * such element. Borrowed until the tree changes. path NULL = x itself. */
const char *xml_get(const struct xml *x, const char *path);
/* The next element with that name after `after` (NULL: the first) among the elements in x. */
struct xml *xml_each(const struct xml *x, const char *name, const struct xml *after);

/* An element at the end of x, with text unless that is NULL. */
struct xml *xml_add(struct xml *x, const char *name, const char *text);
/* Puts a tree without a parent into x: behind the sibling `after`, or first. Takes it. */
void xml_insert(struct xml *x, struct xml *child, struct xml *after);
/* All content of x becomes this text. */
void xml_set_text(struct xml *x, const char *text);
void xml_set_attribute(struct xml *x, const char *name, const char *value);

/* The text of a document, without a declaration. */
void xml_write(const struct xml *x, struct buf *to);

#endif
