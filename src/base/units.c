/* SPDX-License-Identifier: Apache-2.0 */
#include "base/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/cleanup.h"

struct unit {
    const char *name;
    int64_t factor;
};

static const struct unit durations[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
};

static const struct unit sizes[] = {
    {"", 1},         {"B", 1},
    {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
    {"kB", 1000},    {"KB", 1000},    {"MB", 1000000}, {"GB", 1000000000},
};

/* digits[.digits]unit; the fraction must come out whole. */
static bool parse_unit(const char *text, const struct unit *units, size_t count, int64_t *ret)
{
    int64_t whole = 0, fraction = 0, scale = 1;
    const char *p = text;
    for (; *p >= '0' && *p <= '9'; p++)
        if (__builtin_mul_overflow(whole, 10, &whole) ||
            __builtin_add_overflow(whole, *p - '0', &whole))
            return false;
    if (p == text)
        return false;
    if (*p == '.') {
        const char *digits = ++p;
        for (; *p >= '0' && *p <= '9' && p - digits < 9; p++) {
            fraction = fraction * 10 + (*p - '0');
            scale *= 10;
        }
        if (p == digits)
            return false;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t total, part;
        if (strcmp(p, units[i].name) != 0)
            continue;
        if (__builtin_mul_overflow(fraction, units[i].factor, &part) || part % scale != 0 ||
            __builtin_mul_overflow(whole, units[i].factor, &total) ||
            __builtin_add_overflow(total, part / scale, &total))
            return false;
        *ret = total;
        return true;
    }
    return false;
}

bool parse_duration(const char *text, int64_t *ret_ms)
{
    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return true;
    }
    return parse_unit(text, durations, ARRAY_LEN(durations), ret_ms);
}

bool parse_size(const char *text, int64_t *ret_bytes)
{
    return parse_unit(text, sizes, ARRAY_LEN(sizes), ret_bytes);
}

char *format_duration(int64_t ms, char to[UNIT_TEXT_MAX])
{
    size_t best = 0;
    for (size_t i = 0; i < ARRAY_LEN(durations); i++)
        if (ms && ms % durations[i].factor == 0)
            best = i;
    if (ms == 0)
        best = 1;
    snprintf(to, UNIT_TEXT_MAX, "%" PRId64 "%s", ms / durations[best].factor, durations[best].name);
    return to;
}

char *format_size(uint64_t bytes, char to[UNIT_TEXT_MAX])
{
    static const char *const names[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t i = 0;
    double n = (double)bytes;
    while (n >= 1024 && i + 1 < ARRAY_LEN(names)) {
        n /= 1024;
        i++;
    }
    snprintf(to, UNIT_TEXT_MAX, i && n < 100 ? "%.1f %s" : "%.0f %s", n, names[i]);
    return to;
}
