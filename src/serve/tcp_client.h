/* SPDX-License-Identifier: Apache-2.0 */
/* An accepted TCP connection: the transport under an http1. Reads and writes the socket itself
 * and uses libuv only to learn when it can, so that a request costs one read and one write. */
#ifndef EDGECTL_SERVE_TCP_CLIENT_H
#define EDGECTL_SERVE_TCP_CLIENT_H

#include <stddef.h>
#include "serve/http1.h"

struct tcp_client;

/* What the clients of one listener share; the listener's own. */
struct tcp_clients {
    struct http1_env http;
    struct tcp_client *first;       /* newest first; `last` has waited longest */
    struct tcp_client *last;
    size_t count;
    void (*on_close)(struct tcp_clients *all);  /* one has gone: `count` is less by one */
    char *room;                     /* where every read goes: TCP_CLIENT_ROOM bytes */
};

enum { TCP_CLIENT_ROOM = 64 << 10 };

/* Takes over the descriptor of a connected, non-blocking socket. */
void tcp_client_start(struct tcp_clients *all, int fd);
/* Close one that is between requests, the one that has been so longest. False if there is none. */
bool tcp_clients_close_idle(struct tcp_clients *all);
/* Every connection ends after the answer it is at. */
void tcp_clients_drain(struct tcp_clients *all);
/* Every connection ends now. */
void tcp_clients_cut(struct tcp_clients *all);

#endif
