/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a request that was sent: polling, waiting for and selecting its answer (abi
 * README section 8). */
#include <stdlib.h>
#include "base/mem.h"
#include "guest/pending.h"

enum {
    EAGER_POLLS = 16,           /* polls in a row that only let the loop turn once */
};

static const int64_t POLL_PAUSE_NS = 1000000;

/* --- ends of a pending --- */

void pending_free(struct pending *p)
{
    while (p->edits) {
        struct edit *e = p->edits;
        p->edits = e->next;
        free(e->name);
        free(e->value);
        free(e);
    }
    if (p->response) {
        body_stop(p->response->body);
        net_response_free(p->response);
    }
    free(p);
}

/* A request that was sent and not waited for still goes out, as on the edge: the answer is
 * dropped when it comes. */
void pending_drop(struct guest *g, struct pending *p)
{
    (void)g;
    if (p->call)
        p->detached = true;
    else
        pending_free(p);
}

bool pending_ready(struct pending *p)
{
    return p->call == NULL;
}

struct pending *pending_get(struct guest *g, uint64_t handle)
{
    struct item *it = item_get(g, handle, ITEM_PENDING);
    return it ? it->ptr : NULL;
}

struct pending *pending_take(struct guest *g, uint64_t handle)
{
    struct item *it = item_get(g, handle, ITEM_PENDING);
    struct pending *p = it ? it->ptr : NULL;
    if (it)
        item_clear(it);
    return p;
}

/* --- what a failure means to the guest --- */

static enum hc_status failure_status(const struct net_failure *f)
{
    switch (f->error) {
    case NET_HTTP_PROTOCOL_ERROR:
        return HC_HTTPINVALID;
    case NET_HTTP_INCOMPLETE_RESPONSE:
        return HC_HTTPINCOMPLETE;
    case NET_HTTP_RESPONSE_HEADER_SECTION_TOO_LARGE:
        return HC_HTTPHEADTOOLARGE;
    case NET_HTTP_RESPONSE_STATUS_INVALID:
        return HC_HTTPINVALIDSTATUS;
    default:
        return HC_ERROR;
    }
}

/* send_error_detail (section 6): mask bits of the optional fields. */
enum { DETAIL_RCODE = 1 << 1, DETAIL_INFO = 1 << 2, DETAIL_ALERT = 1 << 3, DETAIL_H2 = 1 << 4 };

/* Tag and mask lie in the first 8 bytes of every SDK's record; fields behind them are written only
 * if the guest's mask says that its record has them. */
void pending_write_detail(struct instance *in, uint64_t ptr, const struct net_failure *f)
{
    uint8_t *at;
    if (ptr == 0 || mem_slot(in, ptr, 4, &at) != HC_OK || mem_bytes(in, ptr, 8, &at) != HC_OK)
        return;
    uint32_t asked = get_u32(at + 4), known = 0;
    if (f->error == NET_DNS_ERROR)
        known = DETAIL_RCODE | DETAIL_INFO;
    else if (f->error == NET_TLS_ALERT_RECEIVED)
        known = DETAIL_ALERT;
    else if (f->error == NET_H2_ERROR)
        known = DETAIL_H2;
    put_u32(at, f->error);
    put_u32(at + 4, asked & known);
    if (!(asked & known) || mem_bytes(in, ptr, 20, &at) != HC_OK)
        return;
    if (known & DETAIL_RCODE) {
        put_u16(at + 8, f->dns_rcode);
        put_u16(at + 10, 0);
    }
    if (known & DETAIL_ALERT)
        at[12] = f->tls_alert;
    if (known & DETAIL_H2)
        put_u32(at + 16, f->h2_code);
}

/* --- handing the answer to the guest --- */

static struct guest_response *to_guest_response(struct net_response *n, bool pass)
{
    struct guest_response *r = guest_response_new();
    r->status = n->status;
    r->version = n->version == 10 ? 1 : n->version == 20 ? 3 : 2;
    r->headers = n->headers;
    n->headers = (struct headers){0};
    r->show_peer = pass;
    memcpy(r->peer, n->peer, sizeof r->peer);
    r->peer_len = n->peer_len;
    r->peer_port = n->peer_port;
    return r;
}

