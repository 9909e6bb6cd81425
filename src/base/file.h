/* SPDX-License-Identifier: Apache-2.0 */
/* Small whole files. For commands and start-up, not for loops: all of these block. */
#ifndef EDGECTL_BASE_FILE_H
#define EDGECTL_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "base/err.h"

/* Make a directory and those above it (mode 0700 for new ones). -ERR_IO. */
must_use int file_make_dirs(const char *path, struct err *err);
/* The same for those above it only. */
must_use int file_make_parents(const char *path, struct err *err);
/* The whole content, NUL-terminated behind *ret_len bytes; the caller frees. -ERR_IO, also when it
 * is larger than max bytes or no regular file. */
must_use int file_read(const char *path, size_t max, char **ret, size_t *ret_len, struct err *err);
/* Write beside, sync, rename: readers see the old content or the new, whole. -ERR_IO. */
must_use int file_write(const char *path, const void *data, size_t len, mode_t mode,
                        struct err *err);
/* All of it, whatever pieces write(2) takes; false with errno. */
must_use bool file_write_all(int fd, const void *data, size_t len);
/* Directory for caches that can be lost: $XDG_CACHE_HOME/edgectl or ~/.cache/edgectl, then `name`;
 * made if missing. NULL when it cannot be had; the caller frees. */
char *file_cache_dir(const char *name);

#endif
