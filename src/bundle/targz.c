/* SPDX-License-Identifier: Apache-2.0 */
/* tar.gz, by libarchive. Nothing of this machine gets into it: no owner, no times. */
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

struct sink {
    struct gzip *gzip;
    struct err *err;
    int r;                      /* what went wrong, already in err */
};

static la_ssize_t on_write(struct archive *a, void *env, const void *data, size_t len)
{
    struct sink *to = env;
    to->r = gzip_add(to->gzip, data, len, to->err);
    if (to->r == 0)
        return (la_ssize_t)len;
    archive_set_error(a, 0, "it cannot be written");
    return -1;
}

static int failed(struct archive *a, const char *what, struct err *err)
{
    const char *why = archive_error_string(a);
    return err_set(err, ERR_FAILURE, "%s: %s", what, why ? why : "no reason is given");
}

static bool write_data(struct archive *a, const struct spool *sp, const struct bundle_part *p)
{
    for (size_t at = 0, n; at < p->len; at += n) {
        n = spool_slice(p->len - at);
        if (archive_write_data(a, p->data + at, n) != (la_ssize_t)n)
            return false;
        spool_forget(sp, p->data + at, n);
    }
    return true;
}

static int write_entry(struct archive *a, const struct spool *sp, const struct bundle_part *p,
                       struct err *err)
{
    cleanup(entry_p) struct archive_entry *e = archive_entry_new();
    archive_entry_set_pathname(e, p->name);
    archive_entry_set_filetype(e, AE_IFREG);
    archive_entry_set_perm(e, 0644);
    archive_entry_set_size(e, (la_int64_t)p->len);
    archive_entry_set_mtime(e, 0, 0);
    if (archive_write_header(a, e) != ARCHIVE_OK || !write_data(a, sp, p))
        return failed(a, p->name, err);
    return 0;
}

static int tar_write(const struct bundle_part *parts, size_t count, const struct spool *sp,
                     struct sink *to, struct err *err)
{
    cleanup(archive_write_p) struct archive *a = archive_write_new();
    /* pax, which is ustar unless a name is too long for that */
    if (archive_write_set_format_pax_restricted(a) != ARCHIVE_OK ||
        archive_write_set_bytes_per_block(a, 0) != ARCHIVE_OK ||
        archive_write_open2(a, to, NULL, on_write, NULL, NULL) != ARCHIVE_OK)
        return failed(a, "the package cannot be written", err);
    for (size_t i = 0; i < count; i++) {
        int r = write_entry(a, sp, &parts[i], err);
        if (r < 0)
            return r;
    }
    if (archive_write_close(a) != ARCHIVE_OK)
        return failed(a, "the package cannot be written", err);
    return 0;
}

int targz_write(const struct bundle_part *parts, size_t count, struct spool *sp,
                uint8_t **ret_data, size_t *ret_len, struct err *err)
{
    /* as small as the provider's CLI makes it, in as little time */
    enum { LEVEL = 4 };
    cleanup(spool_cancel) struct spool_piece piece = {0};
    struct err why = {0};
    int r = spool_begin(sp, archive_about(parts, count), &piece, err);
    if (r < 0)
        return r;
    cleanup(gzip_free_p) struct gzip *gzip = gzip_new(LEVEL, &piece);
    struct sink to = {.gzip = gzip, .err = &why};
    r = tar_write(parts, count, sp, &to, err);
    if (to.r < 0) { /* libarchive has no words for it */
        if (err)
            *err = why;
        return to.r;
    }
    if (r == 0)
        r = gzip_end(gzip, err);
    return r < 0 ? r : spool_end(&piece, ret_data, ret_len, err);
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
