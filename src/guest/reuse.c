/* SPDX-License-Identifier: Apache-2.0 */
/* Several client requests in one sandbox: fastly_http_downstream.next_request and its wait (abi
 * README section 8, Reuse). A guest that asks stands in its loop's list until a request comes, its
 * time is over, or it gives up. A request is given to it at once, also while it is busy with other
 * things; it becomes the one in hand when the guest waits for it. */
#include <stdatomic.h>
#include <stdlib.h>
#include "base/mem.h"
#include "guest/record.h"

enum {
    NEXT_TIMEOUT = 1 << 1,
    REUSE_MAX = 5,              /* further requests of one sandbox */
    WAITING_MAX = 5,            /* sandboxes that wait at once, in this process */
};
static const int64_t TIMEOUT_MAX_NS = INT64_C(10000000000);

struct promise {
    struct guest *g;
    struct promise *next, **link;   /* in the loop's list; link NULL = nothing will come any more */
    struct exchange *ex;            /* given, not yet accepted */
    struct timer timer;
};

/* Kept in g->reuse_state. */
struct reuse {
    struct promise *open;       /* one at a time */
    int accepted;
    bool announced;             /* that it waits */
    int64_t cpu_ns;             /* of the sandbox, when the request in hand was taken */
    uint64_t host_calls;
};

static atomic_int waiting;

static struct reuse *state(struct guest *g)
{
    if (!g->reuse_state)
        g->reuse_state = xnew(struct reuse);
    return g->reuse_state;
}

static void leave(struct promise *p)
{
    timer_stop(&p->timer);
    if (!p->link)
        return;
    *p->link = p->next;
    if (p->next)
        p->next->link = p->link;
    p->link = NULL;
    atomic_fetch_sub(&waiting, 1);
    struct guest_reuse *list = p->g->env->reuse;
    if (!list->waiting && list->changed)
        list->changed(list->env, false);
}

static void on_timeout(void *env)
{
    struct promise *p = env;
    leave(p);
    guest_event(p->g);
}

static bool join(struct promise *p, struct guest_reuse *list)
{
    if (!list || atomic_fetch_add(&waiting, 1) >= WAITING_MAX) {
        if (list)
            atomic_fetch_sub(&waiting, 1);
        return false;
    }
    p->next = list->waiting;
    if (p->next)
        p->next->link = &p->next;
    p->link = &list->waiting;
    list->waiting = p;
    if (!p->next && list->changed)
        list->changed(list->env, true);
    return true;
}

struct guest *guest_reuse_offer(struct guest_reuse *r, struct guest_app *app, struct exchange *ex)
{
    for (struct promise *p = r->waiting; p; p = p->next) {
        if (p->g->app != app)
            continue; /* of another version */
        leave(p);
        p->ex = ex;
        guest_event(p->g);
        return p->g;
    }
    return NULL;
}

void guest_reuse_close(struct guest_reuse *r)
{
    while (r->waiting)
        guest_kill(r->waiting->g);
}

/* --- for the item table --- */

bool promise_ready(void *promise)
{
    const struct promise *p = promise;
    return p->ex || !p->link;
}

void promise_drop(struct guest *g, void *promise)
{
    struct promise *p = promise;
    leave(p);
    state(g)->open = NULL;
    if (p->ex)
        g->env->reuse->again(g->env->reuse->env, p->ex);
    free(p);
}

void guest_drop_reuse(struct guest *g)
{
    free(g->reuse_state);
    g->reuse_state = NULL;
}

/* --- hostcalls --- */

/* Only the low half of the 8-byte timeout is read: the record of the JavaScript SDK has no more. */
static enum hc_status read_timeout(struct instance *in, uint64_t mask, uint64_t options,
                                   int64_t *ret)
{
    uint32_t ms;
    *ret = TIMEOUT_MAX_NS;
    if (mask & ~(uint64_t)NEXT_TIMEOUT)
        return HC_INVAL;
    if (!(mask & NEXT_TIMEOUT))
        return HC_OK;
    TRY(record_u32(in, options, 0, &ms));
    if ((int64_t)ms * 1000000 < TIMEOUT_MAX_NS)
        *ret = (int64_t)ms * 1000000;
    return HC_OK;
}

