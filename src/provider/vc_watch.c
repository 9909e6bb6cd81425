/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of one deployment, where the account's observability has that dimension, and its logs. */
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "provider/vc.h"

#define METRIC "vercel.request.count"

enum { MINUTE_MS = 60 * 1000, LINE_MAX_BYTES = 1 << 20, STEP_MS = 200, TAIL_TRIES = 5 };
static const int64_t AFTER_END_NS = 500000000, AFTER_FAILURE_NS = 2000000000;

/* Dimensions are discovered: which there are depends on the account. NULL: none for deployments. */
static int find_dimensions(struct vc *v, char **ret_deployment, char **ret_status, struct err *err)
{
    cleanup(json_decref_p) json_t *schema = NULL;
    int r = vc_do(v, "GET", api_path("/v2/observability/schema/%s", METRIC), NULL, true, &schema,
                  err);
    const json_t *first = json_is_array(schema) ? json_array_get(schema, 0) : schema;
    size_t i;
    const json_t *one;
    if (r < 0)
        return r;
    json_array_foreach(json_object_get(first, "dimensions"), i, one) {
        const char *name = json_text(one, "name");
        if (!name)
            continue;
        if (strcmp(name, "deployment_id") == 0 || strcmp(name, "deploymentId") == 0)
            *ret_deployment = xstrdup(name);
        if (strcmp(name, "http_status") == 0 || strcmp(name, "httpStatus") == 0)
            *ret_status = xstrdup(name);
    }
    return 0;
}

static void add_rows(const json_t *rows, const char *status_key, struct metrics *ret)
{
    size_t i;
    const json_t *row;
    json_array_foreach(rows, i, row) {
        const json_t *status = json_object_get(row, status_key);
        double value = json_number_value(json_object_get(row, "value"));
        long code = json_is_string(status) ? strtol(json_string_value(status), NULL, 10)
                                           : (long)json_number_value(status);
        if (!(value > 0 && value < 1e15))
            continue;
        ret->requests += (uint64_t)value;
        if (code >= 500)
            ret->errors += (uint64_t)value;
        int64_t end_ms = time_ms_from_iso(json_text(row, "timestamp") ? json_text(row, "timestamp")
                                                                      : "") + MINUTE_MS;
        if (end_ms > ret->until_ms)
            ret->until_ms = end_ms;
    }
}

int vc_metrics(struct target *target, const char *version, int64_t since_ms, struct metrics *ret,
               struct err *err)
{
    struct vc *v = vc_of(target);
    cleanup(free_p) char *deployment = NULL;
    cleanup(free_p) char *status = NULL;
    *ret = (struct metrics){.from_ms = since_ms, .until_ms = since_ms, .sampled = 1, .p50_us = -1,
                            .p99_us = -1};
    int r = vc_need_project(v, err);
    if (r == 0)
        r = find_dimensions(v, &deployment, &status, err);
    if (r == 0 && (!deployment || !status)) {
        r = err_set(err, ERR_USAGE, "this Vercel account has no numbers by deployment");
        err_hint(err, "Observability Plus has them; without it gate on probes");
    }
    if (r < 0)
        return r;
    char from[ISO_TIME_SIZE], until[ISO_TIME_SIZE];
    time_iso(since_ms / MINUTE_MS * MINUTE_MS, from);
    time_iso(clock_wall_ns() / 1000000, until);
    cleanup(free_p) char *filter = xasprintf("%s eq '%s'", deployment, version);
    const char *owner = json_text(v->project, "accountId");
    cleanup(json_decref_p) json_t *answer = NULL;
    r = vc_do(v, "POST", xstrdup("/v2/observability/query"),
              json_pack("{s:{s:s, s:s*, s:[s]}, s:s, s:s, s:s, s:s, s:{s:i}, s:[s], s:s, s:i}",
                        "scope", "type", "project", "ownerId", owner, "projectIds", v->project_id,
                        "metric", METRIC, "aggregation", "sum", "startTime", from, "endTime", until,
                        "granularity", "minutes", 1, "groupBy", status, "filter", filter, "limit",
                        10000), true, &answer, err);
    if (r == 0)
        add_rows(json_object_get(answer, "data"), status, ret);
    return r;
}

/* --- logs --- */

/* The log of one deployment. */
struct tail {
    log_fn *fn;
    void *env;
    const char *version;
    struct buf line;
    bool *enough;               /* of all of them */
    struct api_call *call;      /* NULL: to be asked for again, from again_ns on */
    char *path;
    int64_t again_ns;
    int failures;               /* one after the other */
};

