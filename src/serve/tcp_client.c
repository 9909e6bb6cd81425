/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/tcp_client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "serve/socket_table.h"

struct tcp_client {
    uv_poll_t poll;
    int fd;
    int events;                     /* what `poll` waits for now */
    bool closing;
    bool hung_up;                   /* FIN was seen: do not wait for it again */
    struct tcp_clients *all;
    struct tcp_client *next, *prev;
    struct http1 http;
};

/* --- list --- */

static void link_client(struct tcp_clients *all, struct tcp_client *c)
{
    c->next = all->first;
    if (c->next)
        c->next->prev = c;
    else
        all->last = c;
    all->first = c;
}

static void unlink_client(struct tcp_clients *all, struct tcp_client *c)
{
    *(c->prev ? &c->prev->next : &all->first) = c->next;
    *(c->next ? &c->next->prev : &all->last) = c->prev;
}

/* --- transport --- */

static ssize_t client_write(void *env, const struct iovec *iov, int count)
{
    struct tcp_client *c = env;
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov, .msg_iovlen = (size_t)count};
    ssize_t n;
    do
        n = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -1;
    return n;
}

static void on_poll(uv_poll_t *handle, int status, int events);

static void client_watch(void *env, bool input, bool output)
{
    struct tcp_client *c = env;
    int events = (input ? UV_READABLE : 0) | (output ? UV_WRITABLE : 0) |
                 (c->hung_up ? 0 : UV_DISCONNECT);
    if (events == c->events || c->closing)
        return;
    c->events = events;
    if (events)
        uv_poll_start(&c->poll, events, on_poll);
    else
        uv_poll_stop(&c->poll);
}

static void client_shutdown(void *env)
{
    struct tcp_client *c = env;
    shutdown(c->fd, SHUT_WR);
}

static bool client_peer_gone(void *env)
{
    struct tcp_client *c = env;
    return socket_table_peer_closed(c->fd);
}

static void on_closed(uv_handle_t *handle)
{
    struct tcp_client *c = (struct tcp_client *)handle;
    struct tcp_clients *all = c->all;
    close(c->fd);
    http1_clear(&c->http);
    unlink_client(all, c);
    free(c);
    all->closing--;
    all->on_close(all);
}

static void client_close(void *env, bool reset)
{
    struct tcp_client *c = env;
    if (c->closing)
        return;
    c->closing = true;
    c->all->count--;
    c->all->closing++;
    if (reset) {
        struct linger l = {.l_onoff = 1, .l_linger = 0};
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
    }
    uv_close((uv_handle_t *)&c->poll, on_closed);
}

static const struct http1_transport transport = {
    .write = client_write,
    .watch = client_watch,
    .shutdown = client_shutdown,
    .peer_gone = client_peer_gone,
    .close = client_close,
};

/* --- events --- */

static void read_some(struct tcp_client *c)
{
    ssize_t n = recv(c->fd, c->all->room, TCP_CLIENT_ROOM, 0);
    if (n > 0) {
        http1_input(&c->http, c->all->room, (size_t)n);
    } else if (n == 0) {
        c->hung_up = true;
        http1_eof(&c->http);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        http1_broken(&c->http);
    }
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct tcp_client *c = (struct tcp_client *)handle;
    if (status < 0) {
        /* A reset may have bytes before it; nobody could be answered for them. */
        http1_broken(&c->http);
        return;
    }
    if (events & UV_WRITABLE)
        http1_writable(&c->http);
    if (!c->closing && (events & UV_READABLE)) {
        read_some(c);
    } else if (!c->closing && (events & UV_DISCONNECT)) {
        c->hung_up = true;
        client_watch(c, c->events & UV_READABLE, c->events & UV_WRITABLE);
        http1_hup(&c->http);
    }
}

/* --- life --- */

static void fill_address(struct exchange_addr *to, const struct sockaddr_storage *from)
{
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)from;
        to->len = 4;
        memcpy(to->octets, &in->sin_addr, 4);
        to->port = ntohs(in->sin_port);
    } else if (from->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)from;
        bool mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
        to->len = mapped ? 4 : 16;
        memcpy(to->octets, in6->sin6_addr.s6_addr + (mapped ? 12 : 0), to->len);
        to->port = ntohs(in6->sin6_port);
    }
}

void tcp_client_start(struct tcp_clients *all, int fd)
{
    struct tcp_client *c = xnew(struct tcp_client);
    struct sockaddr_storage a;
    socklen_t len = sizeof a;
    c->fd = fd;
    c->all = all;
    if (uv_poll_init(loop_uv(all->http.loop), &c->poll, fd) != 0) {
        close(fd);
        free(c);
        return;
    }
    link_client(all, c);
    all->count++;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    c->http.env = &all->http;
    c->http.transport = &transport;
    c->http.transport_env = c;
    if (getpeername(fd, (struct sockaddr *)&a, &len) == 0)
        fill_address(&c->http.client, &a);
    len = sizeof a;
    if (getsockname(fd, (struct sockaddr *)&a, &len) == 0)
        fill_address(&c->http.server, &a);
    http1_init(&c->http);
}

struct tcp_client *tcp_clients_idle(struct tcp_clients *all)
{
    int64_t second_ago = clock_mono_ns() - INT64_C(1000000000);
    for (struct tcp_client *c = all->last; c; c = c->prev)
        if (!c->closing && http1_idle(&c->http) && (c->http.served || c->http.idle_since < second_ago))
            return c;
    return NULL;
}

void tcp_client_drain(struct tcp_client *c)
{
    if (!c->closing)
        http1_drain(&c->http);
}

void tcp_clients_drain(struct tcp_clients *all)
{
    for (struct tcp_client *c = all->first; c; c = c->next)
        tcp_client_drain(c);
}

void tcp_clients_cut(struct tcp_clients *all)
{
    for (struct tcp_client *c = all->first; c; c = c->next)
        if (!c->closing)
            http1_broken(&c->http);
}
