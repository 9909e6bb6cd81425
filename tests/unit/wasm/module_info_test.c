/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/mem.h"
#include "bytes.h"
#include "wasm/module_info.h"

/* A guest with every section this reader looks into:
 * (module (type (func (param i32 i64) (result i32))) (type (func))
 *   (import "fastly_kv_store" "open" (func (type 0)))
 *   (func (type 1)) (memory 3 100) (global i32 (i32.const 5))
 *   (export "memory" (memory 0)) (export "_start" (func 1)) (data (i32.const 8) "abc")) */
static void guest(struct buf *b)
{
    put_header(b);
    PUT_SECTION(b, WASM_TYPE, "\2" "\x60\2\x7f\x7e\1\x7f" "\x60\0\0");
    PUT_SECTION(b, WASM_IMPORT, "\1" "\17fastly_kv_store" "\4open" "\0\0");
    PUT_SECTION(b, WASM_FUNCTION, "\1\1");
    PUT_SECTION(b, WASM_MEMORY, "\1" "\1\3\x64");
    PUT_SECTION(b, WASM_GLOBAL, "\1" "\x7f\0\x41\5\x0b");
    PUT_SECTION(b, WASM_EXPORT, "\2" "\6memory\2\0" "\6_start\0\1");
    PUT_SECTION(b, WASM_CODE, "\1\2\0\x0b");
    PUT_SECTION(b, WASM_DATA, "\1" "\0\x41\10\x0b\3" "abc");
    PUT_SECTION(b, WASM_CUSTOM, "\11producers" "\1" "\10language" "\1" "\4Rust" "\4" "2024");
    PUT_SECTION(b, WASM_CUSTOM, "\4name" "\0\0");
}

static int read_buf(const struct buf *b, struct module_info *info, struct err *err)
{
    /* A copy of the exact size, so that a sanitizer sees any read past the end. */
    uint8_t *exact = xmemdup(b->data, b->len);
    int r = module_info_read(exact, b->len, info, err);
    free(exact);
    return r;
}

static void test_reads_a_guest(void **state)
{
    (void)state;
    cleanup(buf_clear) struct buf b = BUF_INIT(4096);
    guest(&b);
    cleanup(module_info_clear) struct module_info info = {0};
    struct err err = {0};
    assert_int_equal(read_buf(&b, &info, &err), 0);
    assert_int_equal(info.size, b.len);
    assert_int_equal(info.import_count, 1);
    assert_string_equal(info.imports[0].module, "fastly_kv_store");
    assert_string_equal(info.imports[0].name, "open");
    assert_string_equal(info.imports[0].signature, "(i32,i64)->(i32)");
    assert_int_equal(info.export_count, 2);
    assert_string_equal(module_info_export(&info, "_start")->signature, "()->()");
    assert_null(module_info_export(&info, "_initialize"));
    assert_int_equal(info.memory_count, 1);
    assert_int_equal(info.memory.min, 3);
    assert_true(info.memory.has_max);
    assert_int_equal(info.memory.max, 100);
    assert_int_equal(info.func_count, 2);
    assert_int_equal(info.global_count, 1);
    assert_int_equal(info.data_count, 1);
    assert_true(info.has_names);
    assert_false(info.has_start);
    assert_int_equal(info.producer_count, 1);
    assert_string_equal(info.producers[0].name, "Rust");
    assert_string_equal(info.producers[0].version, "2024");
    struct err problems[MODULE_PROBLEMS_MAX];
    assert_int_equal(module_info_problems(&info, problems), 0);
}

/* Wherever a guest is cut, it is refused with a place, or it is a shorter module that says what
 * it lacks; custom sections at the end are the exception, they are not needed. */
