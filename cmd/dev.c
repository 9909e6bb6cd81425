/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "cmd/dev_app.h"
#include "cmd/dev_log.h"
#include "cmd/project.h"
#include "crypto/ca.h"
#include "crypto/tls_server.h"
#include "guest/table.h"
#include "serve/server.h"
#include "world/core_cache.h"
#include "world/state.h"

struct dev_args {
    const char *module;
    const char *addr;
    const char *ready_file;
    const char *state;
    const char *limits;
    int max_requests;
    int workers;
    bool tls, no_watch;
};

enum {
    DEFAULT_PORT = 7676,
    DEFAULT_REQUESTS = 1000,
    CA_PEM_MAX = 64 << 10,
    CORE_CACHE_BYTES = 256 << 20,
    DEFAULT_MEMORY_BYTES = 128 << 20,
};
static const int64_t DEFAULT_CPU_NS = 10000000000, DEFAULT_WALL_NS = 120000000000,
                     GRACE_NS = 2000000000;

/* A running `edgectl dev`. */
struct dev {
    struct cli *cli;
    const struct dev_args *args;
    struct loop *loop;
    struct engine *engine;
    char *state_dir;
    struct kv_db *kv;
    struct core_cache *cache;
    struct server *server;
    char *host;                     /* at which this machine reaches it */
    struct ca *ca;
    char *ca_pem;
    struct tls_server *tls;
    struct dev_app *app;
    struct dev_log *log;
    unsigned workers, max_requests;
    enum limit_profile limits;
    uv_signal_t sigint, sigterm;
    struct manifest *manifest;
    bool ready;                     /* it has been served */
    int result;                     /* of the whole command */
    struct err *err;
};

/* --- starting and stopping --- */

static int make_engine(struct dev *d, struct err *err)
{
    cleanup(free_p) char *dir = file_cache_dir("modules");
    /* A worker that ends a guest lets the next one begin, maybe on another worker, before the
     * instance is gone. */
    struct engine_options options = {
        .instances = d->max_requests + d->workers,
        .cache_dir = dir,
    };
    /* What a later version of the manifest allows beyond this takes effect at the next start. */
    if (d->manifest->limits.memory_bytes > DEFAULT_MEMORY_BYTES)
        options.memory_max = (uint64_t)d->manifest->limits.memory_bytes;
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
        err_hint(err,
                 "--addr takes HOST:PORT, for example 127.0.0.1:7676; port 0 picks a free one");
        return -ERR_USAGE;
    }
    *ret_port = (uint16_t)n;
    bool has_host = colon && colon != addr;
    *ret_host = has_host ? xstrndup(addr, (size_t)(colon - addr)) : xstrdup("127.0.0.1");
    return 0;
}

static int open_tls(struct dev *d, struct err *err)
{
    cleanup(free_p) char *dir = ca_default_dir();
    if (!dir)
        return err_set(err, ERR_IO, "no home directory to keep the local certificate authority in");
    size_t len;
    int r = ca_open(dir, &d->ca, err);
    if (r == 0)
        r = file_read(ca_cert_path(d->ca), CA_PEM_MAX, &d->ca_pem, &len, err);
    return r < 0 ? r : tls_server_new(&(struct tls_server_config){.ca = d->ca}, &d->tls, err);
}

/* A server that listens at every address is reached at the loopback one. */
static char *reachable(const char *host)
{
    bool any6 = strcmp(host, "::") == 0 || strcmp(host, "[::]") == 0;
    return xstrdup(any6 ? "::1" : strcmp(host, "0.0.0.0") == 0 ? "127.0.0.1" : host);
}

static int start_server(struct dev *d, struct err *err)
{
    const struct dev_args *args = d->args;
    cleanup(free_p) char *host = NULL;
    uint16_t port = DEFAULT_PORT;
    int r = split_addr(args->addr ? args->addr : "127.0.0.1:7676", &host, &port, err);
    if (r == 0)
        d->host = reachable(host);
    if (r == 0 && args->tls)
        r = open_tls(d, err);
    if (r < 0)
        return r;
    struct server_options options = {
        .host = host,
        .port = port,
        .tls = d->tls,
        .workers = d->workers,
        .max_requests = d->max_requests,
        .cpu_limit_ns = DEFAULT_CPU_NS,
        .limits = d->limits,
        .wall_limit_ns = DEFAULT_WALL_NS,
        .kv = d->kv,
        .watch = dev_log_watch(d->log),
    };
    return server_start(&options, NULL, &d->server, err);
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

static int open_state(struct dev *d, struct err *err)
{
    d->state_dir = state_dir_for(d->manifest, d->args->state);
    d->cache = core_cache_new(CORE_CACHE_BYTES);
    int r = state_dir_make(d->state_dir, err);
    return r < 0 ? r : kv_db_open(d->state_dir, &d->kv, err);
}

/* --- the app --- */

static void on_ready(void *env)
{
    struct dev *d = env;
    d->ready = true;
    dev_log_ready(d->log, server_url(d->server), d->manifest);
    if (!d->args->ready_file)
        return;
    d->result = write_ready_file(d->args->ready_file, server_url(d->server), d->err);
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
        manifest_serve_at(m, d->host, server_port(d->server), d->ca_pem);
        return m;
    }
    if (err.msg[0])
        dev_log_error(d->log, &err);
    return NULL;
}

static int start(struct dev *d, struct err *err)
{
    int r = make_engine(d, err);
    if (r < 0)
        return r;
    r = open_state(d, err);
    if (r < 0)
        return r;
    r = start_server(d, err);
    if (r < 0)
        return r;
    manifest_serve_at(d->manifest, d->host, server_port(d->server), d->ca_pem);
    watch_signals(d);
    d->app = dev_app_new(&(struct dev_app_options){
        .loop = d->loop,
        .engine = d->engine,
        .server = d->server,
        .log = d->log,
        .state_dir = d->state_dir,
        .kv = d->kv,
        .cache = d->cache,
        .watch = !d->args->no_watch,
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
    server_stop(d->server, GRACE_NS);
    if (loading) {
        /* A compilation cannot be stopped half-way, and nobody should wait for it. All that is on
         * disk is safe against this. */
        dev_log_free(d->log);
        cmd_exit_now(d->cli, d->result);
    }
    dev_app_free(d->app);
    engine_free(d->engine);
    kv_db_close(d->kv);
    core_cache_free(d->cache);
    tls_server_free(d->tls);
    ca_close(d->ca);
    dev_log_free(d->log);
    loop_free(d->loop);
    manifest_unref(d->manifest);
    free(d->state_dir);
    free(d->host);
    free(d->ca_pem);
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

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct dev_args *args = args_ptr;
    struct dev d = {.cli = cli, .args = args, .err = err};
    int r = find_limits(args->limits, &d.limits, err);
    if (r == 0)
        r = project_load(cli, args->module, &d.manifest, err);
    if (r < 0)
        return r;
    d.workers = args->workers ? (unsigned)args->workers : uv_available_parallelism();
    d.max_requests = args->max_requests ? (unsigned)args->max_requests : DEFAULT_REQUESTS;
    d.loop = loop_new();
    d.log = dev_log_new(cli->out, cli->quiet, d.workers);
    d.result = start(&d, err);
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
    OPT_FLAG(struct dev_args, 0, "tls", tls,
             "serve HTTPS with a certificate of the local authority"),
    OPT_FLAG(struct dev_args, 0, "no-watch", no_watch, "do not build or reload when files change"),
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
