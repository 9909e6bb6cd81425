/* SPDX-License-Identifier: Apache-2.0 */
/* Both archives: what is written, and what is refused when it is read. */
#include "unit/test.h"

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <time.h>
#include <zip.h>
#include "base/mem.h"
#include "bundle/archive.h"

static struct bundle_part parts[] = {
    {.name = "app/assets/a.txt", .data = (uint8_t *)"", .len = 0},
    {.name = "app/bin/main.wasm", .data = (uint8_t *)"\0asm\1\0\0\0", .len = 8},
    {.name = "app/fastly.toml", .data = (uint8_t *)"name = \"app\"\n", .len = 13},
};

typedef int write_fn(const struct bundle_part *, size_t, struct spool *, uint8_t **, size_t *,
                     struct err *);
typedef int read_fn(const uint8_t *, size_t, struct archive_files *, struct err *);

/* The archive of some parts, in memory or, without any for it, in a file. */
struct written {
    struct spool *spool;
    uint8_t *data;
    size_t len;
};

static struct written written(write_fn *write, const struct bundle_part *of, size_t count,
                              size_t memory)
{
    struct err err;
    struct written w = {.spool = spool_new(NULL, memory)};
    assert_int_equal(write(of, count, w.spool, &w.data, &w.len, &err), 0);
    return w;
}

static void written_clear(struct written *w)
{
    spool_drop(w->spool, w->data);
    spool_free(w->spool);
}

