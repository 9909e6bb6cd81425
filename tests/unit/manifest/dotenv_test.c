/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "manifest/dotenv.h"

static struct dotenv *parse(const char *text)
{
    struct dotenv *env = NULL;
    struct err err = {0};
    if (dotenv_parse(text, strlen(text), ".env", &env, &err) < 0)
        fail_msg("%d: %s", err.line, err.msg);
    return env;
}

static void values(void **state)
{
    (void)state;
    struct dotenv *env = parse("# secrets\n\nT_A=one\nexport T_B=\"two \\\"x\\\"\\n\\$z\" # remark\n"
                               "T_C='$raw \\n'\nT_D= plain text  # remark\r\nT_E=\nT_F=a#b\n"
                               "T_G=\"many\nlines\"\nT_H=last");
    assert_string_equal(dotenv_get(env, "T_A"), "one");
    assert_string_equal(dotenv_get(env, "T_B"), "two \"x\"\n$z");
    assert_string_equal(dotenv_get(env, "T_C"), "$raw \\n");
    assert_string_equal(dotenv_get(env, "T_D"), "plain text");
    assert_string_equal(dotenv_get(env, "T_E"), "");
    assert_string_equal(dotenv_get(env, "T_F"), "a#b");
    assert_string_equal(dotenv_get(env, "T_G"), "many\nlines");
    assert_string_equal(dotenv_get(env, "T_H"), "last");
    assert_null(dotenv_get(env, "T_NONE"));
    dotenv_free(env);
}

static void the_environment_wins(void **state)
{
    (void)state;
    struct dotenv *env = parse("T_REAL=file\n");
    setenv("T_REAL", "process", 1);
    assert_string_equal(dotenv_get(env, "T_REAL"), "process");
    unsetenv("T_REAL");
    assert_string_equal(dotenv_get(env, "T_REAL"), "file");
    assert_null(dotenv_get(NULL, "T_REAL"));
    dotenv_free(env);
}

static void bad_lines(void **state)
{
    static const struct {
        const char *text;
        int line;
    } cases[] = {
        {"A=1\nno equals\n", 2}, {"A =1\n", 1},          {"1A=x\n", 1},  {"=x\n", 1},
        {"A=\"x\n\ny", 1},       {"A=\"x\" y\n", 1},      {"A='x'y\n", 1}, {"A=\"\\q\"\n", 1},
        {"A=1\nB=2\nA=3\n", 3},  {"A=\"x\\", 1},         {"A-B=1\n", 1},
        {"A=\"x\ny\"\nB\n", 3},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct dotenv *env = NULL;
        struct err err = {0};
        int r = dotenv_parse(cases[i].text, strlen(cases[i].text), ".env", &env, &err);
        if (r != -ERR_MANIFEST || err.line != cases[i].line)
            fail_msg("case %zu: line %d: %s", i, err.line, err.msg);
        assert_string_equal(err.file, ".env");
        assert_null(env);
    }
    struct dotenv *env = NULL;
    assert_int_equal(dotenv_parse("A=\0x", 4, ".env", &env, NULL), -ERR_MANIFEST);
}

static void errors_do_not_tell_values(void **state)
{
    (void)state;
    struct dotenv *env = NULL;
    struct err err = {0};
    const char *text = "KEY hunter2\n";
    assert_int_equal(dotenv_parse(text, strlen(text), ".env", &env, &err), -ERR_MANIFEST);
    assert_null(strstr(err.msg, "hunter2"));
    assert_null(strstr(err.hint, "hunter2"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(the_environment_wins),
        cmocka_unit_test(bad_lines),
        cmocka_unit_test(errors_do_not_tell_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
