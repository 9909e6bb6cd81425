/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/server.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "serve/internal.h"

enum { DEFAULT_MAX_REQUESTS = 1000, DEFAULT_MAX_QUEUE = 65536 };

/* --- the current version --- */

/* Fetch metadata (W3C): only browsers send this, only for what goes into a tab. */
static bool is_navigation(const struct exchange *ex)
{
    const char *dest = headers_get(&ex->headers, "sec-fetch-dest");
    return dest && strcmp(dest, "document") == 0;
}

struct guest_app *server_app_for(struct server *s, struct exchange *ex, struct site_pick *ret)
{
    uv_rwlock_rdlock(&s->lock);
    if (s->sites && sites_pick(s->sites, ex, ret)) {
        uv_rwlock_rdunlock(&s->lock);
        return ret->deployment ? guest_app_ref(ret->deployment->app) : NULL;
    }
    bool show_notice = s->notice_title && is_navigation(ex);
    struct guest_app *app = s->app && !show_notice ? guest_app_ref(s->app) : NULL;
    uv_rwlock_rdunlock(&s->lock);
    return app;
}

void server_set_app(struct server *s, struct guest_app *app)
{
    uv_rwlock_wrlock(&s->lock);
    struct guest_app *old = s->app;
    s->app = app;
    uv_rwlock_wrunlock(&s->lock);
    guest_app_unref(old);
}

unsigned server_workers(const struct server *s)
{
    return s->worker_count;
}

void server_set_sites(struct server *s, struct sites *sites)
{
    uv_rwlock_wrlock(&s->lock);
    struct sites *old = s->sites;
    s->sites = sites;
    uv_rwlock_wrunlock(&s->lock);
    sites_unref(old);
}

void server_set_tap(struct server *s, const struct server_tap *tap)
{
    atomic_store(&s->tap, tap);
}

void server_set_notice(struct server *s, const char *title, const char *detail)
{
    uv_rwlock_wrlock(&s->lock);
    free(s->notice_title);
    free(s->notice_detail);
    s->notice_title = title ? xstrdup(title) : NULL;
    s->notice_detail = detail ? xstrdup(detail) : NULL;
    uv_rwlock_wrunlock(&s->lock);
}

void server_show_notice(struct server *s, struct exchange *ex, const struct site_pick *pick)
{
    if (pick->problem) {
        if (pick->status == 503)
            exchange_add_header(ex, "retry-after", "1");
        error_page_show(ex, pick->status, pick->problem, NULL, pick->detail);
        return;
    }
    uv_rwlock_rdlock(&s->lock);
    error_page_show(ex, 503, s->notice_title ? s->notice_title : "The app is not ready yet",
                    s->notice_detail, NULL);
    uv_rwlock_rdunlock(&s->lock);
}

/* --- life --- */

static void server_free(struct server *s)
{
    for (unsigned i = 0; i < s->worker_count; i++)
        worker_free(s->workers[i]);
    free(s->workers);
    guest_app_unref(s->app);
    sites_unref(s->sites);
    free(s->notice_title);
    free(s->notice_detail);
    uv_rwlock_destroy(&s->lock);
    free(s);
}

int server_start(const struct server_options *options, struct guest_app *app, struct server **ret,
                 struct err *err)
{
    net_raise_fd_limit();
    struct server *s = xnew(struct server);
    s->options = *options;
    s->app = app;
    s->max_requests = (int)(options->max_requests ? options->max_requests : DEFAULT_MAX_REQUESTS);
    s->max_queue = options->max_queue ? options->max_queue : DEFAULT_MAX_QUEUE;
    uv_rwlock_init(&s->lock);
    unsigned count = options->workers ? options->workers : uv_available_parallelism();
    s->workers = xcalloc(count, sizeof(struct worker *));
    for (unsigned i = 0; i < count; i++) {
        int r = worker_new(s, i, &s->workers[i], err);
        if (r < 0) {
            server_free(s);
            return r;
        }
        s->worker_count++;
    }
    for (unsigned i = 0; i < count; i++) {
        int r = worker_run(s->workers[i], err);
        if (r < 0) {
            server_stop(s, 0);
            return r;
        }
    }
    *ret = s;
    return 0;
}

uint16_t server_port(const struct server *s)
{
    return listener_port(s->workers[0]->listener);
}

const char *server_url(const struct server *s)
{
    return listener_url(s->workers[0]->listener);
}

void server_stop(struct server *s, int64_t grace_ns)
{
    if (!s)
        return;
    /* All at once: they share the grace. */
    for (unsigned i = 0; i < s->worker_count; i++)
        worker_stop(s->workers[i], grace_ns);
    for (unsigned i = 0; i < s->worker_count; i++)
        worker_join(s->workers[i]);
    server_free(s);
}
