/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/http1_request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "base/cleanup.h"
#include "rust/edgectl_rs.h"

typedef struct edgectl_rs_slice slice;

struct fields {                         /* the headers that decide something here */
    slice host;
    bool has_host, has_length, has_coding, close, keep_alive, expects, continues;
    uint64_t length;
};

static ssize_t refuse(struct http1_refusal *no, int status, const char *why)
{
    *no = (struct http1_refusal){status, why};
    return -1;
}

static bool is(slice s, const char *lower)
{
    return s.len == strlen(lower) && strncasecmp(s.ptr, lower, s.len) == 0;
}

/* --- limits and line ends, before anything is parsed --- */

bool http1_head_ends(const char *data, size_t len, size_t from)
{
    /* Bare LF counts here: http1_read_head refuses it, and the client should hear so at once. */
    const char *end = data + len;
    const char *p = data + (from > 3 ? from - 3 : 0);
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p)))) {
        p++;
        if (p < end && *p == '\n')
            return true;
        if (end - p >= 2 && p[0] == '\r' && p[1] == '\n')
            return true;
    }
    return false;
}

bool http1_head_too_long(const char *data, size_t len, struct http1_refusal *no)
{
    if (len > HTTP1_MAX_TARGET + HTTP1_MAX_METHOD && !memchr(data, '\n', len)) {
        refuse(no, 414, "the request line is too long (65534 bytes of target at most)");
        return true;
    }
    if (len >= HTTP1_MAX_HEAD) {
        refuse(no, 431, "the request head is longer than 512 KiB");
        return true;
    }
    return false;
}

/* httparse takes a lone LF for a line end; not all parsers before us in a chain do. */
static bool has_bare_lf(const char *data, size_t len)
{
    const char *end = data + len;
    for (const char *p = data; (p = memchr(p, '\n', (size_t)(end - p))); p++)
        if (p == data || p[-1] != '\r')
            return true;
    return false;
}

/* --- single headers --- */

static bool parse_length(slice v, uint64_t *ret)
{
    if (v.len == 0 || v.len > 19)
        return false;
    uint64_t n = 0;
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < '0' || v.ptr[i] > '9')
            return false;
        n = n * 10 + (uint64_t)(v.ptr[i] - '0');
    }
    *ret = n;
    return n <= INT64_MAX;
}

static void read_connection(slice v, struct fields *f)
{
    while (v.len) {
        const char *comma = memchr(v.ptr, ',', v.len);
        size_t n = comma ? (size_t)(comma - v.ptr) : v.len;
        slice t = {v.ptr, n};
        while (t.len && isblank((unsigned char)t.ptr[0])) {
            t.ptr++;
            t.len--;
        }
        while (t.len && isblank((unsigned char)t.ptr[t.len - 1]))
            t.len--;
        f->close = f->close || is(t, "close");
        f->keep_alive = f->keep_alive || is(t, "keep-alive");
        n += comma ? 1 : 0;
        v.ptr += n;
        v.len -= n;
    }
}

static ssize_t read_field(slice name, slice value, struct fields *f, struct http1_refusal *no)
{
    uint64_t length;
    switch (name.len) {
    case 4:
        if (!is(name, "host"))
            return 0;
        if (f->has_host)
            return refuse(no, 400, "more than one Host header");
        f->has_host = true;
        f->host = value;
        return 0;
    case 6:
        if (!is(name, "expect"))
            return 0;
        f->expects = true;
        f->continues = is(value, "100-continue");
        return 0;
    case 10:
        if (is(name, "connection"))
            read_connection(value, f);
        return 0;
    case 14:
        if (!is(name, "content-length"))
            return 0;
        if (!parse_length(value, &length))
            return refuse(no, 400, "Content-Length is not one decimal number");
        if (f->has_length && f->length != length)
            return refuse(no, 400, "two different Content-Length headers");
        f->has_length = true;
        f->length = length;
        return 0;
    case 17:
        if (!is(name, "transfer-encoding"))
            return 0;
        if (f->has_coding || !is(value, "chunked"))
            return refuse(no, 400, "Transfer-Encoding must be exactly: chunked");
        f->has_coding = true;
        return 0;
    default:
        return 0;
    }
}

