/* SPDX-License-Identifier: Apache-2.0 */
/* From curl's result codes to the guest ABI's. Curl's own texts name our pool names and dummy
 * URLs, so messages are made here, and curl's are quoted only where they hold more. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "net/origin.h"

void failure_set(struct net_failure *f, enum net_error error, const char *fmt, ...)
{
    *f = (struct net_failure){.error = error};
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(f->text, sizeof f->text, fmt, ap);
    va_end(ap);
}

static enum net_error from_errno(long e)
{
    switch (e) {
    case ECONNREFUSED:
        return NET_CONNECTION_REFUSED;
    case ENETUNREACH:
    case EHOSTUNREACH:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EINVAL:
    case EACCES:
    case EPERM:
        return NET_DESTINATION_IP_UNROUTABLE;
    case ETIMEDOUT:
        return NET_CONNECTION_TIMEOUT;
    case ECONNRESET:
    case ECONNABORTED:
    case EPIPE:
        return NET_CONNECTION_TERMINATED;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
        return NET_CONNECTION_LIMIT_REACHED;
    default:
        return NET_DESTINATION_UNAVAILABLE;
    }
}

static const char *detail(const struct net_call *call, CURLcode code)
{
    return call->errors[0] ? call->errors : curl_easy_strerror(code);
}

static void put(const struct net_call *call, struct net_failure *f, enum net_error error,
                const char *text)
{
    const struct net_target *t = &call->origin->target;
    failure_set(f, error, "%s:%u: %s", t->host, t->port, text);
}

/* What OpenSSL noted while the call ran says more than curl's code and text. */
static bool from_tls_events(const struct net_call *call, struct net_failure *f)
{
    if (!call->origin->tls)
        return false;
    const struct tls_client_events *events = tls_client_events(call->origin->tls);
    if (events->distrusts != call->distrusts_before) {
        put(call, f, NET_TLS_CERTIFICATE_ERROR, events->distrust);
        return true;
    }
    if (events->alerts == call->alerts_before)
        return false;
    char text[80];
    snprintf(text, sizeof text, "the backend broke off TLS with alert %u", events->alert);
    put(call, f, NET_TLS_ALERT_RECEIVED, text);
    f->tls_alert = events->alert;
    return true;
}

static void from_connect(const struct net_call *call, struct net_failure *f)
{
    long e = 0;
    curl_easy_getinfo(call->easy, CURLINFO_OS_ERRNO, &e);
    put(call, f, from_errno(e), e ? strerror((int)e) : "no connection");
    origin_distrust(call->origin);
}

static void from_tls(const struct net_call *call, CURLcode code, struct net_failure *f)
{
    if (from_tls_events(call, f))
        return;
    const char *text = detail(call, code);
    /* OpenSSL's way to say that the connection went away within the handshake. */
    bool gone = strstr(text, "SYSCALL") || strstr(text, "unexpected eof") || strstr(text, "reset");
    put(call, f, gone ? NET_CONNECTION_TERMINATED : NET_TLS_PROTOCOL_ERROR, text);
}

/* "... (err 8)", after any of nghttp2's error codes (RFC 9113 section 7). */
static void from_h2(const struct net_call *call, CURLcode code, struct net_failure *f)
{
    put(call, f, NET_H2_ERROR, detail(call, code));
    const char *p = strstr(call->errors, "err ");
    if (p)
        f->h2_code = (uint32_t)strtoul(p + 4, NULL, 10);
}

static void from_transfer(const struct net_call *call, CURLcode code, struct net_failure *f)
{
    if (from_tls_events(call, f))
        return;
    if (call->down.head_bytes > 0) {
        put(call, f, NET_HTTP_INCOMPLETE_RESPONSE, "the connection ended within the response head");
        return;
    }
    if (strstr(call->errors, "Too large response headers")) {
        put(call, f, NET_HTTP_RESPONSE_HEADER_SECTION_TOO_LARGE, "the response head is too large");
        return;
    }
    put(call, f, NET_CONNECTION_TERMINATED,
        code == CURLE_GOT_NOTHING ? "the connection was closed without a response"
                                  : detail(call, code));
}

