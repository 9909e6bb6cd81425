/* SPDX-License-Identifier: Apache-2.0 */
/* What went wrong, in the provider's own words where it has some, without its user's secrets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/uri.h"
#include "net/api_internal.h"

enum { QUOTED = 100, WORDS_MAX = 600 };

/* Control bytes and what is no ASCII would disturb the terminal. */
static void add_printable(struct buf *to, const char *text, size_t len)
{
    bool space = false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ') {
            space = to->len > 0;
            continue;
        }
        if (space)
            buf_add_char(to, ' ');
        space = false;
        buf_add_char(to, c < 0x7f ? (char)c : '?');
    }
}

/* How the provider's support finds this call again. */
static void add_request_id(const struct api_response *r, struct buf *to)
{
    static const char *const names[] = {"cf-ray", "x-amzn-requestid", "x-amz-request-id",
                                        "x-amz-cf-id", "x-vercel-id", "fastly-request-id",
                                        "x-request-id", "x-served-by"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = headers_get(&r->headers, names[i]);
        if (!value || !*value)
            continue;
        buf_printf(to, " (%s ", names[i]);
        add_printable(to, value, strnlen(value, QUOTED));
        buf_add_char(to, ')');
        return;
    }
}

static void add_quote(const struct api_response *r, struct buf *to)
{
    buf_add_str(to, "\"");
    struct buf quote = BUF_INIT(QUOTED * 2);
    add_printable(&quote, r->body, r->len < QUOTED ? r->len : QUOTED);
    buf_add_str(to, buf_str(&quote));
    buf_clear(&quote);
    buf_add_str(to, r->len > QUOTED ? "...\"" : "\"");
}

static void add_words(const struct api *api, const struct api_response *r, struct buf *to)
{
    const char *challenge = headers_get(&r->headers, "cf-mitigated");
    struct buf words = BUF_INIT(WORDS_MAX);
    if (challenge)
        buf_printf(to, "a firewall answered in its place (cf-mitigated: %s)", challenge);
    else if (api->options.explain && api->options.explain(r, &words) && words.len)
        add_printable(to, words.data, words.len);
    else if (r->len)
        add_quote(r, to);
    else
        buf_add_str(to, "no explanation");
    buf_clear(&words);
}

/* A message is complete: hide what must not be seen in it. */
static int finish(const struct api *api, int r, struct err *err)
{
    if (err) {
        redact_text(&api->hidden, err->msg);
        redact_text(&api->hidden, err->hint);
    }
    return r;
}

static void hint_status(const struct api *api, const struct api_response *r, struct err *err)
{
    int64_t asked = api_retry_asked(&r->headers, clock_wall_ns() / 1000000);
    if (r->status == 401 || r->status == 403)
        err_hint(err, "%s", api->hint_credentials ? api->hint_credentials
                                                  : "check the credentials and what they allow");
    else if (r->status == 429 && asked >= 0)
        err_hint(err, "%s asks to wait %lld s; run it again after that", api->name,
                 (long long)(asked + 999) / 1000);
    else if (r->status == 429)
        err_hint(err, "%s limits how often it is asked; run it again later", api->name);
    else if (r->status >= 400 && r->status < 500)
        err_hint(err, "%s refused it, in these words; --verbose shows the calls before", api->name);
    else if (r->status >= 500)
        err_hint(err, "the fault is on %s's side; run it again later: what was done is kept",
                 api->name);
}

static int redirected(const struct api *api, const char *method, const char *path,
                      const struct api_response *r, struct err *err)
{
    const char *to = headers_get(&r->headers, "location");
    int code = err_set(err, ERR_NETWORK, "%s: %s %s: %d, a redirect to %s, is not followed",
                       api->name, method, path, r->status, to ? to : "nowhere");
    err_hint(err, "credentials go to %s only; %s%s", api->origin,
             api->base_from ? "check " : "a proxy or a firewall may answer in its place",
             api->base_from ? api->base_from : "");
    return finish(api, code, err);
}

