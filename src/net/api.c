/* SPDX-License-Identifier: Apache-2.0 */
/* The API client: what it is made from, and running calls until one is done. */
#include "net/api.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/uri.h"
#include "net/api_internal.h"

static const int64_t NS_PER_MS = 1000000;
enum { CONNECT_MS = 15 * 1000, ANSWER_MS = 120 * 1000, STALL_MS = 60 * 1000, POLL_MS = 1000 };

void api_response_clear(struct api_response *r)
{
    headers_clear(&r->headers);
    free(r->body);
    *r = (struct api_response){0};
}

/* --- making one --- */

bool api_is_loopback(const struct uri_host *h)
{
    static const char *const names[] = {"localhost", "::1"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (h->host_len == strlen(names[i]) && strncasecmp(h->host, names[i], h->host_len) == 0)
            return true;
    /* All of 127/8, and nothing that only begins like it. */
    if (h->host_len < 4 || memcmp(h->host, "127.", 4) != 0)
        return false;
    return strspn(h->host, "0123456789.") >= h->host_len;
}

static int check_base(struct api *a, bool plain_ok, struct err *err)
{
    struct uri uri;
    struct uri_host host;
    const char *from = a->base_from ? a->base_from : a->name;
    if (!uri_parse(a->base, strlen(a->base), &uri) || !uri.scheme || !uri.authority ||
        !uri_split_host(uri.authority, uri.authority_len, &host) ||
        memchr(uri.path, '?', uri.path_len) || strchr(a->base, '#'))
        return err_set(err, ERR_USAGE, "%s: '%s' is not a base URL (https://host/path)", from,
                       a->base);
    bool tls = uri.scheme_len == 5 && strncasecmp(uri.scheme, "https", 5) == 0;
    bool plain = uri.scheme_len == 4 && strncasecmp(uri.scheme, "http", 4) == 0;
    a->loopback = api_is_loopback(&host) || a->unix_socket;
    if (!tls && !(plain && (a->loopback || plain_ok))) {
        int r = err_set(err, ERR_USAGE, "%s: '%s' is not https", from, a->base);
        err_hint(err, "plain http is for servers on this machine only: credentials would be seen");
        return r;
    }
    a->origin = xasprintf("%s://%.*s", tls ? "https" : "http", (int)uri.authority_len,
                          uri.authority);
    return 0;
}

static char *copy(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

static char *find_ca_file(const char *first)
{
    const char *const names[] = {first, "SSL_CERT_FILE", "CURL_CA_BUNDLE"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *path = names[i] ? getenv(names[i]) : NULL;
        if (path && *path)
            return xstrdup(path);
    }
    return NULL;
}

static int set_times(struct api_options *o, struct err *err)
{
    const char *text = getenv("EDGECTL_API_TIMEOUT");
    if (text && *text) {
        char *end;
        double s = strtod(text, &end);
        if (*end || !(s > 0) || s > 86400)
            return err_set(err, ERR_USAGE,
                           "EDGECTL_API_TIMEOUT: '%s' is not a number of seconds", text);
        o->answer_ms = o->stall_ms = (int64_t)(s * 1000);
    }
    o->connect_ms = o->connect_ms ? o->connect_ms : CONNECT_MS;
    o->answer_ms = o->answer_ms ? o->answer_ms : ANSWER_MS;
    o->stall_ms = o->stall_ms ? o->stall_ms : STALL_MS;
    return 0;
}

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort(); /* out of memory */
}

static void jump(void *env, int64_t ms)
{
    (void)env;
    clock_sleep_ms(ms);
}

int api_new(const struct api_options *options, struct api **ret_api, struct err *err)
{
    pthread_once(&curl_once, init_curl);
    cleanup(api_free_p) struct api *a = xnew(struct api);
    TAILQ_INIT(&a->calls);
    a->options = *options;
    if (!a->options.sleep && clock_jumps())
        a->options.sleep = jump;
    a->name = xstrdup(options->name);
    a->base = xstrdup(options->base);
    for (size_t len = strlen(a->base); len && a->base[len - 1] == '/'; len--)
        a->base[len - 1] = '\0';
    a->base_from = copy(options->base_from);
    a->unix_socket = copy(options->unix_socket);
    a->hint_credentials = copy(options->hint_credentials);
    a->ca_file = options->ca_file ? xstrdup(options->ca_file) : find_ca_file(options->ca_from);
    if (options->headers)
        headers_copy(&a->headers, options->headers);
    for (size_t i = 0; i < a->headers.count; i++) {
        const struct header *h = &a->headers.list[i];
        const char *space = memchr(h->value, ' ', h->value_len);
        redact_add(&a->hidden, h->value, h->value_len);
        if (space) /* "Bearer ...": the token alone, too */
            redact_add(&a->hidden, space + 1, strlen(space + 1));
    }
    int r = check_base(a, options->plain, err);
    if (r == 0)
        r = set_times(&a->options, err);
    if (r < 0)
        return r;
    a->multi = curl_multi_init();
    if (!a->multi)
        abort(); /* out of memory */
    *ret_api = TAKE(a);
    return 0;
}

void api_free(struct api *a)
{
    if (!a)
        return;
    struct api_call *call;
    while ((call = TAILQ_FIRST(&a->calls)))
        api_cancel(call);
    curl_multi_cleanup(a->multi);
    for (size_t i = 0; i < a->headers.count; i++)
        explicit_bzero(a->headers.list[i].value, a->headers.list[i].value_len);
    headers_clear(&a->headers);
    redact_clear(&a->hidden);
    free(a->name);
    free(a->base);
    free(a->base_from);
    free(a->unix_socket);
    free(a->ca_file);
    free(a->hint_credentials);
    free(a->origin);
    free(a);
}

void api_free_p(struct api **a)
{
    api_free(*a);
}

void api_hide(struct api *a, const void *text, size_t len)
{
    redact_add(&a->hidden, text, len);
}

void api_redact(const struct api *a, char *text)
{
    redact_text(&a->hidden, text);
}

const char *api_base(const struct api *a)
{
    return a->base;
}

/* --- calls --- */

static bool same_origin(const struct api *a, const char *url)
{
    size_t len = strlen(a->origin);
    return strncmp(url, a->origin, len) == 0 && (url[len] == '/' || !url[len] || url[len] == '?');
}

struct api_call *api_start(struct api *a, const struct api_request *request)
{
    struct api_call *call = xnew(struct api_call);
    call->api = a;
    call->request = *request;
    call->method = xstrdup(request->method);
    call->path = xstrdup(request->path);
    call->request.content_type = copy(request->content_type);
    call->resolve = copy(request->resolve);
    call->body = request->body;
    if (request->headers)
        headers_copy(&call->wanted, request->headers);
    bool whole = request->path[0] != '/';
    call->url = whole ? xstrdup(request->path) : xasprintf("%s%s", a->base, request->path);
    call->own_host = !whole || same_origin(a, call->url);
    TAILQ_INSERT_TAIL(&a->calls, call, link);
    api_call_launch(call);
    return call;
}

void api_cancel(struct api_call *call)
{
    if (!call)
        return;
    api_call_drop_try(call);
    TAILQ_REMOVE(&call->api->calls, call, link);
    api_response_clear(&call->response);
    buf_clear(&call->answer);
    headers_clear(&call->wanted);
    api_body_free(call->body);
    free((char *)call->request.content_type);
    free(call->method);
    free(call->path);
    free(call->url);
    free(call->resolve);
    free(call);
}

bool api_is_done(const struct api_call *call)
{
    return call->state == API_DONE;
}

struct standing {
    bool running;                   /* some call is on the wire */
    struct api_call *next;          /* the one that is due first */
};

static struct standing look(const struct api *a)
{
    struct standing s = {0};
    struct api_call *call;
    TAILQ_FOREACH(call, &a->calls, link) {
        s.running = s.running || call->state == API_RUNNING;
        if (call->state == API_WAITING && (!s.next || call->due_ns < s.next->due_ns))
            s.next = call;
    }
    return s;
}

static bool collect(struct api *a)
{
    bool done = false;
    int running, left;
    curl_multi_perform(a->multi, &running);
    CURLMsg *m;
    while ((m = curl_multi_info_read(a->multi, &left))) {
        struct api_call *call = NULL;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE ||
            curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &call) != CURLE_OK)
            continue;
        api_call_end(call, code);
        done = done || call->state == API_DONE;
    }
    return done;
}

