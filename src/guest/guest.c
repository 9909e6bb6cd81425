/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a guest: from a client request to an outcome (abi README section 8). */
#include "guest/guest.h"

#include <stdio.h>
#include <stdlib.h>
#include "base/mem.h"
#include "base/units.h"
#include "guest/error_page.h"
#include "guest/limits.h"
#include "guest/session.h"

static atomic_ullong sandboxes;

/* --- apps --- */

struct guest_app *guest_app_new(struct module *module, struct manifest *manifest,
                                struct world *world)
{
    struct guest_app *app = xnew(struct guest_app);
    atomic_init(&app->refs, 1);
    app->module = module;
    app->manifest = manifest;
    app->world = world;
    return app;
}

struct guest_app *guest_app_ref(struct guest_app *app)
{
    atomic_fetch_add(&app->refs, 1);
    return app;
}

void guest_app_unref(struct guest_app *app)
{
    if (!app || atomic_fetch_sub(&app->refs, 1) != 1)
        return;
    module_unref(app->module);
    manifest_unref(app->manifest);
    world_unref(app->world);
    free(app);
}

/* --- references --- */

struct guest *guest_ref(struct guest *g)
{
    g->refs++;
    return g;
}

void guest_unref(struct guest *g)
{
    if (--g->refs > 0)
        return;
    guest_drop_backends(g);
    for (unsigned i = 0; i < g->downstream_count; i++)
        exchange_unref(g->downstreams[i].ex);
    guest_app_unref(g->app);
    free(g);
}

/* --- taking a client request --- */

/* enum http_version of the ABI for a wire version of 10, 11 or 20. */
static int abi_version(int version)
{
    return version == 10 ? 1 : version == 20 ? 3 : 2;
}

bool guest_accept(struct guest *g, struct exchange *ex)
{
    if (g->downstream_count == DOWNSTREAMS_MAX)
        return false;
    struct guest_request *r = xnew(struct guest_request);
    r->method = xstrdup(ex->method);
    r->uri = xstrdup(ex->uri);
    r->version = abi_version(ex->version);
    headers_copy(&r->headers, &ex->headers);
    g->downstream_request = guest_add_request(g, r);
    g->downstream_body =
        guest_add_body(g, guest_limits_body(g->env->limits, body_ref(ex->body)));
    g->downstreams[g->downstream_count++] = (struct downstream){g->downstream_request, ex};
    g->ex = ex;
    g->promised = false;
    return true;
}

/* --- limits --- */

static struct instance_limits limits_of(const struct guest_env *env, const struct manifest *m)
{
    uint64_t cpu = guest_limits_time_ms(env->limits, LIMIT_CPU, (uint64_t)m->limits.cpu_ms,
                                        (uint64_t)env->cpu_limit_ns / 1000000);
    return (struct instance_limits){
        .cpu_ns = (int64_t)cpu * 1000000,
        .memory_bytes = guest_limits_memory(env->limits, m->limits.memory_bytes),
    };
}

/* --- the end --- */

static void drop_item(struct guest *g, struct item it)
{
    switch (it.kind) {
    case ITEM_NONE:
        break;
    case ITEM_BODY:
        body_on_readable(it.ptr, NULL, NULL);
        body_stop(it.ptr);
        body_unref(it.ptr);
        break;
    case ITEM_STREAM:
        body_on_drain(it.ptr, NULL, NULL);
        body_fail(it.ptr, "the guest ended without closing it");
        body_unref(it.ptr);
        break;
    case ITEM_PENDING:
        pending_drop(g, it.ptr);
        break;
    case ITEM_KV_LOOKUP:
    case ITEM_KV_INSERT:
    case ITEM_KV_DELETE:
    case ITEM_KV_LIST:
        kv_op_drop(g, it.ptr);
        break;
    case ITEM_CACHE:
    case ITEM_CACHE_BUSY:
        cache_item_drop(g, &it);
        break;
    case ITEM_PROMISE:
        promise_drop(g, it.ptr);
        break;
    }
}

static void drop_handles(struct guest *g)
{
    for (uint32_t i = 0; i < g->items.count; i++) {
        struct item it = g->items.list[i];
        item_clear(&g->items.list[i]);
        drop_item(g, it);
    }
    items_clear(&g->items);
    for (uint32_t i = 0; i < g->requests.count; i++)
        guest_request_free(g->requests.list[i]);
    table_clear(&g->requests);
    for (uint32_t i = 0; i < g->responses.count; i++)
        guest_response_free(g->responses.list[i]);
    table_clear(&g->responses);
    for (uint32_t i = 0; i < g->endpoints.count; i++)
        free(g->endpoints.list[i]);
    table_clear(&g->endpoints);
    guest_drop_stores(g);
    guest_drop_reuse(g);
}

