/* SPDX-License-Identifier: Apache-2.0 */
/* The log lines of deployed versions, for those who listen on the admin socket. Workers collect
 * them under a lock; the admin's loop hands them out. Nobody waits for a slow listener: it misses
 * lines, and is told how many. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "serve/admin_internal.h"
#include "serve/admin_logs.h"

enum { LINES_MAX = 10000, LINE_MAX_BYTES = 16 << 10 };

struct line {
    char *site, *version;
    char *text;                     /* JSON with its newline */
    struct line *next;
};

struct listener_of_logs {
    struct admin_logs *logs;
    struct body *body;
    char *site, *version;           /* version NULL = all */
    uint64_t missed;
    struct listener_of_logs *next;
};

struct admin_logs {
    struct server *server;
    struct loop *loop;
    struct server_tap tap;
    struct listener_of_logs *listeners;     /* of the loop's thread */
    uv_mutex_t lock;                        /* of the rest */
    struct line *first, **last;
    size_t count;
    bool posted;
};

/* --- on workers --- */

static void line_free(struct line *l)
{
    free(l->site);
    free(l->version);
    free(l->text);
    free(l);
}

static void hand_out(void *env);

static void add(struct admin_logs *logs, const struct deployment *d, const char *stream,
                const char *text, size_t len)
{
    json_t *words = json_stringn(text, utf8_cut(text, len, LINE_MAX_BYTES));
    json_t *json = json_pack("{sI ss ss so}", "time_ms", (json_int_t)(clock_wall_ns() / 1000000),
                             "version", d->id, "stream", stream, "text",
                             words ? words : json_string("(bytes that are no text)"));
    cleanup(free_p) char *plain = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    struct line *l = xnew(struct line);
    *l = (struct line){xstrdup(d->site), xstrdup(d->id), xasprintf("%s\n", plain), NULL};
    uv_mutex_lock(&logs->lock);
    bool full = logs->count >= LINES_MAX, post = !logs->posted;
    if (!full) {
        *logs->last = l;
        logs->last = &l->next;
        logs->count++;
        logs->posted = true;
    }
    uv_mutex_unlock(&logs->lock);
    if (full)
        line_free(l);
    else if (post)
        loop_post(logs->loop, hand_out, logs);
}

static void on_log(void *env, const struct deployment *d, const char *endpoint, const char *text,
                   size_t len)
{
    add(env, d, endpoint, text, len);
}

static void on_request(void *env, const struct deployment *d, const struct server_request *r)
{
    char text[1024];
    bool died = r->outcome.end >= INSTANCE_TRAPPED;
    int len = snprintf(text, sizeof text, "%.16s %.600s %d %.1f ms%s%.256s", r->method, r->uri,
                       r->status, (double)r->took_ns / 1e6, died ? ": " : "",
                       died ? r->outcome.message : "");
    add(env, d, "request", text, (size_t)len < sizeof text ? (size_t)len : sizeof text - 1);
}

/* --- on the loop --- */

static void give(struct listener_of_logs *to, const struct line *l)
{
    if (strcmp(to->site, l->site) != 0 || (to->version && strcmp(to->version, l->version) != 0))
        return;
    if (body_full(to->body)) {
        to->missed++;
        return;
    }
    if (to->missed) {
        char note[96];
        int len = snprintf(note, sizeof note, "{\"stream\":\"edgectl\",\"text\":\"%llu lines were "
                           "missed\"}\n", (unsigned long long)to->missed);
        body_write(to->body, note, (size_t)len);
        to->missed = 0;
    }
    body_write(to->body, l->text, strlen(l->text));
}

static void hand_out(void *env)
{
    struct admin_logs *logs = env;
    uv_mutex_lock(&logs->lock);
    struct line *l = logs->first, *next;
    logs->first = NULL;
    logs->last = &logs->first;
    logs->count = 0;
    logs->posted = false;
    uv_mutex_unlock(&logs->lock);
    for (; l; l = next) {
        next = l->next;
        for (struct listener_of_logs *to = logs->listeners; to; to = to->next)
            give(to, l);
        line_free(l);
    }
}

static void leave(struct listener_of_logs *to)
{
    struct admin_logs *logs = to->logs;
    for (struct listener_of_logs **p = &logs->listeners; *p; p = &(*p)->next) {
        if (*p != to)
            continue;
        *p = to->next;
        break;
    }
    if (!logs->listeners)
        server_set_tap(logs->server, NULL);
    body_unref(to->body);
    free(to->site);
    free(to->version);
    free(to);
}

/* The reader reads on, or has gone. */
static void on_drain(void *env)
{
    struct listener_of_logs *to = env;
    if (body_reader_gone(to->body)) {
        body_on_drain(to->body, NULL, NULL);
        leave(to);
    }
}

struct body *admin_logs_listen(struct admin_logs *logs, const char *site, const char *version)
{
    struct listener_of_logs *to = xnew(struct listener_of_logs);
    struct body *body = body_new();
    *to = (struct listener_of_logs){
        .logs = logs, .body = body_ref(body), .site = xstrdup(site),
        .version = version ? xstrdup(version) : NULL, .next = logs->listeners,
    };
    logs->listeners = to;
    body_on_drain(body, on_drain, to);
    server_set_tap(logs->server, &logs->tap);
    return body;
}

struct admin_logs *admin_logs_new(struct server *server, struct loop *loop)
{
    struct admin_logs *logs = xnew(struct admin_logs);
    logs->server = server;
    logs->loop = loop;
    logs->tap = (struct server_tap){on_request, on_log, logs};
    logs->last = &logs->first;
    uv_mutex_init(&logs->lock);
    return logs;
}

void admin_logs_end(struct admin_logs *logs)
{
    while (logs->listeners) {
        struct listener_of_logs *to = logs->listeners;
        body_on_drain(to->body, NULL, NULL);
        body_end(to->body);
        leave(to);
    }
}

void admin_logs_free(struct admin_logs *logs)
{
    for (struct line *l = logs->first, *next; l; l = next) {
        next = l->next;
        line_free(l);
    }
    uv_mutex_destroy(&logs->lock);
    free(logs);
}
