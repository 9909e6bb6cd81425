/* SPDX-License-Identifier: Apache-2.0 */
/* One core's loop: takes client requests from its listener, gives each a guest as soon as there is
 * room, and tells the watcher how it went. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "guest/limits.h"
#include "serve/internal.h"
#include "serve/static.h"

/* --- lists --- */

static void list_add(struct job_list *l, struct job *j)
{
    j->next = NULL;
    j->prev = l->tail;
    *(l->tail ? &l->tail->next : &l->head) = j;
    l->tail = j;
}

static void list_remove(struct job_list *l, struct job *j)
{
    *(j->prev ? &j->prev->next : &l->head) = j->next;
    *(j->next ? &j->next->prev : &l->tail) = j->prev;
    j->next = j->prev = NULL;
}

static void join_queue(struct job *j)
{
    struct worker *w = j->worker;
    j->queued = true;
    list_add(&w->queue, j);
    atomic_fetch_add(&w->queued, 1);
}

static void leave_queue(struct job *j)
{
    struct worker *w = j->worker;
    j->queued = false;
    list_remove(&w->queue, j);
    atomic_fetch_sub(&w->queued, 1);
}

/* --- one request --- */

/* A client that went away before its answer tells nothing about the version. */
static void count(const struct job *j, int64_t took_ns)
{
    if (!j->pick.deployment || j->pick.forced || (j->ex->gone && j->ex->status == 0))
        return;
    bool died = !j->ex->gone && j->outcome.end >= INSTANCE_TRAPPED;
    bool error = died || j->ex->status == 0 || j->ex->status >= 500;
    tally_add(j->pick.deployment->tally, j->worker->index, error, died, took_ns);
}

static void job_settle(struct job *j)
{
    if (!j->ended || !j->finished)
        return;
    struct exchange *ex = j->ex;
    const struct server_watch *watch = &j->worker->server->options.watch;
    struct server_request r = {
        .method = ex->method,
        .uri = ex->uri,
        .status = ex->status,
        .cut = ex->gone,
        .took_ns = clock_mono_ns() - ex->began_ns,
        .sent_bytes = ex->sent_bytes,
        .version = j->pick.deployment ? j->pick.deployment->id : NULL,
        .outcome = j->outcome,
    };
    count(j, r.took_ns);
    if (watch->request)
        watch->request(watch->env, j->worker->index, &r);
    const struct server_tap *tap = atomic_load(&j->worker->server->tap);
    if (tap && j->pick.deployment)
        tap->request(tap->env, j->pick.deployment, &r);
    free(j->outcome.backtrace);
    guest_app_unref(j->app);
    deployment_unref(j->pick.deployment);
    ex->handler_data = NULL;
    exchange_unref(ex);
    free(j);
}

static void on_finished(struct exchange *ex)
{
    struct job *j = ex->handler_data;
    if (!j)
        return;
    j->finished = true;
    if (j->queued) {
        /* Its client has gone: no guest need be started for nobody. */
        leave_queue(j);
        j->ended = true;
    }
    job_settle(j);
}

static void pump(void *env);

/* A place has become free: for this worker's queue, or for another's. */
static void release_place(struct worker *w)
{
    struct server *s = w->server;
    atomic_fetch_sub(&s->active, 1);
    if (w->queue.head) {
        pump(w);
        return;
    }
    for (unsigned i = 0; i < s->worker_count; i++)
        if (atomic_load(&s->workers[i]->queued))
            loop_post(s->workers[i]->loop, pump, s->workers[i]);
}

/* The guest is done with the request it has in hand. */
static void job_end(struct worker *w, struct job *j, const struct instance_outcome *outcome)
{
    j->guest = NULL;
    j->outcome = *outcome;
    j->outcome.backtrace = outcome->backtrace ? xstrdup(outcome->backtrace) : NULL;
    j->ended = true;
    list_remove(&w->running, j);
}

static void on_ended(void *env, struct guest *g, const struct instance_outcome *outcome)
{
    struct worker *w = env;
    struct job *j = guest_exchange(g)->handler_data;
    if (j && j->ended)
        j = NULL; /* it waited for another request */
    if (j)
        job_end(w, j, outcome);
    release_place(w);
    if (j)
        job_settle(j);
}

/* --- one guest for several requests --- */

static void on_waiting(void *env, struct guest *g, const struct instance_outcome *so_far)
{
    struct job *j = guest_exchange(g)->handler_data;
    job_end(env, j, so_far);
    job_settle(j);
}

