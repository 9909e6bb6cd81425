/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of a JSON object, for the few that a router needs: text and whole numbers. Text that is
 * not an object has none. */
#ifndef ROUTER_FLAT_JSON_H
#define ROUTER_FLAT_JSON_H

#include <errno.h>

#include "edge.h"

/* At a string's opening quote: the place behind its end, NULL if it has none. */
static inline const char *flat_json_skip_(const char *p)
{
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && !*++p)
            return NULL;
    return *p ? p + 1 : NULL;
}

static inline const char *flat_json_blank_(const char *p)
{
    return p + strspn(p, " \t\r\n");
}

/* At a value: the place behind the comma that ends it, NULL if there is none. */
static inline const char *flat_json_next_(const char *p)
{
    int depth = 0;
    while (p && *p && (depth > 0 || *p != ',')) {
        depth += (*p == '{' || *p == '[') - (*p == '}' || *p == ']');
        p = *p == '"' ? flat_json_skip_(p) : p + 1;
    }
    return p && *p ? flat_json_blank_(p + 1) : NULL;
}

/* The text of a field's value, where it begins; NULL if there is no such field. */
static inline const char *flat_json_find_(const char *json, const char *name)
{
    size_t len = strlen(name);
    const char *p = flat_json_blank_(json);
    if (*p != '{')
        return NULL;
    p = flat_json_blank_(p + 1);
    while (p && *p == '"') {
        const char *key = p + 1, *end = flat_json_skip_(p);
        if (!end)
            return NULL;
        p = flat_json_blank_(end);
        if (*p != ':')
            return NULL;
        p = flat_json_blank_(p + 1);
        if ((size_t)(end - 1 - key) == len && memcmp(key, name, len) == 0)
            return p;
        p = flat_json_next_(p);
    }
    return NULL;
}

/* UTF-8 of one code point. */
static inline char *flat_json_put_(char *to, uint32_t c)
{
    if (c < 0x80) {
        *to++ = (char)c;
        return to;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    *to++ = (char)((0xf80 >> more & 0xff) | c >> 6 * more);
    while (more-- > 0)
        *to++ = (char)(0x80 | (c >> 6 * more & 0x3f));
    return to;
}

/* Behind a backslash and 'u': the value of four hex digits, -1 if they are not there. */
static inline int flat_json_unit_(const char *p)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = edge_hex_(p[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* The text of a string field; NULL if there is none, or none that is well formed. From malloc. */
static inline char *flat_json_text(const char *json, const char *name)
{
    const char *p = flat_json_find_(json, name);
    if (!p || *p != '"' || !flat_json_skip_(p))
        return NULL;
    char *text = (char *)edge_alloc_(strlen(p) + 1), *to = text;
    for (p++; *p != '"'; p++) {
        static const char from[] = "\"\\/bfnrt", is[] = "\"\\/\b\f\n\r\t";
        if (*p != '\\') {
            *to++ = *p;
            continue;
        }
        const char *simple = strchr(from, *++p);
        if (simple) {
            *to++ = is[simple - from];
            continue;
        }
        int unit = *p == 'u' ? flat_json_unit_(p + 1) : -1;
        if (unit <= 0)
            return NULL;
        uint32_t c = (uint32_t)unit;
        p += 4;
        if (c >= 0xd800 && c < 0xe000) {
            int low = p[1] == '\\' && p[2] == 'u' ? flat_json_unit_(p + 3) : -1;
            if (c >= 0xdc00 || low < 0xdc00 || low > 0xdfff)
                return NULL;
            c = 0x10000 + ((c - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
            p += 6;
        }
        to = flat_json_put_(to, c);
    }
    *to = '\0';
    return text;
}

/* The value of a field that is a whole number. */
static inline bool flat_json_number(const char *json, const char *name, long *ret)
{
    const char *p = flat_json_find_(json, name);
    if (!p || (*p != '-' && (*p < '0' || *p > '9')))
        return false;
    char *end;
    errno = 0;
    long value = strtol(p, &end, 10);
    if (errno || end == p || !strchr(",} \t\r\n", *end) || !*end)
        return false;
    *ret = value;
    return true;
}

#endif