/* What the client gets when the guest has not answered (or, after its answer, nothing more). */
static void answer_for(struct guest *g, const struct instance_outcome *out)
{
    if (g->ex->responded || g->promised)
        return;
    if (out->end == INSTANCE_RETURNED || (out->end == INSTANCE_EXITED && out->exit_code == 0)) {
        struct headers none = {0};
        exchange_respond(g->ex, &(struct response_head){.status = 200, .headers = &none}, NULL);
        return;
    }
    if (!guest_limits_ended(g->env->limits, g->ex, out))
        error_page_respond(g->ex, out);
}

static void finish(struct guest *g, const struct instance_outcome *out)
{
    g->over = true;
    timer_stop(&g->wall);
    timer_stop(&g->wait.timer);
    task_cancel(&g->run);
    guest_flush_lines(g);
    answer_for(g, out);
    if (g->env->watch.ended)
        g->env->watch.ended(g->env->watch.env, g, out);
    drop_handles(g);
    instance_free(TAKE(g->in));
    guest_unref(g);
}

static void end_with(struct guest *g, enum instance_end end, const char *message)
{
    struct instance_outcome out = {.end = end};
    if (g->in) {
        out.cpu_ns = instance_cpu_ns(g->in);
        out.host_calls = instance_outcome(g->in)->host_calls;
    }
    snprintf(out.message, sizeof out.message, "%s", message);
    finish(g, &out);
}

static int64_t wall_limit_ns(const struct guest *g)
{
    const struct manifest *m = g->app->manifest;
    return (int64_t)guest_limits_time_ms(g->env->limits, LIMIT_WALL, (uint64_t)m->limits.wall_ms,
                                         (uint64_t)g->env->wall_limit_ns / 1000000) * 1000000;
}

static void on_wall_limit(void *env)
{
    struct guest *g = env;
    char limit[UNIT_TEXT_MAX], message[128];
    format_duration(wall_limit_ns(g) / 1000000, limit);
    snprintf(message, sizeof message, "the guest ran longer than %s", limit);
    end_with(g, INSTANCE_STOPPED, message);
}

void guest_kill(struct guest *g)
{
    exchange_abort(g->ex);
    g->promised = true;
    end_with(g, INSTANCE_STOPPED, "shutting down");
}

void guest_renew_limits(struct guest *g)
{
    int64_t wall = wall_limit_ns(g);
    g->subrequests = g->lookups = g->kv_operations = 0;
    instance_allow_cpu(g->in, limits_of(g->env, g->app->manifest).cpu_ns);
    if (wall)
        timer_start(g->env->loop, &g->wall, wall, on_wall_limit, g);
}

/* --- running --- */

static void run(void *env)
{
    struct guest *g = env;
    switch (instance_poll(g->in)) {
    case INSTANCE_YIELDED:
        loop_defer(g->env->loop, &g->run);
        break;
    case INSTANCE_PARKED:
        break;
    case INSTANCE_DONE:
        finish(g, instance_outcome(g->in));
        break;
    }
}

static void on_wake(void *user)
{
    struct guest *g = user;
    loop_defer(g->env->loop, &g->run);
}

void guest_event(void *guest)
{
    struct guest *g = guest;
    if (!g->over)
        instance_wake(g->in);
}

static void on_wait_timer(void *env)
{
    struct guest *g = env;
    g->wait.timed_out = true;
    instance_wake(g->in);
}

int32_t guest_park(struct guest *g, const uint64_t *args, instance_resume_fn *resume)
{
    memcpy(g->wait.args_copy, args, sizeof g->wait.args_copy);
    g->wait.args = g->wait.args_copy;
    g->wait.timed_out = false;
    return instance_park(g->in, resume);
}

int32_t guest_park_for(struct guest *g, const uint64_t *args, int64_t ns,
                       instance_resume_fn *resume)
{
    int32_t status = guest_park(g, args, resume);
    timer_start(g->env->loop, &g->wait.timer, ns, on_wait_timer, g);
    return status;
}

struct guest *guest_start(struct guest_env *env, struct guest_app *app, struct exchange *ex)
{
    struct guest *g = xnew(struct guest);
    g->refs = 1;
    g->env = env;
    g->app = guest_app_ref(app);
    g->id = atomic_fetch_add(&sandboxes, 1);
    g->run = (struct task){.fn = run, .env = g};
    guest_accept(g, ex);
    struct instance_limits limits = limits_of(env, app->manifest);
    struct err err;
    int r = instance_new(app->module, &limits, g, on_wake, &g->in, &err);
    if (r < 0) {
        end_with(g, INSTANCE_FAILED, err.msg);
        return NULL;
    }
    guest_renew_limits(g);
    loop_defer(env->loop, &g->run);
    return g;
}

/* --- for watchers --- */

struct exchange *guest_exchange(struct guest *g)
{
    return g->ex;
}

void guest_log(struct guest *g, const char *endpoint, const void *text, size_t len)
{
    if (g->env->watch.log)
        g->env->watch.log(g->env->watch.env, g, endpoint, text, len);
}

void guest_note_unsupported(struct guest *g, const char *module, const char *name)
{
    if (g->env->watch.unsupported)
        g->env->watch.unsupported(g->env->watch.env, module, name);
}
