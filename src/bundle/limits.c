/* SPDX-License-Identifier: Apache-2.0 */
#include "bundle/limits.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include "base/units.h"

static const struct limit rows[] = {
#define LIMIT(profile, kind, value, date, source, advice) \
    {LIMITS_##profile, LIMIT_##kind, value, date, source, advice},
#include "bundle/limits.def"
#undef LIMIT
};

static const struct {
    const char *name;
    enum limit_profile narrows;     /* has the rows that this one lacks */
} profiles[LIMITS_COUNT] = {
    [LIMITS_CLOUDFLARE] = {"cloudflare", LIMITS_NONE},
    [LIMITS_CLOUDFLARE_FREE] = {"cloudflare-free", LIMITS_CLOUDFLARE},
    [LIMITS_FASTLY] = {"fastly", LIMITS_NONE},
    [LIMITS_LAMBDA_EDGE] = {"lambda-edge", LIMITS_NONE},
    [LIMITS_LAMBDA_EDGE_VIEWER] = {"lambda-edge-viewer", LIMITS_LAMBDA_EDGE},
    [LIMITS_VERCEL] = {"vercel", LIMITS_NONE},
};

const struct limit *limit_row(size_t i)
{
    return i < ARRAY_LEN(rows) ? &rows[i] : NULL;
}

const struct limit *limit_find(enum limit_profile profile, enum limit_kind kind)
{
    for (; profile != LIMITS_NONE; profile = profiles[profile].narrows)
        for (size_t i = 0; i < ARRAY_LEN(rows); i++)
            if (rows[i].profile == profile && rows[i].kind == kind)
                return &rows[i];
    return NULL;
}

const char *limit_profile_name(enum limit_profile profile)
{
    return profiles[profile].name;
}

enum limit_profile limit_profile_named(const char *name)
{
    for (int i = LIMITS_NONE + 1; i < LIMITS_COUNT; i++)
        if (strcmp(profiles[i].name, name) == 0)
            return (enum limit_profile)i;
    return LIMITS_NONE;
}

enum limit_profile limit_profile_of(enum manifest_provider provider)
{
    static const enum limit_profile of[PROVIDER_COUNT] = {
        [PROVIDER_LOCAL] = LIMITS_NONE, [PROVIDER_CLOUDFLARE] = LIMITS_CLOUDFLARE,
        [PROVIDER_FASTLY] = LIMITS_FASTLY, [PROVIDER_AWS] = LIMITS_LAMBDA_EDGE,
        [PROVIDER_VERCEL] = LIMITS_VERCEL,
    };
    return of[provider];
}

/* --- in words --- */

static bool is_time(enum limit_kind kind)
{
    return kind == LIMIT_STARTUP || kind == LIMIT_CPU || kind == LIMIT_CPU_ASKED ||
           kind == LIMIT_WALL;
}

static bool is_count(enum limit_kind kind)
{
    return kind == LIMIT_SUBREQUESTS || kind == LIMIT_LOOKUPS || kind == LIMIT_CONNECTIONS ||
           kind == LIMIT_VARIABLES || kind == LIMIT_CONFIG_ITEMS;
}

char *limit_text(enum limit_kind kind, uint64_t value, char to[LIMIT_TEXT_MAX])
{
    char text[UNIT_TEXT_MAX];
    if (is_time(kind))
        snprintf(to, LIMIT_TEXT_MAX, "%s", format_duration((int64_t)value, text));
    else if (is_count(kind))
        snprintf(to, LIMIT_TEXT_MAX, "%" PRIu64, value);
    else if (value < 100000)
        snprintf(to, LIMIT_TEXT_MAX, "%" PRIu64 " bytes", value);
    else
        snprintf(to, LIMIT_TEXT_MAX, "%s (%" PRIu64 " bytes)", format_size(value, text), value);
    return to;
}

int limit_check(enum limit_profile profile, enum limit_kind kind, uint64_t value, const char *what,
                struct err *err)
{
    const struct limit *l = limit_find(profile, kind);
    char is[LIMIT_TEXT_MAX], allowed[LIMIT_TEXT_MAX];
    if (!l || value <= l->value)
        return 0;
    err_set(err, ERR_LIMIT, "%s %s; %s allows %s (%s, %s)", what, limit_text(kind, value, is),
            limit_profile_name(profile), limit_text(kind, l->value, allowed), l->source, l->date);
    err_hint(err, "%s", l->advice);
    return -ERR_LIMIT;
}