/* --- target --- */

/* RFC 3986 host [":" port], without userinfo; not resolved, so only the alphabet is checked. */
static bool authority_ok(slice a)
{
    size_t i = 0;
    if (a.len == 0)
        return false;
    if (a.ptr[0] == '[') {
        for (i = 1; i < a.len && a.ptr[i] != ']'; i++)
            if (!isxdigit((unsigned char)a.ptr[i]) && a.ptr[i] != ':' && a.ptr[i] != '.')
                return false;
        if (i < 3 || i == a.len)
            return false;
        i++;
    } else {
        for (; i < a.len && a.ptr[i] != ':'; i++)
            if (!isalnum((unsigned char)a.ptr[i]) && !strchr("-._~!$&'()*+,;=%", a.ptr[i]))
                return false;
        if (i == 0)
            return false;
    }
    if (i == a.len)
        return true;
    if (a.ptr[i] != ':' || a.len - i > 6)
        return false;
    unsigned port = 0;
    while (++i < a.len) {
        if (!isdigit((unsigned char)a.ptr[i]))
            return false;
        port = port * 10 + (unsigned)(a.ptr[i] - '0');
    }
    return port <= 65535;
}

/* "scheme://authority" off the front of an absolute-form target. */
static bool split_absolute(slice *target, slice *scheme, slice *authority)
{
    size_t n = 0;
    if (target->len >= 7 && strncasecmp(target->ptr, "http://", 7) == 0)
        n = 7;
    else if (target->len >= 8 && strncasecmp(target->ptr, "https://", 8) == 0)
        n = 8;
    if (n == 0)
        return false;
    *scheme = (slice){n == 7 ? "http" : "https", n - 3};
    const char *at = target->ptr + n;
    size_t left = target->len - n, len = 0;
    while (len < left && !strchr("/?#", at[len]))
        len++;
    *authority = (slice){at, len};
    *target = (slice){at + len, left - len};
    return true;
}

static char *put(char *to, slice s)
{
    memcpy(to, s.ptr, s.len);
    return to + s.len;
}

static void build_uri(struct exchange *ex, slice method, slice scheme, slice authority, slice path)
{
    static const char hex[] = "0123456789ABCDEF";
    const char *fragment = memchr(path.ptr, '#', path.len);
    if (fragment)
        path.len = (size_t)(fragment - path.ptr);
    size_t high = 0;
    for (size_t i = 0; i < path.len; i++)
        high += (unsigned char)path.ptr[i] >= 0x80;
    exchange_set_target(ex, method.ptr, method.len,
                        scheme.len + authority.len + path.len + 2 * high + 4);
    char *p = put(ex->uri, scheme);
    p = put(p, (slice){"://", 3});
    p = put(p, authority);
    if (path.len == 0 || path.ptr[0] != '/')
        *p++ = '/'; /* "*", "?query" and nothing at all */
    if (!high)
        p = put(p, path);
    for (size_t i = 0; high && i < path.len; i++) {
        unsigned char c = (unsigned char)path.ptr[i];
        if (c < 0x80) {
            *p++ = (char)c;
            continue;
        }
        *p++ = '%';
        *p++ = hex[c >> 4];
        *p++ = hex[c & 15];
    }
    *p = '\0';
}

