/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "build/run.h"

static const int64_t second = 1000000000;

struct seen {
    struct loop *loop;
    struct build_run *run;
    struct buf lines;
    size_t count;
    struct build_result result;
    char *tail;
    struct timer timeout;
    bool late;
    const char *cancel_at;      /* cancel when this line comes */
};

static void on_line(void *env, const char *line, size_t len)
{
    struct seen *s = env;
    s->count++;
    buf_add(&s->lines, line, len);
    buf_add_char(&s->lines, '\n');
    if (s->cancel_at && len == strlen(s->cancel_at) && memcmp(line, s->cancel_at, len) == 0)
        build_run_cancel(s->run);
}

static void on_end(void *env, const struct build_result *result)
{
    struct seen *s = env;
    s->result = *result;
    s->tail = xstrdup(result->tail);
    build_run_free(s->run);
    s->run = NULL;
    loop_stop(s->loop);
}

static void on_timeout(void *env)
{
    struct seen *s = env;
    s->late = true;
    loop_stop(s->loop);
}

static struct seen run(const char *command, const char *cancel_at)
{
    struct seen s = {.loop = loop_new(), .lines = BUF_INIT(1 << 20), .cancel_at = cancel_at};
    struct build_run_options options = {.command = command, .dir = "/tmp", .on_line = on_line,
                                        .on_end = on_end, .env = &s};
    struct err err = {0};
    assert_int_equal(build_run_start(s.loop, &options, &s.run, &err), 0);
    timer_start(s.loop, &s.timeout, 20 * second, on_timeout, &s);
    loop_run(s.loop);
    timer_stop(&s.timeout);
    assert_false(s.late);
    loop_free(s.loop);
    return s;
}

static void seen_clear(struct seen *s)
{
    buf_clear(&s->lines);
    free(s->tail);
}

static void test_output_and_status(void **state)
{
    (void)state;
    cleanup(seen_clear) struct seen s = run("echo out; echo err >&2; printf 'no end'; exit 3",
                                        NULL);
    assert_string_equal(buf_str(&s.lines), "out\nerr\nno end\n");
    assert_string_equal(s.tail, "out\nerr\nno end\n");
    assert_false(s.result.ok);
    assert_int_equal(s.result.status, 3);
    assert_int_equal(s.result.signal, 0);
    struct err err = {0};
    assert_int_equal(build_result_error(&s.result, "make", &err), -ERR_BUILD);
    assert_non_null(strstr(err.msg, "status 3"));
}

static void test_ok_and_directory(void **state)
{
    (void)state;
    cleanup(seen_clear) struct seen s = run("pwd; test \"$0\" = sh", NULL);
    assert_string_equal(buf_str(&s.lines), "/tmp\n");
    assert_true(s.result.ok);
}

static void test_signal(void **state)
{
    (void)state;
    cleanup(seen_clear) struct seen s = run("kill -s SEGV $$", NULL);
    assert_int_equal(s.result.signal, SIGSEGV);
    assert_int_equal(s.result.status, -1);
}

static void test_no_such_program(void **state)
{
    (void)state;
    cleanup(seen_clear) struct seen s = run("edgectl-no-such-program", NULL);
    assert_int_equal(s.result.status, 127);
    struct err err = {0};
    build_result_error(&s.result, "x", &err);
    assert_non_null(strstr(err.hint, "not installed"));
}

static void test_tail_is_bounded_and_plain(void **state)
{
    (void)state;
    cleanup(seen_clear) struct seen s =
        run("i=0; while [ $i -lt 5000 ]; do echo \"line $i of many\"; i=$((i + 1)); done;"
            " printf '\\033[31mred\\033[0m end\\n'", NULL);
    assert_int_equal(s.count, 5001);
    assert_true(strlen(s.tail) <= BUILD_TAIL_MAX);
    assert_true(strlen(s.tail) >= BUILD_TAIL_MAX / 4);
    assert_int_equal(strncmp(s.tail, "line ", 5), 0);
    assert_non_null(strstr(s.tail, "line 4999 of many\nred end\n"));
    assert_non_null(strstr(buf_str(&s.lines), "\033[31mred"));
}

static void test_long_line_comes_in_pieces(void **state)
{
    (void)state;
    cleanup(seen_clear) struct seen s = run("head -c 100000 /dev/zero | tr '\\0' x; echo", NULL);
    size_t xs = 0;
    for (const char *c = buf_str(&s.lines); *c; c++)
        xs += *c == 'x';
    assert_int_equal(xs, 100000);
    assert_true(s.count >= 100000 / BUILD_LINE_MAX);
}

