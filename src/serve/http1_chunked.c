/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/http1_chunked.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include "base/cleanup.h"
#include "rust/edgectl_rs.h"

enum { MAX_SIZE_LINE = 4096, MAX_EXTENSIONS = 16 << 10, MAX_TRAILERS = 64 << 10 };

void http1_decoder_init(struct http1_decoder *d, const struct http1_request *req)
{
    *d = (struct http1_decoder){.state = HTTP1_DONE};
    if (req->framing == HTTP1_CHUNKED) {
        d->state = HTTP1_SIZE;
        d->chunked = true;
    } else if (req->framing == HTTP1_LENGTH) {
        d->state = HTTP1_DATA;
        d->left = req->length;
    }
}

static ssize_t bad(const char **why, const char *text)
{
    *why = text;
    return -1;
}

/* A size line. httparse lets an empty size, and any byte in an extension, pass: we do not. */
static ssize_t read_size(struct http1_decoder *d, const char *p, size_t len, const char **why)
{
    if (len == 0)
        return 0;
    if (!isxdigit((unsigned char)p[0]))
        return bad(why, "a chunk size is missing");
    const char *lf = memchr(p, '\n', len < MAX_SIZE_LINE ? len : MAX_SIZE_LINE);
    if (!lf && len >= MAX_SIZE_LINE)
        return bad(why, "a chunk-size line is too long");
    size_t line = lf ? (size_t)(lf - p) + 1 : len;
    uint64_t size;
    ssize_t used = edgectl_rs_parse_chunk_size(p, line, &size);
    if (used == 0 && !lf)
        return 0;
    if (used <= 0 || (size_t)used != line || size > INT64_MAX)
        return bad(why, "a chunk-size line is malformed");
    size_t extra = line - 2 - strspn(p, "0123456789abcdefABCDEF");
    for (size_t i = 0; i < line - 2; i++)
        if (p[i] != '\t' && ((unsigned char)p[i] < 0x20 || p[i] == 0x7f))
            return bad(why, "a chunk-size line holds a control character");
    d->extension_bytes += extra;
    if (d->extension_bytes > MAX_EXTENSIONS)
        return bad(why, "too many bytes of chunk extensions");
    d->left = size;
    d->state = size ? HTTP1_DATA : HTTP1_TRAILERS;
    return used;
}

static ssize_t read_data_end(struct http1_decoder *d, const char *p, size_t len, const char **why)
{
    if (len >= 1 && p[0] != '\r')
        return bad(why, "a chunk is longer than its size says");
    if (len < 2)
        return 0;
    if (p[1] != '\n')
        return bad(why, "a chunk is longer than its size says");
    d->state = HTTP1_SIZE;
    return 2;
}

/* Fields that frame, route or authenticate a message must not come after it (RFC 9110, 6.5.1). */
static bool trailer_allowed(const struct edgectl_rs_slice *name)
{
    static const char *const never[] = {
        "transfer-encoding", "content-length", "host", "connection", "trailer", "te", "upgrade",
        "expect", "authorization", "content-encoding", "content-type", "content-range", "cookie",
    };
    for (size_t i = 0; i < ARRAY_LEN(never); i++)
        if (strlen(never[i]) == name->len && strncasecmp(never[i], name->ptr, name->len) == 0)
            return false;
    return true;
}

static ssize_t read_trailers(struct http1_decoder *d, const char *p, size_t len,
                             struct headers *trailers, const char **why)
{
    struct edgectl_rs_header lines[HTTP1_MAX_HEADERS];
    size_t count;
    bool empty = len && (p[0] == '\r' || p[0] == '\n');
    if (len == 0 || (len < MAX_TRAILERS && !empty && !http1_head_ends(p, len, 0)))
        return 0;
    ssize_t used = edgectl_rs_parse_headers(p, len < MAX_TRAILERS ? len : MAX_TRAILERS, lines,
                                            ARRAY_LEN(lines), &count);
    if (used == 0)
        return len < MAX_TRAILERS ? 0 : bad(why, "the trailer section is longer than 64 KiB");
    if (used < 0)
        return bad(why, "the trailer section is malformed");
    for (const char *q = p; (q = memchr(q, '\n', (size_t)(p + used - q))); q++)
        if (q == p || q[-1] != '\r')
            return bad(why, "a trailer line ends in LF without CR");
    for (size_t i = 0; i < count; i++)
        if (trailer_allowed(&lines[i].name))
            headers_add(trailers, lines[i].name.ptr, lines[i].name.len, lines[i].value.ptr,
                        lines[i].value.len);
    d->state = HTTP1_DONE;
    return used;
}

ssize_t http1_decode(struct http1_decoder *d, char *data, size_t len, size_t *body_len,
                     struct headers *trailers, const char **why)
{
    size_t at = 0, out = 0;
    while (d->state != HTTP1_DONE && at < len) {
        ssize_t used = 0;
        if (d->state == HTTP1_DATA) {
            size_t n = len - at < d->left ? len - at : (size_t)d->left;
            if (out != at)
                memmove(data + out, data + at, n);
            out += n;
            used = (ssize_t)n;
            d->left -= n;
            if (d->left == 0)
                d->state = d->chunked ? HTTP1_DATA_END : HTTP1_DONE;
        } else if (d->state == HTTP1_DATA_END) {
            used = read_data_end(d, data + at, len - at, why);
        } else if (d->state == HTTP1_SIZE) {
            used = read_size(d, data + at, len - at, why);
        } else {
            used = read_trailers(d, data + at, len - at, trailers, why);
        }
        if (used < 0)
            return -1;
        if (used == 0)
            break;
        at += (size_t)used;
    }
    *body_len = out;
    return (ssize_t)at;
}
