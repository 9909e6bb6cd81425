/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/dev_runtime.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/embed.h"
#include "base/file.h"
#include "base/mem.h"
#include "cmd/bundle_input.h"

enum { STORES_AT_ONCE = DEV_RUNTIME_INSTANCES - 1 };
static const int64_t STORES_WALL_NS = 60000000000, STEADY_NS = 1000000000;

/* One start of a version: bundled on a thread, then started, then fronted on a thread. */
struct attempt {
    struct dev_runtime *owner;
    uv_work_t work;
    struct manifest *manifest, *stores_manifest;
    char *dir;
    struct runtime *runtime;
    uint16_t port;
    int64_t ready_ns;
    struct guest_app *stores, *front;
    int r;
    struct err err;
};

struct dev_runtime {
    struct dev_runtime_options o;
    dev_runtime_app_fn *on_app;
    dev_runtime_failed_fn *on_failed;
    void *env;
    char *program;
    struct runtime_stores at;
    struct server *stores;          /* the guest runtime-stores, on a port of its own */
    struct attempt *attempt;        /* under way */
    bool again;                     /* once more when that is over */
    struct attempt *current;        /* serves */
    struct attempt *leaving;        /* finishes what is under way */
    unsigned count;
    bool stopping;
};

static void attempt_free(struct attempt *a)
{
    if (!a)
        return;
    runtime_free(a->runtime);
    manifest_unref(a->manifest);
    manifest_unref(a->stores_manifest);
    guest_app_unref(a->stores);
    guest_app_unref(a->front);
    free(a->dir);
    free(a);
}

/* --- guests of ours --- */

static int guest_of_ours(struct dev_runtime *d, const char *name, struct manifest *m,
                         struct guest_app **ret, struct err *err)
{
    cleanup(free_p) char *path = xasprintf("prebuilt/runtime-%s.wasm", name);
    size_t count;
    const struct embed_file *file = embed_under(path, &count);
    if (!file)
        return err_set(err, ERR_FAILURE, "this edgectl has no --runtime: it was built where there "
                                         "is no clang for Wasm");
    struct module *module;
    struct module_report report;
    int r = module_load(d->o.engine, path, xmemdup(file->data, file->len), file->len, &module,
                        &report, err);
    if (r < 0)
        return r;
    struct world *world;
    struct world_dirs dirs = {d->o.state_dir, d->o.state_dir};
    r = world_open(m, &dirs, d->o.kv, d->o.cache, &world, err);
    if (r < 0)
        module_unref(module);
    else
        *ret = guest_app_new(module, manifest_ref(m), world);
    return r;
}

/* The config store that tells the guest which token to ask for. */
static void add_token(struct manifest *m, const char *token)
{
    m->configs = xreallocarray(m->configs, m->config_count + 1, sizeof *m->configs);
    struct manifest_store *store = &m->configs[m->config_count++];
    *store = (struct manifest_store){.name = xstrdup("edgectl-dev"), .count = 1};
    store->pairs = xcalloc(1, sizeof *store->pairs);
    store->pairs[0].key = xstrdup("token");
    store->pairs[0].value.text = xstrdup(token);
    store->pairs[0].value.text_len = strlen(token);
}

/* Backends as on this machine. Those that are paths on edgectl's own server are on that of the
 * stores, which has the app's files too; the child knows them by a URL like all others. */
static int local_backends(const struct dev_runtime *d, struct manifest *m, struct err *err)
{
    int r = manifest_override_backends(m, err);
    for (size_t i = 0; i < m->backend_count; i++) {
        struct manifest_backend *b = &m->backends[i];
        if (!b->own_path)
            continue;
        free(b->url);
        b->url = xasprintf("%s%s", d->at.url, b->prefix);
        b->own_path = false;
    }
    return r;
}