static void wait_some(struct api *a, const struct standing *s, int64_t max_ms)
{
    int64_t ms = max_ms >= 0 && max_ms < POLL_MS ? max_ms : POLL_MS;
    if (s->next) {
        int64_t until_ms = (s->next->due_ns - clock_mono_ns() + NS_PER_MS - 1) / NS_PER_MS;
        if (!s->running && a->options.sleep) {
            a->options.sleep(a->options.sleep_env, until_ms > 0 ? until_ms : 0);
            s->next->due_ns = INT64_MIN;
            return;
        }
        ms = until_ms < ms ? until_ms : ms;
    }
    curl_multi_poll(a->multi, NULL, 0, ms > 0 ? (int)ms : 0, NULL);
}

bool api_step(struct api *a, int64_t max_ms)
{
    int64_t end_ns = clock_mono_ns() + max_ms * NS_PER_MS;
    for (;;) {
        bool done = collect(a);
        struct standing s = look(a);
        if (!s.running && !s.next)
            return false;
        if (s.next && clock_mono_ns() >= s.next->due_ns) {
            api_call_launch(s.next);
            done = done || s.next->state == API_DONE;
        } else if (!done) {
            int64_t left_ms = max_ms < 0 ? -1 : (end_ns - clock_mono_ns()) / NS_PER_MS;
            if (max_ms >= 0 && left_ms <= 0)
                return true;
            wait_some(a, &s, left_ms);
        }
        if (done)
            return true;
    }
}

