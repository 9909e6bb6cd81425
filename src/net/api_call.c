/* SPDX-License-Identifier: Apache-2.0 */
/* One try of a call: the easy handle, what goes out, what comes in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/kill_point.h"
#include "base/mem.h"
#include "base/uri.h"
#include "base/version.h"
#include "net/api_internal.h"

static const int64_t NS_PER_MS = 1000000;
enum { MAX_ANSWER = 16 * 1024 * 1024, UPLOAD_BUFFER = 256 * 1024, MAX_HEAD_LINES = 1000 };

/* --- curl's callbacks --- */

static size_t on_read(char *to, size_t size, size_t count, void *env)
{
    struct api_call *call = env;
    long n = api_body_read(call->body, to, size * count);
    if (n >= 0)
        return (size_t)n;
    call->unreadable = true;
    return CURL_READFUNC_ABORT;
}

static int on_seek(void *env, curl_off_t offset, int origin)
{
    struct api_call *call = env;
    if (offset != 0 || origin != SEEK_SET)
        return CURL_SEEKFUNC_CANTSEEK;
    api_body_rewind(call->body);
    return CURL_SEEKFUNC_OK;
}

static size_t on_header(char *data, size_t size, size_t count, void *env)
{
    struct api_call *call = env;
    size_t len = size * count;
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0) {
        headers_clear(&call->response.headers); /* of an interim answer, or of a proxy's */
        return len;
    }
    const char *colon = memchr(data, ':', len);
    if (!colon)
        return len;
    if (call->response.headers.count >= MAX_HEAD_LINES) {
        call->too_large = true;
        return 0;
    }
    const char *value = colon + 1, *end = data + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && strchr(" \t\r\n", end[-1]))
        end--;
    headers_add(&call->response.headers, data, (size_t)(colon - data), value,
                (size_t)(end - value));
    return len;
}

static size_t on_write(char *data, size_t size, size_t count, void *env)
{
    struct api_call *call = env;
    size_t len = size * count;
    long status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (call->request.data && status >= 200 && status < 300) {
        call->streamed = true;
        if (call->request.data(call->request.data_env, data, len))
            return len;
        call->stopped = true;
        return 0;
    }
    if (buf_add(&call->answer, data, len))
        return len;
    call->too_large = true;
    return 0;
}

static bool is_over(int64_t since_ns, int64_t now_ns, int64_t limit_ms)
{
    return limit_ms > 0 && now_ns - since_ns > limit_ms * NS_PER_MS;
}

/* Curl calls this at least once a second, also while nothing moves. */
static int on_progress(void *env, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    (void)down_total;
    struct api_call *call = env;
    const struct api_options *o = &call->api->options;
    int64_t now = clock_mono_ns();
    if ((uint64_t)up != call->sent) {
        call->sent = (uint64_t)up;
        call->sent_ns = call->heard_ns = now;
        if (call->request.progress)
            call->request.progress(call->request.progress_env, call->sent, (uint64_t)up_total);
    }
    if ((uint64_t)down != call->heard) {
        call->heard = (uint64_t)down;
        call->heard_ns = now;
    }
    if (!call->request.data && is_over(call->sent_ns, now, o->answer_ms))
        call->cut = "no complete answer in time";
    else if (is_over(call->heard_ns, now, o->stall_ms))
        call->cut = "nothing moved for too long";
    return call->cut ? 1 : 0;
}

/* --- what goes out --- */

static void add_line(struct api_call *call, const char *name, const char *value)
{
    cleanup(free_p) char *line = *value ? xasprintf("%s: %s", name, value)
                                        : xasprintf("%s;", name);
    struct curl_slist *longer = curl_slist_append(call->lines, line);
    explicit_bzero(line, strlen(line));
    if (!longer)
        abort(); /* out of memory */
    call->lines = longer;
}

static void add_lines(struct api_call *call, const struct headers *h)
{
    for (size_t i = 0; i < h->count; i++)
        add_line(call, h->list[i].name, h->list[i].value);
}

/* "Name:" makes curl leave out what it would add by itself. */
static void suppress_line(struct api_call *call, const char *name)
{
    struct curl_slist *longer = curl_slist_append(call->lines, name);
    if (!longer)
        abort(); /* out of memory */
    call->lines = longer;
}

