/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base64.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t len)
{
    const uint8_t *in = data;
    char *text = xmalloc(len / 3 * 4 + 5);
    char *out = text;
    for (size_t i = 0; i < len; i += 3) {
        size_t n = len - i < 3 ? len - i : 3;
        uint32_t v = (uint32_t)in[i] << 16;
        if (n > 1)
            v |= (uint32_t)in[i + 1] << 8;
        if (n > 2)
            v |= in[i + 2];
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = n > 1 ? alphabet[v >> 6 & 63] : '=';
        *out++ = n > 2 ? alphabet[v & 63] : '=';
    }
    *out = '\0';
    return text;
}

static int digit(char c)
{
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

void *base64_decode(const char *text, size_t len, size_t *ret_len)
{
    if (len % 4)
        return NULL;
    size_t pad = len && text[len - 1] == '=' ? 1 + (text[len - 2] == '=') : 0;
    cleanup(free_p) uint8_t *data = xmalloc(len / 4 * 3 + 1);
    size_t n = 0;
    uint32_t v = 0;
    for (size_t i = 0; i < len; i++) {
        int d = i >= len - pad ? 0 : digit(text[i]);
        if (d < 0)
            return NULL;
        v = v << 6 | (uint32_t)d;
        if (i % 4 < 3)
            continue;
        data[n++] = (uint8_t)(v >> 16);
        data[n++] = (uint8_t)(v >> 8);
        data[n++] = (uint8_t)v;
        if (i + 1 < len)
            v = 0;
    }
    if (pad && (v & (pad == 1 ? 0xff : 0xffff)))
        return NULL;
    n -= pad;
    data[n] = '\0';
    *ret_len = n;
    return TAKE(data);
}
