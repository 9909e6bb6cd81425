/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/buf.h"
#include "base/clock.h"
#include "build/watch.h"
#include "project.h"

static const int64_t ms = 1000000;

struct seen {
    struct project p;
    struct loop *loop;
    struct watch *w;
    unsigned kinds;         /* of all changes since the last wait */
    size_t calls;
    struct buf paths, notes;
    struct timer timer;
    bool late;
    int64_t at_ns;
};

static void on_change(void *env, const struct watch_change *c)
{
    struct seen *s = env;
    assert_true(c->kinds != 0 && c->count > 0);
    s->kinds |= c->kinds;
    s->calls++;
    s->at_ns = clock_mono_ns();
    for (size_t i = 0; i < c->count; i++) {
        assert_int_equal(strncmp(c->paths[i], s->p.dir, strlen(s->p.dir)), 0);
        buf_printf(&s->paths, "%s\n", c->paths[i] + strlen(s->p.dir) + 1);
    }
    loop_stop(s->loop);
}

static void on_note(void *env, const char *text)
{
    struct seen *s = env;
    buf_printf(&s->notes, "%s\n", text);
}

static void on_late(void *env)
{
    struct seen *s = env;
    s->late = true;
    loop_stop(s->loop);
}

static void start(struct seen *s, bool poll)
{
    *s = (struct seen){.loop = loop_new(), .paths = BUF_INIT(1 << 16), .notes = BUF_INIT(1 << 16)};
    project_init(&s->p);
    s->p.m.build.command = NULL;
    struct watch_options options = {.manifest = &s->p.m, .on_change = on_change, .on_note = on_note,
                                    .env = s, .poll = poll};
    s->w = watch_new(s->loop, &options);
}

static void stop(struct seen *s)
{
    watch_free(s->w);
    loop_free(s->loop);
    project_clear(&s->p);
    buf_clear(&s->paths);
    buf_clear(&s->notes);
}

/* Run until a change comes, or for wait_ms. Says whether one came. */
static bool wait_change(struct seen *s, int64_t wait_ms)
{
    buf_reset(&s->paths);
    s->kinds = 0;
    s->calls = 0;
    s->late = false;
    timer_start(s->loop, &s->timer, wait_ms * ms, on_late, s);
    loop_run(s->loop);
    timer_stop(&s->timer);
    return !s->late;
}

static void expect(struct seen *s, unsigned kinds, const char *paths)
{
    assert_true(wait_change(s, 10000));
    assert_int_equal(s->kinds, kinds);
    assert_string_equal(buf_str(&s->paths), paths);
}

static void expect_nothing(struct seen *s)
{
    assert_false(wait_change(s, 120));
}

static void move(struct seen *s, const char *from, const char *to)
{
    assert_int_equal(rename(project_path(&s->p, from), project_path(&s->p, to)), 0);
}

static void test_edits(void **state)
{
    (void)state;
    cleanup(stop) struct seen s;
    start(&s, false);
    expect_nothing(&s);
    project_write(&s.p, "src/main.c", "int a;\n");
    expect(&s, WATCH_SOURCE, "src/main.c\n");
    project_write(&s.p, "src/new.c", "");
    expect(&s, WATCH_SOURCE, "src/new.c\n");
    unlink(project_path(&s.p, "src/new.c"));
    expect(&s, WATCH_SOURCE, "src/new.c\n");
}

/* Editors write beside the file and rename, or rename the old one away first. */
static void test_atomic_saves(void **state)
{
    (void)state;
    cleanup(stop) struct seen s;
    start(&s, false);
    project_write(&s.p, "src/.main.c.tmp", "int a;\n");
    move(&s, "src/.main.c.tmp", "src/main.c");
    expect(&s, WATCH_SOURCE, "src/main.c\n");
    move(&s, "src/main.c", "src/main.c~");
    project_write(&s.p, "src/main.c", "int b;\n");
    expect(&s, WATCH_SOURCE, "src/main.c\n");
    project_write(&s.p, "src/4913", "");
    project_write(&s.p, "src/.main.c.swp", "");
    expect_nothing(&s);
}

