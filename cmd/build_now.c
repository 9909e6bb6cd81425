/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/build_now.h"

#include <signal.h>
#include <stdlib.h>
#include "base/mem.h"
#include "build/builder.h"
#include "world/state.h"

struct building {
    struct cli *cli;
    struct loop *loop;
    struct build_outcome *outcome;
    int result;             /* 0, or the code of err */
    struct err err;
};

static void on_started(void *env, const char *reason)
{
    struct building *o = env;
    free(o->outcome->reason);
    o->outcome->reason = xstrdup(reason);
    out_note(o->cli->out, "building: %s", reason);
}

static void on_line(void *env, const char *line, size_t len)
{
    struct building *o = env;
    out_note(o->cli->out, "%.*s", (int)len, line);
}

static void on_failed(void *env, const struct err *err, const char *tail)
{
    struct building *o = env;
    /* With --quiet nothing of the output was shown; now it is wanted. */
    if (o->cli->quiet && *tail)
        out_warn(o->cli->out, "the build said:\n%s", tail);
    o->err = *err;
    o->result = -(int)err->code;
    loop_stop(o->loop);
}

static void on_artifact(void *env, enum builder_artifact how, int64_t build_ns)
{
    struct building *o = env;
    o->outcome->built = how == ARTIFACT_BUILT;
    o->outcome->build_ns = build_ns;
    loop_stop(o->loop);
}

static void on_build_note(void *env, const char *text)
{
    struct building *o = env;
    out_warn(o->cli->out, "%s", text);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct building *o = handle->data;
    o->result = err_set(&o->err, ERR_INTERRUPTED, "the build was stopped by %s",
                        signum == SIGINT ? "an interrupt" : "a signal");
    loop_stop(o->loop);
}

static void start_signal(struct building *o, uv_signal_t *handle, int signum)
{
    uv_signal_init(loop_uv(o->loop), handle);
    handle->data = o;
    uv_signal_start(handle, on_signal, signum);
}

void build_outcome_clear(struct build_outcome *o)
{
    free(o->reason);
    *o = (struct build_outcome){0};
}

int build_now(struct cli *cli, struct manifest *m, bool force, struct build_outcome *ret,
              struct err *err)
{
    cleanup(free_p) char *state_dir = state_dir_for(m, NULL);
    struct building b = {.cli = cli, .outcome = ret};
    uv_signal_t sigint, sigterm;
    if (!m->build.command)
        return 0;
    int r = state_dir_make(state_dir, err);
    if (r < 0)
        return r;
    b.loop = loop_new();
    start_signal(&b, &sigint, SIGINT);
    start_signal(&b, &sigterm, SIGTERM);
    struct builder_options options = {
        .manifest = m, .state_dir = state_dir, .force = force,
        .color = *out_err_style(cli->out, OUT_RED) != '\0', .on_started = on_started,
        .on_line = on_line, .on_failed = on_failed, .on_artifact = on_artifact,
        .on_note = on_build_note, .env = &b,
    };
    struct builder *builder = builder_new(b.loop, &options);
    loop_run(b.loop);
    builder_free(builder);
    loop_free(b.loop);
    if (b.result < 0)
        *err = b.err;
    return b.result;
}
