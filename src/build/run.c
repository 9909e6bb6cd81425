/* SPDX-License-Identifier: Apache-2.0 */
#include "build/run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"

extern char **environ;

/* Descriptor 3 is a pipe that ends when edgectl does, even by SIGKILL: then the guard kills its
 * whole group, itself included. It keeps no other descriptor, or the output would never end. */
static const char wrapper[] =
    "(read -r gone <&3; kill -s KILL -- -$$) </dev/null >/dev/null 2>&1 &\n"
    "exec sh -c \"$1\" 2>&1 3<&-\n";

static const int64_t grace_ns = 2000000000;
/* A process that left the group may hold the output open: do not wait for it. */
static const int64_t drain_ns = 100000000;

struct build_run {
    struct build_run_options opts;
    struct loop *loop;
    uv_process_t process;
    uv_pipe_t output, guard;
    struct timer timer;         /* to SIGKILL after SIGTERM, then to the end of output */
    struct buf line, tail;
    int64_t started_ns;
    struct build_result result;
    int open_handles;
    bool exited, output_ended, ended, orphaned;
    bool in_escape;             /* inside a terminal escape, for the tail */
    char chunk[16 * 1024];
};

/* --- output --- */

/* Lines without colours and cursor movements: ESC [ ... letter. */
static void add_plain(struct build_run *run, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (run->in_escape) {
            run->in_escape = !(c >= 0x40 && c != '[');
        } else if (c == 0x1b) {
            run->in_escape = true;
        } else if (c >= 0x20 || c == '\t') {
            buf_add_char(&run->tail, (char)c);
        }
    }
    run->in_escape = false;
    buf_add_char(&run->tail, '\n');
}

static void keep_in_tail(struct build_run *run, const char *line, size_t len)
{
    if (run->tail.len + len + 1 > BUILD_TAIL_MAX) {
        size_t drop = run->tail.len + len + 1 - BUILD_TAIL_MAX / 2;
        if (drop >= run->tail.len) {
            buf_reset(&run->tail);
        } else {
            const char *end = memchr(run->tail.data + drop, '\n', run->tail.len - drop);
            buf_consume(&run->tail, end ? (size_t)(end - run->tail.data) + 1 : run->tail.len);
        }
    }
    add_plain(run, line, len);
}

static void flush_line(struct build_run *run)
{
    size_t len = run->line.len;
    const char *line = buf_str(&run->line);
    if (len && line[len - 1] == '\r')
        len--;
    keep_in_tail(run, line, len);
    if (run->opts.on_line && !run->orphaned)
        run->opts.on_line(run->opts.env, line, len);
    buf_reset(&run->line);
}

static void take_output(struct build_run *run, const char *data, size_t len)
{
    while (len) {
        const char *end = memchr(data, '\n', len);
        size_t n = end ? (size_t)(end - data) : len;
        size_t room = BUILD_LINE_MAX - run->line.len;
        bool cut = n > room;
        if (cut)
            n = room;
        buf_add(&run->line, data, n);
        if (end || cut)
            flush_line(run);
        if (!cut && end)
            n++;
        data += n;
        len -= n;
    }
}

/* --- the end --- */

static void release_when_closed(struct build_run *run)
{
    if (run->open_handles > 0 || !run->orphaned)
        return;
    buf_clear(&run->line);
    buf_clear(&run->tail);
    free(run);
}

static void on_closed(uv_handle_t *handle)
{
    struct build_run *run = handle->data;
    run->open_handles--;
    release_when_closed(run);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_closed);
}

static void kill_group(struct build_run *run, int sig)
{
    /* The guard stays in the group to the end, so its number cannot belong to anyone else. */
    if (run->process.pid > 0)
        kill(-run->process.pid, sig);
}

static void finish(struct build_run *run)
{
    if (run->ended)
        return;
    run->ended = true;
    timer_stop(&run->timer);
    if (run->line.len)
        flush_line(run);
    close_handle((uv_handle_t *)&run->output);
    close_handle((uv_handle_t *)&run->guard);
    close_handle((uv_handle_t *)&run->process);
    run->result.tail = buf_str(&run->tail);
    if (!run->orphaned)
        run->opts.on_end(run->opts.env, &run->result);
}

static void on_drained(void *env)
{
    finish(env);
}

