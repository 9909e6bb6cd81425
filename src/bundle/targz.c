/* SPDX-License-Identifier: Apache-2.0 */
/* tar.gz in memory, by libarchive. Nothing of this machine gets into it: no owner, no times. */
#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "bundle/archive.h"
#include "bundle/gzip.h"

static void archive_write_p(struct archive **a) { archive_write_free(*a); }
static void archive_read_p(struct archive **a) { archive_read_free(*a); }
static void entry_p(struct archive_entry **e) { archive_entry_free(*e); }

static la_ssize_t on_write(struct archive *a, void *out, const void *data, size_t len)
{
    if (buf_add(out, data, len))
        return (la_ssize_t)len;
    archive_set_error(a, 0, "it is too large");
    return -1;
}

static int failed(struct archive *a, const char *what, struct err *err)
{
    const char *why = archive_error_string(a);
    return err_set(err, ERR_FAILURE, "%s: %s", what, why ? why : "no reason is given");
}

static int write_entry(struct archive *a, const struct bundle_part *p, struct err *err)
{
    cleanup(entry_p) struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, p->name);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_size(e, (la_int64_t)p->len);
    archive_entry_set_mtime(e, 0, 0);
    if (archive_write_header(a, e) != ARCHIVE_OK)
        return failed(a, p->name, err);
    if (p->len && archive_write_data(a, p->data, p->len) != (la_ssize_t)p->len)
        return failed(a, p->name, err);
    return 0;
}

static int tar_write(const struct bundle_part *parts, size_t count, struct buf *out,
                     struct err *err)
{
    cleanup(archive_write_p) struct archive *a = archive_write_new();
    size_t guess = 10240;
    for (size_t i = 0; i < count; i++)
        guess += parts[i].len + 1024;
    buf_reserve(out, guess); /* so that it need not grow and be copied */
    /* pax, which is ustar unless a name is too long for that */
    if (archive_write_set_format_pax_restricted(a) != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(a, 0) != ARCHIVE_OK ||
        archive_write_open2(a, out, NULL, on_write, NULL, NULL) != ARCHIVE_OK)
        return failed(a, "the package cannot be written", err);
    for (size_t i = 0; i < count; i++) {
        int r = write_entry(a, &parts[i], err);
        if (r < 0)
            return r;
    }
    if (archive_write_close(a) != ARCHIVE_OK)
        return failed(a, "the package cannot be written", err);
    return 0;
}

int targz_write(const struct bundle_part *parts, size_t count, struct buf *out, struct err *err)
{
    /* as small as the provider's CLI makes it, in as little time */
    enum { LEVEL = 4 };
    cleanup(buf_clear) struct buf tar = BUF_INIT(out->max);
    int r = tar_write(parts, count, &tar, err);
    if (r < 0)
        return r;
    if (!gzip_bytes((const uint8_t *)buf_str(&tar), tar.len, LEVEL, out))
        return err_set(err, ERR_FAILURE, "the package is too large");
    return 0;
}

/* --- reading: whatever is in the file --- */

static int read_entry(struct archive *a, struct archive_entry *e, struct archive_files *files,
                      struct err *err)
{
    const char *name = archive_entry_pathname(e);
    if (archive_entry_filetype(e) == AE_IFDIR)
        return 0;
    if (!name || archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e))
        return err_set(err, ERR_FAILURE, "'%.200s' is no regular file", name ? name : "?");
    int r = archive_name_check(files, name, err);
    if (r < 0)
        return r;
    struct buf data = BUF_INIT(archive_left(files));
    char piece[64 * 1024];
    la_ssize_t n;
    while ((n = archive_read_data(a, piece, sizeof piece)) > 0)
        if (!buf_add(&data, piece, (size_t)n))
            break;
    if (n == 0)
        archive_add(files, name, &data);
    else if (n < 0)
        r = failed(a, name, err);
    else
        r = archive_too_large(err);
    buf_clear(&data);
    return r;
}

int targz_read(const uint8_t *data, size_t len, struct archive_files *files, struct err *err)
{
    cleanup(archive_read_p) struct archive *a = archive_read_new();
    /* These alone: libarchive knows formats that are best not met in a file from elsewhere. */
    if (archive_read_support_format_tar(a) != ARCHIVE_OK ||
        archive_read_support_filter_gzip(a) != ARCHIVE_OK ||
        archive_read_open_memory(a, data, len) != ARCHIVE_OK)
        return failed(a, "no tar.gz", err);
    struct archive_entry *e;
    int r;
    while ((r = archive_read_next_header(a, &e)) == ARCHIVE_OK) {
        r = read_entry(a, e, files, err);
        if (r < 0)
            return r;
    }
    return r == ARCHIVE_EOF ? archive_finish(files, err) : failed(a, "no tar.gz", err);
}
