/* SPDX-License-Identifier: Apache-2.0 */
/* The small ones: buf, err, units, nearest, embed. */
#include "unit/test.h"

#include <errno.h>
#include "base/buf.h"
#include "base/embed.h"
#include "base/err.h"
#include "base/nearest.h"
#include "base/units.h"
#include "base/utf8.h"

/* --- buf --- */

static void a_buffer_grows_to_its_maximum_and_no_further(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_string_equal(buf_str(&b), "");
    assert_true(buf_add_str(&b, "12345"));
    assert_false(buf_add_str(&b, "678901"));    /* refused whole */
    assert_true(b.overflow);
    assert_string_equal(buf_str(&b), "12345");
    assert_true(buf_printf(&b, "%d", 67890));
    assert_string_equal(buf_str(&b), "1234567890");
    assert_false(buf_add_char(&b, 'x'));
    assert_null(buf_reserve(&b, 1));
    assert_non_null(buf_reserve(&b, 0));
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_reset(&b);
    assert_false(b.overflow);
    assert_string_equal(buf_str(&b), "");
    buf_clear(&b);
}

static void bytes_and_zeros_are_kept(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1 << 20);
    assert_true(buf_add(&b, "a\0b", 3));
    assert_true(buf_add(&b, NULL, 0));
    assert_int_equal(b.len, 3);
    assert_memory_equal(b.data, "a\0b", 4);
    buf_consume(&b, 0);
    buf_consume(&b, 2);
    assert_string_equal(buf_str(&b), "b");
    buf_consume(&b, 1);
    assert_string_equal(buf_str(&b), "");
    char *s = buf_take(&b);
    assert_string_equal(s, "");
    free(s);
    s = buf_take(&b);           /* nothing was ever added */
    assert_string_equal(s, "");
    free(s);
    buf_clear(&b);
}

static void reserved_room_can_be_filled(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1 << 20);
    for (int i = 0; i < 1000; i++) {
        char *to = buf_reserve(&b, 100);
        memset(to, 'x', 100);
        b.len += 100;
    }
    assert_true(buf_add_char(&b, 'y'));
    assert_int_equal(b.len, 100001);
    assert_int_equal(strlen(b.data), 100001);
    buf_clear(&b);
}

/* --- err --- */

static void an_error_says_what_where_why_and_what_next(void **state)
{
    (void)state;
    struct err e;
    memset(&e, 'x', sizeof e);  /* err_set must not rely on what was there */
    int r = err_sys(&e, ERR_IO, ENOENT, "cannot open '%s'", "a.wasm");
    assert_int_equal(r, -ERR_IO);
    assert_int_equal(e.sys, ENOENT);
    assert_string_equal(e.msg, "cannot open 'a.wasm': No such file or directory");
    assert_string_equal(e.hint, "");
    assert_string_equal(e.file, "");
    assert_int_equal(e.line, 0);
    err_place(&e, "edge.yaml", 3, 7);
    err_hint(&e, "run '%s'", "edgectl build");
    err_hint(&e, NULL);
    assert_int_equal(err_wrap(&e, r, "loading %d", 1), r);
    assert_string_equal(e.msg, "loading 1: cannot open 'a.wasm': No such file or directory");
    assert_string_equal(e.hint, "run 'edgectl build'");
    assert_string_equal(e.file, "edge.yaml");
    assert_int_equal(e.col, 7);
}

static void errors_are_bounded(void **state)
{
    (void)state;
    char *longer = malloc(5000);
    memset(longer, 'a', 4999);
    longer[4999] = '\0';
    struct err e;
    err_set(&e, ERR_FAILURE, "%s", longer);
    assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
    err_wrap(&e, -1, "x");
    assert_int_equal(strlen(e.msg), sizeof e.msg - 1);
    assert_memory_equal(e.msg, "x: aaa", 6);
    err_wrap(&e, -1, "%s", longer);
    assert_true(strlen(e.msg) < sizeof e.msg);
    err_hint(&e, "%s", longer);
    err_place(&e, longer, 1, 1);
    assert_int_equal(strlen(e.hint), sizeof e.hint - 1);
    assert_int_equal(strlen(e.file), sizeof e.file - 1);
    err_sys(&e, ERR_IO, ENOSPC, "%s", longer);
    assert_non_null(strstr(e.msg, "No space left"));
    free(longer);
}

