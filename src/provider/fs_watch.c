/* SPDX-License-Identifier: Apache-2.0 */
/* What a service does: numbers by the minute, its output as it comes; and forgetting what is
 * cached. Neither knows of versions: with a router each version has a service of its own, without
 * one only the active version has numbers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/mem.h"
#include "provider/fs.h"

static const int64_t NS_PER_MS = 1000000;
enum { MINUTE_MS = 60 * 1000, LINE_MAX_BYTES = 10 << 20, TAIL_TRIES = 5, TAIL_WAIT_MS = 500 };

static int64_t now_ms(void)
{
    return clock_wall_ns() / NS_PER_MS;
}

/* --- metrics --- */

static uint64_t field(const json_t *row, const char *name)
{
    json_t *value = json_object_get(row, name);
    return json_is_number(value) && json_number_value(value) > 0
               ? (uint64_t)json_number_value(value) : 0;
}

/* Stats fields of Compute; those that are not there are 0. */
static void count(const json_t *row, struct metrics *m)
{
    static const char *const deaths[] = {"compute_guest_errors", "compute_runtime_errors",
                                         "compute_resource_limit_exceeded"};
    m->requests += field(row, "compute_requests");
    m->errors += field(row, "compute_resp_status_5xx");
    for (size_t i = 0; i < ARRAY_LEN(deaths); i++)
        m->traps += field(row, deaths[i]);
}

static int wrong_version(const struct fs *f, const char *version, struct err *err)
{
    int r = err_set(err, ERR_USAGE, "%s is no version of %s", version, f->front.name);
    err_hint(err, "see `edgectl versions --target %s`", f->t.o.name);
    return r;
}

int fs_metrics(struct target *t, const char *version, int64_t since_ms, struct metrics *ret,
               struct err *err)
{
    struct fs *f = fs_of(t);
    int number = 0;
    int r = fs_read_all(f, err);
    const struct fs_service *s = r == 0 ? fs_service_of(f, version, &number) : NULL;
    if (r < 0)
        return r;
    if (!s || !fs_version(s, number))
        return wrong_version(f, version, err);
    /* Whole minutes only: a part of one would be counted twice. */
    int64_t from = (since_ms + MINUTE_MS - 1) / MINUTE_MS * MINUTE_MS;
    int64_t until = now_ms() / MINUTE_MS * MINUTE_MS;
    *ret = (struct metrics){.from_ms = since_ms, .until_ms = until, .sampled = 1, .p50_us = -1,
                            .p99_us = -1};
    /* Fastly counts by service, which is by its active version: the others have no requests, those
     * on the staging network are not counted. */
    if (until <= from || s->active != number)
        return 0;
    char from_text[24], until_text[24];
    snprintf(from_text, sizeof from_text, "%lld", (long long)(from / 1000));
    snprintf(until_text, sizeof until_text, "%lld", (long long)(until / 1000));
    cleanup(json_decref_p) json_t *root = NULL;
    r = fs_do(f, "GET", api_path("/stats/service/%s?from=%s&to=%s&by=minute", s->id, from_text,
                                 until_text), NULL, &root, err);
    const char *status = json_text(root, "status"), *msg = json_text(root, "msg");
    if (r == 0 && status && strcmp(status, "success") != 0)
        r = err_set(err, ERR_NETWORK, "Fastly's stats: %s", msg ? msg : status);
    size_t i;
    json_t *row;
    json_array_foreach(json_object_get(root, "data"), i, row)
        count(row, ret);
    ret->errors += ret->traps;
    return r;
}

/* --- logs --- */

/* One service's output; behind a router there are two at the same time. */
struct tail {
    struct fs *f;
    const struct fs_service *service;
    char version[PROVIDER_ID_MAX];
    log_fn *fn;
    void *env;
    struct api_call *call;          /* NULL: between two */
    char *path;
    int tries;                      /* that failed since one did not */
    int64_t next_ms;                /* when to ask again, of clock_mono_ns */
    struct buf line;
    char batch[80];                 /* the last one that was taken */
    long long from_s;
    bool *stopped;
};

