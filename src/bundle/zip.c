/* SPDX-License-Identifier: Apache-2.0 */
/* Zip, by libzip. The one time that an entry has is zip's first; it is set as a DOS time,
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

/* --- where the bytes of an entry come from --- */

struct entry {
    const struct bundle_part *part;
    const struct spool *spool;
    size_t at;
};

static zip_int64_t read_part(struct entry *e, void *to, size_t cap)
{
    size_t left = e->part->len - e->at, n = left < cap ? left : cap;
    if (n)
        memcpy(to, e->part->data + e->at, n);
    spool_forget(e->spool, e->part->data + e->at, n);
    e->at += n;
    return (zip_int64_t)n;
}

static zip_int64_t tell_size(void *to, zip_uint64_t size)
{
    zip_stat_t *st = to;
    zip_stat_init(st);
    st->valid = ZIP_STAT_SIZE;
    st->size = size;
    return sizeof *st;
}

static zip_int64_t on_entry(void *env, void *data, zip_uint64_t len, zip_source_cmd_t command)
{
    struct entry *e = env;
    switch (command) {
    case ZIP_SOURCE_OPEN:
        e->at = 0;
        return 0;
    case ZIP_SOURCE_READ:
        return read_part(e, data, len);
    case ZIP_SOURCE_STAT:
        return tell_size(data, e->part->len);
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_ERROR:
    case ZIP_SOURCE_FREE:
        return 0;
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE,
                                              ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE,
                                              -1);
    default:
        return -1;
    }
}

static int add_entry(zip_t *z, struct entry *e, struct err *err)
{
    const char *name = e->part->name;
    zip_source_t *s = zip_source_function(z, on_entry, e);
    zip_int64_t i = s ? zip_file_add(z, name, s, ZIP_FL_ENC_UTF_8) : -1;
    if (i < 0) {
        zip_source_free(s);
        return failed(zip_get_error(z), name, err);
    }
    zip_uint64_t at = (zip_uint64_t)i;
    if (zip_set_file_compression(z, at, ZIP_CM_DEFLATE, LEVEL) < 0 ||
        zip_file_set_dostime(z, at, 0, DOS_DATE, 0) < 0 ||
        zip_file_set_external_attributes(z, at, 0, ZIP_OPSYS_UNIX, (zip_uint32_t)MODE << 16) < 0)
        return failed(zip_get_error(z), name, err);
    return 0;
}

/* --- where the archive goes --- */

struct place {
    struct spool_piece piece;
    zip_error_t error;
    struct err *err;
    int r;                      /* what went wrong with the piece, already in err */
};

static zip_int64_t write_some(struct place *to, const void *data, size_t len)
{
    to->r = spool_add(&to->piece, data, len, to->err);
    if (to->r == 0)
        return (zip_int64_t)len;
    zip_error_set(&to->error, ZIP_ER_WRITE, 0);
    return -1;
}

static zip_int64_t move(struct place *to, void *data, zip_uint64_t len)
{
    zip_int64_t at = zip_source_seek_compute_offset(to->piece.at, to->piece.len, data, len,
                                                    &to->error);
    if (at < 0)
        return -1;
    to->piece.at = (size_t)at;
    return 0;
}

static zip_int64_t on_place(void *env, void *data, zip_uint64_t len, zip_source_cmd_t command)
{
    struct place *to = env;
    switch (command) {
    case ZIP_SOURCE_STAT:
        zip_stat_init(data);
        return sizeof(zip_stat_t);
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&to->error, data, len);
    case ZIP_SOURCE_OPEN: /* to see that it is there */
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_BEGIN_WRITE:
    case ZIP_SOURCE_COMMIT_WRITE:
    case ZIP_SOURCE_ROLLBACK_WRITE:
    case ZIP_SOURCE_FREE:
        return 0;
    case ZIP_SOURCE_WRITE:
        return write_some(to, data, len);
    case ZIP_SOURCE_SEEK_WRITE:
        return move(to, data, len);
    case ZIP_SOURCE_TELL_WRITE:
        return (zip_int64_t)to->piece.at;
    case ZIP_SOURCE_SUPPORTS:
        return ZIP_SOURCE_SUPPORTS_WRITABLE;
    default: /* nothing of it is read back */
        zip_error_set(&to->error, ZIP_ER_OPNOTSUPP, 0);
        return -1;
    }
}

static int write_entries(struct entry *entries, size_t count, zip_source_t *to, struct err *err)
{
    zip_error_t e;
    zip_error_init(&e);
    cleanup(zip_p) zip_t *z = zip_open_from_source(to, ZIP_TRUNCATE, &e);
    if (!z)
        return failed(&e, "the zip cannot be made", err);
    zip_source_keep(to);
    for (size_t i = 0; i < count; i++) {
        int r = add_entry(z, &entries[i], err);
        if (r < 0)
            return r;
    }
    if (zip_close(z) < 0)
        return failed(zip_get_error(z), "the zip cannot be made", err);
    z = NULL;
    return 0;
}

int zip_write(const struct bundle_part *parts, size_t count, struct spool *sp, uint8_t **ret_data,
              size_t *ret_len, struct err *err)
{
    cleanup(free_p) struct entry *entries = xcalloc(count + 1, sizeof *entries);
    struct err why = {0};
    struct place to = {.err = &why};
    zip_error_t e;
    zip_error_init(&e);
    zip_error_init(&to.error);
    for (size_t i = 0; i < count; i++)
        entries[i] = (struct entry){.part = &parts[i], .spool = sp};
    int r = spool_begin(sp, archive_about(parts, count), &to.piece, err);
    if (r < 0)
        return r;
    cleanup(source_p) zip_source_t *s = zip_source_function_create(on_place, &to, &e);
    r = s ? write_entries(entries, count, s, err) : failed(&e, "the zip cannot be made", err);
    if (to.r < 0 && err)
        *err = why;
    if (to.r < 0)
        r = to.r;
    if (r == 0)
        r = spool_end(&to.piece, ret_data, ret_len, err);
    spool_cancel(&to.piece);
    return r;
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
