/* SPDX-License-Identifier: Apache-2.0 */
/* Git, by libgit2: the one room that includes <git2.h>. Certificates and host keys are always
 * checked, credentials come from the ssh agent only, and nothing prompts. */
#ifndef EDGECTL_VCS_VCS_H
#define EDGECTL_VCS_VCS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum vcs_kind { VCS_FILE, VCS_EXECUTABLE, VCS_SYMLINK };

struct vcs_entry {
    const char *path;       /* relative, '/' between parts; parts are as the repository has them */
    enum vcs_kind kind;
    const void *data;       /* content, or the target of the link; borrowed */
    size_t len;
};

struct vcs_export {
    const char *url;        /* https://, ssh://, user@host:path, file://, or a local path */
    const char *ref;        /* branch, tag or commit; NULL = what HEAD of the remote is */
    const char *subdir;     /* only what is below it; NULL = all */
    const char *scratch;    /* directory for the clone; made, and left to the caller */
    /* Each file, in tree order. A negative result stops the export and is returned. */
    int (*entry)(void *env, const struct vcs_entry *entry, struct err *err);
    /* While objects arrive; NULL = not wanted. */
    void (*progress)(void *env, uint64_t done, uint64_t total);
    /* Asked now and then: true stops with -ERR_INTERRUPTED. NULL = never. */
    bool (*cancelled)(void *env);
    void *env;
};

/* Does this look like a repository's address rather than a name? */
bool vcs_is_url(const char *text);

/* Clone and hand out the files of one commit, without history. Submodules are an error: what they
 * point to is not there. Fails with -ERR_NETWORK when the repository cannot be had, -ERR_USAGE for
 * an address of a kind that is not allowed or a ref or subdirectory that does not exist. */
must_use int vcs_export(const struct vcs_export *job, struct err *err);

struct vcs_state {
    char revision[65];      /* hexadecimal */
    bool dirty;             /* something below the folder differs from it, or is new */
};

/* The commit that the folder (absolute, without links) is at. False where there is none: no
 * repository, or one without a commit. */
bool vcs_state_read(const char *dir, struct vcs_state *ret_state);

#endif
