/* SPDX-License-Identifier: Apache-2.0 */
/* An event loop: libuv's, with three things libuv lacks. Timers that are plain structs (stop one
 * and free it at once) and that follow base/clock.h; a run queue for work that must not happen
 * inside a callback; and posting from other threads. One thread runs a loop; only loop_post may
 * be called from others. */
#ifndef EDGECTL_BASE_LOOP_H
#define EDGECTL_BASE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

struct loop;

typedef void loop_fn(void *env);

/* Zero-initialise. Embedded in the owner; must be stopped before the owner is freed. */
struct timer {
    struct loop *loop;      /* NULL while not running */
    int64_t due_ns;
    uint64_t order;         /* of starting; decides among timers due at once */
    size_t slot;
    loop_fn *fn;
    void *env;
};

/* Zero-initialise, then set fn and env. Embedded in the owner. */
struct task {
    struct task *next, *prev;
    struct loop *loop;      /* NULL while not queued */
    loop_fn *fn;
    void *env;
};

struct loop *loop_new(void);
/* Closes every handle that is left, then frees. Not from inside a callback of it. */
void loop_free(struct loop *l);
uv_loop_t *loop_uv(struct loop *l);
/* Runs until loop_stop. */
void loop_run(struct loop *l);
/* Ends loop_run after the current round. Any thread. */
void loop_stop(struct loop *l);

/* fn(env) after delay_ns (>= 0). A running timer is moved. It has stopped when fn is called.
 * Timers due at once run in the order in which they were started. */
void timer_start(struct loop *l, struct timer *t, int64_t delay_ns, loop_fn *fn, void *env);
/* No effect if it does not run. */
void timer_stop(struct timer *t);

/* Run the task soon on this loop, after the current callback, before waiting for events. No
 * effect while it is queued. */
void loop_defer(struct loop *l, struct task *t);
/* Take it back. No effect if it is not queued. */
void task_cancel(struct task *t);

/* From any thread: fn(env) once on the loop's thread. Order is kept per caller. */
void loop_post(struct loop *l, loop_fn *fn, void *env);

#endif