static void test_half_written_is_not_reported(void **state)
{
    (void)state;
    cleanup(stop) struct seen s;
    start(&s, false);
    mkdir(project_path(&s.p, "target"), 0777);
    mkdir(project_path(&s.p, "target/wasm"), 0777);
    expect_nothing(&s);
    int fd = open(s.p.artifact, O_WRONLY | O_CREAT, 0666);
    assert_int_equal(write(fd, "half", 4), 4);
    expect_nothing(&s);
    int64_t closed = clock_mono_ns();
    close(fd);
    expect(&s, WATCH_ARTIFACT, "target/wasm/app.wasm\n");
    /* at once: no waiting for a burst to end */
    assert_true(s.at_ns - closed < 25 * ms);
}

/* cargo links the artifact into place; others rename it. */
static void test_artifact_by_link_and_rename(void **state)
{
    (void)state;
    cleanup(stop) struct seen s;
    start(&s, false);
    project_write(&s.p, "target/wasm/deps/app-1.wasm", "one");
    expect_nothing(&s);
    assert_int_equal(link(project_path(&s.p, "target/wasm/deps/app-1.wasm"), s.p.artifact), 0);
    expect(&s, WATCH_ARTIFACT, "target/wasm/app.wasm\n");
    project_write(&s.p, "target/wasm/app.wasm.new", "two");
    move(&s, "target/wasm/app.wasm.new", "target/wasm/app.wasm");
    expect(&s, WATCH_ARTIFACT, "target/wasm/app.wasm\n");
    unlink(s.p.artifact);
    expect_nothing(&s);
}

/* The directories above the artifact go and come again: `cargo clean && cargo build`. */
static void test_artifact_directory_comes_back(void **state)
{
    (void)state;
    cleanup(stop) struct seen s;
    start(&s, false);
    for (int i = 0; i < 3; i++) {
        project_write(&s.p, "target/wasm/app.wasm", "made");
        assert_true(wait_change(&s, 10000));
        assert_int_equal(s.kinds, WATCH_ARTIFACT);
        unlink(s.p.artifact);
        rmdir(project_path(&s.p, "target/wasm"));
        rmdir(project_path(&s.p, "target"));
        while (wait_change(&s, 60))
            assert_int_equal(s.kinds, WATCH_ARTIFACT);
    }
}

static void test_new_directories(void **state)
{
    (void)state;
    cleanup(stop) struct seen s;
    start(&s, false);
    project_write(&s.p, "src/a/b/deep.c", "");
    expect(&s, WATCH_SOURCE, "src/a/b/deep.c\n");
    project_write(&s.p, "src/a/b/deep.c", "int x;\n");
    expect(&s, WATCH_SOURCE, "src/a/b/deep.c\n");
    move(&s, "src/a", "src/z");
    assert_true(wait_change(&s, 10000));
    assert_non_null(strstr(buf_str(&s.paths), "src/z/b/deep.c"));
    project_write(&s.p, "src/z/b/deep.c", "int y;\n");
    expect(&s, WATCH_SOURCE, "src/z/b/deep.c\n");
    project_write(&s.p, "node_modules/x/y.js", "");
    project_write(&s.p, ".git/index", "");
    expect_nothing(&s);
}

static void test_burst_is_one_change(void **state)
{
    (void)state;
    cleanup(stop) struct seen s;
    start(&s, false);
    for (int i = 0; i < 40; i++) {
        char name[32];
        snprintf(name, sizeof(name), "src/f%d.c", i);
        project_write(&s.p, name, "");
    }
    assert_true(wait_change(&s, 10000));
    assert_int_equal(s.calls, 1);
    expect_nothing(&s);
}

