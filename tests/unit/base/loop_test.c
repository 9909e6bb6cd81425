/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/test.h"

#include <pthread.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/loop.h"

enum { MS = 1000000 };

/* Events in the order in which they happened. */
struct trace {
    struct loop *loop;
    char text[256];
};

static void note(struct trace *t, char c)
{
    size_t len = strlen(t->text);
    assert_true(len + 1 < sizeof t->text);
    t->text[len] = c;
    t->text[len + 1] = '\0';
}

struct named_timer {
    struct timer timer;
    struct trace *trace;
    char name;
    bool last;
};

static void fire(void *env)
{
    struct named_timer *t = env;
    assert_null(t->timer.loop);
    note(t->trace, t->name);
    if (t->last)
        loop_stop(t->trace->loop);
}

static void timers_fire_in_due_order_then_start_order(void **state)
{
    (void)state;
    struct trace trace = {.loop = loop_new()};
    const struct {
        char name;
        int ms;
    } plan[] = {{'c', 6}, {'a', 2}, {'e', 9}, {'b', 4}, {'d', 8}};
    struct named_timer t[5] = {0};
    int64_t began = clock_mono_ns();
    for (int i = 0; i < 5; i++) {
        t[i] = (struct named_timer){.trace = &trace, .name = plan[i].name,
                                    .last = plan[i].name == 'e'};
        timer_start(trace.loop, &t[i].timer, plan[i].ms * (int64_t)MS, fire, &t[i]);
    }
    loop_run(trace.loop);
    assert_string_equal(trace.text, "abcde");
    assert_true(clock_mono_ns() - began >= 9 * (int64_t)MS);
    loop_free(trace.loop);
}

static int64_t still_now = 1;

static int64_t still(void *env)
{
    (void)env;
    return still_now;
}

static void no_random(void *env, void *to, size_t len)
{
    (void)env;
    memset(to, 0, len);
}

struct rearm {
    struct timer timer;
    struct loop *loop;
    int rounds;
};

static void rearm(void *env)
{
    struct rearm *r = env;
    if (++r->rounds == 100)
        loop_stop(r->loop);
    else
        timer_start(r->loop, &r->timer, 0, rearm, r);
}

static void simultaneous_timers_keep_their_order_and_do_not_starve(void **state)
{
    (void)state;
    clock_install(&(struct clock_source){still, still, no_random, NULL, NULL});
    struct trace trace = {.loop = loop_new()};
    struct named_timer t[20] = {0};
    struct rearm r = {.loop = trace.loop};
    timer_start(trace.loop, &r.timer, 0, rearm, &r);
    for (int i = 0; i < 20; i++) {
        t[i] = (struct named_timer){.trace = &trace, .name = (char)('a' + i)};
        timer_start(trace.loop, &t[i].timer, 0, fire, &t[i]);
    }
    loop_run(trace.loop);       /* ends although a timer starts itself with the clock standing */
    assert_string_equal(trace.text, "abcdefghijklmnopqrst");
    assert_int_equal(r.rounds, 100);
    loop_free(trace.loop);
    clock_install(NULL);
}

static void a_stopped_timer_does_not_fire_and_a_moved_one_fires_once(void **state)
{
    (void)state;
    struct trace trace = {.loop = loop_new()};
    struct named_timer stop = {.trace = &trace, .name = 'x'}, move = {.trace = &trace, .name = 'm'},
                       end = {.trace = &trace, .name = 'e', .last = true};
    timer_stop(&stop.timer);    /* never started */
    timer_start(trace.loop, &stop.timer, 1 * MS, fire, &stop);
    timer_start(trace.loop, &move.timer, 1 * MS, fire, &move);
    timer_start(trace.loop, &move.timer, 3 * MS, fire, &move);
    timer_start(trace.loop, &end.timer, 5 * MS, fire, &end);
    timer_stop(&stop.timer);
    timer_stop(&stop.timer);
    loop_run(trace.loop);
    assert_string_equal(trace.text, "me");
    loop_free(trace.loop);
}

struct heap_case {
    struct timer timer;
    int64_t *last_due;
    int64_t due;
    int *left;
    struct loop *loop;
};

static void in_order(void *env)
{
    struct heap_case *c = env;
    assert_true(c->due >= *c->last_due);
    *c->last_due = c->due;
    if (--*c->left == 0)
        loop_stop(c->loop);
}

