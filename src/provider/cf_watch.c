/* SPDX-License-Identifier: Apache-2.0 */
/* What a version does: numbers from the GraphQL API, live logs over a WebSocket; and forgetting
 * what the zone's cache holds. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "net/api_ws.h"
#include "provider/cf.h"

static const int64_t NS_PER_MS = 1000000;
enum { TAIL_TRIES = 5, TAIL_STEP_MS = 250, TAIL_MARGIN_MS = 60 * 1000, MESSAGE_MAX = 4 << 20 };

static int64_t now_ms(void)
{
    return clock_wall_ns() / NS_PER_MS;
}

/* --- metrics --- */

/* Quantiles cannot be added up, so they are asked for without the status. `%s`: how much was
 * sampled, if the API has that. */
static const char query[] =
    "query($a:string!,$s:string!,$from:Time!,$until:Time!){viewer{accounts(filter:{accountTag:$a}){"
    "byStatus:workersInvocationsAdaptive(limit:1000,filter:{scriptName:$s,datetime_geq:$from,"
    "datetime_lt:$until}){sum{requests errors}%s dimensions{scriptVersion status}}"
    "byVersion:workersInvocationsAdaptive(limit:1000,filter:{scriptName:$s,datetime_geq:$from,"
    "datetime_lt:$until}){quantiles{wallTimeP50 wallTimeP99}dimensions{scriptVersion}}}}}";

static bool is_version(const json_t *row, const char *version)
{
    const char *its = json_text(json_object_get(row, "dimensions"), "scriptVersion");
    return its && strcmp(its, version) == 0;
}

/* An open set of words: what is not known to be harmless is an error. */
static void count(const json_t *row, struct metrics *m, double *estimated)
{
    const char *status = json_text(json_object_get(row, "dimensions"), "status");
    double all = json_number_value(json_object_get(json_object_get(row, "sum"), "requests"));
    double interval = json_number_value(json_object_get(json_object_get(row, "avg"),
                                                        "sampleInterval"));
    uint64_t n = (uint64_t)(all / (interval > 1 ? interval : 1) + 0.5);
    *estimated += all;
    m->requests += n;
    if (!status || (strcmp(status, "success") != 0 && strcmp(status, "clientDisconnected") != 0))
        m->errors += n;
    if (status && (strcmp(status, "scriptThrewException") == 0 ||
                   strcmp(status, "exceededResources") == 0))
        m->traps += n;
}

static int64_t quantile(const json_t *row, const char *key)
{
    json_t *value = json_object_get(json_object_get(row, "quantiles"), key);
    return json_is_number(value) ? (int64_t)json_number_value(value) : -1;
}

static int ask(struct cf *c, int64_t from_ms, int64_t until_ms, const char *sampled, json_t **ret,
               struct err *err)
{
    char from[ISO_TIME_SIZE], until[ISO_TIME_SIZE];
    time_iso(from_ms, from);
    time_iso(until_ms, until);
    cleanup(free_p) char *text = xasprintf(query, sampled);
    json_t *body = json_pack("{s:s, s:{s:s, s:s, s:s, s:s}}", "query", text, "variables", "a",
                             c->account, "s", c->script, "from", from, "until", until);
    return api_do_json(c->api, &(struct api_request){.method = "POST", .path = "/graphql",
                                                      .body = api_body_json(body),
                                                      .repeatable = true}, ret, err);
}

/* GraphQL fails with 200. */
static const char *graphql_error(const json_t *root)
{
    json_t *errors = json_object_get(root, "errors");
    const char *text = json_text(json_array_get(errors, 0), "message");
    return json_array_size(errors) ? (text ? text : "no message") : NULL;
}

int cf_metrics(struct target *t, const char *version, int64_t since_ms, struct metrics *ret,
               struct err *err)
{
    struct cf *c = cf_of(t);
    *ret = (struct metrics){.from_ms = since_ms, .until_ms = now_ms(), .sampled = 1, .p50_us = -1,
                            .p99_us = -1};
    cleanup(json_decref_p) json_t *root = NULL;
    int r = cf_account(c, err);
    r = r < 0 ? r : ask(c, since_ms, ret->until_ms, "avg{sampleInterval}", &root, err);
    const char *wrong = graphql_error(root);
    if (r == 0 && wrong && strstr(wrong, "sampleInterval")) {
        json_decref(TAKE(root));
        r = ask(c, since_ms, ret->until_ms, "", &root, err);
        wrong = graphql_error(root);
    }
    if (r == 0 && wrong) {
        r = err_set(err, ERR_CREDENTIALS, "Cloudflare's metrics: %s", wrong);
        err_hint(err, "the token in %s needs Account Analytics: Read", c->creds.from);
    }
    if (r < 0)
        return r;
    json_t *viewer = json_object_get(json_object_get(root, "data"), "viewer");
    json_t *account = json_array_get(json_object_get(viewer, "accounts"), 0), *row;
    double estimated = 0;
    size_t i;
    json_array_foreach(json_object_get(account, "byStatus"), i, row)
        if (is_version(row, version))
            count(row, ret, &estimated);
    json_array_foreach(json_object_get(account, "byVersion"), i, row) {
        if (is_version(row, version)) {
            ret->p50_us = quantile(row, "wallTimeP50");
            ret->p99_us = quantile(row, "wallTimeP99");
        }
    }
    ret->sampled = estimated > 0 ? (double)ret->requests / estimated : 1;
    return 0;
}