static int sign(struct api_call *call, const struct headers *headers, struct err *err)
{
    static const uint8_t empty_sha256[32] = {
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4,
        0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b,
        0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55};
    const struct api_options *o = &call->api->options;
    uint8_t digest[32];
    memcpy(digest, empty_sha256, sizeof digest);
    int r = call->body ? api_body_sha256(call->body, digest, err) : 0;
    struct uri uri;
    if (r < 0 || !uri_parse(call->url, strlen(call->url), &uri))
        return r;
    cleanup(free_p) char *host = xstrndup(uri.authority, uri.authority_len);
    const char *query = memchr(uri.path, '?', uri.path_len);
    size_t path_len = query ? (size_t)(query - uri.path) : uri.path_len;
    cleanup(free_p) char *path = path_len ? xstrndup(uri.path, path_len) : xstrdup("/");
    cleanup(headers_clear) struct headers add = {0};
    r = o->sign(o->sign_env,
                &(struct api_signable){.method = call->method, .host = host, .path = path,
                                       .query = query ? query + 1 : "", .headers = headers,
                                       .body_sha256 = digest},
                &add, err);
    if (r == 0)
        add_lines(call, &add);
    return r;
}

static int set_headers(struct api_call *call, struct err *err)
{
    cleanup(headers_clear) struct headers all = {0};
    if (call->own_host)
        headers_copy(&all, &call->api->headers);
    headers_copy(&all, &call->wanted);
    const char *type = call->request.content_type;
    if (!type && call->body)
        type = api_body_type(call->body);
    if (type)
        headers_set_str(&all, "content-type", type);
    if (!headers_get(&all, "accept"))
        headers_add_str(&all, "accept", "application/json");
    headers_add_str(&all, "user-agent", "edgectl/" EDGECTL_VERSION);
    add_lines(call, &all);
    if (!type)
        suppress_line(call, "Content-Type:");
    if (call->request.expect_continue)
        add_line(call, "expect", "100-continue");
    else
        suppress_line(call, "Expect:");
    int r = call->api->options.sign && call->own_host ? sign(call, &all, err) : 0;
    for (size_t i = 0; i < all.count; i++)
        explicit_bzero(all.list[i].value, all.list[i].value_len);
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->lines);
    return r;
}

static void set_method(struct api_call *call)
{
    CURL *e = call->easy;
    if (call->body) {
        api_body_rewind(call->body);
        curl_easy_setopt(e, CURLOPT_POST, 1L);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)api_body_size(call->body));
        curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(e, CURLOPT_READDATA, call);
        curl_easy_setopt(e, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(e, CURLOPT_SEEKDATA, call);
    } else if (strcmp(call->method, "HEAD") == 0) {
        curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    } else if (call->method[0] == 'P') { /* POST, PUT, PATCH have a length, though it is 0 */
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, "");
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, 0L);
    }
    if (strcmp(call->method, "HEAD") != 0)
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, call->method);
}

static void set_callbacks(struct api_call *call)
{
    CURL *e = call->easy;
    curl_easy_setopt(e, CURLOPT_PRIVATE, call);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->errors);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(e, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(e, CURLOPT_XFERINFODATA, call);
    curl_easy_setopt(e, CURLOPT_NOPROGRESS, 0L);
}

/* "any:any:address:same" for CURLOPT_CONNECT_TO: the name stays in TLS and in Host. Unlike
 * CURLOPT_RESOLVE it is kept through a proxy too. */
static void set_resolve(struct api_call *call)
{
    if (!call->resolve)
        return;
    bool v6 = strchr(call->resolve, ':') != NULL;
    cleanup(free_p) char *entry = xasprintf(v6 ? "::[%s]:" : "::%s:", call->resolve);
    call->resolved = curl_slist_append(NULL, entry);
    curl_easy_setopt(call->easy, CURLOPT_CONNECT_TO, call->resolved);
}

