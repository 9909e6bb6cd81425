/* SPDX-License-Identifier: Apache-2.0 */
/* What providers allow: the one table, limits.def. Bundles are checked against it, and
 * `edgectl dev --limits` holds guests to it. */
#ifndef EDGECTL_BUNDLE_LIMITS_H
#define EDGECTL_BUNDLE_LIMITS_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "manifest/target.h"

enum limit_profile {
    LIMITS_NONE,
    LIMITS_CLOUDFLARE,
    LIMITS_CLOUDFLARE_FREE,
    LIMITS_FASTLY,
    LIMITS_LAMBDA_EDGE,
    LIMITS_LAMBDA_EDGE_VIEWER,
    LIMITS_VERCEL,
    LIMITS_COUNT,
};

enum limit_kind {
    LIMIT_PACKAGE,          /* bytes of the package file */
    LIMIT_CODE_RAW,         /* bytes of all modules, or of the unpacked function */
    LIMIT_CODE_GZIP,        /* the same compressed */
    LIMIT_STARTUP,          /* ms of CPU before the first request */
    LIMIT_CPU,              /* ms of one request */
    LIMIT_CPU_ASKED,        /* ms that a manifest may ask for */
    LIMIT_WALL,             /* ms of one request */
    LIMIT_MEMORY,           /* bytes of one guest */
    LIMIT_SUBREQUESTS,      /* requests to backends, of one request */
    LIMIT_LOOKUPS,          /* in config stores, of one request */
    LIMIT_URL,              /* bytes */
    LIMIT_HEADER,           /* bytes of one request header, its name included */
    LIMIT_HEADERS,          /* of all */
    LIMIT_REQUEST_BODY,     /* bytes */
    LIMIT_RESPONSE_BODY,    /* bytes of an answer that the guest makes */
    LIMIT_VARIABLES,        /* variables and secrets */
    LIMIT_VARIABLE,         /* bytes of one */
    LIMIT_VARIABLES_BYTES,  /* bytes of all */
    LIMIT_KV_OPERATIONS,    /* of one request */
    LIMIT_KV_KEY,           /* bytes */
    LIMIT_KV_VALUE,
    LIMIT_KV_METADATA,
    LIMIT_CONFIG_ITEMS,     /* of one store */
    LIMIT_CONFIG_KEY,       /* characters */
    LIMIT_CONFIG_VALUE,
    LIMIT_SECRET,           /* bytes */
    LIMIT_KINDS,
};

struct limit {
    enum limit_profile profile;
    enum limit_kind kind;
    uint64_t value;
    const char *date, *source, *advice;
};

/* NULL: nothing is said to limit that. Static. */
const struct limit *limit_find(enum limit_profile profile, enum limit_kind kind);
/* Row i of the whole table, NULL past its end. */
const struct limit *limit_row(size_t i);

/* "cloudflare-free", for options and messages. */
const char *limit_profile_name(enum limit_profile profile);
/* LIMITS_NONE for a word that is none. */
enum limit_profile limit_profile_named(const char *name);
/* The profile that a bundle for this provider must keep to; LIMITS_NONE: none. */
enum limit_profile limit_profile_of(enum manifest_provider provider);

/* What a kind is: "a request's URL". */
const char *limit_kind_text(enum limit_kind kind);
/* "95.4 MiB (100000000 bytes)", "50ms", "32": as people say it. */
enum { LIMIT_TEXT_MAX = 64 };
char *limit_text(enum limit_kind kind, uint64_t value, char to[LIMIT_TEXT_MAX]);
/* 0 if `value` keeps the limit (or there is none). Else -ERR_LIMIT: `what` ("the package", with
 * its verb: "the package is"), both numbers, the date and the advice. */
must_use int limit_check(enum limit_profile profile, enum limit_kind kind, uint64_t value,
                         const char *what, struct err *err);

#endif