static void many_timers_started_moved_and_stopped_keep_the_heap_right(void **state)
{
    (void)state;
    enum { N = 2000 };
    static struct heap_case cases[N];
    memset(cases, 0, sizeof cases);
    struct loop *l = loop_new();
    int left = 0;
    int64_t last = 0;
    unsigned seed = 7;
    for (int i = 0; i < 4 * N; i++) {
        seed = seed * 1103515245u + 12345u;
        struct heap_case *c = &cases[(seed >> 8) % N];
        bool running = c->timer.loop != NULL;
        if (running && i % 3 == 0) {
            timer_stop(&c->timer);
            left--;
            continue;
        }
        *c = (struct heap_case){.timer = c->timer, .last_due = &last, .left = &left, .loop = l};
        timer_start(l, &c->timer, (int64_t)(seed >> 16) % 200 * (MS / 20), in_order, c);
        c->due = c->timer.due_ns;
        left += !running;
    }
    assert_true(left > N / 2);
    loop_run(l);
    assert_int_equal(left, 0);
    loop_free(l);
}

struct self_stop {
    struct timer a, b;
    struct loop *loop;
    int fired;
};

static void stop_the_other(void *env)
{
    struct self_stop *s = env;
    s->fired++;
    timer_stop(&s->a);
    timer_stop(&s->b);
    loop_stop(s->loop);
}

static void a_callback_may_stop_a_timer_that_is_due_too(void **state)
{
    (void)state;
    struct self_stop s = {.loop = loop_new()};
    timer_start(s.loop, &s.a, 0, stop_the_other, &s);
    timer_start(s.loop, &s.b, 0, stop_the_other, &s);
    loop_run(s.loop);
    assert_int_equal(s.fired, 1);
    loop_free(s.loop);
}

/* --- tasks --- */

struct named_task {
    struct task task;
    struct trace *trace;
    char name;
    int again;
    struct named_task *cancels;
    bool last;
};

static void run_task(void *env)
{
    struct named_task *t = env;
    note(t->trace, t->name);
    if (t->again-- > 0)
        loop_defer(t->trace->loop, &t->task);
    if (t->cancels)
        task_cancel(&t->cancels->task);
    if (t->last)
        loop_stop(t->trace->loop);
}

static struct named_task task_named(struct trace *trace, char name)
{
    return (struct named_task){.task = {.fn = run_task}, .trace = trace, .name = name};
}

static void defer(struct named_task *t)
{
    t->task.env = t;
    loop_defer(t->trace->loop, &t->task);
}

static void tasks_run_in_order_and_once(void **state)
{
    (void)state;
    struct trace trace = {.loop = loop_new()};
    struct named_task a = task_named(&trace, 'a'), b = task_named(&trace, 'b'),
                      c = task_named(&trace, 'c'), gone = task_named(&trace, '!');
    a.cancels = &gone;
    c.last = true;
    task_cancel(&gone.task);    /* not queued */
    defer(&a);
    defer(&gone);
    defer(&b);
    defer(&a);                  /* is queued already */
    defer(&c);
    loop_run(trace.loop);
    assert_string_equal(trace.text, "abc");
    loop_free(trace.loop);
}

static void a_task_that_queues_itself_lets_others_and_timers_run(void **state)
{
    (void)state;
    struct trace trace = {.loop = loop_new()};
    struct named_task busy = task_named(&trace, '.'), other = task_named(&trace, 'o');
    struct named_timer end = {.trace = &trace, .name = 'e', .last = true};
    busy.again = 10;
    defer(&busy);
    defer(&other);
    timer_start(trace.loop, &end.timer, 3 * MS, fire, &end);
    loop_run(trace.loop);
    assert_string_equal(trace.text, ".o..........e");
    loop_free(trace.loop);
}

static void a_queue_emptied_by_cancel_works_again(void **state)
{
    (void)state;
    struct trace trace = {.loop = loop_new()};
    struct named_task a = task_named(&trace, 'a');
    a.last = true;
    defer(&a);
    task_cancel(&a.task);
    defer(&a);
    loop_run(trace.loop);
    assert_string_equal(trace.text, "a");
    loop_free(trace.loop);
}

static void defer_and_stop(void *env)
{
    struct named_task *t = env;
    defer(t);
}

static void a_task_queued_by_a_timer_runs_without_another_event(void **state)
{
    (void)state;
    struct trace trace = {.loop = loop_new()};
    struct named_task a = task_named(&trace, 'a');
    struct timer t = {0};
    a.last = true;
    timer_start(trace.loop, &t, 1 * MS, defer_and_stop, &a);
    loop_run(trace.loop);
    assert_string_equal(trace.text, "a");
    loop_free(trace.loop);
}

