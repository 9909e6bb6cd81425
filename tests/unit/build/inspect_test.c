/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "build/inspect.h"
#include "project.h"

/* What the hostcall table answers, for two functions. */
static bool known(const char *module, const char *name, const char *signature)
{
    static const struct {
        const char *module, *name, *signature;
    } functions[] = {
        {"fastly_http_resp", "new", "i:i"},
        {"wasi_snapshot_preview1", "clock_time_get", "iIi:i"},
    };
    for (size_t i = 0; i < ARRAY_LEN(functions); i++)
        if (strcmp(functions[i].module, module) == 0 && strcmp(functions[i].name, name) == 0)
            return !signature || strcmp(functions[i].signature, signature) == 0;
    return false;
}

#define S4(s) s s s s
#define S64(s) S4(S4(S4(s)))

struct looked {
    struct project p;
    struct inspection in;
    struct err err;
    int r;
};

static void look(struct looked *l, const char *text)
{
    *l = (struct looked){0};
    project_init(&l->p);
    project_write(&l->p, "app.wat", text);
    l->r = inspect_artifact(project_path(&l->p, "app.wat"), known, &l->in, &l->err);
}

static void looked_clear(struct looked *l)
{
    inspection_clear(&l->in);
    project_clear(&l->p);
}

static void test_a_guest(void **state)
{
    (void)state;
    cleanup(looked_clear) struct looked l;
    look(&l, "(module\n"
             " (import \"fastly_http_resp\" \"new\" (func (param i32) (result i32)))\n"
             " (import \"wasi_snapshot_preview1\" \"clock_time_get\""
             "  (func (param i32 i64 i32) (result i32)))\n"
             " (memory (export \"memory\") 2 10)\n"
             " (func (export \"_start\")))\n");
    assert_int_equal(l.r, 0);
    assert_true(l.in.text);
    assert_int_equal(l.in.problem_count, 0);
    assert_int_equal(l.in.unknown_count, 0);
    assert_int_equal(l.in.info.memory.min, 2);
    assert_true(l.in.gzip_size > 20 && l.in.gzip_size < 300);
}

static void test_unknown_imports(void **state)
{
    (void)state;
    cleanup(looked_clear) struct looked l;
    look(&l, "(module\n"
             " (import \"env\" \"emscripten_notify\" (func (param i32)))\n"
             " (import \"fastly_http_resp\" \"new\" (func (param i64) (result i32)))\n"
             " (import \"fastly_http_resp\" \"new\" (func (param i32) (result i32)))\n"
             " (import \"fastly_http_resp\" \"new\" (global i32))\n"
             " (memory (export \"memory\") 1) (func (export \"_start\")))\n");
    assert_int_equal(l.r, 0);
    assert_int_equal(l.in.unknown_count, 3);
    assert_int_equal(l.in.imports[0], IMPORT_UNKNOWN);
    assert_int_equal(l.in.imports[1], IMPORT_OTHER_TYPE);
    assert_int_equal(l.in.imports[2], IMPORT_KNOWN);
    assert_int_equal(l.in.imports[3], IMPORT_OTHER_TYPE);
    assert_int_equal(l.in.problem_count, 1);
    assert_non_null(strstr(l.in.problems[0].msg, "env.emscripten_notify"));
}

static void test_all_problems_are_told(void **state)
{
    (void)state;
    cleanup(looked_clear) struct looked l;
    look(&l, "(module (import \"x\" \"y\" (func)) (memory 1))");
    assert_int_equal(l.r, 0);
    assert_int_equal(l.in.problem_count, 3);
}

static void test_bad_text_has_a_place(void **state)
{
    (void)state;
    cleanup(looked_clear) struct looked l;
    look(&l, "(module\n  (func (export \"_start\")\n    (i32.cons 5)))\n");
    assert_int_equal(l.r, -ERR_BUILD);
    assert_int_equal(l.err.line, 3);
    assert_true(l.err.col > 0);
    assert_non_null(strstr(l.err.file, "app.wat"));
}

static void test_files(void **state)
{
    (void)state;
    cleanup(looked_clear) struct looked l;
    look(&l, "");
    assert_int_equal(l.r, -ERR_BUILD);
    assert_non_null(strstr(l.err.msg, "is empty"));
    struct inspection in = {0};
    assert_int_equal(inspect_artifact("/no/such.wasm", known, &in, &l.err), -ERR_IO);
    assert_non_null(strstr(l.err.hint, "build it first"));
    assert_int_equal(inspect_artifact("/tmp", known, &in, &l.err), -ERR_IO);
    assert_non_null(strstr(l.err.msg, "not a regular file"));
}

static void test_gzip_size(void **state)
{
    (void)state;
    cleanup(looked_clear) struct looked l;
    struct looked random;
    look(&l, "(module (memory (export \"memory\") 1) (func (export \"_start\"))"
             " (data (i32.const 0) \"" S64(S64("abc")) "\"))");
    assert_int_equal(l.r, 0);
    assert_true(l.in.gzip_size < 200);
    look(&random, "(module (memory (export \"memory\") 1) (func (export \"_start\"))"
                  " (data (i32.const 0) \"q8ZkP2vT5xW1nJ7rB3mY6hL9sD4fG0cVeXuAoIi\"))");
    /* What cannot be compressed costs the frame of 18 bytes and a little. */
    assert_true(random.in.gzip_size > 70 && random.in.gzip_size < 150);
    looked_clear(&random);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_guest),
        cmocka_unit_test(test_unknown_imports),
        cmocka_unit_test(test_all_problems_are_told),
        cmocka_unit_test(test_bad_text_has_a_place),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_gzip_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