/* Codes that say all by themselves; text NULL = curl's. */
static const struct {
    CURLcode code;
    enum net_error error;
    const char *text;
} plain_codes[] = {
    {CURLE_OK, NET_HTTP_INCOMPLETE_RESPONSE, "the response head was cut short"},
    {CURLE_PARTIAL_FILE, NET_HTTP_INCOMPLETE_RESPONSE, "the response head was cut short"},
    {CURLE_ABORTED_BY_CALLBACK, NET_CONNECTION_TERMINATED,
     "the connection was closed without a response"},
    {CURLE_COULDNT_RESOLVE_HOST, NET_DNS_ERROR, "the name could not be resolved"},
    {CURLE_SSL_CERTPROBLEM, NET_TLS_CONFIGURATION_ERROR, NULL},
    {CURLE_SSL_CIPHER, NET_TLS_CONFIGURATION_ERROR, NULL},
    {CURLE_SSL_CACERT_BADFILE, NET_TLS_CONFIGURATION_ERROR, NULL},
    {CURLE_SSL_ENGINE_INITFAILED, NET_TLS_CONFIGURATION_ERROR, NULL},
    {CURLE_SSL_ENGINE_SETFAILED, NET_TLS_CONFIGURATION_ERROR, NULL},
    /* Allocation never fails for us; curl says this of a line beyond its own limit. */
    {CURLE_OUT_OF_MEMORY, NET_HTTP_RESPONSE_HEADER_SECTION_TOO_LARGE,
     "a response header is too large"},
    {CURLE_BAD_CONTENT_ENCODING, NET_HTTP_PROTOCOL_ERROR, NULL},
    {CURLE_UPLOAD_FAILED, NET_HTTP_PROTOCOL_ERROR, NULL},
};

static void from_plain_code(const struct net_call *call, CURLcode code, struct net_failure *f)
{
    for (size_t i = 0; i < ARRAY_LEN(plain_codes); i++) {
        if (plain_codes[i].code != code)
            continue;
        const char *text = plain_codes[i].text;
        put(call, f, plain_codes[i].error, text ? text : detail(call, code));
        return;
    }
    put(call, f, NET_INTERNAL_ERROR, detail(call, code));
}

void failure_from_curl(struct net_call *call, CURLcode code, struct net_failure *f)
{
    if (call->up.broken) {
        put(call, f, NET_INTERNAL_ERROR, "the request body was cut short");
        return;
    }
    switch (code) {
    case CURLE_COULDNT_CONNECT:
        from_connect(call, f);
        return;
    case CURLE_OPERATION_TIMEDOUT:
        put(call, f, NET_CONNECTION_TIMEOUT, "no connection in time");
        origin_distrust(call->origin);
        return;
    case CURLE_PEER_FAILED_VERIFICATION:
        if (!from_tls_events(call, f))
            put(call, f, NET_TLS_CERTIFICATE_ERROR, detail(call, code));
        return;
    case CURLE_SSL_CONNECT_ERROR:
        from_tls(call, code, f);
        return;
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        from_h2(call, code, f);
        return;
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_FAIL_REWIND:
        from_transfer(call, code, f);
        return;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        put(call, f,
            strstr(call->errors, "response code") ? NET_HTTP_RESPONSE_STATUS_INVALID
                                                  : NET_HTTP_PROTOCOL_ERROR,
            detail(call, code));
        return;
    default:
        from_plain_code(call, code, f);
    }
}

const char *failure_body_reason(CURLcode code)
{
    switch (code) {
    case CURLE_PARTIAL_FILE:
        return "the connection ended before the body did";
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return "the HTTP/2 stream was reset";
    case CURLE_ABORTED_BY_CALLBACK:
        return "the request body was cut short";
    default:
        return "the connection broke";
    }
}
