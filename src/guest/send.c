/* SPDX-License-Identifier: Apache-2.0 */
/* Sending requests to backends, and what becomes of them (abi README sections 8 and 9). */
#include <stdio.h>
#include <stdlib.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/uri.h"
#include "guest/error_page.h"
#include "guest/session.h"

enum {
    PENDING_MAX = 16384,
    EAGER_POLLS = 16,           /* polls in a row that only let the loop turn once */
};

static const int64_t POLL_PAUSE_NS = 1000000;

/* An edit of the response that the host will send (pending_req_header_*). */
enum edit_op { EDIT_REMOVE, EDIT_INSERT, EDIT_APPEND };
enum edit_target { TARGET_ANY, TARGET_RESPONSE, TARGET_ERROR };

struct edit {
    struct edit *next;
    enum edit_op op;
    enum edit_target target;
    char *name, *value;
    size_t name_len, value_len;
};

struct pending {
    struct guest *guest;        /* counted while the call runs */
    struct net_call *call;      /* NULL once it is done */
    struct net_response *response;
    struct net_failure failure;
    bool detached;              /* nobody will ask: drop the answer */
    bool forward;               /* the host answers the client with it */
    bool pass;
    struct exchange *ex;        /* when forward */
    struct edit *edits, **edits_tail;
    struct net_target target;
};

/* --- ends of a pending --- */

static void pending_free(struct pending *p)
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
static void write_detail(struct instance *in, uint64_t ptr, const struct net_failure *f)
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

/* --- starting --- */

static struct net_target target_of(const struct manifest_backend *b)
{
    return (struct net_target){
        .tls = b->tls,
        .host = b->host,
        .port = b->port,
        .sni = b->no_sni ? NULL : b->cert_host ? b->cert_host : b->host,
        .cert_host = b->cert_host ? b->cert_host : b->host,
        .ca_pem = b->ca_pem,
        .client_cert_pem = b->client_cert_pem,
        .client_key_pem = b->client_key_pem,
        .tls_min = NET_TLS_DEFAULT,
        .tls_max = NET_TLS_DEFAULT,
        .http2 = b->grpc || b->http2,
        .connect_timeout_ms = b->connect_timeout_ms,
        .first_byte_timeout_ms = b->first_byte_timeout_ms,
        .between_bytes_timeout_ms = b->between_bytes_timeout_ms,
    };
}

/* Prefix of the backend, then path and query of the request, with one slash between. */
static char *path_for(const struct manifest_backend *b, const char *uri)
{
    struct uri u;
    if (!uri_parse(uri, strlen(uri), &u))
        return NULL;
    const char *path = u.path;
    size_t len = u.path_len;
    if (len && *path == '/') {
        path++;
        len--;
    }
    return xasprintf("%s/%.*s", b->prefix ? b->prefix : "", (int)len, path);
}

static char *authority_for(const struct manifest_backend *b, const struct guest_request *r)
{
    if (b->override_host)
        return xstrdup(b->override_host);
    const char *host = headers_get(&r->headers, "host");
    if (host)
        return xstrdup(host);
    struct uri u;
    if (uri_parse(r->uri, strlen(r->uri), &u) && u.authority)
        return xstrndup(u.authority, u.authority_len);
    return xstrdup(b->host);
}

static void deliver(struct pending *p);

static void on_done(void *env, struct net_response *response, const struct net_failure *failure)
{
    struct pending *p = env;
    struct guest *g = p->guest;
    p->call = NULL;
    p->response = response;
    if (failure)
        p->failure = *failure;
    if (p->detached)
        pending_free(p);
    else if (p->forward)
        deliver(p);
    else
        guest_event(g);
    guest_unref(g);
}

static void call_backend(struct guest *g, struct pending *p, const struct manifest_backend *b,
                         struct guest_request *r, struct body *body)
{
    cleanup(free_p) char *path = path_for(b, r->uri);
    cleanup(free_p) char *authority = authority_for(b, r);
    headers_remove(&r->headers, "host", 4);
    struct net_request request = {
        .target = &p->target,
        .method = r->method,
        .path = path ? path : "/",
        .authority = authority,
        .headers = &r->headers,
        .body = body,
        .manual_framing = r->manual_framing,
        .gunzip = r->gunzip,
    };
    p->target = target_of(b);
    p->pass = r->pass;
    p->guest = guest_ref(g);
    p->call = net_call_start(g->env->net, &request, on_done, p);
}

