/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/mem.h"
#include "wasm/module_info.h"
#include "wasm/reset.h"
#include "wasm/wat.h"

#define MODULE(more) "(module (memory (export \"memory\") 1) (func (export \"_start\")) " more ")"

static uint8_t *reset(const char *wat, size_t *ret_len, const char **ret_why)
{
    cleanup(free_p) uint8_t *bytes = NULL;
    size_t len;
    struct err err;
    assert_int_equal(wat_to_module("test.wat", wat, strlen(wat), &bytes, &len, &err), 0);
    *ret_why = NULL;
    return reset_module(bytes, len, ret_len, ret_why);
}

static void refused(const char *wat, const char *why)
{
    size_t len;
    const char *got;
    assert_null(reset(wat, &len, &got));
    assert_string_equal(got, why);
}

static void test_mutable_globals_are_exported(void **state)
{
    (void)state;
    size_t len;
    const char *why;
    cleanup(free_p) uint8_t *made = reset(
        MODULE("(global i32 (i32.const 1)) (global (mut i32) (i32.const 1000000)) "
               "(global (mut i64) (i64.const -7)) (global (mut f32) (f32.const 1)) "
               "(global (mut f64) (f64.const 2)) (global $last (mut i32) (global.get 0)) "
               "(data (i32.const 8) \"data\") "
               "(func (global.set $last (i32.add (global.get $last) (i32.const 1))))"),
        &len, &why);
    assert_non_null(made);
    struct module_info info;
    struct err err;
    assert_int_equal(module_info_read(made, len, &info, &err), 0);
    assert_int_equal(info.export_count, 7);
    for (uint32_t i = 0; i < 5; i++) {
        char name[] = "edgectl:0";
        name[8] = (char)('0' + i);
        const struct module_export *e = module_info_export(&info, name);
        assert_non_null(e);
        assert_int_equal(e->kind, MODULE_GLOBAL);
        assert_int_equal(e->index, i + 1);
    }
    assert_int_equal(info.func_count, 2);
    assert_non_null(memmem(made, len, "edgectl:reset", 13));
    module_info_clear(&info);
    /* What is made is not made again. */
    size_t again;
    assert_null(reset_module(made, len, &again, &why));
    assert_string_equal(why, "it has exports of that kind already");
}

static void test_all_kinds_of_plain_instructions_are_passed_over(void **state)
{
    (void)state;
    size_t len;
    const char *why;
    cleanup(free_p) uint8_t *made = reset(
        MODULE("(table 2 funcref) (elem (i32.const 0) 0) (data \"passive\") "
               "(func (param i32) (result i32) (local i64 f32 f64 v128) "
               " (block (loop (br_if 1 (local.get 0)) (br_table 0 1 0 (local.get 0)))) "
               " (if (local.get 0) (then (call 0)) (else (call_indirect (local.get 0)))) "
               " (i32.store offset=300 (i32.const 4) (memory.grow (memory.size))) "
               " (memory.init 0 (i32.const 0) (i32.const 0) (i32.const 0)) "
               " (memory.copy (i32.const 0) (i32.const 0) (i32.const 0)) "
               " (memory.fill (i32.const 0) (i32.const 0) (i32.const 0)) "
               " (drop (ref.is_null (ref.null func))) (drop (table.get 0 (i32.const 0))) "
               " (drop (i64.trunc_sat_f64_s (f64.const 38))) (drop (f32.const 38)) "
               " (drop (i8x16.shuffle 0 38 2 3 4 5 6 7 8 9 10 11 12 13 14 15 "
               "   (v128.const i32x4 38 38 38 38) (local.get 4))) "
               " (drop (i32x4.extract_lane 3 (v128.load offset=38 (i32.const 0)))) "
               " (drop (v128.load8_lane offset=38 7 (i32.const 0) (local.get 4))) "
               " (drop (select (result i32) (i32.const 38) (i32.const 38) (i32.const 0))) "
               " (i32.wrap_i64 (i64.const 38)))"),
        &len, &why);
    assert_non_null(made);
}

static void test_modules_with_more_state_are_left_alone(void **state)
{
    (void)state;
    static const char code[] = "its code writes to tables or drops segments";
    refused(MODULE("(table 1 funcref) (func (table.set 0 (i32.const 0) (ref.null func)))"), code);
    refused(MODULE("(table 1 funcref) (func (drop (table.grow 0 (ref.null func) (i32.const 1))))"),
            code);
    refused(MODULE("(table 1 funcref) (elem func 0) (func (elem.drop 0))"), code);
    refused(MODULE("(table 1 funcref) (elem func 0) "
                   "(func (table.init 0 (i32.const 0) (i32.const 0) (i32.const 0)))"), code);
    refused(MODULE("(data \"x\") (func (data.drop 0))"), code);
    refused(MODULE("(global (mut funcref) (ref.null func))"),
            "it has a mutable global that is not a number");
    refused(MODULE("(start 0)"), "it has a start section");
    refused("(module (import \"m\" \"g\" (global (mut i32))) (memory (export \"memory\") 1) "
            "(func (export \"_start\")))", "it imports more than functions");
    refused("(module (memory (export \"memory\") 161) (func (export \"_start\")))",
            "its memory is large");
    refused("(module (func (export \"_start\")))", "its memory is not a plain one");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mutable_globals_are_exported),
        cmocka_unit_test(test_all_kinds_of_plain_instructions_are_passed_over),
        cmocka_unit_test(test_modules_with_more_state_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
