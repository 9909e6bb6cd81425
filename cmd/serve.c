/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <signal.h>
#include <stdlib.h>
#include "base/loop.h"
#include "base/mem.h"
#include "cmd/dev_log.h"
#include "cmd/host.h"
#include "serve/admin.h"
#include "serve/shelf.h"
#include "world/state.h"

struct serve_args {
    const char *addr;
    const char *ready_file;
    const char *state;
    int64_t memory;
    int max_requests;
    int workers;
    bool tls;
};

/* A running `edgectl serve`. */
struct serve {
    struct loop *loop;
    struct host host;
    struct shelf *shelf;
    struct admin *admin;
    struct dev_log *log;
    uv_signal_t sigint, sigterm;
};

static void on_signal(uv_signal_t *handle, int signum)
{
    (void)signum;
    loop_stop(handle->data);
}

static void watch_signal(struct serve *s, uv_signal_t *handle, int signum)
{
    uv_signal_init(loop_uv(s->loop), handle);
    handle->data = s->loop;
    uv_signal_start(handle, on_signal, signum);
}

static int start(struct serve *s, const struct serve_args *args, const char *state_dir,
                 struct err *err)
{
    unsigned workers = host_workers(args->workers);
    struct host_options options = {
        .addr = args->addr,
        .state_dir = state_dir,
        .tls = args->tls,
        .workers = workers,
        .max_requests = (unsigned)args->max_requests,
        .memory_max = (uint64_t)args->memory,
        .watch = dev_log_watch(s->log),
    };
    int r = host_open(&s->host, &options, err);
    if (r < 0)
        return r;
    server_set_notice(s->host.server, "No app is deployed for this host",
                      "Deploy one with `edgectl deploy`; `edgectl versions` lists what is there.");
    struct shelf_options shelf = {
        .state_dir = state_dir, .engine = s->host.engine, .server = s->host.server,
        .kv = s->host.kv, .host = s->host.name,
        .ca_pem = s->host.ca_pem, .any_host = true,
    };
    r = shelf_open(&shelf, &s->shelf, err);
    if (r < 0)
        return r;
    shelf_broken(s->shelf, dev_log_broken, s->log);
    struct admin_options admin = {
        .state_dir = state_dir, .kind = "serve", .shelf = s->shelf, .server = s->host.server,
        .kv = s->host.kv,
    };
    r = admin_start(&admin, &s->admin, err);
    if (r == 0 && args->ready_file)
        r = host_write_ready(&s->host, args->ready_file, err);
    return r;
}

static void stop(struct serve *s)
{
    admin_stop(s->admin);
    shelf_stop(s->shelf);
    host_stop(&s->host);
    admin_close(s->admin);
    shelf_close(s->shelf);
    host_close(&s->host);
    dev_log_free(s->log);
    loop_free(s->loop);
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct serve_args *args = args_ptr;
    cleanup(free_p) char *dir = args->state ? xstrdup(args->state) : state_dir_server();
    struct serve s = {0};
    if (!dir)
        return err_set(err, ERR_IO, "no home directory to keep what is deployed in");
    s.loop = loop_new();
    s.log = dev_log_new(cli->out, cli->quiet, host_workers(args->workers));
    watch_signal(&s, &s.sigint, SIGINT);
    watch_signal(&s, &s.sigterm, SIGTERM);
    int r = start(&s, args, dir, err);
    if (r == 0) {
        dev_log_ready(s.log, server_url(s.host.server), NULL);
        loop_run(s.loop);
    }
    stop(&s);
    return r;
}

static const struct cli_opt opts[] = {
    OPT_STR(struct serve_args, 0, "addr", addr, "host:port", COMP_NONE,
            "listen here (127.0.0.1:7676); port 0 picks a free one"),
    OPT_STR(struct serve_args, 0, "ready-file", ready_file, "file", COMP_FILE,
            "write the URL into this file once deploys are taken"),
    OPT_STR(struct serve_args, 0, "state", state, "dir", COMP_DIR,
            "keep what is deployed here ($EDGECTL_LOCAL, or ~/.local/state/edgectl)"),
    OPT_INT(struct serve_args, 0, "max-requests", max_requests, "n", 1, 100000,
            "requests served at once; the rest queue (1000)"),
    OPT_SIZE(struct serve_args, 0, "memory", memory, "size",
             "most memory that an app may ask for in its limits (128MiB)"),
    OPT_FLAG(struct serve_args, 0, "tls", tls,
             "serve HTTPS with a certificate of the local authority"),
    OPT_INT(struct serve_args, 0, "workers", workers, "n", 1, 256, "event loops (one per core)"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl serve", "a network of one machine, for `edgectl deploy` from any project"},
    {"edgectl serve --addr 127.0.0.1:0 --state run --ready-file url", "for a script"},
    {NULL, NULL},
};

const struct cli_cmd cmd_serve = {
    .path = "serve",
    .group = GRP_RUN,
    .summary = "serve what is deployed to this machine",
    .opts = opts,
    .args_size = sizeof(struct serve_args),
    .exits = EXITS(IO, DRIFT, NETWORK, CREDENTIALS),
    .examples = examples,
    .run = run,
};
