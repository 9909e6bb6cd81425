/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/mem.h"
#include "bytes.h"
#include "wasm/detach.h"
#include "wasm/module_info.h"

struct app {
    const char *data;       /* data section content */
    size_t data_len;
    const char *memory;     /* memory section content */
    size_t memory_len;
    const char *producer;   /* version in a custom section */
    bool data_count;        /* write that section */
    bool start;
};

#define D(literal) .data = literal, .data_len = sizeof(literal) - 1
#define M(literal) .memory = literal, .memory_len = sizeof(literal) - 1

static void build(struct buf *b, const struct app *app)
{
    put_header(b);
    PUT_SECTION(b, WASM_TYPE, "\1\x60\0\0");
    PUT_SECTION(b, WASM_FUNCTION, "\1\0");
    struct buf part = {.data = (char *)app->memory, .len = app->memory_len};
    put_section(b, WASM_MEMORY, &part);
    PUT_SECTION(b, WASM_EXPORT, "\2" "\6memory\2\0" "\6_start\0\0");
    if (app->start)
        PUT_SECTION(b, WASM_START, "\0");
    if (app->data_count) {
        part = (struct buf){.data = (char *)app->data, .len = 1};
        put_section(b, WASM_DATA_COUNT, &part);
    }
    PUT_SECTION(b, WASM_CODE, "\1\2\0\x0b");
    part = (struct buf){.data = (char *)app->data, .len = app->data_len};
    put_section(b, WASM_DATA, &part);
    if (app->producer) {
        cleanup(buf_clear) struct buf custom = BUF_INIT(256);
        put_name(&custom, "producers");
        buf_add(&custom, "\1\3sdk\1\2js", 9);
        put_name(&custom, app->producer);
        put_section(b, WASM_CUSTOM, &custom);
    }
}

struct result {
    struct buf bytes;
    struct detached *d;
    uint8_t whole_key[HASH_SIZE];
};

static struct result detach(const struct app *app)
{
    struct result r = {.bytes = BUF_INIT(1 << 20)};
    build(&r.bytes, app);
    struct err err = {0};
    assert_int_equal(detach_module((uint8_t *)r.bytes.data, r.bytes.len, &r.d, &err), 0);
    detached_whole_key(r.d, r.whole_key);
    return r;
}

static void result_clear(struct result *r)
{
    detached_free(r->d);
    buf_clear(&r->bytes);
}

static const struct app small = {D("\2" "\0\x41\0\x0b\3" "abc" "\0\x41\x80\1\x0b\2" "de"),
                                 M("\1\0\2"), .producer = "3.46.0", .data_count = true};

static void test_segments_and_memory(void **state)
{
    (void)state;
    cleanup(result_clear) struct result r = detach(&small);
    assert_true(r.d->possible);
    assert_null(r.d->why_not);
    assert_int_equal(r.d->memory_min_pages, 2);
    assert_int_equal(r.d->segment_count, 2);
    assert_int_equal(r.d->segments[0].offset, 0);
    assert_memory_equal(r.d->segments[0].data, "abc", 3);
    assert_int_equal(r.d->segments[1].offset, 128);
    assert_int_equal(r.d->segments[1].len, 2);
    assert_memory_equal(r.d->segments[1].data, "de", 2);
}

/* The code module is a module of the same code, with empty data and no memory to begin with. */
static void test_code_module(void **state)
{
    (void)state;
    cleanup(result_clear) struct result r = detach(&small);
    size_t len;
    cleanup(free_p) uint8_t *code = detached_code(r.d, &len);
    cleanup(module_info_clear) struct module_info info = {0};
    assert_int_equal(module_info_read(code, len, &info, NULL), 0);
    assert_int_equal(info.memory.min, 0);
    assert_int_equal(info.data_count, 2);
    assert_int_equal(info.producer_count, 0);
    assert_int_equal(info.custom_size, 0);
    struct err problems[MODULE_PROBLEMS_MAX];
    assert_int_equal(module_info_problems(&info, problems), 0);
    uint8_t digest[HASH_SIZE];
    hash_bytes(code, len, digest);
    assert_memory_equal(digest, r.d->key, HASH_SIZE);
    /* Detaching it again changes nothing: it has come to its final form. */
    struct detached *again;
    assert_int_equal(detach_module(code, len, &again, NULL), 0);
    assert_memory_equal(again->key, r.d->key, HASH_SIZE);
    assert_int_equal(again->segment_count, 0);
    detached_free(again);
}

static void test_same_code_same_key(void **state)
{
    (void)state;
    static const struct app others[] = {
        {D("\2" "\0\x41\0\x0b\3" "xyz" "\0\x41\x80\1\x0b\2" "de"), M("\1\0\2"),
         .producer = "3.46.0", .data_count = true},
        {D("\2" "\0\x41\x10\x0b\0" "\2\0\x41\x80\x80\4\x0b\5" "hello"), M("\1\0\x80\1"),
         .data_count = true},
        {D("\2" "\0\x41\0\x0b\3" "abc" "\0\x41\x80\1\x0b\2" "de"), M("\1\0\2"),
         .producer = "4.0.0", .data_count = true},
    };
    cleanup(result_clear) struct result r = detach(&small);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        cleanup(result_clear) struct result o = detach(&others[i]);
        assert_true(o.d->possible);
        assert_memory_equal(o.d->key, r.d->key, HASH_SIZE);
        assert_memory_not_equal(o.whole_key, r.whole_key, HASH_SIZE);
    }
    cleanup(result_clear) struct result same = detach(&small);
    assert_memory_equal(same.whole_key, r.whole_key, HASH_SIZE);
}