static void test_cut_at_every_byte(void **state)
{
    (void)state;
    cleanup(buf_clear) struct buf b = BUF_INIT(4096);
    guest(&b);
    size_t whole = b.len, refused = 0, runnable = 0;
    for (size_t len = 0; len < whole; len++) {
        b.len = len;
        struct module_info info = {0};
        struct err err = {0}, problems[MODULE_PROBLEMS_MAX];
        if (read_buf(&b, &info, &err) < 0) {
            assert_int_equal(err.code, ERR_BUILD);
            assert_true(err.msg[0] && err.hint[0]);
            refused++;
        } else {
            runnable += module_info_problems(&info, problems) == 0;
            module_info_clear(&info);
        }
    }
    /* No segment count says that data are missing; the two custom sections follow: 3 places. */
    assert_int_equal(runnable, 3);
    assert_true(refused > whole * 9 / 10);
}

static void test_every_byte_changed(void **state)
{
    (void)state;
    cleanup(buf_clear) struct buf b = BUF_INIT(4096);
    guest(&b);
    static const uint8_t values[] = {0x00, 0x01, 0x40, 0x60, 0x7f, 0x80, 0xff};
    for (size_t i = 0; i < b.len; i++) {
        char kept = b.data[i];
        for (size_t v = 0; v < ARRAY_LEN(values); v++) {
            b.data[i] = (char)values[v];
            struct module_info info = {0};
            struct err err = {0};
            int r = read_buf(&b, &info, &err);
            assert_true(r == 0 || (r == -ERR_BUILD && err.msg[0] && err.hint[0]));
            module_info_clear(&info);
        }
        b.data[i] = kept;
    }
}

static void test_cut_says_where(void **state)
{
    (void)state;
    cleanup(buf_clear) struct buf b = BUF_INIT(4096);
    guest(&b);
    struct module_info info;
    struct err err = {0};
    b.len = 30;
    assert_int_equal(read_buf(&b, &info, &err), -ERR_BUILD);
    assert_non_null(strstr(err.msg, "ends at byte 30"));
    assert_non_null(strstr(err.msg, "import section"));
}

static void test_missing_code_is_cut_short(void **state)
{
    (void)state;
    cleanup(buf_clear) struct buf b = BUF_INIT(4096);
    put_header(&b);
    PUT_SECTION(&b, WASM_TYPE, "\1\x60\0\0");
    PUT_SECTION(&b, WASM_FUNCTION, "\1\0");
    struct module_info info;
    struct err err = {0};
    assert_int_equal(read_buf(&b, &info, &err), -ERR_BUILD);
    assert_non_null(strstr(err.msg, "before the code section"));
}

/* Counts that promise more than the bytes hold must not be believed. */
static void test_huge_counts(void **state)
{
    (void)state;
    static const uint8_t ids[] = {WASM_TYPE, WASM_IMPORT, WASM_FUNCTION, WASM_TABLE, WASM_MEMORY,
                                  WASM_GLOBAL, WASM_EXPORT, WASM_DATA};
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        cleanup(buf_clear) struct buf b = BUF_INIT(4096);
        put_header(&b);
        PUT_SECTION(&b, ids[i], "\xff\xff\xff\xff\x0f");
        struct module_info info;
        struct err err = {0};
        assert_int_equal(read_buf(&b, &info, &err), -ERR_BUILD);
        assert_non_null(strstr(err.msg, wasm_section_name(ids[i])));
    }
}

/* Names go into JSON and onto terminals: only well-formed UTF-8 is a name. */
static void test_names_are_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool good;
    } cases[] = {
        {"plain", true},          {"\xc3\xa9", true},          {"\xe2\x82\xac", true},
        {"\xf0\x9f\x98\x80", true}, {"\xff", false},           {"\xc3", false},
        {"\xc0\xaf", false},      {"\xe0\x80\x80", false},     {"\xed\xa0\x80", false},
        {"\xf4\x90\x80\x80", false}, {"a\x80", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(buf_clear) struct buf b = BUF_INIT(4096), section = BUF_INIT(256);
        put_header(&b);
        buf_add_char(&section, 1);
        put_name(&section, cases[i].name);
        buf_add(&section, "\1f\3\x7f\0", 5);
        put_section(&b, WASM_IMPORT, &section);
        struct module_info info = {0};
        struct err err = {0};
        assert_int_equal(read_buf(&b, &info, &err) == 0, cases[i].good);
        module_info_clear(&info);
    }
}