/* A request that a guest was given and did not take stands in the queue again, at its end. */
static void on_again(void *env, struct exchange *ex)
{
    struct worker *w = env;
    struct job *j = ex->handler_data;
    list_remove(&w->running, j);
    j->guest = NULL;
    exchange_unref(ex);
    if (j->finished) {
        j->ended = true; /* its client has gone meanwhile */
        job_settle(j);
        return;
    }
    if (w->stopping) {
        j->ended = true;
        exchange_abort(ex);
        return;
    }
    join_queue(j);
    loop_post(w->loop, pump, w);
}

static bool reuse(struct worker *w, struct job *j)
{
    if (w->reuse.waiting)
        j->guest = guest_reuse_offer(&w->reuse, j->app, j->ex);
    if (!j->guest)
        return false;
    exchange_ref(j->ex);
    list_add(&w->running, j);
    return true;
}

/* --- a connection for a guest that waits on another worker --- */

static uint64_t bit(const struct worker *w)
{
    return w->index < 64 ? UINT64_C(1) << w->index : 0;
}

static void on_reuse_changed(void *env, bool any)
{
    struct worker *w = env;
    if (any && !w->closing)
        atomic_fetch_or(&w->server->waiting, bit(w));
    else
        atomic_fetch_and(&w->server->waiting, ~bit(w));
}

static void adopt_given(void *env)
{
    struct worker *w = env;
    uv_mutex_lock(&w->lock);
    cleanup(free_p) int *fds = TAKE(w->given);
    size_t count = w->given_count;
    w->given_count = w->given_cap = 0;
    uv_mutex_unlock(&w->lock);
    for (size_t i = 0; i < count; i++) {
        if (w->listener)
            listener_adopt(w->listener, fds[i]);
        else
            close(fds[i]);
    }
}

static void give(struct worker *to, int fd)
{
    uv_mutex_lock(&to->lock);
    if (to->given_count == to->given_cap) {
        to->given_cap = to->given_cap * 2 + 4;
        to->given = xreallocarray(to->given, to->given_cap, sizeof *to->given);
    }
    to->given[to->given_count++] = fd;
    uv_mutex_unlock(&to->lock);
    loop_post(to->loop, adopt_given, to);
}

/* The kernel spreads connections over the workers, but a guest can only take requests of its own
 * one's. A hint: the guest may have been taken by the time the request is read. */
static bool on_accepted(void *env, int fd)
{
    struct worker *w = env;
    uint64_t waiting = atomic_load_explicit(&w->server->waiting, memory_order_relaxed);
    if (!waiting || w->reuse.waiting || w->closing)
        return false;
    give(w->server->workers[__builtin_ctzll(waiting)], fd);
    return true;
}

/* --- places --- */

static bool take_place(struct server *s)
{
    if (atomic_fetch_add(&s->active, 1) < s->max_requests)
        return true;
    atomic_fetch_sub(&s->active, 1);
    return false;
}

static void start(struct worker *w, struct job *j)
{
    if (j->app) {
        list_add(&w->running, j);
        j->guest = guest_start(&w->env, j->app, exchange_ref(j->ex));
        return;
    }
    j->ended = true;
    server_show_notice(w->server, j->ex, &j->pick);
    release_place(w);
}

static void pump(void *env)
{
    struct worker *w = env;
    while (!w->stopping && w->queue.head && take_place(w->server)) {
        struct job *j = w->queue.head;
        leave_queue(j);
        start(w, j);
    }
}

/* Static files come before the app, as the platforms have it. */
static bool is_static(struct job *j)
{
    const struct manifest *m = j->app ? j->app->manifest : NULL;
    if (!m || !m->static_count)
        return false;
    j->ended = static_try(m->statics, m->static_count, exchange_ref(j->ex));
    if (!j->ended)
        exchange_unref(j->ex); /* it was not taken */
    return j->ended;
}

static void on_request(void *env, struct exchange *ex)
{
    struct worker *w = env;
    struct job *j = xnew(struct job);
    j->worker = w;
    j->ex = ex;
    ex->handler_data = j;
    ex->on_finished = on_finished;
    j->app = server_app_for(w->server, ex, &j->pick);
    if (!guest_limits_admit(w->env.limits, ex)) {
        j->ended = true;
        return;
    }
    if (is_static(j) || reuse(w, j))
        return;
    if (!w->queue.head && take_place(w->server)) {
        start(w, j);
        return;
    }
    if (atomic_load(&w->queued) >= w->server->max_queue) {
        j->ended = true;
        error_page_show(ex, 503, "Too many requests are waiting", NULL, NULL);
        return;
    }
    join_queue(j);
    /* Between the look above and now a place may have become free, and nobody would tell us. */
    pump(w);
}

