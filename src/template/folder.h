/* SPDX-License-Identifier: Apache-2.0 */
/* A folder that appears whole or not at all: it is made beside its place and renamed. Every path
 * and link put into it is checked to stay inside, whoever wrote it. */
#ifndef EDGECTL_TEMPLATE_FOLDER_H
#define EDGECTL_TEMPLATE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include "base/err.h"

enum { FOLDER_FILES_MAX = 20000, FOLDER_BYTES_MAX = 256 * 1024 * 1024 };

struct folder;

/* Begin to make `path`, which must not exist, or be empty, or `force` be set: then its own files
 * stay, except those that are put. Fails with -ERR_USAGE or -ERR_IO. */
must_use int folder_open(const char *path, bool force, struct folder **ret_folder, struct err *err);
/* A file at a relative path; directories are made as needed. Fails with -ERR_USAGE for a path that
 * leaves the folder or enters .git, for one put twice, and -ERR_LIMIT past the maxima above. */
must_use int folder_put(struct folder *f, const char *path, const void *data, size_t len,
                        unsigned mode, struct err *err);
/* A symbolic link. Its target must be relative and lead to somewhere inside. */
must_use int folder_link(struct folder *f, const char *path, const char *target, struct err *err);
/* A path beside the new files for scratch use; goes when the folder is committed or closed. */
const char *folder_scratch(const struct folder *f);
size_t folder_count(const struct folder *f);
/* Put it in its place. */
must_use int folder_commit(struct folder *f, struct err *err);
/* Frees; what was not committed is removed. */
void folder_close(struct folder *f);
void folder_close_p(struct folder **f);

/* Do the parts of a relative path stay below where they start, with none that is special? */
bool folder_path_ok(const char *path);
/* Does a link at `path` (which is ok) with that target stay inside? */
bool folder_link_ok(const char *path, const char *target);

#endif
