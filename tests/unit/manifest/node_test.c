/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "manifest/node.h"

static struct node *yaml(const char *text)
{
    struct node *root = NULL;
    struct err err = {0};
    if (node_from_yaml(text, strlen(text), "f", &root, &err) < 0)
        fail_msg("%d:%d: %s", err.line, err.col, err.msg);
    return root;
}

static struct node *toml(const char *text)
{
    struct node *root = NULL;
    struct err err = {0};
    if (node_from_toml(text, strlen(text), "f", &root, &err) < 0)
        fail_msg("%d:%d: %s", err.line, err.col, err.msg);
    return root;
}

static void bad(int (*parse)(const char *, size_t, const char *, struct node **, struct err *),
                const char *text, int line, int col, const char *msg)
{
    struct node *root = NULL;
    struct err err = {0};
    int r = parse(text, strlen(text), "file", &root, &err);
    if (r == 0)
        fail_msg("accepted: %s", text);
    assert_int_equal(r, -ERR_MANIFEST);
    assert_null(root);
    assert_string_equal(err.file, "file");
    if (err.line != line || err.col != col || !strstr(err.msg, msg))
        fail_msg("%d:%d: %s, not %d:%d: %s", err.line, err.col, err.msg, line, col, msg);
}

static void yaml_kinds_follow_the_core_schema(void **state)
{
    static const struct {
        const char *text;
        enum node_kind kind;
    } cases[] = {
        {"a: x", NODE_TEXT},       {"a: 'x'", NODE_TEXT},   {"a:", NODE_NULL},
        {"a: ~", NODE_NULL},       {"a: null", NODE_NULL},  {"a: 'null'", NODE_TEXT},
        {"a: true", NODE_BOOL},    {"a: False", NODE_BOOL}, {"a: off", NODE_TEXT},
        {"a: no", NODE_TEXT},      {"a: 10", NODE_INT},     {"a: -3", NODE_INT},
        {"a: '10'", NODE_TEXT},    {"a: 1.10", NODE_FLOAT}, {"a: 1e3", NODE_FLOAT},
        {"a: .5", NODE_FLOAT},     {"a: 1.2.3", NODE_TEXT}, {"a:\n- x", NODE_LIST},
        {"a: 10m", NODE_TEXT},     {"a: [1]", NODE_LIST},   {"a: {b: 1}", NODE_MAP},
        {"a: |\n 10", NODE_TEXT},  {"a: !!str 10", NODE_TEXT}, {"a: 0x10", NODE_TEXT},
        {"a: +", NODE_TEXT},       {"a: e5", NODE_TEXT},    {"a: .", NODE_TEXT},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct node *root = yaml(cases[i].text);
        if (node_child(root, "a")->kind != cases[i].kind)
            fail_msg("%s is %s", cases[i].text, node_kind_name(node_child(root, "a")->kind));
        node_free(root);
    }
}

static void yaml_keeps_text_and_places(void **state)
{
    (void)state;
    struct node *root = yaml("# c\nversion: 1.10\nümlaut: {inner:   [a, \"b\\0c\"]}\n");
    struct node *n = node_child(root, "version");
    assert_string_equal(n->text, "1.10");
    assert_int_equal(n->line, 2);
    assert_int_equal(n->col, 10);
    n = node_child(node_child(root, "ümlaut"), "inner");
    assert_int_equal(n->key_line, 3);
    assert_int_equal(n->key_col, 10);
    assert_int_equal(n->items[1]->col, 23);
    assert_int_equal(n->items[1]->len, 3);
    assert_memory_equal(n->items[1]->text, "b\0c", 4);
    node_free(root);
    root = yaml("\xef\xbb\xbf" "a: b\r\nc: d\r\n");
    assert_int_equal(node_child(root, "a")->key_col, 1);
    assert_string_equal(node_child(root, "c")->text, "d");
    node_free(root);
    root = yaml("");
    assert_int_equal(root->kind, NODE_MAP);
    assert_int_equal(root->count, 0);
    node_free(root);
}

static void yaml_aliases_are_copies(void **state)
{
    (void)state;
    struct node *root = yaml("a: &x {k: [1, 2]}\nb: *x\nc: [*x, *x]\nd: &s text\ne: *s\n");
    struct node *k = node_child(node_child(root, "b"), "k");
    assert_int_equal(k->count, 2);
    assert_ptr_not_equal(k, node_child(node_child(root, "a"), "k"));
    assert_int_equal(node_child(root, "c")->count, 2);
    assert_string_equal(node_child(root, "e")->text, "text");
    assert_string_equal(node_child(root, "e")->key, "e");
    node_free(root);
}

