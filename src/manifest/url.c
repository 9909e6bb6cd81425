/* SPDX-License-Identifier: Apache-2.0 */
/* The URLs of backends: just the parts a backend has, with messages that say what is wrong. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"
#include "manifest/keys.h"

static bool is_reg_name(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)s[i];
        if (!isalnum(c) && !strchr("-._~%!$&'()*+,;=", c) && c < 0x80)
            return false;
    }
    return len > 0;
}

static const char *split_port(const char *s, size_t len, struct url_parts *u)
{
    if (len == 0)
        return NULL;
    if (s[0] != ':')
        return "the host is not valid";
    if (len == 1)
        return NULL;
    unsigned long port = 0;
    for (size_t i = 1; i < len; i++) {
        if (!isdigit((unsigned char)s[i]))
            return "the port is not a number";
        port = port * 10 + (unsigned long)(s[i] - '0');
        if (port > 65535)
            return "the port is above 65535";
    }
    if (port == 0)
        return "the port is 0";
    u->port = (uint16_t)port;
    return NULL;
}

static const char *split_authority(const char *s, size_t len, struct url_parts *u)
{
    if (memchr(s, '@', len))
        return "credentials do not belong in a URL; send a header";
    const char *host = s, *end = s + len;
    size_t host_len;
    if (len && s[0] == '[') {
        const char *close = memchr(s, ']', len);
        if (!close)
            return "'[' is not closed";
        host = s + 1;
        host_len = (size_t)(close - host);
        end = close + 1;
    } else {
        const char *colon = memchr(s, ':', len);
        end = colon ? colon : end;
        host_len = (size_t)(end - s);
    }
    if (host_len == 0)
        return "it has no host";
    if (host_len >= sizeof u->host)
        return "the host is longer than 255 bytes";
    memcpy(u->host, host, host_len);
    u->host[host_len] = '\0';
    struct in6_addr six;
    if (host != s ? inet_pton(AF_INET6, u->host, &six) != 1 : !is_reg_name(host, host_len))
        return "the host is not valid";
    return split_port(end, (size_t)(s + len - end), u);
}

const char *url_split(const char *url, struct url_parts *ret)
{
    *ret = (struct url_parts){0};
    if (strncasecmp(url, "http://", 7) == 0) {
        ret->port = 80;
        url += 7;
    } else if (strncasecmp(url, "https://", 8) == 0) {
        ret->tls = true;
        ret->port = 443;
        url += 8;
    } else {
        return "it must begin with http:// or https://";
    }
    for (const char *p = url; *p; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f)
            return "it has a space or control character in it";
    }
    size_t authority = strcspn(url, "/?#");
    const char *why = split_authority(url, authority, ret);
    if (why)
        return why;
    const char *path = url + authority;
    size_t len = strcspn(path, "?#");
    ret->extra = path[len] != '\0';
    while (len > 0 && path[len - 1] == '/')
        len--;
    if (len >= sizeof ret->prefix)
        return "the path is longer than 1023 bytes";
    memcpy(ret->prefix, path, len);
    ret->prefix[len] = '\0';
    return NULL;
}

const char *url_split_own_path(const char *path, struct url_parts *ret)
{
    cleanup(free_p) char *url = xasprintf("http://127.0.0.1%s", path);
    return url_split(url, ret);
}

const char *rule_any_url(const char *s)
{
    struct url_parts parts;
    if (strncasecmp(s, "http://", 7) == 0 || strncasecmp(s, "https://", 8) == 0)
        return url_split(s, &parts);
    size_t scheme = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    bool ok = scheme > 0 && isalpha((unsigned char)s[0]) && s[scheme] == ':';
    return ok ? NULL : "it has no scheme";
}