static void test_manifest_and_env(void **state)
{
    (void)state;
    cleanup(stop) struct seen s;
    start(&s, false);
    project_write(&s.p, "edge.yaml", "name: other\n");
    expect(&s, WATCH_MANIFEST, "edge.yaml\n");
    project_write(&s.p, ".env", "A=b\n");
    expect(&s, WATCH_ENV, ".env\n");
    project_write(&s.p, ".env", "A=c\n");
    project_write(&s.p, "src/main.c", "int c;\n");
    assert_true(wait_change(&s, 10000));
    assert_int_equal(s.kinds, WATCH_ENV | WATCH_SOURCE);
}

/* A build that writes among its sources must not run for ever. */
static void test_outputs_are_found_out(void **state)
{
    (void)state;
    cleanup(stop) struct seen s;
    start(&s, false);
    project_write(&s.p, "src/main.c", "int d;\n");
    assert_true(wait_change(&s, 10000));
    int builds = 0;
    do {
        watch_build_started(s.w);
        builds++;
        char text[32];
        snprintf(text, sizeof(text), "made %d\n", builds);
        project_write(&s.p, "src/bundle.js", text);
        watch_build_ended(s.w);
        assert_true(builds < 10);
    } while (wait_change(&s, 200));
    assert_int_equal(builds, 3);
    assert_non_null(strstr(buf_str(&s.notes), "src/bundle.js"));
    /* the user's own files are still watched, in and out of a build */
    watch_build_started(s.w);
    project_write(&s.p, "src/main.c", "int e;\n");
    expect(&s, WATCH_SOURCE, "src/main.c\n");
    project_write(&s.p, "src/bundle.js", "made again\n");
    expect_nothing(&s);
    watch_build_ended(s.w);
    expect_nothing(&s);
    project_write(&s.p, "src/bundle.js", "by hand\n");
    expect(&s, WATCH_SOURCE, "src/bundle.js\n");
}

static void test_edit_during_build_is_not_lost(void **state)
{
    (void)state;
    cleanup(stop) struct seen s;
    start(&s, false);
    watch_build_started(s.w);
    project_write(&s.p, "src/other.c", "int f;\n");
    expect_nothing(&s);
    watch_build_ended(s.w);
    expect(&s, WATCH_SOURCE, "src/other.c\n");
}

static void test_polling(void **state)
{
    (void)state;
    cleanup(stop) struct seen s;
    start(&s, true);
    assert_false(wait_change(&s, 700));
    project_write(&s.p, "src/main.c", "int abc;\n");
    expect(&s, WATCH_SOURCE, "src/main.c\n");
    project_write(&s.p, "target/wasm/app.wasm", "made");
    expect(&s, WATCH_ARTIFACT, "target/wasm/app.wasm\n");
    unlink(project_path(&s.p, "src/main.c"));
    expect(&s, WATCH_SOURCE, "src/main.c\n");
}

/* More directories than the kernel's queue or our guesses care for: nothing is lost. */
static void test_many_directories(void **state)
{
    (void)state;
    cleanup(stop) struct seen s;
    start(&s, false);
    for (int i = 0; i < 300; i++) {
        char name[48];
        snprintf(name, sizeof(name), "src/d%d/e/f.c", i);
        project_write(&s.p, name, "");
    }
    while (wait_change(&s, 300))
        ;
    for (int i = 0; i < 300; i += 60) {
        char name[48], line[64];
        snprintf(name, sizeof(name), "src/d%d/e/f.c", i);
        snprintf(line, sizeof(line), "%s\n", name);
        project_write(&s.p, name, "x");
        expect(&s, WATCH_SOURCE, line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edits),
        cmocka_unit_test(test_atomic_saves),
        cmocka_unit_test(test_half_written_is_not_reported),
        cmocka_unit_test(test_artifact_by_link_and_rename),
        cmocka_unit_test(test_artifact_directory_comes_back),
        cmocka_unit_test(test_new_directories),
        cmocka_unit_test(test_burst_is_one_change),
        cmocka_unit_test(test_manifest_and_env),
        cmocka_unit_test(test_outputs_are_found_out),
        cmocka_unit_test(test_edit_during_build_is_not_lost),
        cmocka_unit_test(test_polling),
        cmocka_unit_test(test_many_directories),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
