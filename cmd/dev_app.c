/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dev_app.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "build/builder.h"

enum { MODULE_MAX = 1 << 30 };

/* One load of the artifact, on a thread of libuv's pool: compiling may take seconds. */
struct load {
    struct dev_app *app;
    uv_work_t work;
    struct manifest *manifest;
    struct guest_app *result;
    struct module_report report;
    int r;
    struct err err;
};

struct dev_app {
    struct dev_app_options o;
    struct manifest *manifest;
    struct builder *builder;
    struct task restart;            /* the manifest changed */
    struct load *load;              /* under way */
    bool again;                     /* load once more when it is done */
    bool served;                    /* some version is in the server */
    struct world *world;            /* of the newest version */
    struct timer look;              /* for errors of the stores */
    uv_process_t compiler;
    bool compiling;
    bool compile_next;              /* once the one that was killed has gone */
    bool stopping;
    bool from_compiler;             /* the load under way was asked for by the compiler's end */
    int64_t artifact_ns;            /* when the newest artifact was there */
};

static void start_load(struct dev_app *a);
static void start_compiler(struct dev_app *a);

/* --- the background compilation --- */

static void on_compiler_closed(uv_handle_t *handle)
{
    struct dev_app *a = handle->data;
    a->compiling = false;
    if (a->compile_next && !a->stopping)
        start_compiler(a);
}

static void on_compiler_exit(uv_process_t *process, int64_t status, int signal)
{
    struct dev_app *a = process->data;
    uv_close((uv_handle_t *)process, on_compiler_closed);
    if (status != 0 || signal != 0 || a->stopping)
        return;
    a->from_compiler = true;
    start_load(a);
}

static void stop_compiler(struct dev_app *a)
{
    a->compile_next = false;
    if (a->compiling && uv_is_active((uv_handle_t *)&a->compiler))
        uv_process_kill(&a->compiler, SIGKILL);
}

static void start_compiler(struct dev_app *a)
{
    a->compile_next = a->compiling;
    if (a->compiling)
        return;
    char *args[] = {"edgectl", "_precompile", a->manifest->build.artifact, NULL};
    uv_process_options_t options = {
        .file = "/proc/self/exe",
        .args = args,
        .exit_cb = on_compiler_exit,
    };
    memset(&a->compiler, 0, sizeof a->compiler);
    a->compiler.data = a;
    if (uv_spawn(loop_uv(a->o.loop), &a->compiler, &options) == 0)
        a->compiling = true;
}

/* --- loading --- */

static void load_now(uv_work_t *work)
{
    struct load *l = container_of(work, struct load, work);
    const struct dev_app_options *o = &l->app->o;
    cleanup(free_p) char *bytes = NULL;
    size_t len;
    const char *path = l->manifest->build.artifact;
    l->r = file_read(path, MODULE_MAX, &bytes, &len, &l->err);
    if (l->r < 0) {
        err_wrap(&l->err, l->r, "the module");
        return;
    }
    struct module *module;
    l->r = module_load(o->engine, path, TAKE(bytes), len, &module, &l->report, &l->err);
    if (l->r < 0)
        return;
    struct world *world;
    struct world_dirs dirs = {o->state_dir, o->state_dir};
    l->r = world_open(l->manifest, &dirs, o->kv, o->cache, &world, &l->err);
    if (l->r < 0)
        module_unref(module);
    else
        l->result = guest_app_new(module, manifest_ref(l->manifest), world);
}

static const int64_t LOOK_NS = 500000000;

static void look(void *env)
{
    struct dev_app *a = env;
    struct err err;
    if (a->world && world_take_error(a->world, &err))
        dev_log_error(a->o.log, &err);
    timer_start(a->o.loop, &a->look, LOOK_NS, look, a);
}

static void use_world(struct dev_app *a, struct world *world)
{
    const struct err *warning;
    for (size_t i = 0; !a->from_compiler && (warning = world_warning(world, i)); i++)
        dev_log_warning(a->o.log, warning);
    world_unref(a->world);
    a->world = world_ref(world);
}

/* Nothing is served, and no edit of a source would change that. */
static bool is_hopeless(const struct dev_app *a)
{
    return !a->served && (!a->o.watch || !a->manifest->build.command);
}

static void load_failed(void *env, int r, const struct err *err)
{
    struct dev_app *a = env;
    if (is_hopeless(a)) {
        a->o.hopeless(a->o.env, r, err);
        return;
    }
    dev_log_error(a->o.log, err);
    server_set_notice(a->o.server, err->msg, err->hint[0] ? err->hint : NULL);
}

