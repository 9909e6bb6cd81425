/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/buf.h"
#include "build/builder.h"
#include "build/watch.h"
#include "project.h"

static const int64_t ms = 1000000;

struct seen {
    struct project p;
    char state_dir[128];
    struct loop *loop;
    struct builder *b;
    struct buf log;         /* what was called back, a word each */
    struct timer timer;
    bool late;
    int stop_after;         /* results to come */
};

static void result(struct seen *s)
{
    if (--s->stop_after == 0)
        loop_stop(s->loop);
}

static void on_started(void *env, const char *reason)
{
    struct seen *s = env;
    assert_true(reason[0]);
    buf_add_str(&s->log, "start ");
}

static void on_line(void *env, const char *line, size_t len)
{
    struct seen *s = env;
    buf_printf(&s->log, "[%.*s] ", (int)len, line);
}

static void on_failed(void *env, const struct err *err, const char *tail)
{
    struct seen *s = env;
    (void)tail;
    assert_true(err->msg[0]);
    buf_add_str(&s->log, "failed ");
    result(s);
}

static void on_artifact(void *env, enum builder_artifact how, int64_t build_ns)
{
    struct seen *s = env;
    static const char *const names[] = {"fresh ", "built ", "changed "};
    assert_int_equal(build_ns > 0, how == ARTIFACT_BUILT);
    buf_add_str(&s->log, names[how]);
    result(s);
}

static void on_manifest(void *env, unsigned kinds)
{
    struct seen *s = env;
    buf_add_str(&s->log, kinds == WATCH_MANIFEST ? "manifest " : "env ");
    result(s);
}

static void on_late(void *env)
{
    struct seen *s = env;
    s->late = true;
    loop_stop(s->loop);
}

static void init(struct seen *s, const char *command)
{
    *s = (struct seen){.loop = loop_new(), .log = BUF_INIT(1 << 16)};
    project_init(&s->p);
    snprintf(s->state_dir, sizeof(s->state_dir), "%s/.edgectl", s->p.dir);
    s->p.m.build.command = (char *)command;
}

static void start(struct seen *s, bool watch, bool force)
{
    struct builder_options options = {
        .manifest = &s->p.m, .state_dir = s->state_dir, .force = force, .watch = watch,
        .on_started = on_started, .on_line = on_line, .on_failed = on_failed,
        .on_artifact = on_artifact, .on_manifest = on_manifest, .env = s,
    };
    s->b = builder_new(s->loop, &options);
}

/* Run until `results` results have come, or for wait_ms; what was called back must be `log`. */
static void expect(struct seen *s, int results, int64_t wait_ms, const char *log)
{
    buf_reset(&s->log);
    s->stop_after = results;
    s->late = false;
    timer_start(s->loop, &s->timer, wait_ms * ms, on_late, s);
    loop_run(s->loop);
    timer_stop(&s->timer);
    assert_string_equal(buf_str(&s->log), log);
    assert_int_equal(s->late, results == 0);
}

static void finish(struct seen *s)
{
    builder_free(s->b);
    s->b = NULL;
}

static void clear(struct seen *s)
{
    finish(s);
    loop_free(s->loop);
    project_clear(&s->p);
    buf_clear(&s->log);
}

#define COMPILE "mkdir -p target/wasm && cp src/main.c target/wasm/app.wasm"

static void test_builds_once(void **state)
{
    (void)state;
    cleanup(clear) struct seen s;
    init(&s, "echo building; " COMPILE);
    start(&s, false, false);
    expect(&s, 1, 10000, "start [building] built ");
    finish(&s);
    start(&s, false, false);
    expect(&s, 1, 10000, "fresh ");
    finish(&s);
    start(&s, false, true);
    expect(&s, 1, 10000, "start [building] built ");
}

static void test_failures(void **state)
{
    (void)state;
    cleanup(clear) struct seen s;
    init(&s, "echo broken >&2; false");
    start(&s, false, false);
    expect(&s, 1, 10000, "start [broken] failed ");
    finish(&s);
    s.p.m.build.command = (char *)"true";
    start(&s, false, false);
    expect(&s, 1, 10000, "start failed ");
    finish(&s);
    s.p.m.build.dir = (char *)"/no/such/dir";
    start(&s, false, false);
    expect(&s, 1, 10000, "start failed ");
}

static void test_edit_builds_again(void **state)
{
    (void)state;
    cleanup(clear) struct seen s;
    init(&s, COMPILE);
    start(&s, true, false);
    expect(&s, 1, 10000, "start built ");
    project_write(&s.p, "src/main.c", "int changed;\n");
    expect(&s, 1, 10000, "start built ");
    expect(&s, 0, 150, "");
    /* an edit that was taken back by the time we look still costs at most a check */
    project_write(&s.p, "edge.yaml", "name: other\n");
    expect(&s, 1, 10000, "manifest ");
}

static void test_somebody_else_builds(void **state)
{
    (void)state;
    cleanup(clear) struct seen s;
    init(&s, NULL);
    start(&s, true, false);
    expect(&s, 1, 10000, "fresh ");
    project_write(&s.p, "target/wasm/app.wasm", "new");
    expect(&s, 1, 10000, "changed ");
    project_write(&s.p, "src/main.c", "int x;\n");
    expect(&s, 0, 150, "");
}

/* An edit while a slow build runs stops it: only the newest sources are built. */
static void test_edit_stops_a_build(void **state)
{
    (void)state;
    cleanup(clear) struct seen s;
    init(&s, COMPILE "; if grep -q slow src/main.c; then echo slow; sleep 100; fi");
    start(&s, true, false);
    expect(&s, 1, 10000, "start built ");
    project_write(&s.p, "src/main.c", "slow\n");
    expect(&s, 0, 400, "start [slow] ");
    project_write(&s.p, "src/main.c", "fast\n");
    expect(&s, 1, 10000, "start built ");
    expect(&s, 0, 150, "");
}

static void test_free_while_building(void **state)
{
    (void)state;
    cleanup(clear) struct seen s;
    init(&s, "echo begun; sleep 100");
    start(&s, true, false);
    expect(&s, 0, 300, "start [begun] ");
}

static void test_free_while_checking(void **state)
{
    (void)state;
    cleanup(clear) struct seen s;
    init(&s, COMPILE);
    start(&s, true, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_builds_once),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_edit_builds_again),
        cmocka_unit_test(test_somebody_else_builds),
        cmocka_unit_test(test_edit_stops_a_build),
        cmocka_unit_test(test_free_while_building),
        cmocka_unit_test(test_free_while_checking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
