/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/loopback.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"

struct loopback {
    struct exchange *ex;        /* NULL once it has ended */
    struct loop *loop;
    struct body *answer;        /* being read */
    struct loopback_answer got;
    struct task task;
    loop_fn *done;
    void *done_env;
};

static void soon(void *env)
{
    struct loopback *l = env;
    loop_defer(l->loop, &l->task);
}

static void drop_answer(struct loopback *l)
{
    struct body *b = TAKE(l->answer);
    if (!b)
        return;
    body_on_readable(b, NULL, NULL);
    body_stop(b);
    body_unref(b);
}

static void end_exchange(struct loopback *l, bool gone)
{
    struct exchange *ex = TAKE(l->ex);
    task_cancel(&l->task);
    drop_answer(l);
    ex->wire_data = NULL;
    exchange_finish(ex, gone);
}

/* Reads what is there; true when the answer has come to its end, good or bad. */
static bool read_answer(struct loopback *l)
{
    const uint8_t *data;
    size_t len;
    enum body_read r;
    while (l->answer && (r = body_peek(l->answer, &data, &len)) != BODY_WAIT) {
        if (r == BODY_DATA && buf_add(&l->got.body, data, len)) {
            body_consume(l->answer, len);
            l->ex->sent_bytes += len;
            continue;
        }
        if (r == BODY_END) {
            headers_copy(&l->got.trailers, body_trailers(l->answer));
            l->got.complete = true;
        } else {
            l->got.cut = true;
        }
        drop_answer(l);
    }
    return l->got.complete || l->got.cut;
}

static void on_task(void *env)
{
    struct loopback *l = env;
    if (!read_answer(l))
        return;
    end_exchange(l, l->got.cut);
    if (l->done)
        l->done(l->done_env);
}

static void wire_interim(struct exchange *ex, int status, const struct headers *headers)
{
    struct loopback *l = ex->wire_data;
    struct loopback_answer *a = &l->got;
    a->interims = xreallocarray(a->interims, a->interim_count + 1, sizeof *a->interims);
    struct loopback_interim *i = &a->interims[a->interim_count++];
    *i = (struct loopback_interim){.status = status};
    if (headers)
        headers_copy(&i->headers, headers);
}

static void wire_respond(struct exchange *ex, const struct response_head *head, struct body *body)
{
    struct loopback *l = ex->wire_data;
    l->got.status = head->status;
    l->got.close = head->close;
    l->got.manual_framing = head->manual_framing;
    headers_copy(&l->got.headers, head->headers);
    l->answer = body;
    soon(l);
    if (strcmp(ex->method, "HEAD") == 0 || head->status == 204 || head->status == 304) {
        drop_answer(l);
        l->got.complete = true;
    } else {
        body_on_readable(body, soon, l);
    }
}

static void wire_abort(struct exchange *ex)
{
    struct loopback *l = ex->wire_data;
    drop_answer(l);
    l->got.cut = true;
    soon(l);
}

static const struct exchange_wire wire = {
    .interim = wire_interim,
    .respond = wire_respond,
    .abort = wire_abort,
};

static void add_host(struct headers *h, const char *uri)
{
    const char *authority = strstr(uri, "://");
    assert(authority);
    authority += 3;
    headers_add(h, "host", 4, authority, strcspn(authority, "/?#"));
}

struct loopback *loopback_start(struct loop *loop, const struct exchange_handler *handler,
                                const struct loopback_request *request, loop_fn *done, void *env)
{
    struct loopback *l = xnew(struct loopback);
    struct exchange *ex = exchange_new(loop, &wire, l);
    const char *method = request->method ? request->method : "GET";
    l->ex = ex;
    l->loop = loop;
    l->task = (struct task){.fn = on_task, .env = l};
    l->done = done;
    l->done_env = env;
    buf_init(&l->got.body, request->max_body ? request->max_body : (size_t)64 << 20);
    exchange_set_target(ex, method, strlen(method), strlen(request->uri));
    memcpy(ex->uri, request->uri, strlen(request->uri) + 1);
    ex->version = 11;
    if (!request->headers || !headers_get(request->headers, "host"))
        add_host(&ex->headers, request->uri);
    if (request->headers)
        headers_copy(&ex->headers, request->headers);
    ex->client = request->client.len ? request->client
                                     : (struct exchange_addr){.octets = {127, 0, 0, 1}, .len = 4};
    ex->server = (struct exchange_addr){.octets = {127, 0, 0, 1}, .len = 4};
    ex->tls = exchange_tls_ref(request->tls);
    ex->began_ns = clock_mono_ns();
    if (request->body)
        body_append(ex->body, request->body);
    body_end(ex->body);
    handler->begin(handler->env, exchange_ref(ex));
    return l;
}

const struct loopback_answer *loopback_answer(const struct loopback *l)
{
    return &l->got;
}

void loopback_hang_up(struct loopback *l)
{
    if (!l->ex)
        return;
    l->got.cut = true;
    end_exchange(l, true);
}

void loopback_free(struct loopback *l)
{
    loopback_hang_up(l);
    headers_clear(&l->got.headers);
    headers_clear(&l->got.trailers);
    for (size_t i = 0; i < l->got.interim_count; i++)
        headers_clear(&l->got.interims[i].headers);
    free(l->got.interims);
    buf_clear(&l->got.body);
    free(l);
}