int32_t pending_give(struct instance *in, struct pending *p, const struct answer_out *out)
{
    struct guest *g = guest_of(in);
    uint8_t *resp_at, *body_at;
    g->pending_count--;
    if (!p->response) {
        enum hc_status status = failure_status(&p->failure);
        pending_write_detail(in, out->detail, &p->failure);
        pending_free(p);
        return (int32_t)status;
    }
    if (mem_slot(in, out->response, 4, &resp_at) != HC_OK ||
        mem_slot(in, out->body, 4, &body_at) != HC_OK) {
        pending_free(p);
        return HC_INVAL;
    }
    struct net_response *n = TAKE(p->response);
    uint32_t response = guest_add_response(g, to_guest_response(n, p->pass));
    uint32_t body = guest_add_body(g, TAKE(n->body));
    net_response_free(n);
    pending_free(p);
    if (response == HANDLE_INVALID || body == HANDLE_INVALID)
        return HC_LIMITEXCEEDED;
    pending_write_detail(in, out->detail, &(struct net_failure){.error = NET_OK});
    put_u32(resp_at, response);
    put_u32(body_at, body);
    return HC_OK;
}

/* --- poll --- */

struct poll_out {
    uint64_t detail, done, response, body;
};

static int32_t poll_now(struct instance *in, uint64_t handle, const struct poll_out *out,
                        bool *ret_wait)
{
    struct guest *g = guest_of(in);
    uint8_t *done, *response, *body;
    struct pending *p = pending_get(g, handle);
    if (!p)
        return HC_BADF;
    TRY(mem_slot(in, out->done, 4, &done));
    TRY(mem_slot(in, out->response, 4, &response));
    TRY(mem_slot(in, out->body, 4, &body));
    if (!pending_ready(p)) {
        put_u32(done, 0);
        put_u32(response, HANDLE_INVALID);
        put_u32(body, HANDLE_INVALID);
        *ret_wait = true;
        return HC_OK;
    }
    g->idle_polls = 0;
    pending_take(g, handle);
    TRY(pending_give(in, p, &(struct answer_out){out->detail, out->response, out->body}));
    put_u32(done, 1);
    return HC_OK;
}

static struct poll_out poll_outs(const uint64_t *a, bool detailed)
{
    return detailed ? (struct poll_out){a[1], a[2], a[3], a[4]}
                    : (struct poll_out){0, a[1], a[2], a[3]};
}

enum { POLL_DETAILED = 1, POLL_FIRST = 2, POLL_EAGER = 4 }; /* bits of wait.n */

/* A poll that finds nothing must not starve the loop: the guest sleeps until something happens to
 * it, at the longest for a moment, then hears "not done" (Go polls thousands of times). */
static bool poll_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    if (g->wait.n & POLL_FIRST) {
        g->wait.n &= ~(unsigned)POLL_FIRST;
        if (g->wait.n & POLL_EAGER)
            loop_defer(g->env->loop, &g->run);
        return false;
    }
    timer_stop(&g->wait.timer);
    bool wait = false;
    struct poll_out out = poll_outs(g->wait.args, g->wait.n & POLL_DETAILED);
    *ret_result = poll_now(in, g->wait.args[0], &out, &wait);
    return true;
}

static int32_t poll_or_park(struct instance *in, const uint64_t *a, bool detailed)
{
    struct guest *g = guest_of(in);
    bool wait = false;
    struct poll_out out = poll_outs(a, detailed);
    int32_t status = poll_now(in, a[0], &out, &wait);
    if (!wait)
        return status;
    bool eager = g->idle_polls++ < EAGER_POLLS;
    g->wait.n = POLL_FIRST | (detailed ? POLL_DETAILED : 0) | (eager ? POLL_EAGER : 0);
    return eager ? guest_park(g, a, poll_on) : guest_park_for(g, a, POLL_PAUSE_NS, poll_on);
}

int32_t hc_http_req_pending_req_poll(struct instance *in, const uint64_t *a)
{
    return poll_or_park(in, a, false);
}

int32_t hc_http_req_pending_req_poll_v2(struct instance *in, const uint64_t *a)
{
    return poll_or_park(in, a, true);
}

/* --- wait --- */

