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
    bool want_input, want_output;   /* http's wishes */
    bool closing;                   /* http is done with us */
    bool greeted;                   /* the first bytes have been looked at */
    bool hung_up;                   /* FIN was seen: do not wait for it again */
    struct tcp_clients *all;
    struct tcp_client *next, *prev;
    struct http1 http;
    struct tls_session *tls;        /* NULL on plain HTTP */
    struct timer finish_timer;
};

static const int64_t FINISH_NS = INT64_C(10) * 1000000000;
enum { TLS_BATCH = 64 << 10 };      /* plaintext turned into ciphertext before that is sent */

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

/* --- the socket --- */

static ssize_t send_iov(struct tcp_client *c, const struct iovec *iov, int count)
{
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

static bool output_pending(struct tcp_client *c)
{
    const void *data;
    return c->tls && tls_session_output(c->tls, &data) > 0;
}

static void apply_watch(struct tcp_client *c)
{
    bool output = (c->want_output && !c->closing) || output_pending(c);
    bool input = c->want_input && !c->closing;
    int events = (input ? UV_READABLE : 0) | (output ? UV_WRITABLE : 0) |
                 (c->hung_up || c->closing ? 0 : UV_DISCONNECT);
    if (events == c->events)
        return;
    c->events = events;
    if (events)
        uv_poll_start(&c->poll, events, on_poll);
    else
        uv_poll_stop(&c->poll);
}

/* --- transport --- */

/* Sends ciphertext that waits. False if the connection is broken. */
static bool push_output(struct tcp_client *c)
{
    struct iovec iov;
    const void *data;
    while ((iov.iov_len = tls_session_output(c->tls, &data)) > 0) {
        iov.iov_base = (void *)(uintptr_t)data;
        ssize_t n = send_iov(c, &iov, 1);
        if (n < 0)
            return false;
        if (n == 0)
            break;
        tls_session_sent(c->tls, (size_t)n);
    }
    return true;
}

/* What has become ciphertext counts as written; more does only once that has been sent. */
static ssize_t write_tls(struct tcp_client *c, const struct iovec *iov, int count)
{
    size_t total = 0;
    if (!push_output(c))
        return -1;
    if (output_pending(c))
        return 0;
    for (int i = 0; i < count && total < TLS_BATCH; i++) {
        size_t n = iov[i].iov_len < TLS_BATCH - total ? iov[i].iov_len : TLS_BATCH - total;
        if (!tls_session_write(c->tls, iov[i].iov_base, n))
            return -1;
        total += n;
    }
    return push_output(c) ? (ssize_t)total : -1;
}

static ssize_t client_write(void *env, const struct iovec *iov, int count)
{
    struct tcp_client *c = env;
    if (!c->tls)
        return send_iov(c, iov, count);
    ssize_t n = write_tls(c, iov, count);
    apply_watch(c);
    return n;
}

static void client_watch(void *env, bool input, bool output)
{
    struct tcp_client *c = env;
    c->want_input = input;
    c->want_output = output;
    if (!c->closing)
        apply_watch(c);
}

static void client_shutdown(void *env)
{
    struct tcp_client *c = env;
    if (c->tls) {
        tls_session_shutdown(c->tls);
        push_output(c); /* what does not go now is lost, and with it the end: the close is near */
    }
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
    exchange_tls_unref(c->http.tls);
    tls_session_free(c->tls);
    unlink_client(all, c);
    free(c);
    all->closing--;
    all->on_close(all);
}

static void close_socket(void *env)
{
    struct tcp_client *c = env;
    timer_stop(&c->finish_timer);
    if (!uv_is_closing((uv_handle_t *)&c->poll))
        uv_close((uv_handle_t *)&c->poll, on_closed);
}

/* What http1 has handed over is to arrive, but not for ever. */
static void finish_output(struct tcp_client *c)
{
    if (!push_output(c) || !output_pending(c)) {
        close_socket(c);
        return;
    }
    apply_watch(c);
    if (!c->finish_timer.loop)
        timer_start(c->all->http.loop, &c->finish_timer, FINISH_NS, close_socket, c);
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
    } else if (c->tls) {
        tls_session_shutdown(c->tls);
        finish_output(c);
        return;
    }
    close_socket(c);
}

