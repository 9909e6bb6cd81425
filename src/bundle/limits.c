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
    return kind == LIMIT_SUBREQUESTS || kind == LIMIT_LOOKUPS ||
           kind == LIMIT_KV_OPERATIONS || kind == LIMIT_VARIABLES || kind == LIMIT_CONFIG_ITEMS;
}

const char *limit_kind_text(enum limit_kind kind)
{
    static const char *const texts[LIMIT_KINDS] = {
        [LIMIT_PACKAGE] = "package file", [LIMIT_CODE_RAW] = "all files, unpacked",
        [LIMIT_CODE_GZIP] = "all modules, compressed", [LIMIT_STARTUP] = "CPU of a start",
        [LIMIT_CPU] = "CPU of a request", [LIMIT_CPU_ASKED] = "limits.cpu at most",
        [LIMIT_WALL] = "time of a request", [LIMIT_MEMORY] = "memory of a guest",
        [LIMIT_SUBREQUESTS] = "requests to backends", [LIMIT_LOOKUPS] = "lookups in config stores",
        [LIMIT_URL] = "URL", [LIMIT_HEADER] = "one request header",
        [LIMIT_HEADERS] = "all request headers", [LIMIT_REQUEST_BODY] = "request body",
        [LIMIT_RESPONSE_BODY] = "answer of a guest", [LIMIT_VARIABLES] = "variables and secrets",
        [LIMIT_VARIABLE] = "one variable", [LIMIT_VARIABLES_BYTES] = "all variables",
        [LIMIT_KV_OPERATIONS] = "operations in KV", [LIMIT_KV_KEY] = "KV key",
        [LIMIT_KV_VALUE] = "KV value",
        [LIMIT_KV_METADATA] = "KV metadata", [LIMIT_CONFIG_ITEMS] = "keys of a config store",
        [LIMIT_CONFIG_KEY] = "config key", [LIMIT_CONFIG_VALUE] = "config value",
        [LIMIT_SECRET] = "a secret",
    };
    return texts[kind];
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
