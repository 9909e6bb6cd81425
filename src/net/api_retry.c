/* SPDX-License-Identifier: Apache-2.0 */
/* The one retry policy of all providers: three tries, for what may be done twice; the provider's
 * own wish is kept up to a minute, beyond that it is the user who decides to wait. */
#include <stdlib.h>
#include <string.h>
#include "net/api_internal.h"

enum { FIRST_WAIT_MS = 500, SPREAD_MS = 250 };
/* Numbers above this are points in time (2001-09-09), below it they are spans. */
static const double EPOCH_FLOOR = 1e9;

static int64_t from_number(const char *text, int64_t now_ms)
{
    char *end;
    double s = strtod(text, &end);
    if (end == text || (*end != '\0' && *end != ' ') || !(s >= 0) || s > 1e12)
        return -1;
    double ms = s > EPOCH_FLOOR ? s * 1000 - (double)now_ms : s * 1000;
    return ms > 0 ? (int64_t)ms : 0;
}

/* Retry-After: RFC 9110 section 10.2.3; the others hold seconds, of the clock or from now. */
int64_t api_retry_asked(const struct headers *h, int64_t now_ms)
{
    static const char *const names[] = {"retry-after", "ratelimit-reset",
                                        "fastly-ratelimit-reset", "x-ratelimit-reset"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = headers_get(h, names[i]);
        if (!value)
            continue;
        int64_t ms = from_number(value, now_ms);
        if (ms >= 0)
            return ms;
        time_t date = curl_getdate(value, NULL);
        if (date >= 0)
            return (int64_t)date * 1000 > now_ms ? (int64_t)date * 1000 - now_ms : 0;
    }
    return -1;
}

/* Full jitter where we choose; behind the time that was asked for, where we do not. */
int64_t api_retry_wait(int tries, int64_t asked_ms, uint64_t random)
{
    if (tries >= API_TRIES || asked_ms > API_WAIT_MAX_MS)
        return -1;
    if (asked_ms >= 0)
        return asked_ms + (int64_t)(random % SPREAD_MS);
    return (int64_t)(random % ((uint64_t)FIRST_WAIT_MS << tries));
}

static bool is_idempotent(const char *method)
{
    static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        if (strcmp(method, methods[i]) == 0)
            return true;
    return false;
}

bool api_retry_may(const struct api_call *call, int status)
{
    if (call->request.once || call->streamed)
        return false;
    if (status == 429)
        return true; /* refused before anything was done */
    api_transient_fn *also = call->api->options.transient;
    bool transient = status == 0 || (status >= 500 && status != 501 && status != 505) ||
                     (also && also(&call->response));
    return transient && !call->request.unrepeatable &&
           (call->request.repeatable || is_idempotent(call->method));
}