static void on_process_exit(uv_process_t *process, int64_t status, int sig)
{
    struct build_run *run = process->data;
    run->exited = true;
    run->result.status = sig ? -1 : (int)status;
    run->result.signal = sig;
    run->result.ok = status == 0 && sig == 0 && !run->result.cancelled;
    run->result.elapsed_ns = clock_mono_ns() - run->started_ns;
    kill_group(run, SIGKILL);   /* the guard, and what the command left behind */
    process->pid = 0;
    if (run->output_ended)
        finish(run);
    else
        timer_start(run->loop, &run->timer, drain_ns, on_drained, run);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    struct build_run *run = handle->data;
    (void)suggested;
    *buf = uv_buf_init(run->chunk, sizeof(run->chunk));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct build_run *run = stream->data;
    if (n > 0) {
        take_output(run, buf->base, (size_t)n);
    } else if (n < 0) {
        run->output_ended = true;
        uv_read_stop(stream);
        if (run->exited)
            finish(run);
    }
}

/* --- the start --- */

/* The environment, and what makes common tools show colours into a pipe. The strings are
 * borrowed; the caller frees the list. */
static char **environment(bool color)
{
    static char *const extra[] = {"CARGO_TERM_COLOR=always", "CLICOLOR_FORCE=1", "FORCE_COLOR=1"};
    size_t n = 0;
    while (environ[n])
        n++;
    char **env = xcalloc(n + ARRAY_LEN(extra) + 1, sizeof(char *));
    memcpy(env, environ, n * sizeof(char *));
    if (color && !getenv("NO_COLOR"))
        memcpy(env + n, extra, sizeof(extra));
    return env;
}

static void open_pipe(struct build_run *run, uv_pipe_t *pipe)
{
    uv_pipe_init(loop_uv(run->loop), pipe, 0);
    pipe->data = run;
    run->open_handles++;
}

static int spawn(struct build_run *run)
{
    char *args[] = {"sh", "-c", (char *)wrapper, "edgectl-build", (char *)run->opts.command, NULL};
    uv_stdio_container_t stdio[4] = {
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&run->output},
        {.flags = UV_IGNORE},
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&run->guard},
    };
    cleanup(free_p) char **env = environment(run->opts.color);
    uv_process_options_t options = {
        .exit_cb = on_process_exit, .file = "/bin/sh", .args = args, .env = env,
        .cwd = run->opts.dir, .flags = UV_PROCESS_DETACHED,
        .stdio_count = 4, .stdio = stdio,
    };
    open_pipe(run, &run->output);
    open_pipe(run, &run->guard);
    run->process.data = run;
    run->open_handles++;
    return uv_spawn(loop_uv(run->loop), &run->process, &options);
}

int build_run_start(struct loop *loop, const struct build_run_options *options,
                    struct build_run **ret_run, struct err *err)
{
    struct stat st;
    if (stat(options->dir, &st) < 0)
        return err_sys(err, ERR_BUILD, errno, "cannot run the build command in %s", options->dir);
    if (!S_ISDIR(st.st_mode))
        return err_set(err, ERR_BUILD, "cannot run the build command in %s: not a directory",
                       options->dir);
    struct build_run *run = xnew(struct build_run);
    run->opts = *options;
    run->loop = loop;
    buf_init(&run->line, BUILD_LINE_MAX);
    buf_init(&run->tail, BUILD_TAIL_MAX + 1);
    run->started_ns = clock_mono_ns();
    int r = spawn(run);
    if (r < 0) {
        run->process.pid = 0;
        build_run_free(run);
        return err_sys(err, ERR_BUILD, -r, "cannot start a process for the build command");
    }
    uv_read_start((uv_stream_t *)&run->output, on_alloc, on_read);
    *ret_run = run;
    return 0;
}

static void on_grace_over(void *env)
{
    struct build_run *run = env;
    kill_group(run, SIGKILL);
}

void build_run_cancel(struct build_run *run)
{
    if (run->exited || run->result.cancelled)
        return;
    run->result.cancelled = true;
    kill_group(run, SIGTERM);
    timer_start(run->loop, &run->timer, grace_ns, on_grace_over, run);
}

void build_run_free(struct build_run *run)
{
    if (!run)
        return;
    run->orphaned = true;
    kill_group(run, SIGKILL);
    /* The handle goes now, so nobody else will reap it; after SIGKILL that takes no time. */
    while (run->process.pid > 0 && waitpid(run->process.pid, NULL, 0) < 0 && errno == EINTR)
        ;
    run->process.pid = 0;
    finish(run);
    release_when_closed(run);
}

int build_result_error(const struct build_result *result, const char *command, struct err *err)
{
    int r;
    if (result->cancelled)
        return err_set(err, ERR_INTERRUPTED, "the build was stopped");
    if (result->signal)
        r = err_set(err, ERR_BUILD, "the build command was ended by signal %d (%s)", result->signal,
                    strsignal(result->signal));
    else
        r = err_set(err, ERR_BUILD, "the build command failed with status %d: %.200s",
                    result->status, command);
    if (result->status == 127)
        err_hint(err, "a program that the command names is not installed, or not in PATH");
    return r;
}