static void test_two_of_a_section(void **state)
{
    (void)state;
    cleanup(buf_clear) struct buf b = BUF_INIT(4096);
    put_header(&b);
    PUT_SECTION(&b, WASM_MEMORY, "\1\0\1");
    PUT_SECTION(&b, WASM_MEMORY, "\1\0\1");
    struct module_info info;
    struct err err = {0};
    assert_int_equal(read_buf(&b, &info, &err), -ERR_BUILD);
    assert_non_null(strstr(err.msg, "a second one"));
}

static void test_formats(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        enum module_format format;
        const char *says;
    } cases[] = {
        {"", 0, MODULE_EMPTY, "empty"},
        {"\0asm\x0d\0\1\0", 8, MODULE_COMPONENT, "component"},
        {"\0asm\1\0\1\0", 8, MODULE_COMPONENT, "component"},
        {"\0asm\1\0", 6, MODULE_OTHER, "cut short"},
        {"\0", 1, MODULE_OTHER, "cut short"},
        {"(module)", 8, MODULE_TEXT, "text"},
        {"  ;; a (note\n(; b (; c ;) ;)\n ( module $x", 40, MODULE_TEXT, "text"},
        {"(memory 1)", 10, MODULE_TEXT, "text"},
        {"(; never closed (module", 23, MODULE_OTHER, "not a WebAssembly module"},
        {"(hello)", 7, MODULE_OTHER, "not a WebAssembly module"},
        {"\x7f" "ELF\2\1\1\0\0", 9, MODULE_OTHER, "a native program"},
        {"\x1f\x8b\x08\0", 4, MODULE_OTHER, "a gzip archive"},
        {"<!doctype html>", 15, MODULE_OTHER, "not a WebAssembly module"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const uint8_t *bytes = (const uint8_t *)cases[i].bytes;
        struct err err = {0};
        struct module_info info;
        assert_int_equal(module_format(bytes, cases[i].len), cases[i].format);
        assert_int_equal(module_info_read(bytes, cases[i].len, &info, &err), -ERR_BUILD);
        assert_non_null(strstr(err.msg, cases[i].says));
        assert_true(err.hint[0]);
    }
}

static size_t problems_of(const struct buf *b, struct err problems[MODULE_PROBLEMS_MAX])
{
    struct module_info info = {0};
    struct err err = {0};
    assert_int_equal(read_buf(b, &info, &err), 0);
    size_t count = module_info_problems(&info, problems);
    module_info_clear(&info);
    return count;
}