/* --- other threads --- */

enum { THREADS = 4, POSTS = 2000 };

struct poster {
    struct loop *loop;
    int *left;
    int next;               /* on the loop's thread: order per caller */
    struct message {
        struct poster *from;
        int number;
    } messages[POSTS];
};

static void receive(void *env)
{
    struct message *m = env;
    assert_int_equal(m->number, m->from->next);
    m->from->next++;
    if (--*m->from->left == 0)
        loop_stop(m->from->loop);
}

static void *post_all(void *env)
{
    struct poster *p = env;
    for (int i = 0; i < POSTS; i++) {
        p->messages[i] = (struct message){p, i};
        loop_post(p->loop, receive, &p->messages[i]);
    }
    return NULL;
}

static void posts_from_threads_all_arrive_in_order(void **state)
{
    (void)state;
    static struct poster posters[THREADS];
    pthread_t threads[THREADS];
    int left = THREADS * POSTS;
    struct loop *l = loop_new();
    for (int i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){.loop = l, .left = &left};
        assert_int_equal(pthread_create(&threads[i], NULL, post_all, &posters[i]), 0);
    }
    loop_run(l);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(posters[i].next, POSTS);
    }
    loop_free(l);
}

static void *stop_soon(void *env)
{
    usleep(2000);
    loop_stop(env);
    return NULL;
}

static void an_idle_loop_stops_from_another_thread_and_runs_again(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, stop_soon, l), 0);
        loop_run(l);
        pthread_join(thread, NULL);
    }
    loop_stop(l);               /* before it runs: the next run ends at once */
    loop_run(l);
    loop_free(l);
}

static void count_call(void *env)
{
    ++*(int *)env;
}

static void freeing_drops_what_has_not_run(void **state)
{
    (void)state;
    int calls = 0;
    struct loop *l = loop_new();
    struct timer t = {0};
    struct task task = {.fn = count_call, .env = &calls};
    loop_post(l, count_call, &calls);
    loop_defer(l, &task);
    timer_start(l, &t, 0, count_call, &calls);
    uv_timer_t left;            /* a handle that its owner never closed */
    uv_timer_init(loop_uv(l), &left);
    loop_free(l);
    assert_int_equal(calls, 0);
}

static void read_one(uv_poll_t *handle, int status, int events)
{
    char c;
    assert_int_equal(status, 0);
    assert_true(events & UV_READABLE);
    assert_int_equal(read(*(int *)((void **)handle->data)[1], &c, 1), 1);
    loop_stop(((void **)handle->data)[0]);
}

static void busy_tasks_do_not_hold_up_sockets(void **state)
{
    (void)state;
    struct trace trace = {.loop = loop_new()};
    struct named_task busy = task_named(&trace, '.');
    busy.again = 200;           /* more than the poll may need; the text would overflow */
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    void *env[] = {trace.loop, &fds[0]};
    uv_poll_t poll = {.data = env};
    uv_poll_init(loop_uv(trace.loop), &poll, fds[0]);
    uv_poll_start(&poll, UV_READABLE, read_one);
    assert_int_equal(write(fds[1], "x", 1), 1);
    defer(&busy);
    loop_run(trace.loop);
    assert_in_range(strlen(trace.text), 1, 10);
    task_cancel(&busy.task);
    loop_free(trace.loop);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_due_order_then_start_order),
        cmocka_unit_test(simultaneous_timers_keep_their_order_and_do_not_starve),
        cmocka_unit_test(a_stopped_timer_does_not_fire_and_a_moved_one_fires_once),
        cmocka_unit_test(many_timers_started_moved_and_stopped_keep_the_heap_right),
        cmocka_unit_test(a_callback_may_stop_a_timer_that_is_due_too),
        cmocka_unit_test(tasks_run_in_order_and_once),
        cmocka_unit_test(a_task_that_queues_itself_lets_others_and_timers_run),
        cmocka_unit_test(a_queue_emptied_by_cancel_works_again),
        cmocka_unit_test(a_task_queued_by_a_timer_runs_without_another_event),
        cmocka_unit_test(posts_from_threads_all_arrive_in_order),
        cmocka_unit_test(an_idle_loop_stops_from_another_thread_and_runs_again),
        cmocka_unit_test(freeing_drops_what_has_not_run),
        cmocka_unit_test(busy_tasks_do_not_hold_up_sockets),
    };
    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
