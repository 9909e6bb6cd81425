/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/exchange.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

struct exchange *exchange_new(struct loop *loop, const struct exchange_wire *wire, void *wire_data)
{
    struct exchange *ex = xnew(struct exchange);
    ex->refs = 1;
    ex->loop = loop;
    ex->wire = wire;
    ex->wire_data = wire_data;
    ex->body = body_new();
    return ex;
}

static const char *copy_text(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

static const uint8_t *copy_bytes(const uint8_t *p, size_t len)
{
    return p ? xmemdup(p, len) : NULL;
}

struct exchange_tls *exchange_tls_copy(const struct exchange_tls *from)
{
    struct exchange_tls *tls = xmemdup(from, sizeof *from);
    tls->refs = 1;
    tls->protocol = copy_text(from->protocol);
    tls->cipher = copy_text(from->cipher);
    tls->servername = copy_text(from->servername);
    tls->ja4 = copy_text(from->ja4);
    tls->client_hello = copy_bytes(from->client_hello, from->client_hello_len);
    tls->client_cert = copy_bytes(from->client_cert, from->client_cert_len);
    return tls;
}

struct exchange_tls *exchange_tls_ref(struct exchange_tls *tls)
{
    if (tls && tls->refs)
        tls->refs++;
    return tls;
}

static void free_const(const void *p)
{
    free((void *)(uintptr_t)p);
}

void exchange_tls_unref(struct exchange_tls *tls)
{
    if (!tls || tls->refs == 0 || --tls->refs > 0)
        return;
    free_const(tls->protocol);
    free_const(tls->cipher);
    free_const(tls->servername);
    free_const(tls->ja4);
    free_const(tls->client_hello);
    free_const(tls->client_cert);
    free(tls);
}

struct exchange *exchange_ref(struct exchange *ex)
{
    ex->refs++;
    return ex;
}

void exchange_unref(struct exchange *ex)
{
    if (!ex || --ex->refs > 0)
        return;
    if (ex->wire->release)
        ex->wire->release(ex);
    free(ex->method);
    headers_clear(&ex->headers);
    if (ex->added)
        headers_clear(ex->added);
    free(ex->added);
    body_stop(ex->body); /* a wire that still receives must know that nobody reads */
    body_unref(ex->body);
    exchange_tls_unref(ex->tls);
    free(ex);
}

void exchange_set_target(struct exchange *ex, const char *method, size_t method_len, size_t uri_cap)
{
    assert(!ex->method);
    ex->method = xmalloc(method_len + 1 + uri_cap + 1);
    memcpy(ex->method, method, method_len);
    ex->method[method_len] = '\0';
    ex->uri = ex->method + method_len + 1;
    ex->uri[0] = '\0';
}

void exchange_finish(struct exchange *ex, bool gone)
{
    ex->finished = true;
    if (gone) {
        ex->gone = true;
        if (ex->on_gone)
            ex->on_gone(ex);
    }
    if (ex->on_finished)
        ex->on_finished(ex);
    exchange_unref(ex);
}

void exchange_interim(struct exchange *ex, int status, const struct headers *headers)
{
    if (!ex->gone && !ex->responded && ex->version > 10)
        ex->wire->interim(ex, status, headers);
}

void exchange_add_header(struct exchange *ex, const char *name, const char *value)
{
    if (!ex->added)
        ex->added = xnew(struct headers);
    headers_add_str(ex->added, name, value);
}

static void respond_with_added(struct exchange *ex, const struct response_head *head,
                               struct body *body)
{
    struct headers all = {0};
    struct response_head with = *head;
    if (head->headers)
        headers_copy(&all, head->headers);
    for (size_t i = 0; i < ex->added->count; i++) {
        const struct header *h = &ex->added->list[i];
        if (strcmp(h->name, "set-cookie") != 0)
            headers_remove(&all, h->name, h->name_len);
        headers_add(&all, h->name, h->name_len, h->value, h->value_len);
    }
    with.headers = &all;
    ex->wire->respond(ex, &with, body);
    headers_clear(&all);
}

void exchange_respond(struct exchange *ex, const struct response_head *head, struct body *body)
{
    assert(!ex->responded);
    ex->responded = true;
    ex->status = head->status;
    if (!body) {
        body = body_new();
        body_end(body);
    }
    if (ex->gone) {
        body_stop(body);
        body_unref(body);
        return;
    }
    if (ex->added)
        respond_with_added(ex, head, body);
    else
        ex->wire->respond(ex, head, body);
}

const char *exchange_upgrade_wanted(const struct exchange *ex)
{
    bool can = ex->wire->upgrade && ex->version == 11 && !body_is_open(ex->body);
    if (!can || !headers_has_token(&ex->headers, "connection", "upgrade"))
        return NULL;
    return headers_get(&ex->headers, "upgrade");
}

void exchange_upgrade(struct exchange *ex, const struct headers *headers, struct body *to_client,
                      struct body *from_client)
{
    assert(!ex->responded);
    ex->responded = true;
    ex->status = 101;
    if (!ex->gone) {
        ex->wire->upgrade(ex, headers, to_client, from_client);
        return;
    }
    body_stop(to_client);
    body_unref(to_client);
    body_fail(from_client, "the client went away");
    body_unref(from_client);
}

void exchange_respond_text(struct exchange *ex, int status, const char *content_type,
                           const char *text)
{
    struct headers headers = {0};
    headers_add_str(&headers, "content-type", content_type);
    struct body *body = body_new();
    body_write(body, text, strlen(text));
    body_end(body);
    exchange_respond(ex, &(struct response_head){.status = status, .headers = &headers}, body);
    headers_clear(&headers);
}

void exchange_abort(struct exchange *ex)
{
    if (!ex->finished && !ex->gone)
        ex->wire->abort(ex);
}