static void round_trip(write_fn *write, read_fn *read)
{
    struct err err;
    cleanup(archive_files_clear) struct archive_files files = {0};
    cleanup(written_clear) struct written out = written(write, parts, ARRAY_LEN(parts), 1 << 20);
    cleanup(written_clear) struct written other = written(write, parts, ARRAY_LEN(parts), 0);
    assert_int_equal(out.len, other.len);
    assert_memory_equal(out.data, other.data, out.len);
    assert_int_equal(read(out.data, out.len, &files, &err), 0);
    assert_int_equal(files.count, ARRAY_LEN(parts));
    assert_int_equal(files.total, 21);
    for (size_t i = 0; i < files.count; i++) {
        assert_string_equal(files.list[i].name, parts[i].name);
        assert_int_equal(files.list[i].len, parts[i].len);
        assert_memory_equal(files.list[i].data, parts[i].data, parts[i].len);
    }
    assert_string_equal(files.list[0].digest,
                        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void what_is_written_can_be_read(void **state)
{
    (void)state;
    round_trip(targz_write, targz_read);
    round_trip(zip_write, zip_read);
}

/* The same bytes under another time zone, umask and locale, as another user would have them. */
static void the_same_bytes(write_fn *write)
{
    setenv("TZ", "UTC", 1);
    tzset();
    cleanup(written_clear) struct written one = written(write, parts, ARRAY_LEN(parts), 1 << 20);
    setenv("TZ", "Pacific/Auckland", 1);
    setenv("USER", "somebody", 1);
    tzset();
    mode_t old = umask(077);
    cleanup(written_clear) struct written two = written(write, parts, ARRAY_LEN(parts), 1 << 20);
    umask(old);
    assert_int_equal(one.len, two.len);
    assert_memory_equal(one.data, two.data, one.len);
}

static void bytes_depend_on_the_parts_alone(void **state)
{
    (void)state;
    the_same_bytes(targz_write);
    the_same_bytes(zip_write);
}

/* The headers, read by the libraries themselves. */
static void tar_headers(void **state)
{
    (void)state;
    cleanup(written_clear) struct written out = written(targz_write, parts, ARRAY_LEN(parts), 1 << 20);
    struct archive *a = archive_read_new();
    struct archive_entry *e;
    archive_read_support_format_tar(a);
    archive_read_support_filter_gzip(a);
    assert_int_equal(archive_read_open_memory(a, out.data, out.len), ARCHIVE_OK);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        assert_int_equal(archive_read_next_header(a, &e), ARCHIVE_OK);
        assert_int_equal(archive_entry_mode(e), S_IFREG | 0644);
        assert_int_equal(archive_entry_mtime(e), 0);
        assert_int_equal(archive_entry_uid(e), 0);
        assert_int_equal(archive_entry_gid(e), 0);
    }
    assert_int_equal(archive_read_next_header(a, &e), ARCHIVE_EOF);
    archive_read_free(a);
}

static void zip_headers(void **state)
{
    (void)state;
    cleanup(written_clear) struct written out = written(zip_write, parts, ARRAY_LEN(parts), 1 << 20);
    zip_source_t *s = zip_source_buffer_create(out.data, out.len, 0, NULL);
    zip_t *z = zip_open_from_source(s, ZIP_RDONLY, NULL);
    assert_non_null(z);
    for (zip_uint64_t i = 0; i < ARRAY_LEN(parts); i++) {
        zip_uint8_t system;
        zip_uint32_t attributes;
        assert_int_equal(zip_file_get_external_attributes(z, i, 0, &system, &attributes), 0);
        assert_int_equal(system, ZIP_OPSYS_UNIX);
        assert_int_equal(attributes >> 16, S_IFREG | 0644);
        assert_int_equal(zip_file_extra_fields_count(z, i, ZIP_FL_CENTRAL), 0);
    }
    zip_discard(z);
}

/* --- what is refused --- */

struct bad {
    const char *name, *link;
    mode_t type;
    const char *why;
};

static void make_tar(const struct bad *bad, int copies, struct buf *out)
{
    static uint8_t space[64 << 10];
    size_t used = 0;
    struct archive *a = archive_write_new();
    archive_write_set_format_pax(a);
    archive_write_add_filter_gzip(a);
    assert_int_equal(archive_write_open_memory(a, space, sizeof space, &used), ARCHIVE_OK);
    for (int i = 0; i < copies; i++) {
        struct archive_entry *e = archive_entry_new();
        archive_entry_set_pathname(e, bad->name);
        archive_entry_set_filetype(e, bad->type);
        archive_entry_set_perm(e, 0644);
        if (bad->type == S_IFLNK)
            archive_entry_set_symlink(e, bad->link);
        else if (bad->link)
            archive_entry_set_hardlink(e, bad->link);
        archive_entry_set_size(e, 0);
        assert_int_equal(archive_write_header(a, e), ARCHIVE_OK);
        archive_entry_free(e);
    }
    archive_write_free(a);
    buf_add(out, space, used);
}

static void refused(read_fn *read, const uint8_t *data, size_t len, const char *why)
{
    struct err err = {0};
    struct archive_files files = {0};
    int r = read(data, len, &files, &err);
    if (r != -ERR_FAILURE || !strstr(err.msg, why))
        fail_msg("%d: %s, not: %s", r, err.msg, why);
    archive_files_clear(&files);
}

static void tar_entries_that_lead_elsewhere(void **state)
{
    static const struct bad cases[] = {
        {"../x", NULL, S_IFREG, "leads elsewhere"}, {"/etc/x", NULL, S_IFREG, "leads elsewhere"},
        {"a/../../x", NULL, S_IFREG, "leads elsewhere"}, {"a//x", NULL, S_IFREG, "leads elsewhere"},
        {"a/./x", NULL, S_IFREG, "leads elsewhere"}, {"a\\x", NULL, S_IFREG, "leads elsewhere"},
        {"x", "/etc/passwd", S_IFLNK, "no regular file"}, {"x", "y", S_IFREG, "no regular file"},
        {"x", NULL, S_IFIFO, "no regular file"}, {"x", NULL, S_IFCHR, "no regular file"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(buf_clear) struct buf tar = BUF_INIT(64 << 10);
        make_tar(&cases[i], 1, &tar);
        refused(targz_read, (const uint8_t *)tar.data, tar.len, cases[i].why);
    }
}

static void a_name_that_occurs_twice(void **state)
{
    (void)state;
    cleanup(buf_clear) struct buf tar = BUF_INIT(64 << 10);
    make_tar(&(struct bad){"x", NULL, S_IFREG, NULL}, 2, &tar);
    refused(targz_read, (const uint8_t *)tar.data, tar.len, "in it twice");
}

static void zip_entries_that_lead_elsewhere(void **state)
{
    static const char *const names[] = {"../x", "/x", "a/../x"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct bundle_part p = {.name = (char *)names[i], .data = (uint8_t *)"x", .len = 1};
        cleanup(written_clear) struct written zip = written(zip_write, &p, 1, 1 << 20);
        refused(zip_read, zip.data, zip.len, "leads elsewhere");
    }
}

static void bytes_that_are_missing_or_wrong(void **state)
{
    struct err err;
    (void)state;
    for (int zip = 0; zip < 2; zip++) {
        read_fn *read = zip ? zip_read : targz_read;
        cleanup(written_clear) struct written whole =
            written(zip ? zip_write : targz_write, parts, ARRAY_LEN(parts), 1 << 20);
        for (size_t cut = 1; cut < whole.len; cut += 7) {
            cleanup(archive_files_clear) struct archive_files files = {0};
            int r = read(whole.data, cut, &files, &err);
            /* a tar whose end is missing may still have all of its files */
            assert_true(r == -ERR_FAILURE || (r == 0 && files.count <= ARRAY_LEN(parts)));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_can_be_read),
        cmocka_unit_test(bytes_depend_on_the_parts_alone), cmocka_unit_test(tar_headers),
        cmocka_unit_test(zip_headers), cmocka_unit_test(tar_entries_that_lead_elsewhere),
        cmocka_unit_test(a_name_that_occurs_twice),
        cmocka_unit_test(zip_entries_that_lead_elsewhere),
        cmocka_unit_test(bytes_that_are_missing_or_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