/* A manifest of its own: what the app's says of limits and files is the runtime's affair. */
static int front_manifest(const struct attempt *a, struct manifest **ret, struct err *err)
{
    cleanup(free_p) char *path = xasprintf("%s/front.yaml", a->dir);
    cleanup(free_p) char *text = xasprintf(
        "name: front\n"
        "limits: { wall: 600s }\n"
        "backends:\n"
        "  runtime: { url: \"http://127.0.0.1:%u\", first-byte-timeout: 300s,\n"
        "             between-bytes-timeout: 300s }\n", (unsigned)a->port);
    int r = file_write(path, text, strlen(text), 0600, err);
    if (r < 0)
        return r;
    struct manifest_problems problems = {0};
    r = manifest_load(a->dir, path, NULL, ret, &problems);
    if (r < 0)
        *err = problems.list[0];
    manifest_problems_clear(&problems);
    return r;
}

/* --- an attempt, step by step --- */

static void on_thread(struct attempt *a, uv_work_cb work, uv_after_work_cb done)
{
    if (uv_queue_work(loop_uv(a->owner->o.loop), &a->work, work, done) != 0)
        abort(); /* only for a bad argument */
}

static void begin(struct dev_runtime *d);

/* What is left of it now serves, or is gone. */
static void over(struct attempt *a)
{
    struct dev_runtime *d = a->owner;
    d->attempt = NULL;
    if (a->r < 0) {
        if (!d->stopping)
            d->on_failed(d->env, a->r, &a->err);
        attempt_free(a);
    }
    bool again = d->again && !d->stopping;
    d->again = false;
    if (again)
        begin(d);
}

static void on_line(void *env, const char *line, size_t len)
{
    struct attempt *a = env;
    dev_log_app_line(a->owner->o.log, line, len);
}

/* Of a step that has ended; it has failed if all is to stop. */
static struct attempt *after(uv_work_t *work, int status)
{
    (void)status;
    struct attempt *a = container_of(work, struct attempt, work);
    if (a->r == 0 && a->owner->stopping)
        a->r = err_set(&a->err, ERR_INTERRUPTED, "stopped");
    return a;
}

static void fronted(uv_work_t *work, int status)
{
    struct attempt *a = after(work, status);
    struct dev_runtime *d = a->owner;
    if (a->r == 0) {
        a->ready_ns = clock_mono_ns();
        attempt_free(d->leaving);
        d->leaving = d->current;
        d->current = a;
        d->on_app(d->env, TAKE(a->front));
        if (d->leaving)
            runtime_stop(d->leaving->runtime);
    }
    over(a);
}

static void front(uv_work_t *work)
{
    struct attempt *a = container_of(work, struct attempt, work);
    struct manifest *m;
    a->r = front_manifest(a, &m, &a->err);
    if (a->r < 0)
        return;
    a->r = guest_of_ours(a->owner, "front", m, &a->front, &a->err);
    manifest_unref(m);
}

static void on_ready(void *env, uint16_t port)
{
    struct attempt *a = env;
    a->port = port;
    on_thread(a, front, fronted);
}

static void on_end(void *env, const struct err *err)
{
    struct attempt *a = env;
    struct dev_runtime *d = a->owner;
    if (a == d->leaving) {
        d->leaving = NULL;
        attempt_free(a);
    } else if (a == d->attempt && a->port == 0) {
        a->r = -(int)err->code;
        a->err = *err;
        over(a);
    } else {
        /* The one that serves. A platform starts another then; one that falls at once stays down
         * until the next build, and requests are answered with a 502. */
        dev_log_error(d->o.log, err);
        if (a == d->current && clock_mono_ns() - a->ready_ns > STEADY_NS)
            dev_runtime_renew(d);
    }
}

static void bundled(uv_work_t *work, int status)
{
    struct attempt *a = after(work, status);
    struct dev_runtime *d = a->owner;
    if (a->r == 0) {
        server_set_app(d->stores, TAKE(a->stores));
        a->r = runtime_start(d->o.loop, &(struct runtime_options){
            .kind = d->o.kind, .program = d->program, .dir = a->dir, .on_ready = on_ready,
            .on_line = on_line, .on_end = on_end, .env = a,
        }, &a->runtime, &a->err);
    }
    if (a->r < 0)
        over(a);
}

