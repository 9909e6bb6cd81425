/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a call, from net_call_start to its end; see internal.h for the way through. */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "net/origin.h"

static const int64_t NS_PER_MS = 1000000;
/* How long curl is trusted to keep the addresses it was given; half of what it was told, as a
 * call may sit in curl's queue for a while. */
static const int64_t LOADED_NS = INT64_C(300) * 1000000000;
enum { DEFAULT_CONNECT_MS = 300 * 1000, DEFAULT_IDLE_S = 118, KEEP_TEXT = 16 * 1024 };

/* --- deadlines --- */

static void on_deadline(void *env);

static void arm(struct net_call *call)
{
    int64_t wait = call->deadline_ns - clock_mono_ns();
    timer_start(call->client->loop, &call->timer, wait > 0 ? wait : 0, on_deadline, call);
}

/* Moving a deadline back, as each chunk does, touches no timer: it finds out when it fires. */
void call_watch(struct net_call *call, int64_t ms)
{
    if (ms <= 0) {
        call->deadline_ns = 0;
        return;
    }
    call->deadline_ns = clock_mono_ns() + ms * NS_PER_MS;
    if (!call->timer.loop || call->timer.due_ns > call->deadline_ns)
        arm(call);
}

static void on_deadline(void *env)
{
    struct net_call *call = env;
    if (!call->deadline_ns)
        return;
    if (clock_mono_ns() < call->deadline_ns) {
        arm(call);
        return;
    }
    const struct net_target *t = &call->origin->target;
    struct net_failure f;
    if (call->down.head_done) {
        call_abandon(call, "the backend fell silent (between_bytes_timeout)");
        return;
    }
    if (call->running)
        failure_set(&f, NET_HTTP_RESPONSE_TIMEOUT, "%s:%u: no response within %lld ms", t->host,
                    t->port, (long long)call->first_byte_ms);
    else
        failure_set(&f, NET_DNS_TIMEOUT, "looking up '%s': no answer within %lld ms", t->host,
                    (long long)call->connect_ms);
    call_fail(call, &f);
    client_kick(call->client);
}

/* --- end --- */

void call_free(struct net_call *call)
{
    timer_stop(&call->timer);
    curl_easy_cleanup(call->easy);
    free(call->lines.nodes);
    free(call->lines.text);
    free(call);
}

/* Curl lets go; a connection in use is closed unless the transfer was complete. */
static void detach(struct net_call *call)
{
    call->deadline_ns = 0;  /* the timer may go on: the next call will need one */
    if (call->waiting) {
        TAILQ_REMOVE(&call->origin->waiting, call, queue);
        call->waiting = false;
    }
    if (call->running) {
        call->running = false;
        curl_multi_remove_handle(call->client->multi, call->easy);
        origin_unload_addresses(call);
    }
    request_drop_body(call);
}

static void recycle(struct net_call *call)
{
    task_cancel(&call->work);
    struct lines *lines = &call->lines;
    if (lines->text_cap > KEEP_TEXT) {
        free(lines->text);
        lines->text = NULL;
        lines->text_cap = 0;
    }
    origin_give_call(call);
}

void call_settle(struct net_call *call)
{
    if (call->delivered && !call->running && !call->down.body)
        recycle(call);
}

void call_ready(struct net_call *call)
{
    if (call->is_ready)
        return;
    call->is_ready = true;
    TAILQ_INSERT_TAIL(&call->client->ready, call, queue);
}

void call_fail(struct net_call *call, const struct net_failure *failure)
{
    detach(call);
    if (!call->failed)
        call->failure = *failure;
    call->failed = true;
    response_break(call, "no response");
    net_response_free(TAKE(call->down.response));
    call_ready(call);
}

void call_abandon(struct net_call *call, const char *reason)
{
    detach(call);
    response_break(call, reason);
    call_settle(call);
}

void call_end(struct net_call *call, CURLcode code)
{
    if (!call->down.head_done) {
        struct net_failure f;
        failure_from_curl(call, code, &f);
        call_fail(call, &f);
        return;
    }
    bool good = code == CURLE_OK || call->down.complete;
    const char *reason = call->down.broken ? call->down.broken : failure_body_reason(code);
    detach(call);
    if (good)
        response_end(call);
    else
        response_break(call, reason);
    call_settle(call);
}

/* --- start --- */

