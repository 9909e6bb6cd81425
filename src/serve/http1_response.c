/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/http1_response.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const struct {
    int status;
    const char *text;
} reasons[] = {
    {100, "Continue"}, {101, "Switching Protocols"}, {102, "Processing"}, {103, "Early Hints"},
    {200, "OK"}, {201, "Created"}, {202, "Accepted"}, {203, "Non-Authoritative Information"},
    {204, "No Content"}, {205, "Reset Content"}, {206, "Partial Content"}, {207, "Multi-Status"},
    {208, "Already Reported"}, {226, "IM Used"},
    {300, "Multiple Choices"}, {301, "Moved Permanently"}, {302, "Found"}, {303, "See Other"},
    {304, "Not Modified"}, {307, "Temporary Redirect"}, {308, "Permanent Redirect"},
    {400, "Bad Request"}, {401, "Unauthorized"}, {402, "Payment Required"}, {403, "Forbidden"},
    {404, "Not Found"}, {405, "Method Not Allowed"}, {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"}, {408, "Request Timeout"}, {409, "Conflict"},
    {410, "Gone"}, {411, "Length Required"}, {412, "Precondition Failed"},
    {413, "Content Too Large"}, {414, "URI Too Long"}, {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"}, {417, "Expectation Failed"}, {418, "I'm a teapot"},
    {421, "Misdirected Request"}, {422, "Unprocessable Content"}, {423, "Locked"},
    {424, "Failed Dependency"}, {425, "Too Early"}, {426, "Upgrade Required"},
    {428, "Precondition Required"}, {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"}, {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"}, {501, "Not Implemented"}, {502, "Bad Gateway"},
    {503, "Service Unavailable"}, {504, "Gateway Timeout"}, {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"}, {507, "Insufficient Storage"}, {508, "Loop Detected"},
    {511, "Network Authentication Required"},
};

/* "" for a status without a registered phrase. */
static const char *reason_of(int status)
{
    if (status == 200)
        return "OK";
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].text;
    return "";
}

void http1_format_date(char *to, int64_t wall_s)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct tm t;
    time_t s = (time_t)wall_s;
    gmtime_r(&s, &t);
    unsigned year = (unsigned)(t.tm_year + 1900) % 10000u, day = (unsigned)t.tm_mday % 100u;
    snprintf(to, 30, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * t.tm_wday, day,
             months + 3 * t.tm_mon, year, (unsigned)t.tm_hour % 100u, (unsigned)t.tm_min % 100u,
             (unsigned)t.tm_sec % 100u);
}

/* --- framing --- */

static bool all_digits(const struct header *h)
{
    for (uint32_t i = 0; i < h->value_len; i++)
        if (h->value[i] < '0' || h->value[i] > '9')
            return false;
    return h->value_len > 0 && h->value_len < 19;
}

/* The handler's own framing headers, if they are valid (abi README section 8, "Framing"). */
static bool plan_manual(const struct headers *headers, int version, struct http1_plan *plan)
{
    long length = headers_find(headers, "content-length", 14, 0);
    long coding = headers_find(headers, "transfer-encoding", 17, 0);
    if ((length < 0) == (coding < 0))
        return false;
    if (length >= 0) {
        const struct header *h = &headers->list[length];
        if (headers_find(headers, "content-length", 14, (size_t)length + 1) >= 0 || !all_digits(h))
            return false;
        plan->delivery = HTTP1_COUNTED;
        plan->length = 0;
        for (uint32_t i = 0; i < h->value_len; i++)
            plan->length = plan->length * 10 + (uint64_t)(h->value[i] - '0');
    } else {
        const struct header *h = &headers->list[coding];
        if (headers_find(headers, "transfer-encoding", 17, (size_t)coding + 1) >= 0 ||
            version < 11 || strcasecmp(h->value, "chunked") != 0)
            return false;
        plan->delivery = HTTP1_IN_CHUNKS;
    }
    plan->manual = true;
    return true;
}

struct http1_plan http1_plan_response(const struct response_head *head, const struct body *body,
                                      int version, bool head_only, bool keep_alive)
{
    struct http1_plan plan = {
        .close = head->close || !keep_alive,
        .bodiless = head_only || head->status == 204 || head->status == 304,
    };
    if (headers_has_token(head->headers, "connection", "close"))
        plan.close = true;
    if (!head->manual_framing || !plan_manual(head->headers, version, &plan)) {
        int64_t known = body_known_length(body);
        plan.delivery = known >= 0      ? HTTP1_COUNTED
                        : version >= 11 ? HTTP1_IN_CHUNKS
                                        : HTTP1_UNTIL_CLOSE;
        plan.length = known >= 0 ? (uint64_t)known : 0;
    }
    if (plan.delivery == HTTP1_UNTIL_CLOSE && !plan.bodiless)
        plan.close = true;
    return plan;
}

/* --- bytes --- */

/* RFC 9110, 5.6.2 tchar, lower case only: names are stored so. */
static const bool token_char[256] = {
    ['!'] = true, ['#'] = true, ['$'] = true, ['%'] = true, ['&'] = true, ['\''] = true,
    ['*'] = true, ['+'] = true, ['-'] = true, ['.'] = true, ['^'] = true, ['_'] = true,
    ['`'] = true, ['|'] = true, ['~'] = true, ['0' ... '9'] = true, ['a' ... 'z'] = true,
};

static bool sendable(const struct header *h)
{
    for (uint32_t i = 0; i < h->name_len; i++)
        if (!token_char[(unsigned char)h->name[i]])
            return false;
    for (uint32_t i = 0; i < h->value_len; i++) {
        unsigned char c = (unsigned char)h->value[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return h->name_len > 0;
}

static bool named(const struct header *h, const char *name, size_t len)
{
    return h->name_len == len && memcmp(h->name, name, len) == 0;
}

/* Of this connection only, or ours to say (RFC 9110, 7.6.1). */
static bool hop_by_hop(const struct header *h, bool manual)
{
    switch (h->name_len) {
    case 2: return named(h, "te", 2);
    case 7: return named(h, "upgrade", 7);
    case 10: return named(h, "connection", 10) || named(h, "keep-alive", 10);
    case 14: return !manual && named(h, "content-length", 14);
    case 16: return named(h, "proxy-connection", 16);
    case 17: return !manual && named(h, "transfer-encoding", 17);
    default: return false;
    }
}

static void put_line(struct buf *out, const struct header *h)
{
    char *p = buf_reserve(out, (size_t)h->name_len + h->value_len + 4);
    if (!p)
        return;
    memcpy(p, h->name, h->name_len);
    p += h->name_len;
    *p++ = ':';
    *p++ = ' ';
    memcpy(p, h->value, h->value_len);
    p += h->value_len;
    *p++ = '\r';
    *p = '\n';
    out->len += (size_t)h->name_len + h->value_len + 4;
}

static void put_number(struct buf *out, uint64_t n)
{
    char text[20], *p = text + sizeof text;
    do
        *--p = (char)('0' + n % 10);
    while ((n /= 10) != 0);
    buf_add(out, p, (size_t)(text + sizeof text - p));
}

static void put_status(struct buf *out, int status)
{
    if (status == 200) {
        buf_add(out, "HTTP/1.1 200 OK\r\n", 17);
        return;
    }
    buf_add(out, "HTTP/1.1 ", 9);
    put_number(out, (uint64_t)status);
    buf_add_char(out, ' ');
    buf_add_str(out, reason_of(status));
    buf_add(out, "\r\n", 2);
}

static void put_framing(struct buf *out, const struct http1_plan *plan, int status)
{
    if (plan->manual || status == 204 || status == 304)
        return;
    /* An answer to HEAD without a body does not tell how long the GET's would be. */
    if (plan->bodiless && plan->length == 0 && plan->delivery == HTTP1_COUNTED)
        return;
    if (plan->delivery == HTTP1_COUNTED) {
        buf_add(out, "content-length: ", 16);
        put_number(out, plan->length);
        buf_add(out, "\r\n", 2);
    } else if (plan->delivery == HTTP1_IN_CHUNKS && !plan->bodiless) {
        buf_add(out, "transfer-encoding: chunked\r\n", 28);
    }
}

void http1_put_head(struct buf *out, const struct response_head *head,
                    const struct http1_plan *plan, int version, const char *date)
{
    bool dated = false;
    /* A 204 has no framing headers at all (RFC 9110, 8.6); a 304 may have the handler's. */
    bool keep_framing = plan->manual && head->status != 204;
    put_status(out, head->status);
    for (size_t i = 0; i < head->headers->count; i++) {
        const struct header *h = &head->headers->list[i];
        if (!sendable(h) || hop_by_hop(h, keep_framing))
            continue;
        dated = dated || named(h, "date", 4);
        put_line(out, h);
    }
    put_framing(out, plan, head->status);
    if (plan->close && version >= 11)
        buf_add(out, "connection: close\r\n", 19);
    if (!plan->close && version < 11)
        buf_add(out, "connection: keep-alive\r\n", 24);
    if (!dated) {
        buf_add(out, "date: ", 6);
        buf_add(out, date, 29);
        buf_add(out, "\r\n", 2);
    }
    buf_add(out, "\r\n", 2);
}

void http1_put_interim(struct buf *out, int status, const struct headers *headers)
{
    put_status(out, status);
    for (size_t i = 0; headers && i < headers->count; i++)
        if (sendable(&headers->list[i]) && !hop_by_hop(&headers->list[i], false))
            put_line(out, &headers->list[i]);
    buf_add(out, "\r\n", 2);
}

void http1_put_switch(struct buf *out, const struct headers *headers)
{
    long protocol = headers_find(headers, "upgrade", 7, 0);
    put_status(out, 101);
    if (protocol >= 0 && sendable(&headers->list[protocol]))
        put_line(out, &headers->list[protocol]);
    buf_add(out, "connection: Upgrade\r\n", 21);
    for (size_t i = 0; i < headers->count; i++)
        if (sendable(&headers->list[i]) && !hop_by_hop(&headers->list[i], false))
            put_line(out, &headers->list[i]);
    buf_add(out, "\r\n", 2);
}

void http1_put_trailers(struct buf *out, const struct headers *trailers)
{
    buf_add(out, "0\r\n", 3);
    for (size_t i = 0; i < trailers->count; i++)
        if (sendable(&trailers->list[i]) && !hop_by_hop(&trailers->list[i], false))
            put_line(out, &trailers->list[i]);
    buf_add(out, "\r\n", 2);
}