static enum err_code code_of(int status)
{
    if (status == 401 || status == 403)
        return ERR_CREDENTIALS;
    if (status == 413)
        return ERR_LIMIT;
    return status >= 400 && status < 500 && status != 408 && status != 429 ? ERR_FAILURE
                                                                          : ERR_NETWORK;
}

int api_fail(const struct api *api, const char *method, const char *path,
             const struct api_response *r, struct err *err)
{
    if (r->status >= 300 && r->status < 400 && r->status != 304)
        return redirected(api, method, path, r, err);
    struct buf words = BUF_INIT(2 * WORDS_MAX);
    add_words(api, r, &words);
    add_request_id(r, &words);
    int result = err_set(err, code_of(r->status), "%s: %s %s: %d: %s", api->name, method, path,
                         r->status, buf_str(&words));
    buf_clear(&words);
    hint_status(api, r, err);
    return finish(api, result, err);
}

int api_json(const struct api *api, const char *method, const char *path,
             const struct api_response *r, json_t **ret_json, struct err *err)
{
    json_error_t bad;
    json_t *value = json_loadb(r->body, r->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &bad);
    if (value) {
        *ret_json = value;
        return 0;
    }
    const char *type = headers_get(&r->headers, "content-type");
    struct buf text = BUF_INIT(2 * WORDS_MAX);
    if (r->len == 0)
        buf_add_str(&text, "an empty answer instead of JSON");
    else if (r->body[0] == '<')
        buf_printf(&text, "HTML instead of JSON: ");
    else
        buf_printf(&text, "broken JSON (%s, byte %d%s%s): ", bad.text, bad.position,
                   type ? ", sent as " : "", type ? type : "");
    if (r->len)
        add_quote(r, &text);
    add_request_id(r, &text);
    int code = err_set(err, ERR_NETWORK, "%s: %s %s: %d: %s", api->name, method, path, r->status,
                       buf_str(&text));
    buf_clear(&text);
    err_hint(err, "something between here and %s may have answered in its place (HTTPS_PROXY%s%s)",
             api->origin, api->base_from ? ", " : "", api->base_from ? api->base_from : "");
    return finish(api, code, err);
}

/* Curl's own texts are good where the network is the cause. */
static void hint_network(const struct api *api, CURLcode code, struct err *err)
{
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE)
        err_hint(err, "behind a proxy that opens TLS, name its certificates in SSL_CERT_FILE");
    else if (code == CURLE_COULDNT_RESOLVE_PROXY)
        err_hint(err, "check HTTPS_PROXY");
    else if (api->unix_socket)
        err_hint(err, "is the server that listens on %s still running?", api->unix_socket);
    else if (api->base_from)
        err_hint(err, "the address comes from %s", api->base_from);
    else
        err_hint(err, "check the network, and HTTPS_PROXY if a proxy is needed to reach %s",
                 api->origin);
}

void api_error_from_curl(struct api_call *call, CURLcode code)
{
    const struct api *api = call->api;
    struct err *err = &call->err;
    if (call->unreadable) {
        call->result = err_set(err, ERR_IO, "%s: %s %s: the file to send has changed meanwhile",
                               api->name, call->method, call->path);
        return;
    }
    if (call->too_large) {
        call->result = err_set(err, ERR_LIMIT, "%s: %s %s: the answer is larger than %zu bytes",
                               api->name, call->method, call->path, call->answer.max);
        return;
    }
    const char *why = call->cut         ? call->cut
                      : call->errors[0] ? call->errors
                                        : curl_easy_strerror(code);
    bool unsure = call->sent > 0 && (call->request.unrepeatable ||
                                     (!call->request.repeatable && call->method[0] == 'P' &&
                                      strcmp(call->method, "PUT") != 0));
    call->result = err_set(err, ERR_NETWORK, "%s: %s %s: %s%s", api->name, call->method, call->path,
                           why, unsure ? "; it may have been done all the same" : "");
    hint_network(api, code, err);
    finish(api, call->result, err);
}