static void set_connection(struct api_call *call)
{
    const struct api *a = call->api;
    CURL *e = call->easy;
    curl_easy_setopt(e, CURLOPT_URL, call->url);
    curl_easy_setopt(e, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)a->options.connect_ms);
    curl_easy_setopt(e, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER);
    curl_easy_setopt(e, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    /* Calls in parallel share one connection where the provider speaks HTTP/2. */
    curl_easy_setopt(e, CURLOPT_PIPEWAIT, (long)(strncmp(call->url, "https:", 6) == 0));
    if (a->loopback && call->own_host)
        curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    if (a->unix_socket && call->own_host)
        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, a->unix_socket);
    if (a->ca_file)
        curl_easy_setopt(e, CURLOPT_CAINFO, a->ca_file);
    set_resolve(call);
}

/* --- life of a try --- */

void api_call_drop_try(struct api_call *call)
{
    if (call->easy) {
        curl_multi_remove_handle(call->api->multi, call->easy);
        curl_easy_cleanup(call->easy);
    }
    call->easy = NULL;
    for (struct curl_slist *l = call->lines; l; l = l->next)
        explicit_bzero(l->data, strlen(l->data));
    curl_slist_free_all(call->lines);
    curl_slist_free_all(call->resolved);
    call->lines = call->resolved = NULL;
}

/* Where a kill must do no harm: around each call that changes something. */
static void mark(const struct api_call *call, const char *when)
{
    if (strcmp(call->method, "GET") == 0 || strcmp(call->method, "HEAD") == 0)
        return;
    cleanup(free_p) char *where = xasprintf("%s %s %s", when, call->method, call->path);
    api_redact(call->api, where);
    kill_point(where);
}

void api_call_launch(struct api_call *call)
{
    api_response_clear(&call->response);
    buf_clear(&call->answer);
    size_t most = call->request.max_answer ? call->request.max_answer : MAX_ANSWER;
    buf_init(&call->answer, most);
    call->errors[0] = '\0';
    call->sent = call->heard = 0;
    call->began_ns = call->sent_ns = call->heard_ns = clock_mono_ns();
    call->cut = NULL;
    call->too_large = call->stopped = false;
    call->tries++;
    call->easy = curl_easy_init();
    if (!call->easy)
        abort(); /* out of memory */
    set_callbacks(call);
    set_connection(call);
    set_method(call);
    call->result = set_headers(call, &call->err);
    if (call->result < 0) {
        api_call_drop_try(call);
        call->state = API_DONE;
        return;
    }
    mark(call, "before");
    call->state = API_RUNNING;
    curl_multi_add_handle(call->api->multi, call->easy);
}

static void trace(const struct api_call *call, CURLcode code, int64_t wait_ms)
{
    const struct api_options *o = &call->api->options;
    if (!o->trace)
        return;
    char outcome[64], again[64] = "";
    snprintf(outcome, sizeof outcome, code == CURLE_OK ? "%d" : "no answer", call->response.status);
    if (wait_ms >= 0)
        snprintf(again, sizeof again, ", again in %lld ms", (long long)wait_ms);
    cleanup(free_p) char *line =
        xasprintf("%s: %s %s: %s in %lld ms%s", call->api->name, call->method, call->path, outcome,
                  (long long)((clock_mono_ns() - call->began_ns) / NS_PER_MS), again);
    api_redact(call->api, line);
    o->trace(o->trace_env, line);
}

void api_call_end(struct api_call *call, CURLcode code)
{
    long status = 0;
    if (call->stopped)
        code = CURLE_OK;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    call->response.status = code == CURLE_OK ? (int)status : 0;
    mark(call, "after");
    call->response.len = call->answer.len;
    call->response.body = buf_take(&call->answer);
    int64_t wait_ms = -1;
    if (!call->too_large && !call->unreadable && api_retry_may(call, call->response.status)) {
        int64_t asked = api_retry_asked(&call->response.headers, clock_wall_ns() / NS_PER_MS);
        wait_ms = api_retry_wait(call->tries, asked, random_u64());
    }
    trace(call, code, wait_ms);
    if (code != CURLE_OK && wait_ms < 0)
        api_error_from_curl(call, code);
    api_call_drop_try(call);
    if (wait_ms < 0) {
        call->state = API_DONE;
        return;
    }
    call->state = API_WAITING;
    call->due_ns = clock_mono_ns() + wait_ms * NS_PER_MS;
}