/* One line of JSON; false when the caller has enough. */
static bool give_line(struct tail *tail, const char *text, size_t len)
{
    cleanup(json_decref_p) json_t *row = json_loadb(text, len, 0, NULL);
    const char *source = json_text(row, "source"), *message = json_text(row, "message");
    const char *path = json_text(row, "requestPath"), *method = json_text(row, "requestMethod");
    if (source && strcmp(source, "delimiter") == 0)
        return true; /* the server's own limit: the stream ends */
    if (!message || (!*message && !path))
        return true;
    cleanup(free_p) char *request = xasprintf("%s%s%s", method ? method : "", method ? " " : "",
                                              path ? path : "");
    return tail->fn(tail->env, &(struct log_line){
                                   .time_ms = json_integer_value(
                                       json_object_get(row, "timestampInMs")),
                                   .version = tail->version, .request = request,
                                   .stream = json_text(row, "level") ? json_text(row, "level") : "",
                                   .text = message, .len = strlen(message)});
}

static bool on_data(void *env, const char *data, size_t len)
{
    struct tail *tail = env;
    tail->failures = 0;
    while (len && !*tail->enough) {
        const char *end = memchr(data, '\n', len);
        size_t n = end ? (size_t)(end - data) : len;
        buf_add(&tail->line, data, n);
        data += n + (end != NULL);
        len -= n + (end != NULL);
        if (!end)
            break;
        if (tail->line.len)
            *tail->enough = !give_line(tail, tail->line.data, tail->line.len);
        buf_reset(&tail->line);
    }
    return !*tail->enough;
}

static void begin(struct vc *v, struct tail *tail)
{
    tail->path = vc_path(v, api_path("/v1/projects/%s/deployments/%s/runtime-logs?format=lines",
                                     v->project_id, tail->version));
    tail->call = api_start(v->api, &(struct api_request){.method = "GET", .path = tail->path,
                                                         .once = true, .data = on_data,
                                                         .data_env = tail});
}

/* A stream has ended, by itself (the server limits them) or not. */
static int end(struct vc *v, struct tail *tail, struct err *err)
{
    cleanup(api_response_clear) struct api_response answer = {0};
    cleanup(free_p) char *path = TAKE(tail->path);
    int r = api_wait(TAKE(tail->call), &answer, err);
    if (r == 0 && (answer.status < 200 || answer.status >= 300))
        r = vc_fail(v, "GET", path, &answer, err);
    buf_reset(&tail->line);
    bool again = r == -ERR_NETWORK && ++tail->failures < TAIL_TRIES;
    tail->again_ns = clock_mono_ns() + (r < 0 ? AFTER_FAILURE_NS : AFTER_END_NS);
    return again ? 0 : r;
}

static int follow(struct vc *v, struct tail *tails, int count, bool *enough, struct err *err)
{
    while (!*enough) {
        bool running = false;
        if (target_interrupted(&v->t))
            return err_set(err, ERR_INTERRUPTED, "interrupted");
        for (int i = 0; i < count; i++) {
            if (!tails[i].call && clock_mono_ns() >= tails[i].again_ns)
                begin(v, &tails[i]);
            running = running || tails[i].call;
        }
        if (running)
            api_step(v->api, STEP_MS);
        else
            poll(NULL, 0, STEP_MS);
        for (int i = 0; i < count; i++) {
            int r = tails[i].call && api_is_done(tails[i].call) ? end(v, &tails[i], err) : 0;
            if (r < 0)
                return r;
        }
    }
    return 0;
}

int vc_tail(struct target *target, const char *version, log_fn *fn, void *env, struct err *err)
{
    struct vc *v = vc_of(target);
    cleanup(split_clear) struct split split = {0};
    int r = vc_get_split(target, &split, err);
    if (r < 0)
        return r;
    if (!version && !split.count)
        return err_set(err, ERR_FAILURE, "nothing of %s has traffic", v->project_name);
    struct tail tails[SPLIT_ARMS];
    bool enough = false;
    int count = version ? 1 : split.count;
    for (int i = 0; i < count; i++)
        tails[i] = (struct tail){.fn = fn, .env = env, .line = BUF_INIT(LINE_MAX_BYTES),
                                 .version = version ? version : split.arms[i].version,
                                 .enough = &enough};
    r = follow(v, tails, count, &enough, err);
    for (int i = 0; i < count; i++) {
        api_cancel(tails[i].call);
        free(tails[i].path);
        buf_clear(&tails[i].line);
    }
    return r;
}
