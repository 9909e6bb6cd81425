/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "cmd/dev_app.h"
#include "cmd/dev_log.h"
#include "cmd/dev_runtime.h"
#include "cmd/host.h"
#include "cmd/project.h"
#include "serve/admin.h"
#include "serve/server.h"
#include "serve/shelf.h"
#include "world/state.h"

struct dev_args {
    const char *module;
    const char *addr;
    const char *ready_file;
    const char *state;
    const char *limits;
    const char *runtime;
    int max_requests;
    int workers;
    bool tls, no_watch;
};

/* A running `edgectl dev`. */
struct dev {
    struct cli *cli;
    const struct dev_args *args;
    struct loop *loop;
    char *state_dir;
    struct host host;
    struct shelf *shelf;            /* what is deployed to it; NULL: another dev takes that */
    struct admin *admin;
    struct dev_app *app;
    struct dev_runtime *runtime;
    struct dev_log *log;
    enum runtime_kind kind;
    enum limit_profile limits;
    uv_signal_t sigint, sigterm;
    struct manifest *manifest;
    bool ready;                     /* it has been served */
    int result;                     /* of the whole command */
    struct err *err;
};

/* --- starting and stopping --- */

static void on_signal(uv_signal_t *handle, int signum)
{
    struct dev *d = handle->data;
    (void)signum;
    if (!d->ready && d->result == 0)
        d->result = err_set(d->err, ERR_INTERRUPTED, "stopped before the app was served");
    loop_stop(d->loop);
}

static void watch_signals(struct dev *d)
{
    uv_signal_init(loop_uv(d->loop), &d->sigint);
    uv_signal_init(loop_uv(d->loop), &d->sigterm);
    d->sigint.data = d->sigterm.data = d;
    uv_signal_start(&d->sigint, on_signal, SIGINT);
    uv_signal_start(&d->sigterm, on_signal, SIGTERM);
}

/* --- the app --- */

static void on_ready(void *env)
{
    struct dev *d = env;
    d->ready = true;
    dev_log_ready(d->log, server_url(d->host.server), d->manifest->name);
    if (!d->args->ready_file)
        return;
    d->result = host_write_ready(&d->host, d->args->ready_file, d->err);
    if (d->result < 0)
        loop_stop(d->loop);
}

static void on_hopeless(void *env, int r, const struct err *err)
{
    struct dev *d = env;
    d->result = r;
    *d->err = *err;
    loop_stop(d->loop);
}

static struct manifest *reread(void *env)
{
    struct dev *d = env;
    struct manifest *m;
    struct err err = {0};
    if (project_load(d->cli, d->args->module, &m, &err) == 0) {
        manifest_serve_at(m, d->host.name, server_port(d->host.server), d->host.ca_pem);
        return m;
    }
    if (err.msg[0])
        dev_log_error(d->log, &err);
    return NULL;
}

/* Versions that are deployed here answer at NAME.localhost; all else is the working copy's. Of two
 * that share a state folder, the first takes deploys. */
static int take_deploys(struct dev *d, struct err *err)
{
    if (state_server_answers(d->state_dir))
        return 0;
    struct shelf_options shelf = {
        .state_dir = d->state_dir, .engine = d->host.engine, .server = d->host.server,
        .kv = d->host.kv, .host = d->host.name, .ca_pem = d->host.ca_pem,
    };
    int r = shelf_open(&shelf, &d->shelf, err);
    if (r == 0)
        shelf_broken(d->shelf, dev_log_broken, d->log);
    struct admin_options admin = {
        .state_dir = d->state_dir, .kind = "dev", .shelf = d->shelf, .server = d->host.server,
        .kv = d->host.kv,
    };
    if (r == 0)
        r = admin_start(&admin, &d->admin, err);
    return r == -ERR_DRIFT ? 0 : r; /* another was quicker */
}

static int make_runtime(struct dev *d, struct err *err)
{
    if (d->kind == RUNTIME_NATIVE)
        return 0;
    return dev_runtime_new(&(struct dev_runtime_options){
        .kind = d->kind,
        .loop = d->loop,
        .engine = d->host.engine,
        .log = d->log,
        .state_dir = d->state_dir,
        .kv = d->host.kv,
        .cache = d->host.cache,
        .reread = reread,
        .reread_env = d,
    }, d->manifest, &d->runtime, err);
}

static int start(struct dev *d, unsigned workers, struct err *err)
{
    const struct dev_args *args = d->args;
    d->state_dir = state_dir_for(d->manifest, args->state);
    struct host_options options = {
        .addr = args->addr,
        .state_dir = d->state_dir,
        .tls = args->tls,
        .workers = workers,
        .max_requests = (unsigned)args->max_requests,
        .more_instances = d->kind == RUNTIME_NATIVE ? 0 : DEV_RUNTIME_INSTANCES,
        /* What a later version allows beyond this takes effect at the next start. */
        .memory_max = (uint64_t)d->manifest->limits.memory_bytes,
        .limits = d->limits,
        .watch = dev_log_watch(d->log),
    };
    int r = host_open(&d->host, &options, err);
    if (r < 0)
        return r;
    manifest_serve_at(d->manifest, d->host.name, server_port(d->host.server), d->host.ca_pem);
    r = take_deploys(d, err);
    if (r == 0)
        r = make_runtime(d, err);
    if (r < 0)
        return r;
    watch_signals(d);
    d->app = dev_app_new(&(struct dev_app_options){
        .loop = d->loop,
        .engine = d->host.engine,
        .server = d->host.server,
        .log = d->log,
        .state_dir = d->state_dir,
        .kv = d->host.kv,
        .cache = d->host.cache,
        .watch = !d->args->no_watch,
        .runtime = d->runtime,
        .reread = reread,
        .ready = on_ready,
        .hopeless = on_hopeless,
        .env = d,
    }, d->manifest);
    return 0;
}