static ssize_t read_target(const struct edgectl_rs_head *head, const struct fields *f,
                           const char *scheme_text, const char *authority_text, struct exchange *ex,
                           struct http1_refusal *no)
{
    slice scheme = {scheme_text, strlen(scheme_text)};
    slice authority = f->has_host ? f->host : (slice){authority_text, strlen(authority_text)};
    slice path = head->target;
    if (path.len > HTTP1_MAX_TARGET)
        return refuse(no, 414, "the request target is longer than 65534 bytes");
    if (head->method.len > HTTP1_MAX_METHOD)
        return refuse(no, 501, "the method is longer than 8192 bytes");
    if (is(head->method, "connect"))
        return refuse(no, 501, "CONNECT is for proxies; this is an origin server");
    /* An empty Host is right for a target without authority; here every target needs one. */
    if (f->has_host && !authority_ok(f->host))
        return refuse(no, 400, "the Host header is not host[:port]");
    if (!f->has_host && head->minor_version >= 1)
        return refuse(no, 400, "an HTTP/1.1 request needs a Host header");
    bool star = path.len == 1 && path.ptr[0] == '*';
    if (star && !is(head->method, "options"))
        return refuse(no, 400, "only OPTIONS may have the target *");
    if (!star && path.ptr[0] != '/' && !split_absolute(&path, &scheme, &authority))
        return refuse(no, 400, "the request target must be a path or an http(s) URL");
    if (!authority_ok(authority))
        return refuse(no, 400, "the request URL has no valid host");
    build_uri(ex, head->method, scheme, authority, path);
    return 0;
}

/* --- the whole --- */

static ssize_t read_framing(const struct edgectl_rs_head *head, const struct fields *f,
                            struct http1_request *req, struct http1_refusal *no)
{
    bool http11 = head->minor_version >= 1;
    if (f->has_coding && f->has_length)
        return refuse(no, 400, "both Transfer-Encoding and Content-Length");
    if (f->has_coding && !http11)
        return refuse(no, 400, "Transfer-Encoding in an HTTP/1.0 request");
    if (f->expects && !f->continues && http11)
        return refuse(no, 417, "the only expectation known here is 100-continue");
    *req = (struct http1_request){
        .framing = f->has_coding                   ? HTTP1_CHUNKED
                   : f->has_length && f->length > 0 ? HTTP1_LENGTH
                                                    : HTTP1_NO_BODY,
        .length = f->has_length ? f->length : 0,
        .keep_alive = http11 ? !f->close : f->keep_alive && !f->close,
        .head_only = head->method.len == 4 && memcmp(head->method.ptr, "HEAD", 4) == 0,
    };
    req->expect_continue = f->expects && http11 && req->framing != HTTP1_NO_BODY;
    return 0;
}

ssize_t http1_read_head(const char *data, size_t len, const char *scheme, const char *authority,
                        struct exchange *ex, struct http1_request *req, struct http1_refusal *no)
{
    struct edgectl_rs_header lines[HTTP1_MAX_HEADERS];
    struct edgectl_rs_head head;
    ssize_t used = edgectl_rs_parse_request(data, len, &head, lines, ARRAY_LEN(lines));
    switch (used) {
    case EDGECTL_RS_PARTIAL: return 0;
    case EDGECTL_RS_TOO_MANY: return refuse(no, 431, "more than 100 header lines");
    case EDGECTL_RS_BAD_VERSION: return refuse(no, 505, "only HTTP/1.0 and 1.1 are spoken here");
    case EDGECTL_RS_BAD: return refuse(no, 400, "this is not an HTTP/1 request head");
    default: break;
    }
    if (has_bare_lf(data, (size_t)used))
        return refuse(no, 400, "a line ends in LF without CR");
    struct fields f = {0};
    size_t bytes = 0;
    for (size_t i = 0; i < head.header_count; i++) {
        size_t size = lines[i].name.len + lines[i].value.len;
        if (size > HTTP1_MAX_LINE)
            return refuse(no, 431, "a header is longer than 128 KiB");
        bytes += size;
        if (read_field(lines[i].name, lines[i].value, &f, no) < 0)
            return -1;
    }
    if (read_framing(&head, &f, req, no) < 0 ||
        read_target(&head, &f, scheme, authority, ex, no) < 0)
        return -1;
    ex->version = 10 + head.minor_version;
    headers_reserve(&ex->headers, head.header_count, bytes);
    for (size_t i = 0; i < head.header_count; i++)
        headers_add(&ex->headers, lines[i].name.ptr, lines[i].name.len, lines[i].value.ptr,
                    lines[i].value.len);
    return used;
}