static void bundle(uv_work_t *work)
{
    struct attempt *a = container_of(work, struct attempt, work);
    struct bundle_input in = {0};
    a->r = local_backends(a->owner, a->manifest, &a->err);
    if (a->r == 0)
        a->r = bundle_input_make(a->manifest, a->owner->o.state_dir, NULL, &in, &a->err);
    if (a->r < 0)
        return;
    a->r = runtime_write(in.bundle, &a->owner->at, a->dir, &a->err);
    bundle_input_clear(&in);
    if (a->r == 0)
        a->r = guest_of_ours(a->owner, "stores", a->stores_manifest, &a->stores, &a->err);
}

static void begin(struct dev_runtime *d)
{
    struct manifest *m = d->o.reread(d->o.reread_env);
    struct manifest *stores = m ? d->o.reread(d->o.reread_env) : NULL;
    if (!stores) {
        manifest_unref(m);
        return;
    }
    add_token(stores, d->at.token);
    struct attempt *a = xnew(struct attempt);
    a->owner = d;
    a->manifest = m;
    a->stores_manifest = stores;
    a->dir = xasprintf("%s/runtime/%u", d->o.state_dir, d->count++ % 3);
    d->attempt = a;
    on_thread(a, bundle, bundled);
}

void dev_runtime_renew(struct dev_runtime *d)
{
    if (d->attempt)
        d->again = true;
    else
        begin(d);
}

/* --- life --- */

static int check(const struct dev_runtime_options *o, const struct manifest *m, struct err *err)
{
    const char *name = o->kind == RUNTIME_NODE ? "node" : "workerd";
    if (!m->target) {
        err_set(err, ERR_USAGE, "--runtime %s needs a manifest: a bundle is made of it", name);
        err_hint(err, "`edgectl init` makes one");
        return -ERR_USAGE;
    }
    if (runtime_runs(o->kind, m->target->provider))
        return 0;
    err_set(err, ERR_USAGE, "target '%s' is for %s, which does not run in %s", m->target->name,
            manifest_provider_name(m->target->provider), name);
    err_hint(err, "without --target it is the target %s", runtime_target(o->kind));
    return -ERR_USAGE;
}

static int start_stores(struct dev_runtime *d, struct err *err)
{
    uint8_t random[16];
    random_bytes(random, sizeof random);
    for (size_t i = 0; i < sizeof random; i++)
        snprintf(d->at.token + 2 * i, 3, "%02x", random[i]);
    struct server_options options = {
        .host = "127.0.0.1", .workers = 1, .max_requests = STORES_AT_ONCE,
        .cpu_limit_ns = STORES_WALL_NS, .wall_limit_ns = STORES_WALL_NS, .kv = d->o.kv,
    };
    int r = server_start(&options, NULL, &d->stores, err);
    if (r == 0)
        snprintf(d->at.url, sizeof d->at.url, "%s", server_url(d->stores));
    return r;
}

int dev_runtime_new(const struct dev_runtime_options *options, const struct manifest *m,
                    struct dev_runtime **ret, struct err *err)
{
    int r = check(options, m, err);
    if (r < 0)
        return r;
    struct dev_runtime *d = xnew(struct dev_runtime);
    d->o = *options;
    r = runtime_find(options->kind, m->dir, &d->program, err);
    if (r == 0)
        r = start_stores(d, err);
    if (r < 0)
        dev_runtime_free(d);
    else
        *ret = d;
    return r;
}

void dev_runtime_bind(struct dev_runtime *d, dev_runtime_app_fn *on_app,
                      dev_runtime_failed_fn *on_failed, void *env)
{
    d->on_app = on_app;
    d->on_failed = on_failed;
    d->env = env;
}

void dev_runtime_free(struct dev_runtime *d)
{
    if (!d)
        return;
    d->stopping = true;
    /* A start that waits for its runtime has nothing on a thread. */
    if (d->attempt && d->attempt->runtime && d->attempt->port == 0)
        attempt_free(TAKE(d->attempt));
    while (d->attempt)
        uv_run(loop_uv(d->o.loop), UV_RUN_ONCE);
    attempt_free(d->current);
    attempt_free(d->leaving);
    if (d->stores)
        server_stop(d->stores, 0);
    free(d->program);
    free(d);
}
