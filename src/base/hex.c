/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hex.h"

#include <string.h>

static const char digits_lower[] = "0123456789abcdef";

int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

void hex_encode(const uint8_t *data, size_t len, char *ret_hex)
{
    for (size_t i = 0; i < len; i++) {
        ret_hex[2 * i] = digits_lower[data[i] >> 4];
        ret_hex[2 * i + 1] = digits_lower[data[i] & 15];
    }
    ret_hex[2 * len] = '\0';
}

bool hex_is(const char *text, size_t digits)
{
    return text && strlen(text) == digits && strspn(text, digits_lower) == digits;
}