static bool wait_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    const uint64_t *a = g->wait.args;
    bool detailed = g->wait.n;
    struct pending *p = pending_get(g, a[0]);
    if (!pending_ready(p))
        return false;
    pending_take(g, a[0]);
    struct answer_out plain = {0, a[1], a[2]}, full = {a[1], a[2], a[3]};
    *ret_result = pending_give(in, p, detailed ? &full : &plain);
    return true;
}

static int32_t wait_for(struct instance *in, const uint64_t *a, bool detailed)
{
    struct guest *g = guest_of(in);
    uint8_t *at;
    TRY(mem_slot(in, a[detailed ? 2 : 1], 4, &at));
    TRY(mem_slot(in, a[detailed ? 3 : 2], 4, &at));
    if (!pending_get(g, a[0]))
        return HC_BADF;
    g->wait.n = detailed;
    return guest_park(g, a, wait_on);
}

int32_t hc_http_req_pending_req_wait(struct instance *in, const uint64_t *a)
{
    return wait_for(in, a, false);
}

int32_t hc_http_req_pending_req_wait_v2(struct instance *in, const uint64_t *a)
{
    return wait_for(in, a, true);
}

/* --- select --- */

struct select_out {
    uint64_t detail, index, response, body;
};

static struct select_out select_outs(const uint64_t *a, bool detailed)
{
    return detailed ? (struct select_out){a[2], a[3], a[4], a[5]}
                    : (struct select_out){0, a[2], a[3], a[4]};
}

/* Lowest ready index of the list, -1 when none is ready; HC_BADF for a bad handle in it. */
static enum hc_status first_done(struct instance *in, const uint64_t *a, int64_t *ret_index)
{
    struct guest *g = guest_of(in);
    uint8_t *list;
    *ret_index = -1;
    if (a[0] % 4)
        return HC_BADALIGN;
    TRY(mem_bytes(in, a[0], a[1] * 4, &list));
    for (uint64_t i = 0; i < a[1]; i++) {
        struct pending *p = pending_get(g, get_u32(list + i * 4));
        if (!p)
            return HC_BADF;
        if (*ret_index < 0 && pending_ready(p))
            *ret_index = (int64_t)i;
    }
    return HC_OK;
}

static int32_t select_now(struct instance *in, const uint64_t *a, bool detailed, bool *ret_wait)
{
    struct guest *g = guest_of(in);
    struct select_out out = select_outs(a, detailed);
    uint8_t *index_at, *resp_at, *body_at, *list;
    int64_t index;
    TRY(mem_slot(in, out.index, 4, &index_at));
    TRY(mem_slot(in, out.response, 4, &resp_at));
    TRY(mem_slot(in, out.body, 4, &body_at));
    TRY(first_done(in, a, &index));
    *ret_wait = index < 0;
    if (index < 0)
        return HC_OK;
    TRY(mem_bytes(in, a[0], a[1] * 4, &list));
    struct pending *p = pending_take(g, get_u32(list + index * 4));
    put_u32(index_at, (uint32_t)index);
    /* A request that failed is "selected" with invalid handles; the detail says why. */
    if (pending_give(in, p, &(struct answer_out){out.detail, out.response, out.body}) != HC_OK) {
        put_u32(resp_at, HANDLE_INVALID);
        put_u32(body_at, HANDLE_INVALID);
    }
    return HC_OK;
}

static bool select_pending_on(struct instance *in, int32_t *ret_result)
{
    bool wait = false;
    struct guest *g = guest_of(in);
    *ret_result = select_now(in, g->wait.args, g->wait.n, &wait);
    return !wait;
}

static int32_t select_pending(struct instance *in, const uint64_t *a, bool detailed)
{
    struct guest *g = guest_of(in);
    bool wait = false;
    if (a[1] == 0 || a[1] > PENDING_MAX)
        return HC_INVAL;
    int32_t status = select_now(in, a, detailed, &wait);
    if (!wait)
        return status;
    g->wait.n = detailed;
    return guest_park(g, a, select_pending_on);
}

int32_t hc_http_req_pending_req_select(struct instance *in, const uint64_t *a)
{
    return select_pending(in, a, false);
}

int32_t hc_http_req_pending_req_select_v2(struct instance *in, const uint64_t *a)
{
    return select_pending(in, a, true);
}
