/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/host.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "crypto/ca.h"
#include "crypto/tls_server.h"
#include "guest/table.h"
#include "world/state.h"

enum { DEFAULT_PORT = 7676, DEFAULT_REQUESTS = 1000, CA_PEM_MAX = 64 << 10,
       CORE_CACHE_BYTES = 256 << 20, DEFAULT_MEMORY_BYTES = 128 << 20 };
static const int64_t DEFAULT_CPU_NS = 10000000000, DEFAULT_WALL_NS = 120000000000,
                     GRACE_NS = 2000000000;

unsigned host_workers(int asked)
{
    return asked ? (unsigned)asked : uv_available_parallelism();
}

static unsigned requests(const struct host_options *o)
{
    return o->max_requests ? o->max_requests : DEFAULT_REQUESTS;
}

static int make_engine(struct host *h, const struct host_options *o, struct err *err)
{
    cleanup(free_p) char *dir = file_cache_dir("modules");
    /* A worker that ends a guest lets the next one begin, maybe on another worker, before the
     * instance is gone. */
    struct engine_options options = {
        .instances = requests(o) + host_workers((int)o->workers) + o->more_instances,
        .cache_dir = dir,
    };
    if (o->memory_max > DEFAULT_MEMORY_BYTES)
        options.memory_max = o->memory_max;
    options.funcs = guest_host_funcs(&options.func_count);
    return engine_new(&options, &h->engine, err);
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

static int open_tls(struct host *h, struct err *err)
{
    cleanup(free_p) char *dir = ca_default_dir();
    if (!dir)
        return err_set(err, ERR_IO, "no home directory to keep the local certificate authority in");
    size_t len;
    int r = ca_open(dir, &h->ca, err);
    if (r == 0)
        r = file_read(ca_cert_path(h->ca), CA_PEM_MAX, &h->ca_pem, &len, err);
    return r < 0 ? r : tls_server_new(&(struct tls_server_config){.ca = h->ca}, &h->tls, err);
}

/* A server that listens at every address is reached at the loopback one. */
static char *reachable(const char *host)
{
    bool any6 = strcmp(host, "::") == 0 || strcmp(host, "[::]") == 0;
    return xstrdup(any6 ? "::1" : strcmp(host, "0.0.0.0") == 0 ? "127.0.0.1" : host);
}

static int start_server(struct host *h, const struct host_options *o, struct err *err)
{
    cleanup(free_p) char *host = NULL;
    uint16_t port = DEFAULT_PORT;
    int r = split_addr(o->addr ? o->addr : HOST_ADDR, &host, &port, err);
    if (r == 0)
        h->name = reachable(host);
    if (r == 0 && o->tls)
        r = open_tls(h, err);
    if (r < 0)
        return r;
    struct server_options options = {
        .host = host,
        .port = port,
        .tls = h->tls,
        .workers = o->workers,
        .max_requests = requests(o),
        .cpu_limit_ns = DEFAULT_CPU_NS,
        .wall_limit_ns = DEFAULT_WALL_NS,
        .kv = h->kv,
        .limits = o->limits,
        .watch = o->watch,
    };
    return server_start(&options, NULL, &h->server, err);
}

int host_open(struct host *h, const struct host_options *o, struct err *err)
{
    int r = make_engine(h, o, err);
    if (r == 0)
        r = state_dir_make(o->state_dir, err);
    if (r == 0)
        r = kv_db_open(o->state_dir, &h->kv, err);
    if (r < 0)
        return r;
    h->cache = core_cache_new(CORE_CACHE_BYTES);
    return start_server(h, o, err);
}

void host_stop(struct host *h)
{
    server_stop(h->server, GRACE_NS);
    h->server = NULL;
}

void host_close(struct host *h)
{
    engine_free(h->engine);
    kv_db_close(h->kv);
    core_cache_free(h->cache);
    tls_server_free(h->tls);
    ca_close(h->ca);
    free(h->ca_pem);
    free(h->name);
}

int host_write_ready(const struct host *h, const char *path, struct err *err)
{
    cleanup(free_p) char *line = xasprintf("%s\n", server_url(h->server));
    return file_write(path, line, strlen(line), 0644, err);
}