/* Passive data are part of the code's world; so are their number and the memory's maximum. */
static void test_other_code_other_key(void **state)
{
    (void)state;
    static const struct app others[] = {
        {D("\1" "\0\x41\0\x0b\3" "abc"), M("\1\0\2"), .data_count = true},
        {D("\2" "\0\x41\0\x0b\3" "abc" "\1\2" "de"), M("\1\0\2"), .data_count = true},
        {D("\2" "\0\x41\0\x0b\3" "abc" "\1\2" "df"), M("\1\0\2"), .data_count = true},
        {D("\2" "\0\x41\0\x0b\3" "abc" "\0\x41\x80\1\x0b\2" "de"), M("\1\1\2\5"),
         .data_count = true},
        {D("\2" "\0\x41\0\x0b\3" "abc" "\0\x41\x80\1\x0b\2" "de"), M("\1\0\2")},
    };
    struct result all[ARRAY_LEN(others) + 1];
    all[0] = detach(&small);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        all[i + 1] = detach(&others[i]);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        assert_true(all[i].d->possible);
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(all[i].d->key, all[j].d->key, HASH_SIZE);
    }
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        result_clear(&all[i]);
}

static void test_compile_whole(void **state)
{
    (void)state;
    static const struct {
        struct app app;
        const char *why;
    } cases[] = {
        {{D("\0"), M("\1\0\2"), .start = true}, "start section"},
        {{D("\1" "\0\x23\0\x0b\1" "a"), M("\1\0\2")}, "computed offsets"},
        {{D("\1" "\0\x41\1\x41\1\x6a\x0b\1" "a"), M("\1\0\2")}, "computed offsets"},
        {{D("\1" "\0\x41\x7f\x0b\1" "a"), M("\1\0\2")}, "beyond its memory"},
        {{D("\1" "\0\x41\0\x0b\1" "a"), M("\1\0\0")}, "beyond its memory"},
        {{D("\1" "\2\1\x41\0\x0b\1" "a"), M("\1\0\2")}, "another memory"},
        {{D("\1" "\3\0"), M("\1\0\2")}, "malformed"},
        {{D("\1" "\0\x41\0\x0b\5" "abc"), M("\1\0\2")}, "malformed"},
        {{D("\1" "\0\x41\0\x0b\1" "abc"), M("\1\0\2")}, "malformed"},
        {{D("\0"), M("\2\0\2\0\2")}, "several"},
        {{D("\0"), M("\1\4\2")}, "plain 32-bit"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        cleanup(result_clear) struct result r = detach(&cases[i].app);
        assert_false(r.d->possible);
        assert_non_null(strstr(r.d->why_not, cases[i].why));
        assert_int_equal(r.d->segment_count, 0);
        uint8_t digest[HASH_SIZE];
        hash_bytes(r.bytes.data, r.bytes.len, digest);
        assert_memory_equal(digest, r.d->key, HASH_SIZE);
        assert_memory_equal(digest, r.whole_key, HASH_SIZE);
    }
}

static void test_keeps_function_names(void **state)
{
    (void)state;
    cleanup(buf_clear) struct buf b = BUF_INIT(4096);
    build(&b, &small);
    PUT_SECTION(&b, WASM_CUSTOM, "\4name" "\1\4\1\0\1" "f");
    struct detached *d;
    assert_int_equal(detach_module((uint8_t *)b.data, b.len, &d, NULL), 0);
    size_t len;
    cleanup(free_p) uint8_t *code = detached_code(d, &len);
    cleanup(module_info_clear) struct module_info info = {0};
    assert_int_equal(module_info_read(code, len, &info, NULL), 0);
    assert_true(info.has_names);
    assert_int_equal(info.producer_count, 0);
    detached_free(d);
}

/* Custom sections between all others must not use up the room for parts. */
static void test_many_custom_sections(void **state)
{
    (void)state;
    cleanup(buf_clear) struct buf plain = BUF_INIT(1 << 16), b = BUF_INIT(1 << 16);
    build(&plain, &small);
    put_header(&b);
    struct wasm_cursor c = wasm_cursor((uint8_t *)plain.data, WASM_HEADER_SIZE, plain.len);
    struct wasm_section s;
    while (wasm_next_section(&c, &s)) {
        for (int i = 0; i < 100; i++)
            PUT_SECTION(&b, WASM_CUSTOM, "\1x");
        buf_add(&b, plain.data + s.header, s.end - s.header);
    }
    struct detached *d;
    assert_int_equal(detach_module((uint8_t *)b.data, b.len, &d, NULL), 0);
    cleanup(result_clear) struct result r = detach(&small);
    assert_memory_equal(d->key, r.d->key, HASH_SIZE);
    detached_free(d);
}

static void test_cut_at_every_byte(void **state)
{
    (void)state;
    cleanup(buf_clear) struct buf b = BUF_INIT(4096);
    build(&b, &small);
    for (size_t len = 0; len < b.len; len++) {
        cleanup(free_p) uint8_t *exact = xmemdup(b.data, len ? len : 1);
        struct detached *d = NULL;
        struct err err = {0};
        int r = detach_module(exact, len, &d, &err);
        assert_true(r == 0 || (r == -ERR_BUILD && err.msg[0]));
        detached_free(d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_and_memory),
        cmocka_unit_test(test_code_module),
        cmocka_unit_test(test_same_code_same_key),
        cmocka_unit_test(test_other_code_other_key),
        cmocka_unit_test(test_compile_whole),
        cmocka_unit_test(test_keeps_function_names),
        cmocka_unit_test(test_many_custom_sections),
        cmocka_unit_test(test_cut_at_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
