/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "build/fresh.h"
#include "build/sources.h"
#include "project.h"

static const char *state_of(const struct project *p)
{
    return project_path(p, ".edgectl");
}

static struct freshness check(const struct project *p)
{
    struct freshness f;
    fresh_check(&p->m, state_of(p), &f);
    return f;
}

/* As a build that goes well: the artifact is written, then the record. */
static void build(const struct project *p)
{
    struct freshness f = check(p);
    project_write(p, "target/wasm/app.wasm", "made");
    assert_int_equal(fresh_record(&p->m, state_of(p), &f, NULL), 0);
}

static void test_no_artifact(void **state)
{
    (void)state;
    cleanup(project_clear) struct project p;
    project_init(&p);
    struct freshness f = check(&p);
    assert_true(f.needed);
    assert_non_null(strstr(f.reason, "no artifact"));
    p.m.build.command = NULL;
    assert_false(check(&p).needed);
}

static void test_built_once_is_enough(void **state)
{
    (void)state;
    cleanup(project_clear) struct project p;
    project_init(&p);
    build(&p);
    assert_false(check(&p).needed);
    assert_false(check(&p).needed);
    /* what the manifest says of other things needs no build */
    project_write(&p, "edge.yaml", "name: test\nregions: [fra]\n");
    assert_false(check(&p).needed);
}

static void test_each_change_is_seen(void **state)
{
    (void)state;
    cleanup(project_clear) struct project p;
    project_init(&p);
    project_write(&p, "src/lib.c", "");
    build(&p);
    project_write(&p, "src/main.c", "int other;\n");
    assert_true(check(&p).needed);
    build(&p);
    assert_false(check(&p).needed);
    project_write(&p, "src/deep/new.c", "");
    assert_true(check(&p).needed);
    build(&p);
    unlink(project_path(&p, "src/lib.c"));
    assert_non_null(strstr(check(&p).reason, "sources have changed"));
    build(&p);
    /* an older file took its place, as with a checkout of another branch */
    project_set_time(&p, "src/main.c", 1000000);
    assert_true(check(&p).needed);
    build(&p);
    p.m.build.command = (char *)"make release";
    assert_non_null(strstr(check(&p).reason, "command has changed"));
}

static void test_changed_while_building(void **state)
{
    (void)state;
    cleanup(project_clear) struct project p;
    project_init(&p);
    struct freshness f = check(&p);
    project_write(&p, "src/main.c", "int late;\n");
    project_write(&p, "target/wasm/app.wasm", "made");
    assert_int_equal(fresh_record(&p.m, state_of(&p), &f, NULL), 0);
    assert_true(check(&p).needed);
}

static void test_built_by_somebody_else(void **state)
{
    (void)state;
    cleanup(project_clear) struct project p;
    project_init(&p);
    project_write(&p, "target/wasm/app.wasm", "made");
    project_set_time(&p, "src/main.c", 1000000);
    assert_false(check(&p).needed);
    project_set_time(&p, "target/wasm/app.wasm", 500000);
    struct freshness f = check(&p);
    assert_true(f.needed);
    assert_non_null(strstr(f.reason, "newer than the artifact"));
}

static void test_damaged_record(void **state)
{
    (void)state;
    cleanup(project_clear) struct project p;
    project_init(&p);
    build(&p);
    static const char *const texts[] = {"", "{", "[]", "{\"version\": 1}", "{\"version\": \"1\"}"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        project_write(&p, ".edgectl/build.json", texts[i]);
        project_set_time(&p, "src/main.c", 1000000);
        assert_false(check(&p).needed);
        project_set_time(&p, "src/main.c", 4000000000);
        assert_true(check(&p).needed);
    }
}

static void test_what_is_a_source(void **state)
{
    (void)state;
    cleanup(project_clear) struct project p;
    project_init(&p);
    cleanup(source_set_clear) struct source_set set;
    source_set_init(&set, &p.m, project_path(&p, "state"));
    static const struct {
        const char *path;
        bool has;
    } cases[] = {
        {"src/main.c", true},      {"src/bin/tool.rs", true}, {"package.json", true},
        {"build.rs", true},        {"bin/main.wasm", false},  {"pkg/app.tar.gz", false},
        {"target/x/app.d", false}, {"a/target/x", false},     {"a/node_modules/b/c.js", false},
        {".git/index", false},     {".env", false},           {"src/.main.c.swp", false},
        {"src/main.c~", false},    {"src/#main.c#", false},   {"src/4913", false},
        {"state/kv.db", false},    {"statement.c", true},     {"../elsewhere.c", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(source_set_has(&set, project_path(&p, cases[i].path)),
                         cases[i].has && cases[i].path[0] != '.');
    assert_false(source_set_has(&set, p.artifact));
}

static void test_watch_paths(void **state)
{
    (void)state;
    cleanup(project_clear) struct project p;
    project_init(&p);
    project_write(&p, "Cargo.toml", "");
    project_write(&p, "other/x.c", "");
    project_write(&p, "target/gen/y.c", "");
    char *paths[] = {
        xstrdup(project_path(&p, "src/sub")),    xstrdup(project_path(&p, "src/")),
        xstrdup(project_path(&p, "Cargo.toml")), xstrdup(project_path(&p, "target/gen")),
        xstrdup(project_path(&p, "missing")),
    };
    p.m.build.watch = paths;
    p.m.build.watch_count = ARRAY_LEN(paths);
    cleanup(source_set_clear) struct source_set set;
    source_set_init(&set, &p.m, NULL);
    assert_int_equal(set.root_count, 4);
    cleanup(source_list_clear) struct source_list list;
    source_list_read(&list, &set);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.files[0].path, project_path(&p, "Cargo.toml"));
    assert_string_equal(list.files[1].path, project_path(&p, "src/main.c"));
    assert_string_equal(list.files[2].path, project_path(&p, "target/gen/y.c"));
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        free(paths[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_artifact),
        cmocka_unit_test(test_built_once_is_enough),
        cmocka_unit_test(test_each_change_is_seen),
        cmocka_unit_test(test_changed_while_building),
        cmocka_unit_test(test_built_by_somebody_else),
        cmocka_unit_test(test_damaged_record),
        cmocka_unit_test(test_what_is_a_source),
        cmocka_unit_test(test_watch_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
