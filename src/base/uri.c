/* SPDX-License-Identifier: Apache-2.0 */
#include "base/uri.h"

#include <string.h>
#include "base/hex.h"

enum { URI_MAX = 65534 };

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* What user agents really put into paths: everything visible but the characters that would end or
 * break a request line; bytes over 0x7f are let through as they come. */
static bool path_char(unsigned char c)
{
    return c > 0x20 && c != 0x7f && !strchr("<>\\^`", c);
}

static bool authority_char(char c)
{
    return is_alpha(c) || is_digit(c) || (c && strchr("-._~!$&'()*+,;=:@[]%", c));
}

static size_t scheme_length(const char *text, size_t len)
{
    size_t i = 0;
    while (i < len && (is_alpha(text[i]) || (i && (is_digit(text[i]) || strchr("+-.", text[i])))))
        i++;
    return i && len - i >= 3 && memcmp(text + i, "://", 3) == 0 ? i : 0;
}

bool uri_parse(const char *text, size_t len, struct uri *ret)
{
    *ret = (struct uri){0};
    if (len == 0 || len > URI_MAX)
        return false;
    size_t scheme = scheme_length(text, len);
    size_t at = 0;
    if (scheme) {
        ret->scheme = text;
        ret->scheme_len = scheme;
        at = scheme + 3;
        ret->authority = text + at;
        while (at < len && authority_char(text[at]))
            at++;
        ret->authority_len = (size_t)(text + at - ret->authority);
        if (ret->authority_len == 0)
            return false;
        if (at < len && !strchr("/?#", text[at]))
            return false;
    } else if (text[0] != '/' && !(len == 1 && text[0] == '*')) {
        return false;
    }
    ret->path = text + at;
    while (at < len && text[at] != '#') {
        if (!path_char((unsigned char)text[at]))
            return false;
        at++;
    }
    ret->path_len = (size_t)(text + at - ret->path);
    return true;
}

static bool parse_port(const char *text, size_t len, int *ret)
{
    int port = 0;
    if (len == 0 || len > 5)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i]))
            return false;
        port = port * 10 + (text[i] - '0');
    }
    *ret = port;
    return port > 0 && port <= 65535;
}

bool uri_split_host(const char *text, size_t len, struct uri_host *ret)
{
    *ret = (struct uri_host){.host = text, .host_len = len};
    if (len && text[0] == '[') {
        const char *end = memchr(text, ']', len);
        if (!end || end == text + 1)
            return false;
        ret->host = text + 1;
        ret->host_len = (size_t)(end - text - 1);
        ret->literal6 = true;
        for (size_t i = 0; i < ret->host_len; i++)
            if (!is_digit(ret->host[i]) && !strchr("abcdefABCDEF:.", ret->host[i]))
                return false;
        size_t rest = len - (size_t)(end + 1 - text);
        if (rest == 0)
            return true;
        return end[1] == ':' && parse_port(end + 2, rest - 1, &ret->port);
    }
    const char *colon = memchr(text, ':', len);
    if (colon) {
        ret->host_len = (size_t)(colon - text);
        if (!parse_port(colon + 1, len - ret->host_len - 1, &ret->port))
            return false;
    }
    for (size_t i = 0; i < ret->host_len; i++)
        if (!authority_char(text[i]) || strchr(":@[]", text[i]))
            return false;
    return ret->host_len > 0;
}

bool uri_decode(char *text)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        int high, low;
        if (*p != '%') {
            *to++ = *p;
            continue;
        }
        high = hex_digit(p[1]);
        low = high < 0 ? -1 : hex_digit(p[2]);
        if (low < 0 || high * 16 + low == 0)
            return false;
        *to++ = (char)(high * 16 + low);
        p += 2;
    }
    *to = '\0';
    return true;
}
