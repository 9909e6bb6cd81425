/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/mem.h"
#include "serve/socket_table.h"
#include "serve/tcp_client.h"

enum {
    MAX_ADDRESSES = 8,          /* of one name */
    DEFAULT_BACKLOG = 1024,
    DEFAULT_CONNECTIONS = 16384,
    ACCEPTS_PER_EVENT = 64,     /* then the connections get their turn */
};

static const int64_t RETRY_NS = 100 * INT64_C(1000000);

struct address {
    struct sockaddr_storage at;
    socklen_t len;
};

struct acceptor {
    uv_poll_t poll;
    int fd;
    bool polling, closed;
    struct listener *listener;
    struct address address;
};

struct listener {
    struct tcp_clients clients;
    struct loop *loop;
    struct acceptor acceptors[MAX_ADDRESSES];
    size_t count, open;
    size_t max_connections;
    bool (*elsewhere)(void *env, int fd);
    void *elsewhere_env;
    int backlog;
    uint16_t port;
    char *authority, *url;
    struct timer timer;         /* accept again; when closing: end of grace */
    bool closing;
    loop_fn *done;
    void *done_env;
};

static void addrinfo_p(struct addrinfo **list)
{
    if (*list)
        freeaddrinfo(*list);
}

/* --- accepting --- */

static void accept_on(struct listener *l, bool on);

static void accept_again(void *env)
{
    accept_on(env, true);
}

/* Until one closes or, as one may become idle or descriptors free without our being told, a while
 * later. */
static void pause_accepting(struct listener *l)
{
    accept_on(l, false);
    if (!l->closing)
        timer_start(l->loop, &l->timer, RETRY_NS, accept_again, l);
}

static void on_connection(uv_poll_t *handle, int status, int events)
{
    struct acceptor *a = (struct acceptor *)handle;
    struct listener *l = a->listener;
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_EVENT; i++) {
        struct tcp_client *idle = NULL;
        if (l->clients.count >= l->max_connections && !(idle = tcp_clients_idle(&l->clients))) {
            pause_accepting(l);
            return;
        }
        int fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            if (l->elsewhere && l->elsewhere(l->elsewhere_env, fd))
                continue;
            if (idle)
                tcp_client_drain(idle);
            tcp_client_start(&l->clients, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(l);
            return;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return;
        }
    }
}

static void accept_on(struct listener *l, bool on)
{
    for (size_t i = 0; i < l->count; i++) {
        struct acceptor *a = &l->acceptors[i];
        if (a->polling == on || a->closed || (on && l->closing))
            continue;
        a->polling = on;
        if (on)
            uv_poll_start(&a->poll, UV_READABLE, on_connection);
        else
            uv_poll_stop(&a->poll);
    }
}

/* --- binding --- */