/* Consumes request and body, whatever comes of it (section 4). */
static enum hc_status start(struct instance *in, const uint64_t *a, bool streaming, struct pending **ret)
{
    struct guest *g = guest_of(in);
    uint8_t *name;
    TRY(mem_bytes(in, a[2], a[3], &name));
    struct guest_request *r = table_get(&g->requests, a[0]);
    if (!r || !guest_body(g, a[1]))
        return HC_BADF;
    table_take(&g->requests, a[0]);
    struct body *body = streaming ? guest_begin_stream(g, a[1]) : guest_take_body(g, a[1]);
    const struct manifest_backend *b = guest_backend(g, (const char *)name, a[3]);
    enum hc_status status = !b ? HC_INVAL : g->pending_count >= PENDING_MAX ? HC_LIMITEXCEEDED : HC_OK;
    if (status == HC_OK) {
        struct pending *p = xnew(struct pending);
        p->edits_tail = &p->edits;
        call_backend(g, p, b, r, body);
        g->pending_count++;
        *ret = p;
    } else {
        body_stop(body);
        body_unref(body);
    }
    guest_request_free(r);
    return status;
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

struct answer_out {
    uint64_t detail, response, body;    /* guest pointers; detail may be 0 */
};

/* The pending is used up. */
static int32_t give_answer(struct instance *in, struct pending *p, const struct answer_out *out)
{
    struct guest *g = guest_of(in);
    uint8_t *resp_at, *body_at;
    g->pending_count--;
    if (!p->response) {
        enum hc_status status = failure_status(&p->failure);
        write_detail(in, out->detail, &p->failure);
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
    write_detail(in, out->detail, &(struct net_failure){.error = NET_OK});
    put_u32(resp_at, response);
    put_u32(body_at, body);
    return HC_OK;
}

/* --- send: start and wait --- */

static bool send_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    struct pending *p = g->wait.ptr;
    if (!pending_ready(p))
        return false;
    const uint64_t *a = g->wait.args;
    struct answer_out plain = {0, a[4], a[5]}, detailed = {a[4], a[5], a[6]};
    g->wait.ptr = NULL;
    *ret_result = give_answer(in, p, g->wait.n ? &detailed : &plain);
    return true;
}

static int32_t send_and_wait(struct instance *in, const uint64_t *a, bool detailed)
{
    struct guest *g = guest_of(in);
    uint8_t *at;
    struct pending *p = NULL;
    TRY(mem_slot(in, a[detailed ? 5 : 4], 4, &at));
    TRY(mem_slot(in, a[detailed ? 6 : 5], 4, &at));
    enum hc_status status = start(in, a, false, &p);
    if (status != HC_OK) {
        if (detailed)
            write_detail(in, a[4], &(struct net_failure){.error = NET_DESTINATION_NOT_FOUND});
        return (int32_t)status;
    }
    g->wait.ptr = p;
    g->wait.n = detailed;
    return guest_park(g, a, send_on);
}

int32_t hc_http_req_send(struct instance *in, const uint64_t *a)
{
    return send_and_wait(in, a, false);
}

int32_t hc_http_req_send_v2(struct instance *in, const uint64_t *a)
{
    return send_and_wait(in, a, true);
}

int32_t hc_http_req_send_v3(struct instance *in, const uint64_t *a)
{
    return send_and_wait(in, a, true);
}

/* --- send_async: start, and a handle --- */

static int32_t send_async(struct instance *in, const uint64_t *a, bool streaming, uint64_t out_ptr)
{
    struct guest *g = guest_of(in);
    uint8_t *out;
    struct pending *p = NULL;
    TRY(mem_slot(in, out_ptr, 4, &out));
    TRY(start(in, a, streaming, &p));
    uint32_t handle = item_add(g, ITEM_PENDING, p);
    if (handle == HANDLE_INVALID) {
        pending_drop(g, p);
        return HC_LIMITEXCEEDED;
    }
    put_u32(out, handle);
    return HC_OK;
}

int32_t hc_http_req_send_async(struct instance *in, const uint64_t *a)
{
    return send_async(in, a, false, a[4]);
}

int32_t hc_http_req_send_async_v2(struct instance *in, const uint64_t *a)
{
    return send_async(in, a, a[4] == 1, a[5]);
}

int32_t hc_http_req_send_async_streaming(struct instance *in, const uint64_t *a)
{
    return send_async(in, a, true, a[4]);
}

static struct pending *pending_get(struct guest *g, uint64_t handle)
{
    struct item *it = item_get(g, handle, ITEM_PENDING);
    return it ? it->ptr : NULL;
}

static struct pending *pending_take(struct guest *g, uint64_t handle)
{
    struct item *it = item_get(g, handle, ITEM_PENDING);
    struct pending *p = it ? it->ptr : NULL;
    if (it)
        item_clear(it);
    return p;
}

/* --- poll --- */

struct poll_out {
    uint64_t detail, done, response, body;
};

static int32_t poll_now(struct instance *in, uint64_t handle, const struct poll_out *out, bool *ret_wait)
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
    TRY(give_answer(in, p, &(struct answer_out){out->detail, out->response, out->body}));
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
    *ret_result = give_answer(in, p, detailed ? &full : &plain);
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
    if (give_answer(in, p, &(struct answer_out){out.detail, out.response, out.body}) != HC_OK) {
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

/* --- the host answers the client from a pending request --- */

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

static void deliver_failure(struct pending *p)
{
    struct headers h = {0};
    headers_add_str(&h, "content-type", "text/plain; charset=utf-8");
    apply_edits(p, &h, true);
    struct body *body = body_new();
    body_write(body, p->failure.text, strlen(p->failure.text));
    body_end(body);
    exchange_respond(p->ex, &(struct response_head){.status = gateway_status(&p->failure), .headers = &h},
                     body);
    headers_clear(&h);
}

static void deliver(struct pending *p)
{
    if (p->response) {
        struct net_response *n = p->response;
        apply_edits(p, &n->headers, false);
        exchange_respond(p->ex, &(struct response_head){.status = n->status, .headers = &n->headers},
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
        deliver(p);
    return HC_OK;
}