/* Alive and not a zombie: in a container nobody may reap what was orphaned. */
static bool alive(pid_t pid)
{
    char path[64], state = 'X';
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
        state = 'X';
    fclose(f);
    return state != 'X' && state != 'Z';
}

static bool gone_soon(pid_t pid)
{
    int64_t end = clock_mono_ns() + 10 * second;
    while (alive(pid)) {
        if (clock_mono_ns() > end)
            return false;
        struct timespec nap = {.tv_nsec = 5000000};
        nanosleep(&nap, NULL);
    }
    return true;
}

static void test_background_processes_go(void **state)
{
    (void)state;
    cleanup(seen_clear) struct seen s = run("sleep 1000 & echo $!", NULL);
    assert_true(s.result.ok);
    pid_t pid = (pid_t)atoi(buf_str(&s.lines));
    assert_true(pid > 1);
    assert_true(gone_soon(pid));
}

static void test_cancel_takes_children_along(void **state)
{
    (void)state;
    int64_t from = clock_mono_ns();
    cleanup(seen_clear) struct seen s = run("sleep 1000 & echo $!; echo ready; wait", "ready");
    assert_true(s.result.cancelled);
    assert_false(s.result.ok);
    assert_true(gone_soon((pid_t)atoi(buf_str(&s.lines))));
    assert_true(clock_mono_ns() - from < 10 * second);
    struct err err = {0};
    assert_int_equal(build_result_error(&s.result, "x", &err), -ERR_INTERRUPTED);
}

static void test_cancel_of_the_deaf(void **state)
{
    (void)state;
    cleanup(seen_clear) struct seen s = run("trap '' TERM; echo ready; sleep 1000; sleep 99", "ready");
    assert_true(s.result.cancelled);
    assert_int_equal(s.result.signal, SIGKILL);
}

static void free_at_line(void *env, const char *line, size_t len)
{
    struct seen *s = env;
    buf_add(&s->lines, line, len);
    loop_stop(s->loop);
}

static void never(void *env, const struct build_result *result)
{
    (void)env;
    (void)result;
    fail_msg("on_end after build_run_free");
}

static void test_free_while_running(void **state)
{
    (void)state;
    struct seen s = {.loop = loop_new(), .lines = BUF_INIT(1 << 20)};
    struct build_run_options options = {.command = "sleep 1000 & echo $!; wait", .dir = "/tmp",
                                        .on_line = free_at_line, .on_end = never, .env = &s};
    assert_int_equal(build_run_start(s.loop, &options, &s.run, NULL), 0);
    loop_run(s.loop);
    build_run_free(s.run);
    loop_free(s.loop);
    assert_true(gone_soon((pid_t)atoi(buf_str(&s.lines))));
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    buf_clear(&s.lines);
}

/* edgectl is killed the hard way while a build runs: nothing of the build is left. */
static void test_killed_ourselves(void **state)
{
    (void)state;
    int out[2];
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char command[128];
        snprintf(command, sizeof(command), "sleep 1000 & echo $! >/proc/%d/fd/%d; wait",
                 (int)getpid(), out[1]);
        struct build_run *r;
        struct build_run_options options = {.command = command, .dir = "/tmp", .on_end = never};
        struct loop *loop = loop_new();
        if (build_run_start(loop, &options, &r, NULL) < 0)
            _exit(1);
        loop_run(loop);
        _exit(0);
    }
    char text[32] = "";
    assert_true(read(out[0], text, sizeof(text) - 1) > 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    pid_t left = (pid_t)atoi(text);
    assert_true(left > 1);
    assert_true(gone_soon(left));
    close(out[0]);
    close(out[1]);
}

static void test_no_directory(void **state)
{
    (void)state;
    struct loop *loop = loop_new();
    struct build_run *r;
    struct err err = {0};
    struct build_run_options options = {.command = "true", .dir = "/no/such/dir", .on_end = never};
    assert_int_equal(build_run_start(loop, &options, &r, &err), -ERR_BUILD);
    assert_non_null(strstr(err.msg, "/no/such/dir"));
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_and_status),
        cmocka_unit_test(test_ok_and_directory),
        cmocka_unit_test(test_signal),
        cmocka_unit_test(test_no_such_program),
        cmocka_unit_test(test_tail_is_bounded_and_plain),
        cmocka_unit_test(test_long_line_comes_in_pieces),
        cmocka_unit_test(test_background_processes_go),
        cmocka_unit_test(test_cancel_takes_children_along),
        cmocka_unit_test(test_cancel_of_the_deaf),
        cmocka_unit_test(test_free_while_running),
        cmocka_unit_test(test_killed_ourselves),
        cmocka_unit_test(test_no_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
