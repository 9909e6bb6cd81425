/* SPDX-License-Identifier: Apache-2.0 */
/* Sending requests to backends (abi README sections 8 and 9). */
#include <stdlib.h>
#include "base/mem.h"
#include "base/uri.h"
#include "guest/limits.h"
#include "guest/pending.h"

/* --- starting --- */

struct net_target send_target(const struct manifest_backend *b)
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

char *send_path(const struct manifest_backend *b, const char *uri)
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

static void enter_list(struct pending **head, struct pending *p)
{
    p->next = *head;
    if (p->next)
        p->next->prev = &p->next;
    p->prev = head;
    *head = p;
}

static void leave_list(struct pending *p)
{
    *p->prev = p->next;
    if (p->next)
        p->next->prev = p->prev;
}

void guest_env_cancel(struct guest_env *env)
{
    struct pending *p;
    while ((p = env->under_way)) {
        leave_list(p);
        net_call_cancel(TAKE(p->call));
        if (p->forward)
            exchange_unref(p->ex);
        guest_unref(p->guest);
        pending_free(p);
    }
}

static void on_done(void *env, struct net_response *response, const struct net_failure *failure)
{
    struct pending *p = env;
    struct guest *g = p->guest;
    p->call = NULL;
    leave_list(p);
    p->response = response;
    if (failure)
        p->failure = *failure;
    if (p->detached)
        pending_free(p);
    else if (p->forward)
        pending_deliver(p);
    else
        guest_event(g);
    guest_unref(g);
}

static void call_backend(struct guest *g, struct pending *p, const struct manifest_backend *b,
                         struct guest_request *r, struct body *body)
{
    cleanup(free_p) char *path = send_path(b, r->uri);
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
    p->target = send_target(b);
    p->pass = r->pass;
    p->guest = guest_ref(g);
    p->call = net_call_start(g->env->net, &request, on_done, p);
    enter_list(&g->env->under_way, p);
}

/* Consumes request and body, whatever comes of it (section 4). */
static enum hc_status start(struct instance *in, const uint64_t *a, bool streaming,
                            struct pending **ret)
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
    bool room = g->pending_count < PENDING_MAX &&
                guest_limits_count(g, LIMIT_SUBREQUESTS, &g->subrequests);
    enum hc_status status = !b ? HC_INVAL : !room ? HC_LIMITEXCEEDED : HC_OK;
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
    *ret_result = pending_give(in, p, g->wait.n ? &detailed : &plain);
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
            pending_write_detail(in, a[4],
                                 &(struct net_failure){.error = NET_DESTINATION_NOT_FOUND});
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
