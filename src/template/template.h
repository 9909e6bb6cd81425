/* SPDX-License-Identifier: Apache-2.0 */
/* Project starters: those built into the binary (templates/) and repositories. */
#ifndef EDGECTL_TEMPLATE_TEMPLATE_H
#define EDGECTL_TEMPLATE_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct template_builtin {
    const char *name;       /* also its directory in templates/ */
    const char *text;       /* one phrase */
};

/* Ends with a NULL name; the first one is the default. */
extern const struct template_builtin template_builtins[];

struct template_job {
    const char *folder;     /* the project to make */
    const char *name;       /* of the app; see template_name_ok */
    const char *source;     /* a built-in name, or the address of a git repository */
    const char *ref;        /* branch, tag or commit of the repository; NULL = its HEAD */
    const char *subdir;     /* directory in the repository; NULL = all of it */
    bool force;             /* write over files of the same name */
    void (*progress)(void *env, uint64_t done, uint64_t total);
    bool (*cancelled)(void *env);
    void *env;
};

/* Letters, digits, '-' and '_', a letter first, at most 63: good in every manifest and registry. */
bool template_name_ok(const char *name);
/* Make the project; nothing is left behind on failure. *ret_files is how many files it has.
 *
 * In built-in starters {{name}} stands for the name, in a repository's files only where they are
 * an edge.yaml. A file .env is made from .env.example, with a random text for each "change-me". */
must_use int template_make(const struct template_job *job, size_t *ret_files, struct err *err);

#endif