/* --- for the watcher --- */

static void on_log(void *env, struct guest *g, const char *endpoint, const char *text, size_t len)
{
    struct worker *w = env;
    const struct server_watch *watch = &w->server->options.watch;
    const struct server_tap *tap = atomic_load(&w->server->tap);
    if (watch->log)
        watch->log(watch->env, w->index, endpoint, text, len);
    const struct job *j = tap ? guest_exchange(g)->handler_data : NULL;
    if (j && j->pick.deployment)
        tap->log(tap->env, j->pick.deployment, endpoint, text, len);
}

static void on_unsupported(void *env, const char *module, const char *name)
{
    struct worker *w = env;
    const struct server_watch *watch = &w->server->options.watch;
    if (watch->unsupported)
        watch->unsupported(watch->env, module, name);
}

static const int64_t IDLE_AGAIN_NS = 10000000;

static void nothing(void *env)
{
    (void)env; /* the loop turns, and so on_idle is called */
}

static void on_idle(uv_prepare_t *handle)
{
    struct worker *w = handle->data;
    const struct server_watch *watch = &w->server->options.watch;
    if (watch->idle(watch->env, w->index) && !w->idle_again.loop)
        timer_start(w->loop, &w->idle_again, IDLE_AGAIN_NS, nothing, w);
}

/* --- life --- */

int worker_new(struct server *s, unsigned index, struct worker **ret, struct err *err)
{
    struct worker *w = xnew(struct worker);
    const struct server_options *o = &s->options;
    w->server = s;
    w->index = index;
    w->loop = loop_new();
    uv_mutex_init(&w->lock);
    struct listener_options options = {
        .host = o->host,
        .port = o->port,
        .tls = o->tls,
        .join = index ? s->workers[0]->listener : NULL,
        .elsewhere = on_accepted,
        .elsewhere_env = w,
    };
    struct exchange_handler handler = {on_request, w};
    int r = listener_open(w->loop, &options, &handler, &w->listener, err);
    if (r < 0) {
        worker_free(w);
        return r;
    }
    w->reuse = (struct guest_reuse){.again = on_again, .changed = on_reuse_changed, .env = w};
    w->env = (struct guest_env){
        .loop = w->loop,
        .net = net_client_new(w->loop),
        .watch = {.log = on_log, .unsupported = on_unsupported, .ended = on_ended,
                  .waiting = on_waiting, .env = w},
        .reuse = &w->reuse,
        .cpu_limit_ns = o->cpu_limit_ns,
        .limits = o->limits,
        .wall_limit_ns = o->wall_limit_ns,
    };
    r = kv_reader_open(o->kv, w->loop, &w->env.view.kv, err);
    if (r < 0) {
        worker_free(w);
        return r;
    }
    if (o->watch.idle) {
        uv_prepare_init(loop_uv(w->loop), &w->idle);
        w->idle.data = w;
        uv_prepare_start(&w->idle, on_idle);
        uv_unref((uv_handle_t *)&w->idle);
    }
    *ret = w;
    return 0;
}

static void thread_main(void *arg)
{
    struct worker *w = arg;
    loop_run(w->loop);
}

int worker_run(struct worker *w, struct err *err)
{
    if (uv_thread_create(&w->thread, thread_main, w) != 0)
        return err_set(err, ERR_IO, "cannot start a thread");
    w->started = true;
    return 0;
}

static void on_closed(void *env)
{
    struct worker *w = env;
    w->listener = NULL;
    w->stopping = true;
    guest_reuse_close(&w->reuse);
    while (w->running.head)
        guest_kill(w->running.head->guest);
    loop_stop(w->loop);
}

static void begin_stop(void *env)
{
    struct worker *w = env;
    w->closing = true;
    on_reuse_changed(w, false);
    listener_close(w->listener, w->grace_ns, on_closed, w);
}

void worker_stop(struct worker *w, int64_t grace_ns)
{
    w->grace_ns = grace_ns;
    if (w->started)
        loop_post(w->loop, begin_stop, w);
}

void worker_join(struct worker *w)
{
    if (w->started)
        uv_thread_join(&w->thread);
    w->started = false;
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    guest_env_cancel(&w->env);
    if (w->env.net)
        net_client_free(w->env.net);
    kv_reader_close(w->env.view.kv);
    loop_free(w->loop);
    for (size_t i = 0; i < w->given_count; i++)
        close(w->given[i]);
    free(w->given);
    uv_mutex_destroy(&w->lock);
    free(w);
}