static void serve(struct dev_app *a, struct guest_app *app)
{
    server_set_app(a->o.server, app);
    server_set_notice(a->o.server, NULL, NULL);
    if (a->served && !a->from_compiler)
        dev_log_swapped(a->o.log, clock_mono_ns() - a->artifact_ns);
    if (!a->served)
        a->o.ready(a->o.env);
    a->served = true;
}

static void on_runtime_app(void *env, struct guest_app *app)
{
    serve(env, app);
}

static void load_done(uv_work_t *work, int status)
{
    (void)status;
    struct load *l = container_of(work, struct load, work);
    struct dev_app *a = l->app;
    a->load = NULL;
    if (l->r < 0) {
        load_failed(a, l->r, &l->err);
    } else {
        dev_log_loaded(a->o.log, &l->report);
        use_world(a, l->result->world);
        serve(a, TAKE(l->result));
        /* What the compiler left was no use if its load is detached too: not again and again. */
        if (l->report.detached && !a->from_compiler)
            start_compiler(a);
    }
    a->from_compiler = false;
    manifest_unref(l->manifest);
    free(l);
    if (a->again)
        start_load(a);
}

static void start_load(struct dev_app *a)
{
    a->again = a->load != NULL;
    if (a->again)
        return;
    struct load *l = xnew(struct load);
    l->app = a;
    l->manifest = manifest_ref(a->manifest);
    a->load = l;
    if (uv_queue_work(loop_uv(a->o.loop), &l->work, load_now, load_done) != 0)
        abort(); /* only for a bad argument */
}

/* --- building --- */

static void on_started(void *env, const char *reason)
{
    struct dev_app *a = env;
    dev_log_build_started(a->o.log, a->manifest->build.command, reason);
}

static void on_line(void *env, const char *line, size_t len)
{
    struct dev_app *a = env;
    dev_log_build_line(a->o.log, line, len);
}

static void on_failed(void *env, const struct err *err, const char *tail)
{
    struct dev_app *a = env;
    if (is_hopeless(a)) {
        a->o.hopeless(a->o.env, -(int)err->code, err);
        return;
    }
    dev_log_error(a->o.log, err);
    server_set_notice(a->o.server, err->msg, tail);
}

static void on_artifact(void *env, enum builder_artifact how, int64_t build_ns)
{
    struct dev_app *a = env;
    if (how == ARTIFACT_BUILT)
        dev_log_built(a->o.log, build_ns);
    a->artifact_ns = clock_mono_ns();
    if (a->o.runtime) {
        dev_runtime_renew(a->o.runtime);
        return;
    }
    stop_compiler(a);
    a->from_compiler = false;
    start_load(a);
}

static void on_manifest(void *env, unsigned kinds)
{
    struct dev_app *a = env;
    (void)kinds;
    loop_defer(a->o.loop, &a->restart);
}

static void on_note(void *env, const char *text)
{
    struct dev_app *a = env;
    dev_log_note(a->o.log, text);
}

static void start_builder(struct dev_app *a)
{
    a->builder = builder_new(a->o.loop, &(struct builder_options){
        .manifest = a->manifest,
        .state_dir = a->o.state_dir,
        .watch = a->o.watch,
        .color = dev_log_color(a->o.log),
        .on_started = on_started,
        .on_line = on_line,
        .on_failed = on_failed,
        .on_artifact = on_artifact,
        .on_manifest = on_manifest,
        .on_note = on_note,
        .env = a,
    });
}

/* A bad manifest changes nothing but the terminal: the builder goes on watching. */
static void restart(void *env)
{
    struct dev_app *a = env;
    struct manifest *m = a->o.reread(a->o.env);
    if (!m)
        return;
    builder_free(a->builder);
    manifest_unref(a->manifest);
    a->manifest = m;
    start_builder(a);
}

/* --- life --- */

struct dev_app *dev_app_new(const struct dev_app_options *options, struct manifest *m)
{
    struct dev_app *a = xnew(struct dev_app);
    a->o = *options;
    a->manifest = manifest_ref(m);
    a->restart = (struct task){.fn = restart, .env = a};
    timer_start(a->o.loop, &a->look, LOOK_NS, look, a);
    if (a->o.runtime)
        dev_runtime_bind(a->o.runtime, on_runtime_app, load_failed, a);
    start_builder(a);
    return a;
}

bool dev_app_loading(const struct dev_app *a)
{
    return a->load != NULL;
}

void dev_app_free(struct dev_app *a)
{
    if (!a)
        return;
    a->stopping = true; /* a compiler that ends well now begins no load: the server has gone */
    task_cancel(&a->restart);
    timer_stop(&a->look);
    builder_free(a->builder);
    stop_compiler(a);
    while (a->load || a->compiling) {
        a->again = false;
        uv_run(loop_uv(a->o.loop), UV_RUN_ONCE);
    }
    world_unref(a->world);
    manifest_unref(a->manifest);
    free(a);
}