static void test_problems(void **state)
{
    (void)state;
    static const struct {
        const char *memory, *exports;
        size_t memory_len, exports_len;
        const char *says[2];
    } cases[] = {
#define M(s) s, sizeof(s) - 1
#define CASE(m, e, ...) {.memory = m, .memory_len = sizeof(m) - 1, .exports = e, \
                         .exports_len = sizeof(e) - 1, .says = {__VA_ARGS__}}
        CASE("\1\0\1", "\1" "\6memory\2\0", "no entry point"),
        CASE("\1\0\1", "\2" "\6memory\2\0" "\13_initialize\0\1", "WASI reactor"),
        CASE("\1\0\1", "\2" "\6memory\2\0" "\6_start\2\0", "not as a function"),
        CASE("\1\0\1", "\2" "\6memory\2\0" "\6_start\0\0", "()->() is needed"),
        CASE("\1\0\1", "\1" "\6_start\0\1", "does not export its memory"),
        CASE("\2\0\1\0\1", "\2" "\6memory\2\0" "\6_start\0\1", "2 memories"),
        CASE("\1\4\1", "\2" "\6memory\2\0" "\6_start\0\1", "64-bit"),
        CASE("\1\3\1\1", "\2" "\6memory\2\0" "\6_start\0\1", "shared"),
        CASE("\0", "\1" "\6_start\0\1", "no memory"),
        CASE("\0", "\0", "no entry point", "no memory"),
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(buf_clear) struct buf b = BUF_INIT(4096);
        put_header(&b);
        PUT_SECTION(&b, WASM_TYPE, "\2" "\x60\1\x7f\1\x7f" "\x60\0\0");
        PUT_SECTION(&b, WASM_IMPORT, "\1" "\1m\1f" "\0\0");
        PUT_SECTION(&b, WASM_FUNCTION, "\1\1");
        struct buf part = {.data = (char *)cases[i].memory, .len = cases[i].memory_len};
        put_section(&b, WASM_MEMORY, &part);
        part = (struct buf){.data = (char *)cases[i].exports, .len = cases[i].exports_len};
        put_section(&b, WASM_EXPORT, &part);
        PUT_SECTION(&b, WASM_CODE, "\1\2\0\x0b");
        struct err problems[MODULE_PROBLEMS_MAX];
        size_t expected = 1 + (cases[i].says[1] != NULL);
        assert_int_equal(problems_of(&b, problems), expected);
        for (size_t p = 0; p < expected; p++) {
            assert_non_null(strstr(problems[p].msg, cases[i].says[p]));
            assert_true(problems[p].hint[0]);
        }
    }
}

/* A module that calls nothing needs no memory. */
static void test_no_imports_no_memory(void **state)
{
    (void)state;
    cleanup(buf_clear) struct buf b = BUF_INIT(4096);
    put_header(&b);
    PUT_SECTION(&b, WASM_TYPE, "\1\x60\0\0");
    PUT_SECTION(&b, WASM_FUNCTION, "\1\0");
    PUT_SECTION(&b, WASM_EXPORT, "\1" "\6_start\0\0");
    PUT_SECTION(&b, WASM_CODE, "\1\2\0\x0b");
    struct err problems[MODULE_PROBLEMS_MAX];
    assert_int_equal(problems_of(&b, problems), 0);
}

static void test_number_encodings(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        bool ok;
        int32_t value;
    } cases[] = {
        {M("\x7f"), true, -1},
        {M("\xff\xff\xff\xff\x07"), true, INT32_MAX},
        {M("\x80\x80\x80\x80\x78"), true, INT32_MIN},
        {M("\xc0\x00"), true, 64},
        {M("\x80\x80\x80\x80\x70"), false, 0},     /* bits beyond 32 */
        {M("\x80\x80\x80\x80\x80\x00"), false, 0}, /* too long */
        {M("\x80"), false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct wasm_cursor c = wasm_cursor((const uint8_t *)cases[i].bytes, 0, cases[i].len);
        int32_t v = wasm_s32(&c);
        assert_int_equal(c.bad, !cases[i].ok);
        assert_int_equal(v, cases[i].value);
    }
    struct wasm_cursor c = wasm_cursor((const uint8_t *)"\xff\xff\xff\xff\x0f", 0, 5);
    assert_int_equal(wasm_u32(&c), UINT32_MAX);
    c = wasm_cursor((const uint8_t *)"\xff\xff\xff\xff\x1f", 0, 5);
    wasm_u32(&c);
    assert_true(c.bad);
    static const uint64_t numbers[] = {0, 127, 128, 16383, 16384, UINT32_MAX, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        uint8_t leb[10];
        c = wasm_cursor(leb, 0, wasm_put_u64(leb, numbers[i]));
        assert_int_equal(wasm_u64(&c), numbers[i]);
        assert_int_equal(wasm_left(&c), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_a_guest),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_every_byte_changed),
        cmocka_unit_test(test_cut_says_where),
        cmocka_unit_test(test_missing_code_is_cut_short),
        cmocka_unit_test(test_huge_counts),
        cmocka_unit_test(test_names_are_utf8),
        cmocka_unit_test(test_two_of_a_section),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_no_imports_no_memory),
        cmocka_unit_test(test_number_encodings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
