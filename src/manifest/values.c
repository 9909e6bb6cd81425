/* SPDX-License-Identifier: Apache-2.0 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/utf8.h"
#include "manifest/keys.h"

/* Digits with at most one dot; no sign, exponent, hex or locale. *end is what follows. */
static bool decimal(const char *s, double *ret, const char **end)
{
    double value = 0, scale = 1;
    size_t digits = 0;
    bool dot = false;
    for (; isdigit((unsigned char)*s) || (*s == '.' && !dot); s++) {
        if (*s == '.') {
            dot = true;
            continue;
        }
        if (++digits > 18)
            return false;
        value = value * 10 + (*s - '0');
        if (dot)
            scale *= 10;
    }
    *ret = value / scale;
    *end = s;
    return digits > 0 && s[-1] != '.';
}

bool value_percent(const char *s, double *ret)
{
    const char *end;
    return decimal(s, ret, &end) && strcmp(end, "%") == 0;
}

bool value_number(const char *s, double *ret)
{
    const char *end;
    return decimal(s, ret, &end) && *end == '\0';
}

bool value_int(const char *s, int64_t *ret)
{
    char *end;
    errno = 0;
    long long v = strtoll(s, &end, 10);
    *ret = v;
    return errno == 0 && end != s && *end == '\0' && !isspace((unsigned char)*s);
}

size_t text_chars(const char *s, size_t len)
{
    size_t chars = 0;
    for (size_t i = 0; i < len; i++)
        chars += ((unsigned char)s[i] & 0xC0) != 0x80;
    return chars;
}

static bool contains(const char *s, size_t len, const char *part)
{
    return memmem(s, len, part, strlen(part)) != NULL;
}

static bool ends_with(const char *s, size_t len, const char *end)
{
    size_t n = strlen(end);
    return len >= n && memcmp(s + len - n, end, n) == 0;
}

const char *rule_kv_key(const char *s, size_t len)
{
    static const char acme[] = ".well-known/acme-challenge";
    if (len == 0)
        return "a key cannot be empty";
    if (len > 1024)
        return "a key cannot be longer than 1024 bytes";
    if (!utf8_valid(s, len) || memchr(s, '\0', len))
        return "a key must be UTF-8 text without NUL";
    if (len >= sizeof acme - 1 && memcmp(s, acme, sizeof acme - 1) == 0)
        return "a key cannot start with .well-known/acme-challenge";
    if (contains(s, len, "../") || ends_with(s, len, "/..") ||
        (len == 2 && ends_with(s, len, "..")))
        return "a key cannot have a part '..'";
    if (contains(s, len, "./") || ends_with(s, len, "/.") || (len == 1 && s[0] == '.'))
        return "a key cannot have a part '.'";
    for (size_t i = 0; i < len; i++) {
        if (strchr("\r\n#;?^|", s[i]))
            return "a key cannot contain any of CR LF # ; ? ^ |";
    }
    if (len == 1 && (unsigned char)s[0] <= ' ')
        return "a key cannot be a single space or control character";
    return NULL;
}

static bool name_chars(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (!isalnum((unsigned char)s[i]) && !strchr("-_.", s[i]))
            return false;
    }
    return len > 0 && !memchr(s, '\0', len);
}

const char *rule_name(const char *s, size_t len)
{
    return name_chars(s, len) ? NULL : "only letters, digits, '-', '_' and '.' are allowed";
}

const char *rule_secret_name(const char *s, size_t len)
{
    if (len > 255)
        return "a name cannot be longer than 255 bytes";
    return rule_name(s, len);
}

const char *rule_header(const char *s)
{
    bool blank = true;
    for (; *s; s++) {
        if (((unsigned char)*s < ' ' && *s != '\t') || *s == 0x7f)
            return "it has a control character in it";
        blank = blank && (*s == ' ' || *s == '\t');
    }
    return blank ? "it is empty" : NULL;
}

const char *rule_host(const char *s)
{
    if (strstr(s, "://") || strchr(s, '/'))
        return "a host name is expected, without scheme or path";
    if (s[strcspn(s, " \t@?#")])
        return "a host name is expected";
    return rule_header(s);
}

const char *rule_route(const char *s)
{
    if (strstr(s, "://"))
        return "a route is HOST/PATH, without a scheme";
    size_t len = strcspn(s, "/");
    cleanup(free_p) char *host = xstrndup(s, len);
    const char *name = host[0] == '*' ? host + 1 : host, *path = s + len;
    name += name[0] == '.' && name != host;
    if (!*path)
        return "a route has a path: HOST/* is the whole host";
    if (strchr(name, '*') || !strchr(name, '.'))
        return "its host is a name of a zone, or '*' and such a name";
    if (path[strcspn(path, "*")] && path[strcspn(path, "*") + 1])
        return "a '*' may stand at the end of its path only";
    return path[strcspn(path, " \t?#")] ? "a route has no query and no blanks" : rule_host(name);
}
