/* SPDX-License-Identifier: Apache-2.0 */
#include "build/builder.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <uv.h>
#include "base/mem.h"
#include "build/fresh.h"
#include "build/run.h"
#include "build/watch.h"
#include "manifest/manifest.h"

enum state { IDLE, CHECKING, RUNNING };

/* Tells one content of the artifact from another without reading it. */
struct stamp {
    struct timespec mtime;
    off_t size;
    ino_t inode;
};

struct builder {
    struct loop *loop;
    struct builder_options opts;
    struct manifest *m;
    char *state_dir;
    enum state state;
    bool again;             /* something changed since the check or build began */
    bool force;
    uv_work_t work;         /* the freshness check */
    struct freshness fresh; /* belongs to the worker while it runs */
    struct build_run *run;
    struct watch *watch;
    struct task start;
    struct stamp announced; /* the artifact that on_artifact was last called for */
    bool freed;
};

static void check(struct builder *b);

static struct stamp stamp_of(const struct builder *b)
{
    struct stat st;
    if (!b->m->build.artifact || stat(b->m->build.artifact, &st) < 0)
        return (struct stamp){0};
    return (struct stamp){.mtime = st.st_mtim, .size = st.st_size, .inode = st.st_ino};
}

static bool stamp_same(const struct stamp *a, const struct stamp *b)
{
    return a->mtime.tv_sec == b->mtime.tv_sec && a->mtime.tv_nsec == b->mtime.tv_nsec &&
           a->size == b->size && a->inode == b->inode;
}

static void announce(struct builder *b, enum builder_artifact how, int64_t build_ns)
{
    b->announced = stamp_of(b);
    b->opts.on_artifact(b->opts.env, how, build_ns);
}

static void check_again_if_asked(struct builder *b)
{
    if (b->again)
        check(b);
}

/* --- a build --- */

static void on_run_line(void *env, const char *line, size_t len)
{
    struct builder *b = env;
    if (b->opts.on_line)
        b->opts.on_line(b->opts.env, line, len);
}

/* A good build is recorded; that failing costs a build next time, no more, unless the command left
 * no artifact at all. */
static int conclude(struct builder *b, const struct build_result *result, struct err *err)
{
    if (!result->ok)
        return build_result_error(result, b->m->build.command, err);
    struct stamp now = stamp_of(b);
    if (now.inode == 0) {
        err_set(err, ERR_BUILD, "the build command ended well but left no %s",
                b->m->build.artifact ? b->m->build.artifact : "artifact");
        err_hint(err, "correct the path of the artifact in the manifest, or the command");
        return -ERR_BUILD;
    }
    struct err late = {0};
    if (b->state_dir && fresh_record(b->m, b->state_dir, &b->fresh, &late) < 0 && b->opts.on_note)
        b->opts.on_note(b->opts.env, late.msg);
    return 0;
}

static void on_run_end(void *env, const struct build_result *result)
{
    struct builder *b = env;
    struct build_run *run = b->run;
    struct err err = {0};
    b->run = NULL;
    b->state = IDLE;
    if (b->watch)
        watch_build_ended(b->watch);
    /* One that was stopped for a newer edit says nothing: the next one will. */
    if (!result->cancelled) {
        if (conclude(b, result, &err) < 0)
            b->opts.on_failed(b->opts.env, &err, result->tail);
        else
            announce(b, ARTIFACT_BUILT, result->elapsed_ns);
    }
    build_run_free(run);
    check_again_if_asked(b);
}

static void run(struct builder *b, const char *reason)
{
    struct err err = {0};
    struct build_run_options options = {
        .command = b->m->build.command, .dir = b->m->build.dir ? b->m->build.dir : b->m->dir,
        .color = b->opts.color, .on_line = on_run_line, .on_end = on_run_end, .env = b,
    };
    b->state = RUNNING;
    if (b->watch)
        watch_build_started(b->watch);
    if (b->opts.on_started)
        b->opts.on_started(b->opts.env, reason);
    if (build_run_start(b->loop, &options, &b->run, &err) == 0)
        return;
    b->state = IDLE;
    if (b->watch)
        watch_build_ended(b->watch);
    b->opts.on_failed(b->opts.env, &err, "");
}

/* --- is one needed? --- */

static void release(struct builder *b)
{
    manifest_unref(b->m);
    free(b->state_dir);
    free(b);
}

static void on_check(uv_work_t *work)
{
    struct builder *b = work->data;
    fresh_check(b->m, b->state_dir, &b->fresh);
}

static void on_checked(uv_work_t *work, int status)
{
    struct builder *b = work->data;
    (void)status;
    b->state = IDLE;
    if (b->freed) {
        release(b);
        return;
    }
    if (b->again) {
        check(b);
        return;
    }
    bool force = b->force;
    b->force = false;
    if (b->fresh.needed || force) {
        run(b, b->fresh.needed ? b->fresh.reason : "asked for");
        return;
    }
    /* After an edit that came to nothing, what is served is still right. */
    struct stamp now = stamp_of(b);
    if (!stamp_same(&now, &b->announced))
        announce(b, ARTIFACT_FRESH, 0);
}

static void check(struct builder *b)
{
    b->again = false;
    b->state = CHECKING;
    b->work.data = b;
    if (uv_queue_work(loop_uv(b->loop), &b->work, on_check, on_checked) < 0)
        abort(); /* only for want of a callback */
}

/* --- changes --- */

static void on_sources(struct builder *b)
{
    if (!b->m->build.command)
        return;
    b->again = true;
    if (b->state == IDLE)
        check(b);
    else if (b->state == RUNNING)
        build_run_cancel(b->run);
}

static void on_change(void *env, const struct watch_change *change)
{
    struct builder *b = env;
    if (change->kinds & WATCH_ARTIFACT) {
        struct stamp now = stamp_of(b);
        /* Our own build may write it in several steps: on_run_end tells. */
        if (b->state != RUNNING && now.inode != 0 && !stamp_same(&now, &b->announced))
            announce(b, ARTIFACT_CHANGED, 0);
    }
    if (change->kinds & WATCH_SOURCE)
        on_sources(b);
    unsigned manifest = change->kinds & (WATCH_MANIFEST | WATCH_ENV);
    if (manifest && b->opts.on_manifest)
        b->opts.on_manifest(b->opts.env, manifest);
}

static void on_watch_note(void *env, const char *text)
{
    struct builder *b = env;
    if (b->opts.on_note)
        b->opts.on_note(b->opts.env, text);
}

static void on_start(void *env)
{
    struct builder *b = env;
    if (b->m->build.command)
        check(b);
    else
        announce(b, ARTIFACT_FRESH, 0);
}

struct builder *builder_new(struct loop *loop, const struct builder_options *options)
{
    struct builder *b = xnew(struct builder);
    b->loop = loop;
    b->opts = *options;
    b->m = manifest_ref(options->manifest);
    b->state_dir = options->state_dir ? xstrdup(options->state_dir) : NULL;
    b->force = options->force;
    b->start = (struct task){.fn = on_start, .env = b};
    if (options->watch) {
        struct watch_options watch = {.manifest = b->m, .state_dir = b->state_dir,
                                      .on_change = on_change, .on_note = on_watch_note, .env = b};
        b->watch = watch_new(loop, &watch);
    }
    loop_defer(loop, &b->start);
    return b;
}

void builder_free(struct builder *b)
{
    if (!b)
        return;
    b->freed = true;
    task_cancel(&b->start);
    watch_free(b->watch);
    build_run_free(b->run);
    if (b->state != CHECKING)
        release(b);
}
