/* SPDX-License-Identifier: Apache-2.0 */
/* An accepted TCP connection, with or without TLS: the transport under an http1. Reads and writes
 * the socket itself and uses libuv only to learn when it can, so that a request costs one read and
 * one write. */
#ifndef EDGECTL_SERVE_TCP_CLIENT_H
#define EDGECTL_SERVE_TCP_CLIENT_H

#include <stddef.h>
#include "crypto/tls_server.h"
#include "serve/http1.h"

struct tcp_client;

/* What the clients of one listener share; the listener's own. */
struct tcp_clients {
    struct http1_env http;
    struct tls_server *tls;         /* NULL: plain HTTP */
    struct tcp_client *first;       /* newest first; `last` has waited longest */
    struct tcp_client *last;
    size_t count;                   /* open */
    size_t closing;                 /* closed, but their handles not yet */
    void (*on_close)(struct tcp_clients *all);  /* one has gone for good */
    char *room;                     /* where every read goes: TCP_CLIENT_ROOM bytes */
};

enum { TCP_CLIENT_ROOM = 64 << 10 };

/* Takes over the descriptor of a connected, non-blocking socket. */
void tcp_client_start(struct tcp_clients *all, int fd);
/* The oldest that is between requests (a new one counts as such only after a second without a
 * word), or NULL. */
struct tcp_client *tcp_clients_idle(struct tcp_clients *all);
/* End it after the answer it is at; now if it is idle. */
void tcp_client_drain(struct tcp_client *c);
/* As tcp_client_drain, all. */
void tcp_clients_drain(struct tcp_clients *all);
/* Every connection ends now. */
void tcp_clients_cut(struct tcp_clients *all);

#endif
