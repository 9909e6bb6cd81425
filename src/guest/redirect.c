/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_http_req.redirect_to_websocket_proxy: the client is handed over to a backend. Its request
 * goes there, or (v2) the method, path and headers of one that the guest made; the answer comes
 * back as it is. If that is 101, the two have the connection to themselves from then on. The guest
 * hears nothing of all this: it may be over long before. As the reference emulator has it, a
 * backend that does not exist or does not answer is told to the client, not to the guest. */
#include <stdlib.h>
#include "base/mem.h"
#include "guest/error_page.h"
#include "guest/pending.h"

struct handover {
    struct guest *guest;        /* counted: backends live as long */
    struct exchange *ex;
    struct net_call *call;
    struct net_target target;
    struct body *from_client;   /* after the switch of protocols, if one was asked for */
};

static void handover_free(struct handover *h)
{
    body_unref(h->from_client);
    exchange_unref(h->ex);
    guest_unref(h->guest);
    free(h);
}

static void on_answer(void *env, struct net_response *response, const struct net_failure *failure)
{
    struct handover *h = env;
    h->ex->on_gone = NULL;
    if (failure) {
        struct headers headers = {0};
        headers_add_str(&headers, "content-type", "text/plain; charset=utf-8");
        forward_failure(h->ex, failure, &headers);
        headers_clear(&headers);
    } else if (response->status == 101) {
        exchange_upgrade(h->ex, &response->headers, TAKE(response->body), TAKE(h->from_client));
    } else {
        exchange_respond(h->ex, &(struct response_head){.status = response->status,
                                                        .headers = &response->headers},
                         TAKE(response->body));
    }
    net_response_free(response);
    handover_free(h);
}

/* The client has left before the backend answered. */
static void on_gone(struct exchange *ex)
{
    struct handover *h = ex->gone_data;
    net_call_cancel(h->call);
    handover_free(h);
}

/* --- the request --- */

/* What the guest's request does not decide: the client's own go out. Host, Connection, Upgrade and
 * the framing are not the client's either, see net_request. */
static bool is_protected(const struct header *h)
{
    static const char *const names[] = {
        "sec-websocket-version", "sec-websocket-key", "pushpin-route", "content-range", "fastly-ff",
        "proxy-authenticate", "proxy-authorization", "te", "trailer", "cdn-loop", "expect",
        "connection", "upgrade", "host", "content-length", "transfer-encoding",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strlen(names[i]) == h->name_len && memcmp(names[i], h->name, h->name_len) == 0)
            return true;
    return false;
}

static void copy_some(struct headers *to, const struct headers *from, bool protected)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct header *h = &from->list[i];
        if (is_protected(h) == protected)
            headers_add(to, h->name, h->name_len, h->value, h->value_len);
    }
}

/* The backend's own name, whatever the client asked for. */
static char *authority_of(const struct manifest_backend *b)
{
    if (b->override_host)
        return xstrdup(b->override_host);
    bool six = strchr(b->host, ':') != NULL;
    if (b->port == (b->tls ? 443 : 80))
        return xasprintf(six ? "[%s]" : "%s", b->host);
    return xasprintf(six ? "[%s]:%u" : "%s:%u", b->host, b->port);
}

/* The guest keeps its handle, of an empty body from now on: SDKs close it. */
static struct body *take_client_body(struct guest *g)
{
    struct item *it = item_get(g, g->downstream_body, ITEM_BODY);
    struct body *b = guest_take_body(g, g->downstream_body);
    if (b)
        *it = (struct item){ITEM_BODY, body_new_held()};
    return b;
}

static void start(struct guest *g, const struct manifest_backend *b, const struct guest_request *r)
{
    struct exchange *ex = g->ex;
    struct handover *h = xnew(struct handover);
    const char *method = r ? r->method : ex->method;
    cleanup(free_p) char *path = send_path(b, r ? r->uri : ex->uri);
    cleanup(free_p) char *authority = authority_of(b);
    struct headers headers = {0};
    copy_some(&headers, &ex->headers, true);
    copy_some(&headers, r ? &r->headers : &ex->headers, false);
    h->guest = guest_ref(g);
    h->ex = exchange_ref(ex);
    h->target = send_target(b);
    struct net_request request = {
        .target = &h->target,
        .method = method,
        .path = path ? path : "/",
        .authority = authority,
        .headers = &headers,
        .upgrade = strcmp(method, "GET") == 0 ? exchange_upgrade_wanted(ex) : NULL,
    };
    if (request.upgrade) {
        h->target.http2 = false;
        h->from_client = body_new();
        request.body = body_ref(h->from_client);
    } else {
        request.body = take_client_body(g);
    }
    ex->on_gone = on_gone;
    ex->gone_data = h;
    h->call = net_call_start(g->env->net, &request, on_answer, h);
    headers_clear(&headers);
}

/* --- hostcalls --- */

static int32_t hand_over(struct instance *in, const struct guest_request *r, const char *name)
{
    struct guest *g = guest_of(in);
    if (g->ex->responded || g->promised)
        return HC_ERROR;
    g->promised = true;
    const struct manifest_backend *b = guest_backend(g, name, strlen(name));
    if (b) {
        if (!g->ex->gone)
            start(g, b, r);
        return HC_OK;
    }
    cleanup(free_p) char *detail =
        xasprintf("The guest handed the client over to '%s', which is no backend of its.", name);
    error_page_show(g->ex, 500, "There is no such backend", detail,
                    "declare it in the manifest, under backends");
    return HC_OK;
}

int32_t hc_http_req_redirect_to_websocket_proxy(struct instance *in, const uint64_t *a)
{
    cleanup(free_p) char *name = NULL;
    TRY(take_text(in, a[0], a[1], &name));
    return hand_over(in, NULL, name);
}

int32_t hc_http_req_redirect_to_websocket_proxy_v2(struct instance *in, const uint64_t *a)
{
    cleanup(free_p) char *name = NULL;
    TRY(take_text(in, a[1], a[2], &name));
    const struct guest_request *r = table_get(&guest_of(in)->requests, a[0]);
    if (!r)
        return HC_BADF;
    return hand_over(in, r, name);
}
