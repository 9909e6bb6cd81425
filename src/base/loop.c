/* SPDX-License-Identifier: Apache-2.0 */
#include "base/loop.h"

#include <assert.h>
#include <stdlib.h>
#include "base/clock.h"
#include "base/mem.h"

struct posted {
    struct posted *next;
    loop_fn *fn;
    void *env;
};

struct loop {
    uv_loop_t uv;
    uv_timer_t alarm;       /* the one libuv timer: set for the earliest of `heap` */
    uv_check_t check;       /* runs the queue after polling ... */
    uv_prepare_t prepare;   /* ... and before it */
    uv_idle_t busy;         /* keeps the poll from blocking while the queue is not empty */
    uv_async_t wake;
    struct timer **heap;    /* binary heap by due_ns, then order */
    size_t timers, heap_cap;
    uint64_t started;       /* timers so far */
    struct task queue;      /* ring with a sentinel */
    struct task mark;       /* stands in the queue while it runs: the end of this round */
    uv_mutex_t lock;
    struct posted *inbox, **inbox_tail;
    bool stopping;          /* under lock */
};

/* --- timers --- */

static bool earlier(const struct timer *a, const struct timer *b)
{
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void heap_put(struct loop *l, size_t i, struct timer *t)
{
    l->heap[i] = t;
    t->slot = i;
}

static void heap_up(struct loop *l, size_t i)
{
    struct timer *t = l->heap[i];
    while (i > 0 && earlier(t, l->heap[(i - 1) / 2])) {
        heap_put(l, i, l->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    heap_put(l, i, t);
}

static void heap_down(struct loop *l, size_t i)
{
    struct timer *t = l->heap[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= l->timers)
            break;
        if (child + 1 < l->timers && earlier(l->heap[child + 1], l->heap[child]))
            child++;
        if (!earlier(l->heap[child], t))
            break;
        heap_put(l, i, l->heap[child]);
        i = child;
    }
    heap_put(l, i, t);
}

static void on_alarm(uv_timer_t *handle);

static void set_alarm(struct loop *l)
{
    if (l->timers == 0) {
        uv_timer_stop(&l->alarm);
        return;
    }
    int64_t wait = l->heap[0]->due_ns - clock_mono_ns();
    uint64_t ms = wait <= 0 ? 0 : (uint64_t)((wait + 999999) / 1000000);
    uv_update_time(&l->uv);
    uv_timer_start(&l->alarm, on_alarm, ms, 0);
}

static void on_alarm(uv_timer_t *handle)
{
    struct loop *l = handle->data;
    int64_t now = clock_mono_ns();
    /* One that a callback starts with no delay waits for the next round: no starving the loop,
     * not even while a virtual clock stands still. */
    uint64_t first_new = l->started;
    while (l->timers && l->heap[0]->due_ns <= now && l->heap[0]->order < first_new) {
        struct timer *t = l->heap[0];
        timer_stop(t);
        t->fn(t->env);
    }
    set_alarm(l);
}

void timer_start(struct loop *l, struct timer *t, int64_t delay_ns, loop_fn *fn, void *env)
{
    timer_stop(t);
    if (l->timers == l->heap_cap) {
        l->heap_cap = l->heap_cap ? l->heap_cap * 2 : 64;
        l->heap = xreallocarray(l->heap, l->heap_cap, sizeof(struct timer *));
    }
    *t = (struct timer){.loop = l, .due_ns = clock_mono_ns() + delay_ns, .order = l->started++,
                        .fn = fn, .env = env};
    heap_put(l, l->timers++, t);
    heap_up(l, t->slot);
    if (l->heap[0] == t)
        set_alarm(l);
}

void timer_stop(struct timer *t)
{
    struct loop *l = t->loop;
    if (!l)
        return;
    size_t i = t->slot;
    struct timer *last = l->heap[--l->timers];
    t->loop = NULL;
    if (last == t)
        return;
    heap_put(l, i, last);
    heap_up(l, i);
    heap_down(l, last->slot);
}

/* --- the run queue --- */

static bool queue_empty(const struct loop *l)
{
    return l->queue.next == &l->queue;
}

static void nothing(uv_idle_t *handle)
{
    (void)handle;
}

static void enqueue(struct loop *l, struct task *t)
{
    t->loop = l;
    t->next = &l->queue;
    t->prev = l->queue.prev;
    t->prev->next = t;
    l->queue.prev = t;
}

static void run_queue(struct loop *l)
{
    /* Only what is queued now: a task that queues itself again waits for the next round, so the
     * network gets its turn. */
    enqueue(l, &l->mark);
    while (l->queue.next != &l->mark) {
        struct task *t = l->queue.next;
        task_cancel(t);
        t->fn(t->env);
    }
    task_cancel(&l->mark);
    if (queue_empty(l))
        uv_idle_stop(&l->busy);
}

static void on_check(uv_check_t *handle)
{
    run_queue(handle->data);
}

static void on_prepare(uv_prepare_t *handle)
{
    run_queue(handle->data);
}

void loop_defer(struct loop *l, struct task *t)
{
    if (t->loop)
        return;
    if (queue_empty(l))
        uv_idle_start(&l->busy, nothing);
    enqueue(l, t);
}

void task_cancel(struct task *t)
{
    if (!t->loop)
        return;
    t->prev->next = t->next;
    t->next->prev = t->prev;
    t->loop = NULL;
}

/* --- other threads --- */

static void on_wake(uv_async_t *handle)
{
    struct loop *l = handle->data;
    uv_mutex_lock(&l->lock);
    struct posted *p = l->inbox;
    l->inbox = NULL;
    l->inbox_tail = &l->inbox;
    bool stopping = l->stopping;
    uv_mutex_unlock(&l->lock);
    while (p) {
        struct posted *next = p->next;
        p->fn(p->env);
        free(p);
        p = next;
    }
    if (stopping)
        uv_stop(&l->uv);
}

void loop_post(struct loop *l, loop_fn *fn, void *env)
{
    struct posted *p = xnew(struct posted);
    p->fn = fn;
    p->env = env;
    uv_mutex_lock(&l->lock);
    *l->inbox_tail = p;
    l->inbox_tail = &p->next;
    uv_mutex_unlock(&l->lock);
    uv_async_send(&l->wake);
}

void loop_stop(struct loop *l)
{
    uv_mutex_lock(&l->lock);
    l->stopping = true;
    uv_mutex_unlock(&l->lock);
    uv_async_send(&l->wake);
}

/* --- life --- */

struct loop *loop_new(void)
{
    struct loop *l = xnew(struct loop);
    if (uv_loop_init(&l->uv) != 0)
        abort(); /* no descriptors left at start: nothing can work */
    l->uv.data = l;
    uv_timer_init(&l->uv, &l->alarm);
    uv_check_init(&l->uv, &l->check);
    uv_prepare_init(&l->uv, &l->prepare);
    uv_idle_init(&l->uv, &l->busy);
    uv_async_init(&l->uv, &l->wake, on_wake);
    l->alarm.data = l->check.data = l->prepare.data = l->busy.data = l->wake.data = l;
    uv_check_start(&l->check, on_check);
    uv_prepare_start(&l->prepare, on_prepare);
    uv_unref((uv_handle_t *)&l->check);
    uv_unref((uv_handle_t *)&l->prepare);
    uv_unref((uv_handle_t *)&l->wake);
    l->queue.next = l->queue.prev = &l->queue;
    uv_mutex_init(&l->lock);
    l->inbox_tail = &l->inbox;
    return l;
}

uv_loop_t *loop_uv(struct loop *l)
{
    return &l->uv;
}

void loop_run(struct loop *l)
{
    uv_ref((uv_handle_t *)&l->wake);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    uv_unref((uv_handle_t *)&l->wake);
    uv_mutex_lock(&l->lock);
    l->stopping = false;
    uv_mutex_unlock(&l->lock);
}

static void close_handle(uv_handle_t *handle, void *env)
{
    (void)env;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void loop_free(struct loop *l)
{
    uv_walk(&l->uv, close_handle, NULL);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    int r = uv_loop_close(&l->uv);
    assert(r == 0);
    while (l->inbox) {
        struct posted *p = l->inbox;
        l->inbox = p->next;
        free(p);
    }
    uv_mutex_destroy(&l->lock);
    free(l->heap);
    free(l);
}
