/* SPDX-License-Identifier: Apache-2.0 */
/* What the readers of this room share while one manifest is loaded. Not for other rooms. */
#ifndef EDGECTL_MANIFEST_LOAD_H
#define EDGECTL_MANIFEST_LOAD_H

#include "manifest/dotenv.h"
#include "manifest/manifest.h"
#include "manifest/node.h"

struct load {
    struct manifest *m;
    struct manifest_problems *problems;
    const char *file;           /* manifest as the user would name it, for messages */
    const char *target;         /* NULL: none */
    bool local;                 /* local overrides apply: no target, or "local" */
};

enum { PROBLEMS_MAX = 100 };

/* Report at a node (or at its key). Returns nothing: loading goes on to find the next problem.
 * The node is marked bad, so that it is not reported twice. */
void problem_at(struct load *l, struct node *n, const char *fmt, ...) printf_like(3, 4);
void problem_at_key(struct load *l, struct node *n, const char *fmt, ...) printf_like(3, 4);
/* A hint for the problem reported last. */
void problem_hint(struct load *l, const char *fmt, ...) printf_like(2, 3);
/* A remark that does not stop anything (its code is ERR_NONE). */
void warning_at(struct load *l, const struct node *n, const char *fmt, ...) printf_like(3, 4);
void warning_at_key(struct load *l, const struct node *n, const char *fmt, ...) printf_like(3, 4);
/* Takes over an error that has its own place (another file), or gets the node's (which may be
 * NULL). */
void problem_err(struct load *l, struct node *n, const struct err *err);
bool problems_any_error(const struct manifest_problems *p);
/* Into file order. */
void problems_sort(struct manifest_problems *p, const char *manifest_file);

/* ${NAME}, ${NAME:-default} and $${ in every scalar below n; unset is a problem. */
void expand_tree(struct load *l, struct node *n);

/* Path of a file named in the manifest: absolute; beside the manifest, or for a fastly.toml in
 * the working directory when it is only there. Caller frees. */
char *load_path(const struct manifest *m, const char *path);
/* The whole of a file of at most `max` bytes, NUL-terminated after *ret_len. */
must_use int load_file(const char *path, size_t max, char **ret_data, size_t *ret_len,
                       struct err *err);
/* Remember a data file that the manifest depends on. */
void load_depends(struct manifest *m, const char *path);

/* Node tree to manifest. Problems are reported, not returned. */
void bind_edge(struct load *l, struct node *root);
void bind_fastly(struct load *l, struct node *root);
/* Before the check of a fastly.toml: older spellings of sections become the newest. */
void fastly_join_spellings(struct load *l, struct node *root);
/* Artifact, directory and watched paths where none are named. */
void load_build_defaults(struct manifest *m);

#endif
