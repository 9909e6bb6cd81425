/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by server.c and worker.c only. */
#ifndef EDGECTL_SERVE_INTERNAL_H
#define EDGECTL_SERVE_INTERNAL_H

#include <stdatomic.h>
#include <uv.h>
#include "guest/error_page.h"
#include "serve/listener.h"
#include "serve/server.h"

struct worker;

struct server {
    struct server_options options;
    struct worker **workers;
    unsigned worker_count;
    int max_requests;
    unsigned max_queue;
    _Atomic(const struct server_tap *) tap;
    atomic_int active;              /* guests at work, on all workers */
    atomic_ullong waiting;          /* bit i: worker i has guests that wait for another request */
    uv_rwlock_t lock;               /* of the four below */
    struct guest_app *app;
    struct sites *sites;            /* NULL: nothing was deployed */
    char *notice_title, *notice_detail;
};

/* A request that has a guest, or waits for one. `ex->handler_data` points here. */
struct job {
    struct worker *worker;
    struct exchange *ex;
    struct guest_app *app;          /* the version when it came; NULL: it gets the notice */
    struct site_pick pick;          /* which was deployed, if it was */
    struct guest *guest;            /* NULL before and after; may still have to take it */
    struct job *next, *prev;        /* in worker->queue or worker->running */
    bool queued;                    /* in worker->queue */
    bool ended, finished;           /* the guest; the answer */
    struct instance_outcome outcome;
};

struct job_list {
    struct job *head, *tail;
};

struct worker {
    struct server *server;
    unsigned index;
    struct loop *loop;
    struct listener *listener;
    struct guest_env env;
    struct guest_reuse reuse;
    bool closing;                   /* no new connections */
    bool stopping;
    uv_thread_t thread;
    bool started;
    int64_t grace_ns;
    struct job_list queue, running;
    atomic_uint queued;             /* length of queue; read by other workers */
    uv_mutex_t lock;                /* of the next three */
    int *given;                     /* connections accepted by other workers, for ours to serve */
    size_t given_count, given_cap;
    uv_prepare_t idle;
    struct timer idle_again;
};

/* The version for this request, with a reference; NULL if it is to get the notice. */
struct guest_app *server_app_for(struct server *s, struct exchange *ex, struct site_pick *ret);
void server_show_notice(struct server *s, struct exchange *ex, const struct site_pick *pick);

/* Opens the worker's listener (the first one picks the port) and its view of the world. */
must_use int worker_new(struct server *s, unsigned index, struct worker **ret, struct err *err);
must_use int worker_run(struct worker *w, struct err *err);
/* Begin to stop: no new connections, grace_ns for requests in flight. Any thread. */
void worker_stop(struct worker *w, int64_t grace_ns);
/* Wait until its thread has ended. */
void worker_join(struct worker *w);
void worker_free(struct worker *w);

#endif
