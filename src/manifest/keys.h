/* SPDX-License-Identifier: Apache-2.0 */
/* The key tables, and the check of a tree against one. */
#ifndef EDGECTL_MANIFEST_KEYS_H
#define EDGECTL_MANIFEST_KEYS_H

#include <stdint.h>
#include "manifest/load.h"
#include "manifest/rules.h"

enum key_type {
    KT_TEXT = 1 << 0,
    KT_NAME = 1 << 1,           /* letters, digits, '-', '_', '.' */
    KT_BOOL = 1 << 2,
    KT_INT = 1 << 3,
    KT_NUMBER = 1 << 4,
    KT_DURATION = 1 << 5,
    KT_SIZE = 1 << 6,
    KT_PERCENT = 1 << 7,
    KT_PATH = 1 << 8,           /* of a file or directory */
    KT_PEM = 1 << 9,            /* a path, or text that begins with -----BEGIN */
    KT_URL = 1 << 10,           /* http or https, with a host */
    KT_ANY_URL = 1 << 11,       /* any scheme */
    KT_HOST = 1 << 12,
    KT_HEADER = 1 << 13,        /* text that may stand in an HTTP header, not blank */
    KT_ENUM = 1 << 14,
    KT_NULL = 1 << 15,          /* nothing at all is fine */
    KT_LIST = 1 << 16,
    KT_MAP = 1 << 17,           /* of known keys */
    KT_DICT = 1 << 18,          /* of names the user chooses; `max` is their length in characters */
    KT_ANY_MAP = 1 << 19,       /* whatever is inside */
    KT_SCALARS = (1 << 15) - 1,
};

enum {
    KEY_REQUIRED = 1 << 0,
    KEY_OPEN = 1 << 1,          /* unknown keys are let pass */
    KEY_HINTS = 1 << 2,         /* ... with a warning */
    KEY_SECRET = 1 << 3,        /* never quote the value */
    KEY_REMOTE = 1 << 4,        /* in a target, text is the provider's id for it */
    KEY_KV_KEYS = 1 << 5,       /* rules for a dict's names */
    KEY_SECRET_NAMES = 1 << 6,
    KEY_URL_PATHS = 1 << 7,
    KEY_ADDRESSES = 1 << 8,     /* address or prefix */
    KEY_PLAIN_ADDRESSES = 1 << 9,
    KEY_BYTES = 1 << 10,        /* text that may have NUL in it */
    KEY_OWN_PATH = 1 << 11,     /* KT_URL: or a path on edgectl's own server, "/..." */
    KEY_ROUTE = 1 << 12,        /* a pattern of URLs: "*.example.com/api/" and a '*' */
};

struct manifest_key {
    const char *path;
    unsigned types;
    const char *dflt;           /* NULL: none */
    const char *text;
    int64_t min, max;           /* max 0: no limit */
    const char *choices;        /* KT_ENUM: "a|b|c" */
    const char *provider;       /* only with this one, "a" or "a|b" */
    unsigned flags;
};

struct key_table {
    const struct manifest_key *keys;
    size_t count;
};

extern const struct key_table edge_keys, fastly_keys;

const struct manifest_key *key_find(const struct key_table *t, const char *path);

/* Check the shape and values of a whole tree; values are written for whoever reads the tree:
 * a node that is not bad has one of the types of its key. */
void keys_check(struct load *l, const struct key_table *t, struct node *root);
/* Required keys; run after a target has been merged. */
void keys_check_required(struct load *l, const struct key_table *t, struct node *root);
/* What is expected at a key, in words ("a duration such as 50ms, 5s or 10m"). */
void key_expected(const struct manifest_key *k, char *to, size_t cap);
/* "a|b|c" as "a, b or c". */
void key_choices(const char *choices, char *to, size_t cap);
/* A limit in the key's own unit ("50ms", "128MiB"). */
void key_limit(const struct manifest_key *k, int64_t value, char *to, size_t cap);

/* --- values beside those of base/units.h (values.c). False when the text is not one. --- */
bool value_percent(const char *s, double *ret);
bool value_number(const char *s, double *ret);
bool value_int(const char *s, int64_t *ret);

/* --- more rules in the form of rules.h --- */
const char *rule_name(const char *s, size_t len);
const char *rule_host(const char *s);
/* Of a Worker: host, with a leading '*' or not, and path, with a '*' at its end or not. */
const char *rule_route(const char *s);
const char *rule_header(const char *s);

/* --- URLs --- */
struct url_parts {
    bool tls;
    char host[256];             /* without brackets */
    uint16_t port;
    char prefix[1024];          /* "" or "/..." without trailing slash */
    bool extra;                 /* query or fragment, which a backend does not use */
};

/* NULL when it is an http or https URL with a host; else what is wrong. */
const char *url_split(const char *url, struct url_parts *ret);
/* The same for a path on edgectl's own server: host and port are placeholders. */
const char *url_split_own_path(const char *path, struct url_parts *ret);
const char *rule_any_url(const char *s);

/* UTF-8 characters in a text. */
size_t text_chars(const char *s, size_t len);

#endif
