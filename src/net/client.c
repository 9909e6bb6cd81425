/* SPDX-License-Identifier: Apache-2.0 */
/* libcurl's multi handle on our loop: sockets by uv_poll, one timer, and the queue of outcomes. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/mem.h"
#include "net/origin.h"

enum { MAX_CONNECTIONS_KEPT = 1024 };

/* One per socket of curl's, from first use until curl closes it. The watcher is left running when
 * curl loses interest and only stopped if something comes in nevertheless: a connection that is
 * used again and again then costs no epoll_ctl at all. */
struct sock {
    uv_poll_t poll;
    struct net_client *client;
    curl_socket_t fd;
    int wanted, watched;            /* UV_READABLE | UV_WRITABLE */
    struct net_call *call;          /* that read from it last; only for comparison */
};

uint64_t net_raise_fd_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur;
}

/* --- sockets --- */

static void on_poll(uv_poll_t *handle, int status, int events);

static void watch(struct sock *s, int events)
{
    if (events == s->watched)
        return;
    s->watched = events;
    if (events)
        uv_poll_start(&s->poll, events, on_poll);
    else
        uv_poll_stop(&s->poll);
}

static struct sock *find_sock(struct net_client *c, curl_socket_t fd)
{
    return (size_t)fd < c->sock_cap ? c->socks[fd] : NULL;
}

static struct sock *add_sock(struct net_client *c, curl_socket_t fd)
{
    if ((size_t)fd >= c->sock_cap) {
        size_t cap = (size_t)fd * 2 + 64;
        c->socks = xreallocarray(c->socks, cap, sizeof(struct sock *));
        for (size_t i = c->sock_cap; i < cap; i++)
            c->socks[i] = NULL;
        c->sock_cap = cap;
    }
    struct sock *s = xnew(struct sock);
    s->client = c;
    s->fd = fd;
    if (uv_poll_init_socket(loop_uv(c->loop), &s->poll, fd) != 0) {
        free(s);
        return NULL;
    }
    c->socks[fd] = s;
    return s;
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
    struct sock *s = container_of(handle, struct sock, poll);
    struct net_client *c = s->client;
    curl_socket_t fd = s->fd;
    if (status < 0) {
        /* libuv has stopped watching. Curl finds the cause by trying; an error flag would make it
         * report none. */
        s->watched = 0;
        events = s->wanted;
    }
    events &= s->wanted;
    if (!events) {
        watch(s, s->wanted);
        return;
    }
    int bits = (events & UV_READABLE ? CURL_CSELECT_IN : 0) |
               (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    int running;
    curl_multi_socket_action(c->multi, fd, bits, &running);
    s = find_sock(c, fd);
    if (s && s->wanted && !s->watched)
        watch(s, s->wanted);
    client_pump(c);
}

static void free_sock(uv_handle_t *handle)
{
    free(container_of((uv_poll_t *)handle, struct sock, poll));
}

static void drop_sock(struct sock *s)
{
    s->client->socks[s->fd] = NULL;
    uv_poll_stop(&s->poll);
    uv_close((uv_handle_t *)&s->poll, free_sock);
}

/* CURLMOPT_SOCKETFUNCTION */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *env, void *socket_env)
{
    (void)socket_env;
    struct net_client *c = env;
    struct sock *s = find_sock(c, fd);
    int wanted = (what == CURL_POLL_IN || what == CURL_POLL_INOUT ? UV_READABLE : 0) |
                 (what == CURL_POLL_OUT || what == CURL_POLL_INOUT ? UV_WRITABLE : 0);
    if (!s && wanted)
        s = add_sock(c, fd);
    if (!s)
        return 0;
    /* Readability may stay watched while unwanted; writability would fire at once. */
    s->wanted = wanted;
    watch(s, wanted | (s->watched & UV_READABLE));
    struct net_call *call = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, &call);
    if (wanted & UV_READABLE) {
        s->call = call;
        if (call)
            call->fd = fd;
    } else if (call && s->call == call) {
        response_quiet(call, fd);
    }
    /* One that was never read from has failed to connect: curl (7.88) closes, or has closed, such
     * a socket without a word. */
    if (!wanted && !s->call)
        drop_sock(s);
    return 0;
}

