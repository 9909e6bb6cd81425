/* SPDX-License-Identifier: Apache-2.0 */
/* What `edgectl dev` and `edgectl serve` are made of: an engine, a state folder, and a server that
 * listens. What is served is the command's own affair. */
#ifndef EDGECTL_CMD_HOST_H
#define EDGECTL_CMD_HOST_H

#include "base/err.h"
#include "serve/server.h"
#include "world/core_cache.h"

struct host_options {
    const char *addr;               /* as the user wrote it; NULL = the default */
    const char *state_dir;
    bool tls;
    unsigned workers;               /* 0 = one per core */
    unsigned max_requests;          /* 0 = 1000 */
    unsigned more_instances;        /* that the engine is to have room for beside those */
    uint64_t memory_max;            /* bytes of one instance; 0 = the engine's */
    enum limit_profile limits;      /* of a provider, to be kept here */
    struct server_watch watch;
};

struct host {
    struct engine *engine;
    struct kv_db *kv;
    struct core_cache *cache;
    struct server *server;
    struct ca *ca;
    struct tls_server *tls;
    char *ca_pem;                   /* NULL without TLS */
    char *name;                     /* at which this machine reaches it */
};

#define HOST_ADDR "127.0.0.1:7676"

/* How many event loops there will be. */
unsigned host_workers(int asked);
/* On failure host_close is still to be called. */
must_use int host_open(struct host *h, const struct host_options *o, struct err *err);
/* Stop serving: requests in flight get a grace. */
void host_stop(struct host *h);
/* After host_stop, and once nothing of the engine is used any more. */
void host_close(struct host *h);
/* The URL, for scripts that wait for it. */
must_use int host_write_ready(const struct host *h, const char *path, struct err *err);

#endif
