/* SPDX-License-Identifier: Apache-2.0 */
/* Logs of a function at the edge are in the region in which a copy of it ran, in a group that is
 * named after its home region; a region without that group has had no traffic. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "provider/aws_target.h"

/* Streams are written by many machines: a line may be seen after later ones. */
enum { PAGE = 100, PAUSE_MS = 2000, SEEN_MAX = 4096 };
enum { LOOK_BACK_MS = 60 * 1000, LATE_MS = 15 * 1000 };

struct seen {
    int64_t time_ms;
    char *id;
};

/* One region's place in its log. */
struct place {
    struct aws_service *service;
    int64_t from_ms, newest_ms;
    struct seen seen[SEEN_MAX];     /* what was given out since from_ms, as a ring */
    size_t seen_count, seen_at;
};

static bool is_new(struct place *p, int64_t time_ms, const char *id)
{
    for (size_t i = 0; i < p->seen_count; i++) {
        if (p->seen[i].time_ms == time_ms && strcmp(p->seen[i].id, id) == 0)
            return false;
    }
    struct seen *s = &p->seen[p->seen_at];
    p->seen_at = (p->seen_at + 1) % SEEN_MAX;
    p->seen_count += p->seen_count < SEEN_MAX;
    free(s->id);
    *s = (struct seen){time_ms, xstrdup(id)};
    p->newest_ms = time_ms > p->newest_ms ? time_ms : p->newest_ms;
    return true;
}

static void places_free(struct place *places)
{
    for (size_t i = 0; i < AWS_EDGE_REGIONS; i++) {
        aws_service_close(places[i].service);
        for (size_t k = 0; k < places[i].seen_count; k++)
            free(places[i].seen[k].id);
    }
    free(places);
}

/* "2026/11/26/[7]0123": the version that wrote it. */
static char *version_of(const char *stream)
{
    const char *open = strchr(stream, '['), *close = open ? strchr(open, ']') : NULL;
    return close ? xstrndup(open + 1, (size_t)(close - open - 1)) : xstrdup("");
}

/* "TIME\tREQUEST\tLEVEL\tTEXT", the form of Lambda's console in Node.js. */
static char *request_of(const char *message)
{
    const char *first = strchr(message, '\t'), *second = first ? strchr(first + 1, '\t') : NULL;
    return second && second - first == 37 ? xstrndup(first + 1, 36) : xstrdup("");
}

/* "[8] text": a line of one of the two versions in a pair, see node/log.js. */
static const char *own_version(const char *text, char **version)
{
    size_t digits = *text == '[' ? strspn(text + 1, "0123456789") : 0;
    if (!digits || strncmp(text + 1 + digits, "] ", 2) != 0)
        return text;
    free(*version);
    *version = xstrndup(text + 1, digits);
    return text + 1 + digits + 2;
}

/* 1: go on, 0: enough. */
static int give(struct place *p, const json_t *event, const char *version, log_fn *fn, void *env)
{
    int64_t time_ms = json_integer_value(json_object_get(event, "timestamp"));
    const char *text = aws_text(event, "message");
    /* Those of pair/index.js are for CloudWatch. */
    if (strncmp(text, "{\"_aws\":", 8) == 0 || !is_new(p, time_ms, aws_text(event, "eventId")))
        return 1;
    cleanup(free_p) char *its = version_of(aws_text(event, "logStreamName"));
    cleanup(free_p) char *request = request_of(text);
    text = own_version(text, &its);
    if (version && strcmp(its, version) != 0)
        return 1;
    size_t len = strlen(text);
    while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    return fn(env, &(struct log_line){.time_ms = time_ms, .version = its, .request = request,
                                      .stream = "", .text = text, .len = len});
}

/* What is new in one region. 1: go on, 0: enough. */
static int look(struct aws_target *t, struct place *p, const char *version, log_fn *fn, void *env,
                struct err *err)
{
    cleanup(free_p) char *group = xasprintf("/aws/lambda/" AWS_EDGE_REGION ".%s", t->function);
    cleanup(free_p) char *next = NULL;
    int64_t from_ms = p->from_ms;
    do {
        cleanup(api_response_clear) struct api_response answer = {0};
        int r = aws_target_call(p->service, "FilterLogEvents",
                                json_pack("{s:s, s:I, s:i, s:s*}", "logGroupName", group,
                                          "startTime", (json_int_t)from_ms, "limit", PAGE,
                                          "nextToken", next), &answer, err);
        if (r < 0)
            return r;
        if (aws_error_is(&answer, "ResourceNotFoundException"))
            return 1;
        if (answer.status != 200)
            return aws_fail(p->service, "POST", "FilterLogEvents", &answer, err);
        cleanup(json_decref_p) json_t *page = NULL;
        r = api_json(aws_service_api(p->service), "POST", "FilterLogEvents", &answer, &page, err);
        if (r < 0)
            return r;
        size_t i;
        const json_t *event;
        json_array_foreach(json_object_get(page, "events"), i, event) {
            if (!give(p, event, version, fn, env))
                return 0;
        }
        free(next);
        const char *token = aws_text(page, "nextToken");
        next = *token ? xstrdup(token) : NULL;
    } while (next && !target_interrupted(&t->base));
    if (p->newest_ms - LATE_MS > p->from_ms)
        p->from_ms = p->newest_ms - LATE_MS;
    return 1;
}

int aws_tail(struct target *target, const char *version, log_fn *fn, void *env, struct err *err)
{
    struct aws_target *t = aws_of(target);
    struct place *places = xcalloc(AWS_EDGE_REGIONS, sizeof *places);
    int64_t from_ms = clock_wall_ns() / 1000000 - LOOK_BACK_MS;
    int r = 1;
    for (size_t i = 0; i < AWS_EDGE_REGIONS && r > 0; i++) {
        places[i].from_ms = from_ms;
        r = aws_service_in(t, AWS_LOGS, aws_edge_regions[i], &places[i].service, err);
        r = r < 0 ? r : 1;
    }
    while (r > 0) {
        for (size_t i = 0; i < AWS_EDGE_REGIONS && r > 0; i++)
            r = target_interrupted(target)
                    ? err_set(err, ERR_INTERRUPTED, "interrupted")
                    : look(t, &places[i], version, fn, env, err);
        if (r > 0)
            r = aws_pause(t, PAUSE_MS, err) < 0 ? -ERR_INTERRUPTED : 1;
    }
    places_free(places);
    return r;
}