/* --- tail --- */

struct tail {
    struct cf *c;
    const char *version;
    log_fn *fn;
    void *env;
    char *id, *url;
    int64_t renew_ms;               /* delivery stops without a word at its end */
    struct api_ws *ws;
    bool stopped;
};

static void close_tail(struct tail *tail)
{
    api_ws_close(tail->ws);
    tail->ws = NULL;
    free(tail->url);
    tail->url = NULL;
    if (!tail->id)
        return;
    cleanup(free_p) char *id = TAKE(tail->id);
    cleanup(free_p) char *rest = api_path("/tails/%s", id);
    struct err ignored;
    json_t *root = NULL;
    struct cf_call call = cf_start(tail->c, "DELETE", cf_script_path(tail->c, rest), NULL, false);
    if (cf_wait(tail->c, &call, &root, &ignored) > 0)
        json_decref(root);
}

static int open_tail(struct tail *tail, struct err *err)
{
    json_t *filters = json_array();
    if (tail->version)
        json_array_append_new(filters, json_pack("{s:s}", "scriptVersion", tail->version));
    cleanup(json_decref_p) json_t *root = NULL;
    int r = cf_do(tail->c, "POST", cf_script_path(tail->c, "/tails"),
                  api_body_json(json_pack("{s:o}", "filters", filters)), &root, err);
    if (r < 0)
        return r;
    const json_t *result = json_object_get(root, "result");
    int64_t expires = time_ms_from_iso(json_text(result, "expires_at"));
    tail->id = json_text_copy(result, "id");
    tail->url = json_text_copy(result, "url");
    tail->renew_ms = expires ? expires - TAIL_MARGIN_MS : INT64_MAX;
    if (!tail->url)
        return err_set(err, ERR_NETWORK, "Cloudflare made a tail without an address");
    r = api_ws_open(tail->c->api, tail->url, "trace-v1", MESSAGE_MAX, &tail->ws, err);
    static const char hello[] = "{\"debug\":false}";
    return r < 0 ? r : api_ws_send(tail->ws, hello, sizeof hello - 1, err);
}

static bool give(struct tail *tail, const json_t *event, int64_t time, const char *stream,
                 const char *text, size_t len)
{
    const json_t *request = json_object_get(json_object_get(event, "event"), "request");
    const char *version = json_text(json_object_get(event, "scriptVersion"), "id");
    const char *ray = json_text(json_object_get(request, "headers"), "cf-ray");
    return tail->fn(tail->env, &(struct log_line){
        .time_ms = time, .stream = stream, .text = text, .len = len, .request = ray ? ray : "",
        .version = version ? version : tail->version ? tail->version : "" });
}

/* A log call's arguments, as the console would join them. */
static void join(const json_t *message, struct buf *to)
{
    size_t i;
    json_t *part;
    if (json_is_string(message)) {
        buf_add(to, json_string_value(message), json_string_length(message));
        return;
    }
    if (!json_is_array(message)) {
        cleanup(free_p) char *text = json_dumps(message, JSON_COMPACT | JSON_ENCODE_ANY);
        buf_add_str(to, text ? text : "");
        return;
    }
    json_array_foreach(message, i, part) {
        if (i)
            buf_add_char(to, ' ');
        join(part, to);
    }
}

static int64_t stamp(const json_t *item, const json_t *event)
{
    json_t *own = json_object_get(item, "timestamp");
    return json_integer_value(own ? own : json_object_get(event, "eventTimestamp"));
}