static bool give(struct tail *tail, const json_t *log)
{
    const char *text = json_text(log, "message"), *id = json_text(log, "id");
    const char *stream = json_text(log, "stream");
    size_t len = text ? strlen(text) : 0;
    while (len && text[len - 1] == '\n')
        len--;
    return tail->fn(tail->env, &(struct log_line){
        .time_ms = json_integer_value(json_object_get(log, "request_start_us")) / 1000,
        .version = tail->version, .request = id ? id : "", .stream = stream ? stream : "",
        .text = text ? text : "", .len = len});
}

static void give_batch(struct tail *tail, const char *text, size_t len)
{
    cleanup(json_decref_p) json_t *batch = json_loadb(text, len, 0, NULL);
    const char *id = json_text(batch, "batch_id");
    size_t i;
    json_t *log;
    json_array_foreach(json_object_get(batch, "logs"), i, log)
        *tail->stopped = *tail->stopped || !give(tail, log);
    if (id)
        snprintf(tail->batch, sizeof tail->batch, "%s", id);
}

/* api_data_fn: lines of JSON, in pieces. */
static bool on_data(void *env, const char *data, size_t len)
{
    struct tail *tail = env;
    if (!buf_add(&tail->line, data, len))
        return false;
    char *end;
    while (!*tail->stopped && tail->line.len &&
           (end = memchr(tail->line.data, '\n', tail->line.len))) {
        size_t used = (size_t)(end - tail->line.data);
        if (used)
            give_batch(tail, tail->line.data, used);
        buf_consume(&tail->line, used + 1);
    }
    return !*tail->stopped && !target_interrupted(&tail->f->t);
}

/* Where to go on, in `Link: <...?from=N>; rel="next"`. */
static void read_link(struct tail *tail, const struct api_response *r)
{
    const char *link = headers_get(&r->headers, "link");
    const char *from = link ? strstr(link, "from=") : NULL;
    if (!from || !strstr(link, "rel=\"next\""))
        return;
    tail->from_s = strtoll(from + 5, NULL, 10);
    tail->batch[0] = '\0';
}

static void ask(struct tail *tail)
{
    cleanup(free_p) char *service = api_path("/service/%s/log_stream/managed/instance_output",
                                             tail->service->id);
    cleanup(free_p) char *batch = tail->batch[0] ? api_path("&batch_id=%s", tail->batch)
                                                 : xstrdup("");
    free(tail->path);
    tail->path = xasprintf("%s?from=%lld%s", service, tail->from_s, batch);
    buf_reset(&tail->line);
    tail->call = api_start(tail->f->api, &(struct api_request){.method = "GET",
                                                                .path = tail->path, .once = true,
                                                                .data = on_data, .data_env = tail});
}

/* An answer lasts as long as there is output; what comes next is in its head. */
static int take(struct tail *tail, struct err *err)
{
    cleanup(api_response_clear) struct api_response r = {0};
    int result = api_wait(TAKE(tail->call), &r, err);
    if (result == 0 && r.status == 404) {
        tail->from_s = now_ms() / 1000; /* out of its window */
        tail->batch[0] = '\0';
    } else if (result == 0 && r.status > 299) {
        result = api_fail(tail->f->api, "GET", tail->path, &r, err);
        result = r.status == 501 ? -ERR_FAILURE : result;
    } else if (result == 0) {
        read_link(tail, &r);
    }
    tail->tries = result == -ERR_NETWORK ? tail->tries + 1 : 0;
    tail->next_ms = clock_mono_ns() / NS_PER_MS + (tail->tries ? TAIL_WAIT_MS << tail->tries
                                                               : TAIL_WAIT_MS / 2);
    return result == -ERR_NETWORK && tail->tries < TAIL_TRIES ? 0 : result;
}

static void tail_clear(struct tail *tail)
{
    api_cancel(tail->call);
    free(tail->path);
    buf_clear(&tail->line);
}

static int switch_on(struct fs *f, const struct fs_service *s, struct err *err)
{
    cleanup(free_p) char *path = api_path("/service/%s/log_stream/managed/instance_output", s->id);
    cleanup(api_response_clear) struct api_response r = {0};
    int result = api_do(f->api, &(struct api_request){.method = "POST", .path = path,
                                                        .repeatable = true}, &r, err);
    bool good = r.status == 409 || (r.status >= 200 && r.status < 300); /* 409: on already */
    return result < 0 || good ? result : api_fail(f->api, "POST", path, &r, err);
}

