/* SPDX-License-Identifier: Apache-2.0 */
/* What is derived from the key table: edge.yaml(5) and a JSON Schema for editors. */
#ifndef EDGECTL_MANIFEST_DOC_H
#define EDGECTL_MANIFEST_DOC_H

#include "base/buf.h"

/* The page. `prose`: Markdown that stands between the synopsis and the keys, or NULL. */
void manifest_doc_man(struct buf *to, const char *prose);
/* JSON Schema, draft 2020-12, indented. */
void manifest_doc_schema(struct buf *to);

#endif
