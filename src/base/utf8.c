/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <string.h>
#include "base/mem.h"

/* Length of the sequence at p, 0 if bad. */
static size_t sequence(const unsigned char *p, size_t left)
{
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || left < n)
        return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)
        || (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

bool utf8_valid(const void *text, size_t len)
{
    const unsigned char *p = text;
    for (size_t i = 0; i < len;) {
        size_t n = sequence(p + i, len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

size_t utf8_cut(const void *text, size_t len, size_t max)
{
    const unsigned char *p = text;
    if (len <= max)
        return len;
    while (max > 0 && (p[max] & 0xc0) == 0x80)
        max--;
    return max;
}

char *utf8_clean(const char *text)
{
    size_t len = strlen(text);
    char *copy = xstrdup(text);
    for (size_t i = 0; i < len;) {
        size_t n = sequence((const unsigned char *)copy + i, len - i);
        if (n == 0)
            copy[i] = '?';
        i += n ? n : 1;
    }
    return copy;
}