static void set_timeouts(struct net_call *call, const struct net_request *request)
{
    const struct net_target *t = request->target;
    call->first_byte_ms = t->first_byte_timeout_ms;
    call->between_bytes_ms = t->between_bytes_timeout_ms;
    call->connect_ms = t->connect_timeout_ms > 0 ? t->connect_timeout_ms : DEFAULT_CONNECT_MS;
    long idle_s = t->keepalive_time_ms > 0 ? (long)((t->keepalive_time_ms + 999) / 1000)
                                           : DEFAULT_IDLE_S;
    struct call_settings *s = &call->settings;
    if (s->connect_ms != (long)call->connect_ms) {
        s->connect_ms = (long)call->connect_ms;
        curl_easy_setopt(call->easy, CURLOPT_CONNECTTIMEOUT_MS, s->connect_ms);
    }
    if (s->idle_s != idle_s) {
        s->idle_s = idle_s;
        curl_easy_setopt(call->easy, CURLOPT_MAXAGE_CONN, idle_s);
    }
    bool fresh = t->dont_pool || call->origin->never_pool || request->upgrade;
    if (s->fresh != fresh) {
        s->fresh = fresh;
        curl_easy_setopt(call->easy, CURLOPT_FRESH_CONNECT, (long)fresh);
        curl_easy_setopt(call->easy, CURLOPT_FORBID_REUSE, (long)fresh);
    }
}

/* Bodies call back inside whatever caused it; the answer must wait until curl is not on the
 * stack. */
static void on_work(void *env)
{
    struct net_call *call = env;
    struct net_client *c = call->client;
    if (call->delivered && call->down.body && body_reader_gone(call->down.body)) {
        call_abandon(call, "not wanted any more");
        return;
    }
    if (call->down.cut && call->running) {
        call_end(call, CURLE_OK);
        return;
    }
    if (call->down.quiet)
        response_check_quiet(call);
    if (call->up.raw && call->up.ended && call->running)
        request_shut_down(call);
    if (call->up.paused && call->up.readable)
        request_resume(call);
    if (call->down.body && !body_full(call->down.body))
        response_resume(call);
    client_pump(c);
}

static void reset(struct net_call *call, const struct net_request *request)
{
    call->up = (struct upload){.kind = UPLOAD_NONE, .body = request->body, .left = -1};
    call->down = (struct download){.left = -1};
    call->gunzip_asked = request->gunzip;
    call->is_head = strcmp(request->method, "HEAD") == 0;
    call->waiting = call->is_ready = call->running = call->delivered = false;
    call->loads_addresses = call->failed = false;
    call->errors[0] = '\0';
    call->work.fn = on_work;
    call->work.env = call;
    if (call->origin->tls) {
        const struct tls_client_events *events = tls_client_events(call->origin->tls);
        call->alerts_before = events->alerts;
        call->distrusts_before = events->distrusts;
    }
}

struct net_call *net_call_start(struct net_client *c, const struct net_request *request,
                                net_done_fn *done, void *env)
{
    struct origin *o = origin_get(c, request->target);
    struct net_call *call = origin_take_call(o);
    call->done = done;
    call->env = env;
    reset(call, request);
    set_timeouts(call, request);
    if (o->is_bad) {
        call_fail(call, &o->bad);
        client_kick(c);
        return call;
    }
    if (!request_prepare(call, request)) {
        call_fail(call, &(struct net_failure){0});
        client_kick(c);
        return call;
    }
    origin_connect(call);
    return call;
}

void call_launch(struct net_call *call)
{
    call_watch(call, 0);
    origin_load_addresses(call);
    response_begin(call);
    call->running = true;
    curl_multi_add_handle(call->client->multi, call->easy);
}

/* Curl has a connection and is about to send the request. */
static int on_connected(void *env, char *ip, char *local_ip, int port, int local_port)
{
    (void)ip, (void)local_ip, (void)port, (void)local_port;
    struct net_call *call = env;
    if (request_spent(call))
        return CURL_PREREQFUNC_ABORT; /* a second try, on a new connection */
    if (call->loads_addresses)
        call->origin->loaded_until_ns = clock_mono_ns() + LOADED_NS;
    long fresh = 1;
    if (call->up.kind == UPLOAD_STREAM)
        curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &fresh);
    call->up.replayable = fresh == 0;
    call_watch(call, call->first_byte_ms);
    return CURL_PREREQFUNC_OK;
}

void call_hook(struct net_call *call)
{
    curl_easy_setopt(call->easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(call->easy, CURLOPT_PREREQDATA, call);
}

void net_call_cancel(struct net_call *call)
{
    if (call->is_ready)
        TAILQ_REMOVE(&call->client->ready, call, queue);
    call->is_ready = false;
    call->delivered = true;
    detach(call);
    response_break(call, "cancelled");
    net_response_free(TAKE(call->down.response));
    recycle(call);
}

void net_response_free(struct net_response *response)
{
    if (!response)
        return;
    if (response->body) {
        body_stop(response->body);
        body_unref(response->body);
    }
    headers_clear(&response->headers);
    free(response);
}