/* CURLOPT_OPENSOCKETFUNCTION. A socket that curl closed without a word may have had the same
 * number, and curl then takes what it asked for that one as still in force. */
curl_socket_t client_open_socket(void *env, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct net_client *c = env;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    struct sock *old = fd >= 0 ? find_sock(c, fd) : NULL;
    if (old) {
        int wanted = old->wanted;
        drop_sock(old);
        struct sock *s = add_sock(c, fd);
        if (s) {
            s->wanted = wanted;
            watch(s, wanted);
        }
    }
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* CURLOPT_CLOSESOCKETFUNCTION */
int client_close_socket(void *env, curl_socket_t fd)
{
    struct sock *s = find_sock(env, fd);
    if (s)
        drop_sock(s);
    return close(fd);
}

bool client_stopped_reading(struct net_client *c, curl_socket_t fd)
{
    struct sock *s = find_sock(c, fd);
    char byte;
    return s && !(s->wanted & UV_READABLE) &&
           recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* --- running curl --- */

static void on_timer(void *env)
{
    struct net_client *c = env;
    int running;
    curl_multi_socket_action(c->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    client_pump(c);
}

/* CURLMOPT_TIMERFUNCTION */
static int on_timer_wish(CURLM *multi, long ms, void *env)
{
    (void)multi;
    struct net_client *c = env;
    timer_stop(&c->timer);
    if (ms == 0)
        client_kick(c);
    else if (ms > 0)
        timer_start(c->loop, &c->timer, (int64_t)ms * 1000000, on_timer, c);
    return 0;
}

void client_kick(struct net_client *c)
{
    loop_defer(c->loop, &c->kick);
}

static void deliver(struct net_call *call)
{
    net_done_fn *done = call->done;
    void *env = call->env;
    struct net_response *response = TAKE(call->down.response);
    struct net_failure failure;
    if (call->failed)
        failure = call->failure;
    bool failed = call->failed;
    call->is_ready = false;
    call->delivered = true;
    call_settle(call);
    done(env, failed ? NULL : response, failed ? &failure : NULL);
}

void client_pump(struct net_client *c)
{
    int left;
    CURLMsg *m;
    while ((m = curl_multi_info_read(c->multi, &left))) {
        struct net_call *call = NULL;
        CURLcode code = m->data.result;
        if (m->msg == CURLMSG_DONE &&
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &call) == CURLE_OK)
            call_end(call, code);
    }
    struct net_call *call;
    while ((call = TAILQ_FIRST(&c->ready))) {
        TAILQ_REMOVE(&c->ready, call, queue);
        deliver(call);
    }
}

/* --- life --- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort(); /* out of memory */
}

struct net_client *net_client_new(struct loop *loop)
{
    pthread_once(&curl_once, init_curl);
    struct net_client *c = xnew(struct net_client);
    c->loop = loop;
    c->kick.fn = on_timer;
    c->kick.env = c;
    TAILQ_INIT(&c->calls);
    TAILQ_INIT(&c->ready);
    TAILQ_INIT(&c->origins);
    c->multi = curl_multi_init();
    if (!c->multi)
        abort(); /* out of memory */
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, on_timer_wish);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)MAX_CONNECTIONS_KEPT);
    return c;
}

void net_client_free(struct net_client *c)
{
    if (!c)
        return;
    struct net_call *call;
    while ((call = TAILQ_FIRST(&c->calls)))
        net_call_cancel(call);
    struct origin *o;
    while ((o = TAILQ_FIRST(&c->origins)))
        origin_free(o);
    while (c->forgotten) {
        struct curl_slist *next = c->forgotten->next;
        free(c->forgotten);
        c->forgotten = next;
    }
    curl_multi_cleanup(c->multi);
    timer_stop(&c->timer);
    task_cancel(&c->kick);
    free(c->socks);
    free(c);
}