int32_t hc_http_downstream_next_request(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    struct reuse *r = state(g);
    int64_t timeout;
    uint8_t *out;
    TRY(read_timeout(in, a[0], a[1], &timeout));
    TRY(mem_slot(in, a[2], 4, &out));
    if (r->open)
        return HC_LIMITEXCEEDED;
    struct promise *p = xnew(struct promise);
    p->g = g;
    uint32_t handle = item_add(g, ITEM_PROMISE, p);
    if (handle == HANDLE_INVALID) {
        free(p);
        return HC_LIMITEXCEEDED;
    }
    r->open = p;
    if (r->accepted < REUSE_MAX && join(p, g->env->reuse)) {
        r->accepted++;
        timer_start(g->env->loop, &p->timer, timeout, on_timeout, p);
    } else {
        r->accepted = REUSE_MAX; /* once refused, there will be no more */
    }
    put_u32(out, handle);
    return HC_OK;
}

/* The request in hand is done with. */
static void announce(struct guest *g)
{
    struct reuse *r = state(g);
    if (r->announced)
        return;
    r->announced = true;
    struct instance_outcome so_far = {
        .end = INSTANCE_RETURNED,
        .cpu_ns = instance_cpu_ns(g->in) - r->cpu_ns,
        .host_calls = instance_outcome(g->in)->host_calls - r->host_calls,
    };
    r->cpu_ns += so_far.cpu_ns;
    r->host_calls += so_far.host_calls;
    if (g->env->watch.waiting)
        g->env->watch.waiting(g->env->watch.env, g, &so_far);
}

/* The promised request becomes the one in hand. */
static int32_t take_next(struct guest *g, struct exchange *ex, const uint64_t *a)
{
    uint8_t *request_out, *body_out;
    announce(g);
    if (!guest_accept(g, ex)) {
        g->env->reuse->again(g->env->reuse->env, ex);
        return HC_NONE;
    }
    state(g)->announced = false;
    if (g->env->watch.taken)
        g->env->watch.taken(g->env->watch.env, g);
    guest_renew_limits(g);
    TRY(mem_slot(g->in, a[1], 4, &request_out));
    TRY(mem_slot(g->in, a[2], 4, &body_out));
    put_u32(request_out, g->downstream_request);
    put_u32(body_out, g->downstream_body);
    return HC_OK;
}

/* True when the promise is kept or broken. */
static bool wait_now(struct guest *g, const uint64_t *a, int32_t *ret_status)
{
    struct item *it = item_get(g, a[0], ITEM_PROMISE);
    struct promise *p = it ? it->ptr : NULL;
    *ret_status = !p ? HC_BADF : g->ex->responded || g->promised ? HC_OK : HC_UNSUPPORTED;
    if (*ret_status != HC_OK)
        return true;
    if (!promise_ready(p))
        return false;
    struct exchange *ex = TAKE(p->ex);
    item_clear(it);
    promise_drop(g, p);
    *ret_status = ex ? take_next(g, ex, a) : HC_NONE;
    return true;
}

static bool wait_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    return wait_now(g, g->wait.args, ret_result);
}

int32_t hc_http_downstream_next_request_wait(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    int32_t status;
    if (wait_now(g, a, &status))
        return status;
    announce(g);
    return guest_park(g, a, wait_on);
}

int32_t hc_http_downstream_next_request_abandon(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    struct item *it = item_get(g, a[0], ITEM_PROMISE);
    if (!it)
        return HC_BADF;
    promise_drop(g, it->ptr);
    item_clear(it);
    return HC_OK;
}