static const struct http1_transport transport = {
    .write = client_write,
    .watch = client_watch,
    .shutdown = client_shutdown,
    .peer_gone = client_peer_gone,
    .close = client_close,
};

/* --- events --- */

/* A handshake record begins with 22 (RFC 8446, 5.1), a request with a letter. */
static bool speaks_tls(const char *data)
{
    return data[0] == 22 || (data[0] & 0x80) != 0;
}

static void learn_facts(struct tcp_client *c)
{
    const struct tls_facts *f = tls_session_facts(c->tls);
    if (!f || c->http.tls)
        return;
    struct exchange_tls tls = {
        .protocol = f->protocol,
        .cipher = f->cipher,
        .servername = f->servername,
        .client_hello = f->client_hello,
        .client_hello_len = f->client_hello_len,
        .client_cert = f->client_cert,
        .client_cert_len = f->client_cert_len,
        .verify_result = f->verify_result,
        .has_ja3 = f->has_prints,
        .ja4 = f->ja4,
    };
    memcpy(tls.ja3_md5, f->ja3_md5, sizeof tls.ja3_md5);
    c->http.tls = exchange_tls_copy(&tls);
}

/* All that is there is decrypted now, also if http1 wants a pause: nothing would tell us later
 * that plaintext waits. It is one read of the socket at most. */
static void input_tls(struct tcp_client *c, size_t len)
{
    char *room = c->all->room;
    ssize_t n;
    if (!c->greeted && !speaks_tls(room)) {
        tls_session_free(TAKE(c->tls));
        http1_refuse(&c->http, 400, "this port speaks HTTPS: the URL must begin with https://");
        return;
    }
    c->greeted = true;
    tls_session_feed(c->tls, room, len);
    while ((n = tls_session_read(c->tls, room, TCP_CLIENT_ROOM)) > 0) {
        learn_facts(c);
        http1_input(&c->http, room, (size_t)n);
        if (c->closing)
            return;
    }
    bool ok = push_output(c) && n != TLS_BROKEN;
    if (n == TLS_END || (!ok && !tls_session_facts(c->tls)))
        http1_eof(&c->http); /* a failed handshake ends quietly: its alert must arrive */
    else if (!ok)
        http1_broken(&c->http);
    if (!c->closing)
        apply_watch(c);
}

static void read_some(struct tcp_client *c)
{
    ssize_t n = recv(c->fd, c->all->room, TCP_CLIENT_ROOM, 0);
    if (n > 0 && c->tls) {
        input_tls(c, (size_t)n);
    } else if (n > 0) {
        http1_input(&c->http, c->all->room, (size_t)n);
    } else if (n == 0) {
        c->hung_up = true;
        http1_eof(&c->http);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        http1_broken(&c->http);
    }
}

static void on_writable(struct tcp_client *c)
{
    if (c->tls && !push_output(c)) {
        http1_broken(&c->http);
        return;
    }
    if (c->want_output && !output_pending(c))
        http1_writable(&c->http);
    if (!c->closing)
        apply_watch(c);
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct tcp_client *c = (struct tcp_client *)handle;
    if (c->closing) {
        if (status < 0)
            close_socket(c);
        else
            finish_output(c);
        return;
    }
    if (status < 0) {
        /* A reset may have bytes before it; nobody could be answered for them. */
        http1_broken(&c->http);
        return;
    }
    if (events & UV_WRITABLE)
        on_writable(c);
    if (!c->closing && (events & UV_READABLE)) {
        read_some(c);
    } else if (!c->closing && (events & UV_DISCONNECT)) {
        c->hung_up = true;
        apply_watch(c);
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
    if (all->tls)
        c->tls = tls_session_new(all->tls);
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
        if (!c->closing && http1_idle(&c->http) &&
            (c->http.served || c->http.idle_since < second_ago))
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
    for (struct tcp_client *c = all->first; c; c = c->next) {
        if (!c->closing)
            http1_broken(&c->http);
        close_socket(c);
    }
}
