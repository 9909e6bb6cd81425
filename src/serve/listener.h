/* SPDX-License-Identifier: Apache-2.0 */
/* A listening address on one loop: accepts clients, carries their bytes to and from http1, and
 * hands their requests to the handler. Each core's loop opens its own listener on the same port:
 * the first plainly, the others with `join`. */
#ifndef EDGECTL_SERVE_LISTENER_H
#define EDGECTL_SERVE_LISTENER_H

#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/loop.h"
#include "crypto/tls_server.h"
#include "serve/exchange.h"
#include "serve/http1.h"

struct listener;

struct listener_options {
    const char *host;       /* IPv4, IPv6 (in brackets or not), or a name; "localhost" is both */
    uint16_t port;          /* 0: the kernel picks */
    const char *path;       /* instead: a Unix socket, for this user only; replaces what is there */
    int backlog;            /* 0: 1024 */
    size_t max_connections; /* 0: 16384; more wait in the backlog while none of ours is idle */
    const struct http1_deadlines *deadlines;    /* NULL: http1_default_deadlines; copied */
    struct tls_server *tls;         /* HTTPS by this one, outliving the listener; NULL: HTTP */
    const struct listener *join;    /* share its address and port; host and port are not read */
    /* Asked for each accepted connection, before anything is read: true if another listener gets
     * it, by listener_adopt on its own thread. NULL: never. */
    bool (*elsewhere)(void *env, int fd);
    void *elsewhere_env;
};

/* Begins to accept. -ERR_NETWORK: the address does not resolve or cannot be bound; a busy port is
 * reported with the process that holds it. The handler is copied. */
must_use int listener_open(struct loop *loop, const struct listener_options *options,
                           const struct exchange_handler *handler, struct listener **ret,
                           struct err *err);
uint16_t listener_port(const struct listener *l);
/* "http://127.0.0.1:7676" (or https), with the host asked for. Lives as long as the listener. */
const char *listener_url(const struct listener *l);

/* Serve a connection that another listener has accepted: takes over the descriptor. On the loop's
 * thread. */
void listener_adopt(struct listener *l, int fd);

/* Stop accepting; idle connections close now, the others after their answer, all after grace_ns.
 * Then `done` (may be NULL) is called and the listener is gone. Once, on the loop's thread. */
void listener_close(struct listener *l, int64_t grace_ns, loop_fn *done, void *env);

#endif