static void yaml_refuses(void **state)
{
    (void)state;
    bad(node_from_yaml, "a: 1\nb: 2\na: 3\n", 3, 1, "duplicate key 'a' (first on line 1)");
    bad(node_from_yaml, "a: [1, 2\nb: 3\n", 2, 2, "not valid YAML");
    bad(node_from_yaml, "a: *nope\n", 1, 4, "alias '*nope' has no anchor");
    bad(node_from_yaml, "a: &x [*x]\n", 1, 8, "contains itself");
    bad(node_from_yaml, "a: &x 1\nb: {<<: *x}\n", 2, 5, "merge keys");
    bad(node_from_yaml, "a: 1\n---\nb: 2\n", 2, 1, "only one document");
    bad(node_from_yaml, "a: !env X\n", 1, 4, "tag '!env'");
    bad(node_from_yaml, "[a]: 1\n", 1, 1, "a key must be text");
    bad(node_from_yaml, "\"a\\0b\": 1\n", 1, 1, "NUL");
    bad(node_from_yaml, "a: \tb\n  c: d\n\t- e", 2, 4, "not valid YAML");
    bad(node_from_yaml, "a: b\x01", 1, 5, "control characters");
    bad(node_from_yaml, "a: \xff\xfe", 1, 4, "UTF-8");
}

static void yaml_is_bounded(void **state)
{
    (void)state;
    struct buf b = BUF_INIT(1 << 20);
    buf_add_str(&b, "a: &a [x, x, x, x, x, x, x, x, x, x]\n");
    for (char c = 'b'; c < 'k'; c++)
        buf_printf(&b, "%c: &%c [*%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c, *%c]\n", c, c, c - 1,
                   c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
    struct err err = {0};
    struct node *root = NULL;
    assert_int_equal(node_from_yaml(b.data, b.len, "f", &root, &err), -ERR_MANIFEST);
    assert_non_null(strstr(err.msg, "aliases make more than"));
    buf_reset(&b);
    for (int i = 0; i < 500; i++)
        buf_add_char(&b, '[');
    assert_int_equal(node_from_yaml(b.data, b.len, "f", &root, &err), -ERR_MANIFEST);
    assert_non_null(strstr(err.msg, "nested deeper"));
    buf_reset(&b);
    buf_add_str(&b, "a:\n");
    for (int i = 0; i <= NODE_COUNT_MAX; i++)
        buf_add_str(&b, "- x\n");
    assert_int_equal(node_from_yaml(b.data, b.len, "f", &root, &err), -ERR_MANIFEST);
    assert_non_null(strstr(err.msg, "values in one file"));
    buf_clear(&b);
}

static void toml_gives_the_same_tree(void **state)
{
    (void)state;
    struct node *root = toml("name = \"x\"\nn = 0x10\nf = 1.5\nb = true\nd = 2020-01-01\n"
                             "[a.'b.c']\nk = [1, { z = \"ü\", y = 2 }]\n[[list]]\nq=1\n[[list]]\nq=2\n");
    assert_int_equal(node_child(root, "name")->kind, NODE_TEXT);
    assert_string_equal(node_child(root, "n")->text, "16");
    assert_int_equal(node_child(root, "f")->kind, NODE_FLOAT);
    assert_int_equal(node_child(root, "b")->kind, NODE_BOOL);
    assert_int_equal(node_child(root, "d")->kind, NODE_DATE);
    struct node *k = node_child(node_child(node_child(root, "a"), "b.c"), "k");
    assert_int_equal(k->count, 2);
    struct node *y = node_child(k->items[1], "y");
    assert_int_equal(y->line, 7);
    assert_int_equal(y->key_col, 20);
    assert_int_equal(y->col, 24);
    assert_int_equal(node_child(root, "list")->count, 2);
    node_free(root);
}

static void toml_refuses(void **state)
{
    (void)state;
    bad(node_from_toml, "a = 1\na = 2\n", 2, 1, "duplicate key");
    bad(node_from_toml, "a = \n", 1, 5, "not valid TOML");
    bad(node_from_toml, "ü = [1,\n", 1, 8, "not valid TOML");
    bad(node_from_toml, "a = \"\xff\"\n", 1, 6, "UTF-8");
    bad(node_from_toml, "\"a\\u0000b\" = 1\n", 1, 1, "NUL");
    struct buf b = BUF_INIT(1 << 16);
    buf_add_str(&b, "a = ");
    for (int i = 0; i < 60; i++)
        buf_add_char(&b, '[');
    for (int i = 0; i < 60; i++)
        buf_add_char(&b, ']');
    bad(node_from_toml, buf_str(&b), 1, 52, "nested deeper");
    buf_reset(&b);
    for (int i = 0; i < 10000; i++)
        buf_add_str(&b, "a.");
    buf_add_str(&b, "a = 1\n");
    struct node *root = NULL;
    struct err err = {0};
    assert_int_equal(node_from_toml(b.data, b.len, "f", &root, &err), -ERR_MANIFEST);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(yaml_kinds_follow_the_core_schema),
        cmocka_unit_test(yaml_keeps_text_and_places),
        cmocka_unit_test(yaml_aliases_are_copies),
        cmocka_unit_test(yaml_refuses),
        cmocka_unit_test(yaml_is_bounded),
        cmocka_unit_test(toml_gives_the_same_tree),
        cmocka_unit_test(toml_refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
