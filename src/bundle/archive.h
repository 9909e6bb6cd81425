/* SPDX-License-Identifier: Apache-2.0 */
/* What is written depends on the parts alone. What is read is not trusted, and held in memory. */
#ifndef EDGECTL_BUNDLE_ARCHIVE_H
#define EDGECTL_BUNDLE_ARCHIVE_H

#include "base/buf.h"
#include "bundle/bundle.h"

/* Entries are the parts, in their order, which may stand in `sp`; so does the archive. -ERR_FAILURE
 * when a name cannot be in such an archive; the errors of a spool. */
must_use int targz_write(const struct bundle_part *parts, size_t count, struct spool *sp,
                         uint8_t **ret_data, size_t *ret_len, struct err *err);
must_use int zip_write(const struct bundle_part *parts, size_t count, struct spool *sp,
                       uint8_t **ret_data, size_t *ret_len, struct err *err);

/* The regular files of an archive, by name in byte order. Zero-initialise. */
struct archive_files {
    struct bundle_part *list;   /* types are NULL */
    size_t count;
    size_t total;               /* bytes */
};

/* Bounded in number and in bytes. Anything but files and folders, and names that are absolute, lead
 * out or occur twice, are errors: -ERR_FAILURE says what is wrong. */
must_use int targz_read(const uint8_t *data, size_t len, struct archive_files *files,
                        struct err *err);
must_use int zip_read(const uint8_t *data, size_t len, struct archive_files *files,
                      struct err *err);
void archive_files_clear(struct archive_files *files);
/* NULL if there is none. */
const struct bundle_part *archive_find(const struct archive_files *files, const char *name);

/* How long an archive of them becomes at most, or nearly: for a spool. */
size_t archive_about(const struct bundle_part *parts, size_t count);
/* No component of it is empty, "." or "..", and there is no backslash. */
bool archive_name_stays_inside(const char *name);

/* --- for the readers --- */

must_use int archive_name_check(const struct archive_files *files, const char *name,
                                struct err *err);
/* Bytes that may still be added. */
size_t archive_left(const struct archive_files *files);
/* Takes the content of `data`. */
void archive_add(struct archive_files *files, const char *name, struct buf *data);
int archive_too_large(struct err *err);
/* Once all are added: sorts them. -ERR_FAILURE if a name occurs twice. */
must_use int archive_finish(struct archive_files *files, struct err *err);

#endif