static void without_a_place_for_it_only_the_code_is_told(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, ERR_USAGE, "x"), -ERR_USAGE);
    assert_int_equal(err_sys(NULL, ERR_IO, EIO, "x"), -ERR_IO);
    assert_int_equal(err_wrap(NULL, -ERR_IO, "x"), -ERR_IO);
    err_hint(NULL, "x");
    err_place(NULL, "x", 1, 1);
}

static void codes_have_the_exit_statuses_of_the_design(void **state)
{
    (void)state;
    assert_int_equal(err_exit_status(0), 0);
    assert_int_equal(err_exit_status(-ERR_FAILURE), 1);
    assert_int_equal(err_exit_status(-ERR_USAGE), 2);
    assert_int_equal(err_exit_status(-ERR_LIMIT), 7);
    assert_int_equal(err_exit_status(-ERR_MANIFEST), 9);
    assert_int_equal(err_exit_status(-ERR_INTERRUPTED), 130);
    assert_int_equal(err_exit_status(-1000), 1);
    assert_string_equal(err_name(ERR_MANIFEST), "MANIFEST");
    for (int c = 0; c < ERR_COUNT; c++)
        assert_true(strlen(err_text((enum err_code)c)) > 0);
}

/* --- units --- */

static void durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"0", 0}, {"250ms", 250}, {"5s", 5000}, {"1.5s", 1500}, {"2m", 120000},
                {"1h", 3600000}, {"1d", 86400000}, {"0.001s", 1}, {"0s", 0}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t ms = -1;
        assert_true(parse_duration(good[i].text, &ms));
        assert_int_equal(ms, good[i].ms);
    }
    static const char *const bad[] = {"", "5", "s", "-1s", "+1s", "1.s", ".5s", "0.5ms", "1 s",
                                      "1S",
                                      "1e3s", "99999999999999999999s", "9223372036854775807d", "5s "};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t ms = -1;
        assert_false(parse_duration(bad[i], &ms));
        assert_int_equal(ms, -1);
    }
    char text[UNIT_TEXT_MAX];
    assert_string_equal(format_duration(0, text), "0s");
    assert_string_equal(format_duration(1500, text), "1500ms");
    assert_string_equal(format_duration(90000, text), "90s");
    assert_string_equal(format_duration(120000, text), "2m");
}

