/* SPDX-License-Identifier: Apache-2.0 */
/* Zip in memory, by libzip. The one time that an entry has is zip's first; it is set as a DOS time,
 * for a time_t would be turned into local time. */
#include <string.h>
#include <zip.h>
#include "base/mem.h"
#include "bundle/archive.h"

enum { LEVEL = 6, DOS_DATE = 1 << 5 | 1, MODE = 0100644 };

static void zip_p(zip_t **z)
{
    if (*z)
        zip_discard(*z);
}

static void zip_file_p(zip_file_t **f)
{
    if (*f)
        zip_fclose(*f);
}

static void source_p(zip_source_t **s)
{
    zip_source_free(*s);
}

static int failed(zip_error_t *e, const char *what, struct err *err)
{
    return err_set(err, ERR_FAILURE, "%s: %s", what, zip_error_strerror(e));
}

static int add_entry(zip_t *z, const struct bundle_part *p, struct err *err)
{
    zip_source_t *s = zip_source_buffer(z, p->data, p->len, 0);
    zip_int64_t i = s ? zip_file_add(z, p->name, s, ZIP_FL_ENC_UTF_8) : -1;
    if (i < 0) {
        zip_source_free(s);
        return failed(zip_get_error(z), p->name, err);
    }
    zip_uint64_t at = (zip_uint64_t)i;
    if (zip_set_file_compression(z, at, ZIP_CM_DEFLATE, LEVEL) < 0 ||
        zip_file_set_dostime(z, at, 0, DOS_DATE, 0) < 0 ||
        zip_file_set_external_attributes(z, at, 0, ZIP_OPSYS_UNIX, (zip_uint32_t)MODE << 16) < 0)
        return failed(zip_get_error(z), p->name, err);
    return 0;
}

static int read_back(zip_source_t *s, struct buf *out, struct err *err)
{
    char piece[64 * 1024];
    zip_int64_t n;
    if (zip_source_open(s) < 0)
        return failed(zip_source_error(s), "the zip cannot be made", err);
    while ((n = zip_source_read(s, piece, sizeof piece)) > 0)
        if (!buf_add(out, piece, (size_t)n))
            break;
    zip_source_close(s);
    if (n < 0)
        return failed(zip_source_error(s), "the zip cannot be made", err);
    return out->overflow ? err_set(err, ERR_FAILURE, "the zip is too large") : 0;
}

int zip_write(const struct bundle_part *parts, size_t count, struct buf *out, struct err *err)
{
    zip_error_t e;
    zip_error_init(&e);
    cleanup(source_p) zip_source_t *s = zip_source_buffer_create(NULL, 0, 0, &e);
    if (!s)
        return failed(&e, "the zip cannot be made", err);
    cleanup(zip_p) zip_t *z = zip_open_from_source(s, ZIP_TRUNCATE, &e);
    if (!z)
        return failed(&e, "the zip cannot be made", err);
    zip_source_keep(s);
    for (size_t i = 0; i < count; i++) {
        int r = add_entry(z, &parts[i], err);
        if (r < 0)
            return r;
    }
    if (zip_close(z) < 0)
        return failed(zip_get_error(z), "the zip cannot be made", err);
    z = NULL;
    return read_back(s, out, err);
}

/* --- reading: whatever is in the file --- */

static int read_entry(zip_t *z, zip_uint64_t i, struct archive_files *files, struct err *err)
{
    zip_stat_t st;
    zip_uint8_t system;
    zip_uint32_t attributes;
    if (zip_stat_index(z, i, 0, &st) < 0 || !(st.valid & ZIP_STAT_NAME))
        return failed(zip_get_error(z), "no zip", err);
    size_t len = strlen(st.name);
    if (len && st.name[len - 1] == '/')
        return 0; /* a folder */
    if (zip_file_get_external_attributes(z, i, 0, &system, &attributes) == 0 &&
        system == ZIP_OPSYS_UNIX && attributes >> 28 && attributes >> 28 != 8)
        return err_set(err, ERR_FAILURE, "'%.200s' is no regular file", st.name);
    int r = archive_name_check(files, st.name, err);
    if (r < 0)
        return r;
    cleanup(zip_file_p) zip_file_t *f = zip_fopen_index(z, i, 0);
    if (!f)
        return failed(zip_get_error(z), st.name, err);
    cleanup(buf_clear) struct buf data = BUF_INIT(archive_left(files));
    char piece[64 * 1024];
    zip_int64_t n;
    while ((n = zip_fread(f, piece, sizeof piece)) > 0)
        if (!buf_add(&data, piece, (size_t)n))
            return archive_too_large(err);
    if (n < 0)
        return failed(zip_file_get_error(f), st.name, err);
    archive_add(files, st.name, &data);
    return 0;
}

int zip_read(const uint8_t *data, size_t len, struct archive_files *files, struct err *err)
{
    zip_error_t e;
    zip_error_init(&e);
    zip_source_t *s = zip_source_buffer_create(data, len, 0, &e);
    cleanup(zip_p) zip_t *z = s ? zip_open_from_source(s, ZIP_RDONLY | ZIP_CHECKCONS, &e) : NULL;
    if (!z) {
        zip_source_free(s);
        return failed(&e, "no zip", err);
    }
    zip_int64_t count = zip_get_num_entries(z, 0);
    for (zip_int64_t i = 0; i < count; i++) {
        int r = read_entry(z, (zip_uint64_t)i, files, err);
        if (r < 0)
            return r;
    }
    return archive_finish(files, err);
}