static int bind_socket(struct address *at, bool shared)
{
    int kind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;
    cleanup(close_p) int fd = socket(at->at.ss_family, kind, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (shared)
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
    if (bind(fd, (struct sockaddr *)&at->at, at->len) < 0)
        return -errno;
    at->len = sizeof at->at;
    if (getsockname(fd, (struct sockaddr *)&at->at, &at->len) < 0)
        return -errno;
    int r = fd;
    fd = -1;
    return r;
}

static uint16_t port_of(const struct address *a)
{
    if (a->at.ss_family == AF_UNIX)
        return 0;
    const struct sockaddr_in *four = (const void *)&a->at;
    const struct sockaddr_in6 *six = (const void *)&a->at;
    return ntohs(a->at.ss_family == AF_INET ? four->sin_port : six->sin6_port);
}

static void set_port(struct address *a, uint16_t port)
{
    struct sockaddr_in *four = (void *)&a->at;
    struct sockaddr_in6 *six = (void *)&a->at;
    *(a->at.ss_family == AF_INET ? &four->sin_port : &six->sin6_port) = htons(port);
}

static int report_bind(const struct listener *l, int sys, uint16_t port, struct err *err)
{
    char command[64];
    if (sys != EADDRINUSE)
        return err_sys(err, ERR_NETWORK, sys, "cannot listen on %s", l->authority);
    pid_t pid = socket_table_listener(port, command, sizeof command);
    int r;
    if (pid > 0)
        r = err_set(err, ERR_NETWORK, "cannot listen on %s: process %d (%s) does", l->authority,
                    (int)pid, command);
    else
        r = err_set(err, ERR_NETWORK, "cannot listen on %s: the port is taken%s", l->authority,
                    pid < 0 ? " by another user's process" : "");
    err_hint(err, "stop that process, or choose another port (0 picks a free one)");
    return r;
}

/* SO_REUSEPORT would let a second edgectl of the same user share the port in silence, each getting
 * half of the requests. So the first of our listeners binds without it, sees whether anybody is
 * there, and only then with it. */
static int bind_first(const struct listener *l, struct address *at, struct err *err)
{
    uint16_t port = port_of(at);
    if (port) {
        struct address probe = *at;
        int fd = bind_socket(&probe, false);
        if (fd >= 0 && listen(fd, 1) < 0) {
            int sys = errno;
            close(fd);
            fd = -sys;
        }
        if (fd < 0)
            return report_bind(l, -fd, port, err);
        close(fd);
    }
    int fd = bind_socket(at, true);
    return fd < 0 ? report_bind(l, -fd, port, err) : fd;
}

static int add_acceptor(struct listener *l, const struct address *at, bool join, struct err *err)
{
    struct acceptor *a = &l->acceptors[l->count];
    a->address = *at;
    cleanup(close_p) int fd = -1;
    fd = join ? bind_socket(&a->address, true) : bind_first(l, &a->address, err);
    if (fd < 0)
        return join ? report_bind(l, -fd, port_of(at), err) : fd;
    if (listen(fd, l->backlog) < 0)
        return report_bind(l, errno, port_of(&a->address), err);
    int r = uv_poll_init(loop_uv(l->loop), &a->poll, fd);
    if (r < 0)
        return err_sys(err, ERR_NETWORK, -r, "cannot watch the listening socket");
    a->fd = fd;
    a->listener = l;
    l->count++;
    l->open++;
    fd = -1;
    return 0;
}

static int listen_join(struct listener *l, const struct listener *with, struct err *err)
{
    for (size_t i = 0; i < with->count; i++) {
        int r = add_acceptor(l, &with->acceptors[i].address, true, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static int resolve(const char *host, struct addrinfo **list, struct err *err)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE};
    size_t len = strlen(host);
    cleanup(free_p) char *bare = host[0] == '[' && len > 2 && host[len - 1] == ']'
                                     ? xstrndup(host + 1, len - 2)
                                     : xstrdup(host);
    int r = getaddrinfo(bare, "0", &hints, list);
    if (r == 0)
        return 0;
    err_set(err, ERR_NETWORK, "cannot listen on '%s': %s", host, gai_strerror(r));
    err_hint(err, "give an address of this machine, such as 127.0.0.1, ::1, 0.0.0.0 or localhost");
    return -ERR_NETWORK;
}

/* Bound under a name of its own and renamed, so that nobody connects before its mode is right, and
 * one that a killed process has left is replaced. */
static int listen_at_path(struct listener *l, const char *path, struct err *err)
{
    struct address at = {.len = sizeof(struct sockaddr_un)};
    struct sockaddr_un *un = (void *)&at.at;
    cleanup(free_p) char *beside = xasprintf("%s.new", path);
    un->sun_family = AF_UNIX;
    if (strlen(beside) >= sizeof un->sun_path)
        return err_set(err, ERR_USAGE, "the path of the socket is too long: %s", path);
    memcpy(un->sun_path, beside, strlen(beside) + 1);
    unlink(beside);
    mode_t old = umask(0177);
    int r = add_acceptor(l, &at, false, err);
    umask(old);
    if (r == 0 && rename(beside, path) < 0)
        r = err_sys(err, ERR_IO, errno, "cannot make the socket %s", path);
    return r;
}

static bool known(const struct listener *l, const struct address *at)
{
    for (size_t i = 0; i < l->count; i++) {
        struct address a = l->acceptors[i].address;
        set_port(&a, port_of(at));
        if (a.len == at->len && memcmp(&a.at, &at->at, at->len) == 0)
            return true;
    }
    return false;
}

/* Every address of the name, all on one port. A second address may fail: a machine without IPv6
 * has `localhost` too. */
static int listen_on(struct listener *l, const char *host, uint16_t port, struct err *err)
{
    cleanup(addrinfo_p) struct addrinfo *list = NULL;
    int r = resolve(host, &list, err);
    if (r < 0)
        return r;
    for (struct addrinfo *i = list; i && l->count < MAX_ADDRESSES; i = i->ai_next) {
        struct address at = {.len = i->ai_addrlen};
        memcpy(&at.at, i->ai_addr, i->ai_addrlen);
        set_port(&at, l->count ? port_of(&l->acceptors[0].address) : port);
        if (known(l, &at))
            continue;
        struct err why;
        r = add_acceptor(l, &at, false, &why);
        if (r < 0 && l->count == 0) {
            if (err)
                *err = why;
            return r;
        }
    }
    return 0;
}

/* --- life --- */

static void free_when_closed(struct listener *l)
{
    if (!l->closing || l->open || l->clients.count || l->clients.closing)
        return;
    timer_stop(&l->timer);
    loop_fn *done = l->done;
    void *env = l->done_env;
    free(l->clients.room);
    free(l->authority);
    free(l->url);
    free(l);
    if (done)
        done(env);
}

static void on_acceptor_closed(uv_handle_t *handle)
{
    struct acceptor *a = (struct acceptor *)handle;
    struct listener *l = a->listener;
    close(a->fd);
    l->open--;
    free_when_closed(l);
}

static void on_client_closed(struct tcp_clients *all)
{
    struct listener *l = container_of(all, struct listener, clients);
    if (l->closing)
        free_when_closed(l);
    else
        accept_on(l, true);
}

static void close_acceptors(struct listener *l)
{
    for (size_t i = 0; i < l->count; i++) {
        struct acceptor *a = &l->acceptors[i];
        /* Who stands in the backlog has connected already and would see a reset. */
        if (a->polling)
            on_connection(&a->poll, 0, UV_READABLE);
        a->closed = true;
        uv_close((uv_handle_t *)&a->poll, on_acceptor_closed);
    }
}

static void name_it(struct listener *l, const char *host, uint16_t port)
{
    bool six = strchr(host, ':') && host[0] != '[';
    free(l->authority);
    free(l->url);
    l->authority = xasprintf(six ? "[%s]:%u" : "%s:%u", host, port);
    l->url = xasprintf("%s://%s", l->clients.http.scheme, l->authority);
    l->clients.http.authority = l->authority;
}

int listener_open(struct loop *loop, const struct listener_options *o,
                  const struct exchange_handler *handler, struct listener **ret, struct err *err)
{
    struct listener *l = xnew(struct listener);
    l->loop = loop;
    l->backlog = o->backlog ? o->backlog : DEFAULT_BACKLOG;
    l->max_connections = o->max_connections ? o->max_connections : DEFAULT_CONNECTIONS;
    l->elsewhere = o->elsewhere;
    l->elsewhere_env = o->elsewhere_env;
    l->clients.room = xmalloc(TCP_CLIENT_ROOM);
    l->clients.on_close = on_client_closed;
    l->clients.http = (struct http1_env){
        .loop = loop,
        .handler = *handler,
        .deadlines = o->deadlines ? *o->deadlines : http1_default_deadlines,
        .scheme = o->tls ? "https" : "http",
    };
    l->clients.tls = o->tls;
    int r;
    if (o->join) {
        l->port = o->join->port;
        l->authority = xstrdup(o->join->authority);
        l->url = xstrdup(o->join->url);
        l->clients.http.authority = l->authority;
        r = listen_join(l, o->join, err);
    } else {
        name_it(l, o->path ? "localhost" : o->host, o->port);
        r = o->path ? listen_at_path(l, o->path, err) : listen_on(l, o->host, o->port, err);
    }
    if (r < 0) {
        l->closing = true;
        close_acceptors(l);
        free_when_closed(l);
        return r;
    }
    if (!o->join && !o->path) {
        l->port = port_of(&l->acceptors[0].address);
        name_it(l, o->host, l->port);
    }
    accept_on(l, true);
    *ret = l;
    return 0;
}

uint16_t listener_port(const struct listener *l)
{
    return l->port;
}

const char *listener_url(const struct listener *l)
{
    return l->url;
}

void listener_adopt(struct listener *l, int fd)
{
    if (l->closing)
        close(fd);
    else
        tcp_client_start(&l->clients, fd);
}

static void on_grace_over(void *env)
{
    struct listener *l = env;
    tcp_clients_cut(&l->clients);
}

void listener_close(struct listener *l, int64_t grace_ns, loop_fn *done, void *env)
{
    close_acceptors(l);
    l->closing = true;
    l->done = done;
    l->done_env = env;
    timer_start(l->loop, &l->timer, grace_ns, on_grace_over, l);
    tcp_clients_drain(&l->clients);
}