static void stop(struct dev *d)
{
    bool loading = d->app && dev_app_loading(d->app);
    admin_stop(d->admin);
    shelf_stop(d->shelf);
    host_stop(&d->host);
    admin_close(d->admin);
    if (loading) {
        /* A compilation cannot be stopped half-way, and nobody should wait for it. All that is on
         * disk is safe against this. */
        dev_log_free(d->log);
        cmd_exit_now(d->cli, d->result);
    }
    dev_app_free(d->app);
    dev_runtime_free(d->runtime);
    shelf_close(d->shelf);
    host_close(&d->host);
    dev_log_free(d->log);
    loop_free(d->loop);
    manifest_unref(d->manifest);
    free(d->state_dir);
}

static int find_limits(const char *name, enum limit_profile *ret, struct err *err)
{
    *ret = name ? limit_profile_named(name) : LIMITS_NONE;
    if (!name || *ret != LIMITS_NONE)
        return 0;
    err_set(err, ERR_USAGE, "no limits are known of '%.60s'", name);
    err_hint(err, "--limits takes cloudflare, cloudflare-free, fastly, lambda-edge, "
                  "lambda-edge-viewer or vercel");
    return -ERR_USAGE;
}

/* Without --target a runtime stands for that of its provider. */
static enum runtime_kind choose_runtime(struct cli *cli, const char *name)
{
    enum runtime_kind kind = !name || strcmp(name, "native") == 0 ? RUNTIME_NATIVE
                             : strcmp(name, "node") == 0          ? RUNTIME_NODE
                                                                  : RUNTIME_WORKERD;
    if (kind != RUNTIME_NATIVE && strcmp(cli->target, "local") == 0)
        cli->target = runtime_target(kind);
    return kind;
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct dev_args *args = args_ptr;
    struct dev d = {.cli = cli, .args = args, .err = err};
    int r = find_limits(args->limits, &d.limits, err);
    if (r < 0)
        return r;
    d.kind = choose_runtime(cli, args->runtime);
    r = project_load(cli, args->module, &d.manifest, err);
    if (r < 0)
        return r;
    unsigned workers = host_workers(args->workers);
    d.loop = loop_new();
    d.log = dev_log_new(cli->out, cli->quiet, workers);
    d.result = start(&d, workers, err);
    if (d.result == 0)
        loop_run(d.loop);
    r = d.result;
    stop(&d);
    return r;
}

static const struct cli_arg operands[] = {
    ARG_OPTIONAL(struct dev_args, "MODULE", module, COMP_FILE,
                 "a module to serve (.wasm or .wat) instead of the manifest's artifact"),
    ARG_END,
};

static const struct cli_opt opts[] = {
    OPT_STR(struct dev_args, 0, "addr", addr, "host:port", COMP_NONE,
            "listen here (127.0.0.1:7676); port 0 picks a free one"),
    OPT_STR(struct dev_args, 0, "ready-file", ready_file, "file", COMP_FILE,
            "write the URL into this file once it answers"),
    OPT_STR(struct dev_args, 0, "state", state, "dir", COMP_DIR,
            "keep KV data, secrets and overrides here (.edgectl beside the manifest)"),
    OPT_INT(struct dev_args, 0, "max-requests", max_requests, "n", 1, 100000,
            "requests served at once; the rest queue (1000)"),
    OPT_STR(struct dev_args, 0, "limits", limits, "provider", COMP_NONE,
            "hold guests to what it allows, with its own errors"),
    OPT_CHOICE(struct dev_args, 0, "runtime", runtime, "name", "native|workerd|node",
               "run the bundle in a platform's own runtime (native: this program's)"),
    OPT_FLAG(struct dev_args, 0, "tls", tls,
             "serve HTTPS with a certificate of the local authority"),
    OPT_FLAG(struct dev_args, 0, "no-watch", no_watch, "do not build or reload when files change"),
    OPT_INT(struct dev_args, 0, "workers", workers, "n", 1, 256, "event loops (one per core)"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl dev", "serve the project in this folder"},
    {"edgectl dev app.wasm --addr 127.0.0.1:0 --ready-file url", "serve one module, for a script"},
    {"edgectl dev --runtime workerd", "run what Cloudflare would get, in its runtime"},
    {NULL, NULL},
};

const struct cli_cmd cmd_dev = {
    .path = "dev",
    .group = GRP_RUN,
    .summary = "run the app on this machine as the edge would",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct dev_args),
    .exits = EXITS(IO, BUILD, MANIFEST, NETWORK, LIMIT, INTERRUPTED),
    .examples = examples,
    .run = run,
};
