/* SPDX-License-Identifier: Apache-2.0 */
/* The host answers the client from a pending request (abi README section 8,
 * send_downstream_pending), with edits that the guest has asked for. */
#include <stdlib.h>
#include "base/mem.h"
#include "guest/limits.h"
#include "guest/pending.h"

static int32_t add_edit(struct instance *in, const uint64_t *a, enum edit_op op)
{
    struct pending *p = pending_get(guest_of(in), a[0]);
    const char *name, *value = "";
    uint64_t target = op == EDIT_REMOVE ? a[3] : a[5];
    if (!p)
        return HC_BADF;
    TRY(header_name_in(in, a[1], a[2], &name));
    if (op != EDIT_REMOVE)
        TRY(header_value_in(in, a[3], a[4], &value));
    if (target > TARGET_ERROR)
        return HC_INVAL;
    struct edit *e = xnew(struct edit);
    e->op = op;
    e->target = (enum edit_target)target;
    e->name_len = a[2];
    e->name = xstrndup(name, a[2]);
    e->value_len = op == EDIT_REMOVE ? 0 : a[4];
    e->value = xstrndup(value, e->value_len);
    *p->edits_tail = e;
    p->edits_tail = &e->next;
    return HC_OK;
}

int32_t hc_http_req_pending_req_header_insert(struct instance *in, const uint64_t *a)
{
    return add_edit(in, a, EDIT_INSERT);
}

int32_t hc_http_req_pending_req_header_append(struct instance *in, const uint64_t *a)
{
    return add_edit(in, a, EDIT_APPEND);
}

int32_t hc_http_req_pending_req_header_remove(struct instance *in, const uint64_t *a)
{
    return add_edit(in, a, EDIT_REMOVE);
}

/* In the order remove, insert, append (section 8), whatever order they were asked in. */
static void apply_edits(const struct pending *p, struct headers *h, bool error)
{
    for (enum edit_op op = EDIT_REMOVE; op <= EDIT_APPEND; op++)
        for (const struct edit *e = p->edits; e; e = e->next) {
            if (e->op != op || (e->target == TARGET_RESPONSE && error) ||
                (e->target == TARGET_ERROR && !error))
                continue;
            if (op == EDIT_REMOVE)
                headers_remove(h, e->name, e->name_len);
            else if (op == EDIT_INSERT)
                headers_set(h, e->name, e->name_len, e->value, e->value_len);
            else
                headers_add(h, e->name, e->name_len, e->value, e->value_len);
        }
}

static int gateway_status(const struct net_failure *f)
{
    switch (f->error) {
    case NET_DNS_TIMEOUT:
    case NET_CONNECTION_TIMEOUT:
    case NET_HTTP_RESPONSE_TIMEOUT:
        return 504;
    case NET_INTERNAL_ERROR:
        return 500;
    default:
        return 502;
    }
}

void forward_failure(struct exchange *ex, const struct net_failure *f,
                     const struct headers *headers)
{
    struct body *body = body_new();
    body_write(body, f->text, strlen(f->text));
    body_end(body);
    exchange_respond(ex, &(struct response_head){.status = gateway_status(f), .headers = headers},
                     body);
}

static void deliver_failure(struct pending *p)
{
    struct headers h = {0};
    headers_add_str(&h, "content-type", "text/plain; charset=utf-8");
    apply_edits(p, &h, true);
    forward_failure(p->ex, &p->failure, &h);
    headers_clear(&h);
}

void pending_deliver(struct pending *p)
{
    if (p->response) {
        struct net_response *n = p->response;
        apply_edits(p, &n->headers, false);
        guest_limits_respond(p->guest->env->limits, p->ex,
                             &(struct response_head){.status = n->status, .headers = &n->headers},
                             TAKE(n->body));
        net_response_free(TAKE(p->response));
    } else {
        deliver_failure(p);
    }
    exchange_unref(p->ex);
    pending_free(p);
}

int32_t hc_http_resp_send_downstream_pending(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    struct pending *p = pending_take(g, a[0]);
    if (!p)
        return HC_BADF;
    g->pending_count--;
    if (g->ex->responded || g->promised) {
        pending_drop(g, p);
        return HC_ERROR;
    }
    g->promised = true;
    p->forward = true;
    p->ex = exchange_ref(g->ex);
    if (pending_ready(p))
        pending_deliver(p);
    return HC_OK;
}