static void give_event(struct tail *tail, const json_t *event)
{
    size_t i;
    json_t *item;
    const char *kind = json_text(json_object_get(event, "event"), "type");
    const char *says = json_text(json_object_get(event, "event"), "message");
    if (kind && says && strncmp(kind, "overload", 8) == 0 && tail->c->t.o.note)
        tail->c->t.o.note(tail->c->t.o.env, says);
    json_array_foreach(json_object_get(event, "logs"), i, item) {
        struct buf text = BUF_INIT(MESSAGE_MAX);
        const char *level = json_text(item, "level");
        join(json_object_get(item, "message"), &text);
        tail->stopped = tail->stopped || !give(tail, event, stamp(item, event),
                                               level ? level : "log", buf_str(&text), text.len);
        buf_clear(&text);
    }
    json_array_foreach(json_object_get(event, "exceptions"), i, item) {
        const char *name = json_text(item, "name"), *message = json_text(item, "message");
        cleanup(free_p) char *text = xasprintf("%s: %s", name ? name : "exception",
                                               message ? message : "");
        tail->stopped = tail->stopped || !give(tail, event, stamp(item, event), "exception", text,
                                               strlen(text));
    }
}

/* Until the connection ends, or is to be renewed: 0. */
static int follow(struct tail *tail, bool *ret_heard, struct err *err)
{
    struct buf message = BUF_INIT(MESSAGE_MAX);
    int r = 0;
    while (!tail->stopped && r >= 0 && now_ms() < tail->renew_ms) {
        if (target_interrupted(&tail->c->t))
            r = err_set(err, ERR_INTERRUPTED, "interrupted");
        else
            r = api_ws_next(tail->ws, TAIL_STEP_MS, &message, err);
        if (r <= 0)
            continue;
        *ret_heard = true;
        cleanup(json_decref_p) json_t *event = json_loadb(message.data, message.len, 0, NULL);
        if (event)
            give_event(tail, event);
    }
    buf_clear(&message);
    return r < 0 ? r : 0;
}

int cf_tail(struct target *t, const char *version, log_fn *fn, void *env, struct err *err)
{
    struct tail tail = {.c = cf_of(t), .version = version, .fn = fn, .env = env};
    int r = cf_account(tail.c, err);
    if (r < 0)
        return r;
    for (int tries = 1; !tail.stopped; tries++) {
        bool heard = false;
        r = open_tail(&tail, err);
        if (r == 0)
            r = follow(&tail, &heard, err);
        close_tail(&tail);
        tries = heard || r == 0 ? 0 : tries;
        if ((r < 0 && r != -ERR_NETWORK) || tries >= TAIL_TRIES)
            return r;
        if (r < 0 && !tail.stopped)
            api_pause(tail.c->api, tries + 1);
    }
    return 0;
}

/* --- zones --- */

int cf_zone(struct cf *c, const char *host, char **ret_zone, struct err *err)
{
    if (!c->zones)
        c->zones = json_object();
    for (const char *name = host; strchr(name, '.'); name = strchr(name, '.') + 1) {
        *ret_zone = json_text_copy(c->zones, name);
        if (*ret_zone)
            return 1;
        if (json_object_get(c->zones, name))
            continue;
        cleanup(json_decref_p) json_t *root = NULL;
        int r = cf_do(c, "GET", api_path("/zones?name=%s&account.id=%s", name, c->account), NULL,
                      &root, err);
        if (r < 0)
            return r;
        *ret_zone = json_text_copy(json_array_get(json_object_get(root, "result"), 0), "id");
        json_object_set_new(c->zones, name, *ret_zone ? json_string(*ret_zone) : json_null());
        if (*ret_zone)
            return 1;
    }
    return 0;
}

static int purge_zone(struct cf *c, const char *zone, void *env, struct err *err)
{
    const char *key = env;
    json_t *what = key ? json_pack("{s:[s]}", "tags", key)
                       : json_pack("{s:b}", "purge_everything", 1);
    return cf_do(c, "POST", api_path("/zones/%s/purge_cache", zone), api_body_json(what), NULL,
                 err);
}

int cf_purge(struct target *t, const char *key, bool soft, struct err *err)
{
    struct cf *c = cf_of(t);
    const struct manifest_target *mt = t->o.manifest->target;
    if (soft)
        return err_set(err, ERR_USAGE, "Cloudflare has no soft purge");
    if (!mt->domain_count && !mt->route_count) {
        int r = err_set(err, ERR_USAGE, "there is no cache to purge: the target has no domains "
                        "and no routes");
        err_hint(err, "only a zone has a cache, workers.dev has none");
        return r;
    }
    int r = cf_account(c, err);
    return r < 0 ? r : cf_each_zone(c, purge_zone, (void *)key, err);
}