static int begin_tail(struct fs *f, const struct fs_service *s, int number, log_fn *fn, void *env,
                      bool *stopped, struct tail *to, struct err *err)
{
    *to = (struct tail){.f = f, .service = s, .fn = fn, .env = env, .stopped = stopped,
                        .line = BUF_INIT(LINE_MAX_BYTES), .from_s = now_ms() / 1000};
    snprintf(to->version, sizeof to->version, "%s.%d", s->id, number);
    return switch_on(f, s, err);
}

static int follow(struct fs *f, struct tail *tails, size_t count, const bool *stopped,
                  struct err *err)
{
    int r = 0;
    while (r == 0 && !*stopped) {
        if (target_interrupted(&f->t))
            return err_set(err, ERR_INTERRUPTED, "interrupted");
        int64_t now = clock_mono_ns() / NS_PER_MS;
        for (size_t i = 0; i < count; i++)
            if (!tails[i].call && now >= tails[i].next_ms)
                ask(&tails[i]);
        /* With nothing under way it does not wait. */
        if (!api_step(f->api, TAIL_WAIT_MS / 5))
            nanosleep(&(struct timespec){.tv_nsec = 20 * NS_PER_MS}, NULL);
        for (size_t i = 0; i < count && r == 0; i++)
            if (tails[i].call && api_is_done(tails[i].call))
                r = take(&tails[i], err);
    }
    return r;
}

int fs_tail(struct target *t, const char *version, log_fn *fn, void *env, struct err *err)
{
    struct fs *f = fs_of(t);
    struct tail tails[FS_SLOTS] = {{0}};
    struct fs_service *services[FS_SLOTS] = {&f->front};
    size_t count = 1;
    int number = 0;
    bool stopped = false;
    int r = fs_read_all(f, err);
    if (r == 0 && version) {
        services[0] = fs_service_of(f, version, &number);
    } else if (r == 0 && f->router && fs_router_is_active(f)) {
        count = 0;
        for (int i = 0; i < FS_SLOTS; i++)
            if (f->slots[i].active)
                services[count++] = &f->slots[i];
    }
    if (r == 0 && (count == 0 || !services[0] || !services[0]->id))
        r = err_set(err, ERR_USAGE, "%s is no version of %s", version ? version : "nothing",
                    f->front.name);
    for (size_t i = 0; i < count && r == 0; i++)
        r = begin_tail(f, services[i], version ? number : services[i]->active, fn, env, &stopped,
                       &tails[i], err);
    r = r < 0 ? r : follow(f, tails, count, &stopped, err);
    for (size_t i = 0; i < count; i++)
        tail_clear(&tails[i]);
    return stopped ? 0 : r;
}

/* --- purge --- */

static int purge_one(struct fs *f, const struct fs_service *s, const char *key, bool soft,
                     struct err *err)
{
    cleanup(headers_clear) struct headers h = {0};
    if (soft)
        headers_add_str(&h, "fastly-soft-purge", "1");
    if (key)
        headers_add_str(&h, "surrogate-key", key);
    struct fs_call call = {.method = "POST"};
    call.path = api_path(key ? "/service/%s/purge" : "/service/%s/purge_all", s->id);
    call.call = api_start(f->api, &(struct api_request){.method = "POST", .path = call.path,
                                                         .headers = &h, .repeatable = true});
    cleanup(json_decref_p) json_t *root = NULL;
    int r = fs_wait(f, &call, &root, err);
    return r < 0 ? r : r > 0 ? 0 : err_set(err, ERR_FAILURE, "the service %s has gone", s->name);
}

int fs_purge(struct target *t, const char *key, bool soft, struct err *err)
{
    struct fs *f = fs_of(t);
    if (soft && !key) {
        int r = err_set(err, ERR_USAGE, "Fastly purges everything only for good");
        err_hint(err, "name a surrogate key to purge that one softly");
        return r;
    }
    /* Fastly takes several in one header, with spaces between them. */
    for (const char *p = key; p && *p; p++)
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return err_set(err, ERR_USAGE, "a surrogate key has neither spaces nor control "
                                           "characters");
    int r = fs_read_all(f, err);
    const struct fs_service *all[] = {&f->front, &f->slots[0], &f->slots[1]};
    for (size_t i = 0; i < ARRAY_LEN(all) && r == 0; i++)
        if (all[i]->id)
            r = purge_one(f, all[i], key, soft, err);
    return r;
}
