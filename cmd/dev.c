/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "cmd/dev_log.h"
#include "cmd/project.h"
#include "guest/table.h"
#include "serve/server.h"
#include "world/core_cache.h"
#include "world/state.h"

struct dev_args {
    const char *module;
    const char *addr;
    const char *ready_file;
    const char *state;
    int max_requests;
    int workers;
};

enum { DEFAULT_PORT = 7676, MODULE_MAX = 1 << 30, CORE_CACHE_BYTES = 256 << 20 };
static const int64_t DEFAULT_CPU_NS = 10000000000, DEFAULT_WALL_NS = 120000000000,
                     GRACE_NS = 2000000000;

/* A running `edgectl dev`. */
struct dev {
    struct cli *cli;
    struct loop *loop;
    struct engine *engine;
    char *state_dir;
    struct kv_db *kv;
    struct core_cache *cache;
    struct server *server;
    struct dev_log *log;
    unsigned workers;
    uv_signal_t sigint, sigterm;
    bool stopping;
};

/* --- the app --- */

static int load_app(struct dev *d, struct manifest *m, struct guest_app **ret, struct err *err)
{
    cleanup(free_p) char *bytes = NULL;
    size_t len;
    int r = file_read(m->build.artifact, MODULE_MAX, &bytes, &len, err);
    if (r < 0)
        return err_wrap(err, r, "the module");
    struct module *module;
    struct module_report report;
    r = module_load(d->engine, m->build.artifact, bytes, len, &module, &report, err);
    if (r < 0)
        return r;
    out_detail(d->cli->out, "%s in %.1f ms", report.from_cache ? "loaded" : "compiled",
               (double)report.load_ns / 1e6);
    struct world *world;
    r = world_open(m, d->state_dir, d->kv, d->cache, &world, err);
    if (r < 0)
        module_unref(module);
    else
        *ret = guest_app_new(module, manifest_ref(m), world);
    return r;
}

/* --- starting and stopping --- */

static int make_engine(struct dev *d, const struct dev_args *args, struct err *err)
{
    cleanup(free_p) char *dir = file_cache_dir("modules");
    struct engine_options options = {.instances = (unsigned)args->max_requests, .cache_dir = dir};
    options.funcs = guest_host_funcs(&options.func_count);
    return engine_new(&options, &d->engine, err);
}

/* "host:port", "[v6]:port", ":port" or "port". */
static int split_addr(const char *addr, char **ret_host, uint16_t *ret_port, struct err *err)
{
    const char *colon = strrchr(addr, ':');
    const char *port = colon ? colon + 1 : addr;
    char *end;
    errno = 0;
    unsigned long n = strtoul(port, &end, 10);
    if (*port < '0' || *port > '9' || *end || n > 65535) {
        err_set(err, ERR_USAGE, "'%s' is not an address", addr);
        err_hint(err, "--addr takes HOST:PORT, for example 127.0.0.1:7676; port 0 picks a free one");
        return -ERR_USAGE;
    }
    *ret_port = (uint16_t)n;
    *ret_host = colon && colon != addr ? xstrndup(addr, (size_t)(colon - addr)) : xstrdup("127.0.0.1");
    return 0;
}

static int start_server(struct dev *d, const struct dev_args *args, struct guest_app *app, struct err *err)
{
    cleanup(free_p) char *host = NULL;
    uint16_t port = DEFAULT_PORT;
    int r = split_addr(args->addr ? args->addr : "127.0.0.1:7676", &host, &port, err);
    if (r < 0) {
        guest_app_unref(app);
        return r;
    }
    struct server_options options = {
        .host = host,
        .port = port,
        .workers = d->workers,
        .max_requests = (unsigned)args->max_requests,
        .cpu_limit_ns = DEFAULT_CPU_NS,
        .wall_limit_ns = DEFAULT_WALL_NS,
        .kv = d->kv,
        .watch = dev_log_watch(d->log),
    };
    return server_start(&options, app, &d->server, err);
}

static int write_ready_file(const char *path, const char *url, struct err *err)
{
    cleanup(free_p) char *line = xasprintf("%s\n", url);
    return file_write(path, line, strlen(line), 0644, err);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    struct dev *d = handle->data;
    (void)signum;
    d->stopping = true;
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

static int open_state(struct dev *d, const struct manifest *m, const char *override, struct err *err)
{
    d->state_dir = state_dir_for(m, override);
    d->cache = core_cache_new(CORE_CACHE_BYTES);
    int r = state_dir_make(d->state_dir, err);
    return r < 0 ? r : kv_db_open(d->state_dir, &d->kv, err);
}

static int serve(struct dev *d, const struct dev_args *args, struct manifest *m, struct err *err)
{
    struct guest_app *app = NULL;
    int r = make_engine(d, args, err);
    if (r < 0)
        return r;
    r = open_state(d, m, args->state, err);
    if (r < 0)
        return r;
    r = load_app(d, m, &app, err);
    if (r < 0)
        return r;
    watch_signals(d);
    r = start_server(d, args, app, err);
    if (r < 0)
        return r;
    dev_log_ready(d->log, server_url(d->server), m);
    if (args->ready_file)
        r = write_ready_file(args->ready_file, server_url(d->server), err);
    if (r == 0)
        loop_run(d->loop);
    return r;
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct dev_args *args = args_ptr;
    struct manifest *m = NULL;
    int r = project_load(cli, args->module, &m, err);
    if (r < 0)
        return r;
    unsigned workers = args->workers ? (unsigned)args->workers : uv_available_parallelism();
    struct dev d = {.cli = cli, .loop = loop_new(), .workers = workers};
    d.log = dev_log_new(cli->out, cli->quiet, workers);
    r = serve(&d, args, m, err);
    server_stop(d.server, GRACE_NS);
    engine_free(d.engine);
    kv_db_close(d.kv);
    core_cache_free(d.cache);
    free(d.state_dir);
    dev_log_free(d.log);
    loop_free(d.loop);
    manifest_unref(m);
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
    OPT_INT(struct dev_args, 0, "workers", workers, "n", 1, 256, "event loops (one per core)"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl dev", "serve the project in this folder"},
    {"edgectl dev app.wasm --addr 127.0.0.1:0 --ready-file url", "serve one module, for a script"},
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