int api_wait(struct api_call *call, struct api_response *ret_response, struct err *err)
{
    while (!api_is_done(call))
        api_step(call->api, -1);
    int r = call->result;
    if (r == 0) {
        *ret_response = call->response;
        call->response = (struct api_response){0};
    } else if (err) {
        *err = call->err;
    }
    api_cancel(call);
    return r;
}

int api_do(struct api *a, const struct api_request *request, struct api_response *ret_response,
           struct err *err)
{
    return api_wait(api_start(a, request), ret_response, err);
}

int api_do_json(struct api *a, const struct api_request *request, json_t **ret_json,
                struct err *err)
{
    cleanup(api_response_clear) struct api_response answer = {0};
    int r = api_do(a, request, &answer, err);
    if (r < 0)
        return r;
    if (answer.status < 200 || answer.status > 299)
        return api_fail(a, request->method, request->path, &answer, err);
    if (answer.len)
        return api_json(a, request->method, request->path, &answer, ret_json, err);
    *ret_json = json_null();
    return 0;
}

void api_pause(struct api *a, int tries)
{
    int64_t ms = api_retry_wait(tries < API_TRIES ? tries : API_TRIES - 1, -1, random_u64());
    if (a->options.sleep) {
        a->options.sleep(a->options.sleep_env, ms);
        return;
    }
    int64_t end = clock_mono_ns() + ms * NS_PER_MS;
    for (int64_t left = ms; left > 0; left = (end - clock_mono_ns()) / NS_PER_MS)
        curl_multi_poll(a->multi, NULL, 0, (int)left, NULL);
}

int64_t api_date_ms(const char *text)
{
    time_t date = text ? curl_getdate(text, NULL) : -1;
    return date > 0 ? (int64_t)date * 1000 : 0;
}

/* RFC 3986 section 2.3: all but the unreserved characters. */
char *api_path(const char *fmt, ...)
{
    struct buf to = BUF_INIT(SIZE_MAX / 2);
    va_list ap;
    va_start(ap, fmt);
    for (const char *p = fmt; *p; p++) {
        if (p[0] != '%' || p[1] != 's') {
            buf_add_char(&to, *p);
            continue;
        }
        p++;
        for (const unsigned char *c = va_arg(ap, const unsigned char *); *c; c++) {
            if (strchr("-._~", *c) || (*c >= '0' && *c <= '9') ||
                ((*c | 32) >= 'a' && (*c | 32) <= 'z'))
                buf_add_char(&to, (char)*c);
            else
                buf_printf(&to, "%%%02X", *c);
        }
    }
    va_end(ap);
    return buf_take(&to);
}