static void sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes;
    } good[] = {{"0", 0}, {"4096", 4096}, {"1B", 1}, {"64KiB", 65536}, {"1.5KiB", 1536},
                {"128MiB", 134217728}, {"2GiB", 2147483648}, {"10kB", 10000}, {"25MB", 25000000}};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        int64_t bytes = -1;
        assert_true(parse_size(good[i].text, &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    static const char *const bad[] = {"", "MiB", "-1", "1.5", "1mib", "1 MiB", "9999999999GiB",
                                      "0x10"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        int64_t bytes = -1;
        assert_false(parse_size(bad[i], &bytes));
        assert_int_equal(bytes, -1);
    }
    char text[UNIT_TEXT_MAX];
    assert_string_equal(format_size(312, text), "312 B");
    assert_string_equal(format_size(1536, text), "1.5 KiB");
    assert_string_equal(format_size(300 * 1024, text), "300 KiB");
    assert_string_equal(format_size(UINT64_MAX, text), "16777216 TiB");
}

/* --- nearest --- */

static void edits_are_counted(void **state)
{
    (void)state;
    assert_int_equal(edit_distance("", ""), 0);
    assert_int_equal(edit_distance("abc", "abc"), 0);
    assert_int_equal(edit_distance("ABC", "abc"), 0);
    assert_int_equal(edit_distance("", "abc"), 3);
    assert_int_equal(edit_distance("kitten", "sitting"), 3);
    assert_int_equal(edit_distance("verison", "version"), 1);   /* neighbours swapped */
    assert_int_equal(edit_distance("backend", "backends"), 1);
    char longer[100];
    memset(longer, 'a', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_true(edit_distance(longer, "a") == SIZE_MAX);
    assert_true(edit_distance("a", longer) == SIZE_MAX);
}

static void only_what_is_near_is_offered(void **state)
{
    (void)state;
    static const char *const names[] = {"build", "bundle", "validate", "version", "dev"};
    assert_string_equal(nearest_of("biuld", names, 5), "build");
    assert_string_equal(nearest_of("bundel", names, 5), "bundle");
    assert_string_equal(nearest_of("val", names, 5), "validate");   /* its beginning */
    assert_string_equal(nearest_of("DEV", names, 5), "dev");
    assert_null(nearest_of("rollout", names, 5));
    assert_null(nearest_of("x", names, 5));
    assert_null(nearest_of("", names, 5));
}

/* --- embed --- */

static void every_embedded_file_is_found_by_its_path(void **state)
{
    (void)state;
    for (size_t i = 0; i < embed_count; i++) {
        const struct embed_file *f = &embed_files[i];
        size_t found;
        assert_ptr_equal(embed_under(f->path, &found), f);
        assert_int_equal(f->data[f->len], 0);
        assert_true(f->mode == 0644 || f->mode == 0755);
        assert_true(f->path[0] != '/' && !strstr(f->path, ".."));
        if (i)
            assert_true(strcmp(embed_files[i - 1].path, f->path) < 0);
    }
    size_t count = 1;
    assert_null(embed_under("no/such/", &count));
    assert_int_equal(count, 0);
    embed_under("", &count);
    assert_int_equal(count, embed_count);
}

static void embedded_bytes_are_the_files_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < embed_count; i++) {
        char path[4096];
        /* Made while building, not kept: tests/cli/init.bats runs it. */
        if (strncmp(embed_files[i].path, "prebuilt/", 9) == 0)
            continue;
        snprintf(path, sizeof path, "templates/%s", embed_files[i].path);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        struct buf b = BUF_INIT(1 << 26);
        char part[4096];
        for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;)
            buf_add(&b, part, n);
        fclose(f);
        assert_int_equal(b.len, embed_files[i].len);
        if (b.len)
            assert_memory_equal(b.data, embed_files[i].data, b.len);
        buf_clear(&b);
    }
}

/* --- utf8 --- */

static void a_text_is_cut_between_characters(void **state)
{
    (void)state;
    const char *text = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80";  /* 1, 2, 3 and 4 bytes */
    static const size_t kept[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 10};
    for (size_t max = 0; max < ARRAY_LEN(kept); max++)
        assert_int_equal(utf8_cut(text, strlen(text), max), kept[max]);
    /* No text at all: it still ends. */
    assert_int_equal(utf8_cut("\x80\x80\x80", 3, 2), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_buffer_grows_to_its_maximum_and_no_further),
        cmocka_unit_test(bytes_and_zeros_are_kept),
        cmocka_unit_test(reserved_room_can_be_filled),
        cmocka_unit_test(an_error_says_what_where_why_and_what_next),
        cmocka_unit_test(errors_are_bounded),
        cmocka_unit_test(without_a_place_for_it_only_the_code_is_told),
        cmocka_unit_test(codes_have_the_exit_statuses_of_the_design),
        cmocka_unit_test(durations),
        cmocka_unit_test(sizes),
        cmocka_unit_test(edits_are_counted),
        cmocka_unit_test(only_what_is_near_is_offered),
        cmocka_unit_test(a_text_is_cut_between_characters),
        cmocka_unit_test(every_embedded_file_is_found_by_its_path),
        cmocka_unit_test(embedded_bytes_are_the_files_bytes),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
