/* SPDX-License-Identifier: Apache-2.0 */
/* For the net tests: a loop with a client, one call's outcome collected, and a server that does
 * with each connection what a test's script says, misbehaviour included. */
#ifndef EDGECTL_TESTS_NET_HARNESS_H
#define EDGECTL_TESTS_NET_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "net/client.h"

#define UNUSED __attribute__((unused))

/* --- server --- */

/* Serve one connection; `nth` counts them from 0. The descriptor is closed after it. */
typedef void script_fn(int fd, int nth);

struct server {
    int fd;
    uint16_t port;
    script_fn *script;
    atomic_int connections, running;
    pthread_t thread;
};

struct server_conn {
    struct server *server;
    int fd, nth;
};

static void *serve_connection(void *env)
{
    struct server_conn *c = env;
    c->server->script(c->fd, c->nth);
    close(c->fd);
    atomic_fetch_sub(&c->server->running, 1);
    free(c);
    return NULL;
}

static void *serve(void *env)
{
    struct server *s = env;
    for (;;) {
        int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        struct timeval patience = {.tv_sec = 10};
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
        struct server_conn *c = xnew(struct server_conn);
        *c = (struct server_conn){s, fd, atomic_fetch_add(&s->connections, 1)};
        atomic_fetch_add(&s->running, 1);
        pthread_t t;
        assert_int_equal(pthread_create(&t, NULL, serve_connection, c), 0);
        pthread_detach(t);
    }
}

static int listen_somewhere(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 1024), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

UNUSED static void server_start(struct server *s, script_fn *script)
{
    *s = (struct server){.script = script};
    s->fd = listen_somewhere(&s->port);
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

UNUSED static void server_stop(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    for (int i = 0; atomic_load(&s->running) > 0 && i < 12000; i++)
        usleep(1000);
    assert_int_equal(atomic_load(&s->running), 0);
}

UNUSED static bool say(int fd, const char *text)
{
    size_t len = strlen(text);
    return send(fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* Read a request head; false when the connection ended before. */
UNUSED static bool hear_head(int fd, char *to, size_t cap)
{
    size_t n = 0;
    while (n + 1 < cap && recv(fd, to + n, 1, 0) == 1) {
        to[++n] = '\0';
        if (n >= 4 && memcmp(to + n - 4, "\r\n\r\n", 4) == 0)
            return true;
    }
    return false;
}

/* Read exactly `len` bytes. */
UNUSED static bool hear(int fd, char *to, size_t len)
{
    return recv(fd, to, len, MSG_WAITALL) == (ssize_t)len;
}

/* Wait for the other side to go. */
UNUSED static void await_close(int fd)
{
    char sink[4096];
    while (recv(fd, sink, sizeof sink, 0) > 0)
        continue;
}

UNUSED static void reset_connection(int fd)
{
    struct linger now = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

/* --- client --- */

struct world {
    struct loop *loop;
    struct net_client *client;
    struct timer limit;
    bool timed_out;
};

/* What became of a call. Its body is read to the end unless `hold`. */
struct outcome {
    struct world *world;
    bool called, ended, hold;
    struct net_failure failure;     /* error 0: none */
    struct net_response *response;
    struct buf body;
    size_t body_len;                /* counted even where `body` keeps none */
    bool body_broken;
    struct task read;
};

UNUSED static int world_open(void **state)
{
    signal(SIGPIPE, SIG_IGN);
    struct world *w = xnew(struct world);
    w->loop = loop_new();
    w->client = net_client_new(w->loop);
    *state = w;
    return 0;
}

UNUSED static int world_close(void **state)
{
    struct world *w = *state;
    net_client_free(w->client);
    timer_stop(&w->limit);
    loop_free(w->loop);
    free(w);
    return 0;
}

static void on_limit(void *env)
{
    struct world *w = env;
    w->timed_out = true;
    loop_stop(w->loop);
}

/* Run until something calls loop_stop, at most 20 s. */
static void run(struct world *w)
{
    w->timed_out = false;
    timer_start(w->loop, &w->limit, INT64_C(20) * 1000000000, on_limit, w);
    loop_run(w->loop);
    timer_stop(&w->limit);
    assert_false(w->timed_out);
}

/* Run the loop for a while. */
UNUSED static void run_for(struct world *w, int ms)
{
    timer_start(w->loop, &w->limit, (int64_t)ms * 1000000, on_limit, w);
    loop_run(w->loop);
}

static void read_some(void *env)
{
    struct outcome *o = env;
    const uint8_t *data;
    size_t len;
    enum body_read r;
    while ((r = body_peek(o->response->body, &data, &len)) == BODY_DATA) {
        buf_add(&o->body, data, len);
        o->body_len += len;
        body_consume(o->response->body, len);
    }
    if (r == BODY_WAIT)
        return;
    o->ended = true;
    o->body_broken = r == BODY_ERROR;
    loop_stop(o->world->loop);
}

static void on_outcome_readable(void *env)
{
    struct outcome *o = env;
    loop_defer(o->world->loop, &o->read);
}

static void on_done(void *env, struct net_response *response, const struct net_failure *failure)
{
    struct outcome *o = env;
    assert_false(o->called);
    assert_true(!response != !failure);
    o->called = true;
    o->response = response;
    if (failure)
        o->failure = *failure;
    if (failure || o->hold) {
        o->ended = o->ended || failure;
        loop_stop(o->world->loop);
        return;
    }
    body_on_readable(response->body, on_outcome_readable, o);
    on_outcome_readable(o);
}

/* Begin to read a body that was held. */
UNUSED static void read_held(struct outcome *o)
{
    body_on_readable(o->response->body, on_outcome_readable, o);
    on_outcome_readable(o);
}

UNUSED static void outcome_init(struct outcome *o, struct world *w)
{
    *o = (struct outcome){.world = w, .body = BUF_INIT(4 << 20)};
    o->read.fn = read_some;
    o->read.env = o;
}

UNUSED static void outcome_clear(struct outcome *o)
{
    task_cancel(&o->read);
    net_response_free(o->response);
    buf_clear(&o->body);
    o->response = NULL;
}

UNUSED static struct net_target plain_target(uint16_t port)
{
    return (struct net_target){
        .host = "127.0.0.1", .port = port, .tls_min = NET_TLS_DEFAULT, .tls_max = NET_TLS_DEFAULT};
}

UNUSED static struct body *text_body(const char *text)
{
    struct body *b = body_new();
    body_write(b, text, strlen(text));
    body_end(b);
    return b;
}

/* A request; further fields may follow. */
#define CALL(to, verb, what, ...)                                                        \
    (&(struct net_request){.target = (to), .method = (verb), .path = (what), .authority = "h", \
                           __VA_ARGS__})

/* Start, and run until the outcome is whole. */
UNUSED static void fetch(struct world *w, const struct net_request *request, struct outcome *o)
{
    outcome_init(o, w);
    net_call_start(w->client, request, on_done, o);
    assert_false(o->called);
    while (!o->ended)
        run(w);
}

UNUSED static void fetch_get(struct world *w, const struct net_target *t, const char *path,
                             struct outcome *o)
{
    struct net_request r = {.target = t, .method = "GET", .path = path, .authority = "h.test"};
    fetch(w, &r, o);
}

#endif
