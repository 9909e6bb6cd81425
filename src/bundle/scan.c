/* SPDX-License-Identifier: Apache-2.0 */
#include "bundle/scan.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/buf.h"
#include "base/mem.h"

enum { PREFIX = 4, BUCKETS = 1 << 16, FORM_MIN = 8 };

enum charset { UPPER, ALNUM, WORD, HEX };

struct pattern {
    uint8_t *bytes;             /* what to find; of a token its start */
    size_t len;
    const char *form;           /* "as base64"; NULL: a token */
    const struct bundle_secret *secret;
    const char *token;          /* what it is */
    enum charset charset;
    size_t at_least, at_most;
    uint32_t next;              /* in the same bucket: index + 1 */
};

struct scan {
    struct pattern *list;
    size_t count;
    uint32_t *first;            /* bucket of the first four bytes: index + 1, 0 = none */
};

static uint32_t bucket(const uint8_t *p)
{
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return (word * 2654435761u) >> 16;
}

/* --- what to look for --- */

static struct pattern *add(struct scan *s, const void *bytes, size_t len)
{
    s->list = xreallocarray(s->list, s->count + 1, sizeof *s->list);
    struct pattern *p = &s->list[s->count++];
    *p = (struct pattern){.bytes = xmemdup(bytes, len), .len = len};
    uint32_t *first = &s->first[bucket(p->bytes)];
    p->next = *first;
    *first = (uint32_t)s->count;
    return p;
}

static void add_form(struct scan *s, const struct bundle_secret *secret, const char *form,
                     const void *bytes, size_t len)
{
    if (len < FORM_MIN)
        return;
    struct pattern *p = add(s, bytes, len);
    p->form = form;
    p->secret = secret;
}

/* A value may begin at any of three places of a longer text that is encoded; only the digits that
 * depend on nothing but the value are looked for. */
static void add_base64(struct scan *s, const struct bundle_secret *secret, const uint8_t *value,
                       size_t len)
{
    cleanup(free_p) uint8_t *padded = xcalloc(1, len + 2);
    memcpy(padded + 2, value, len);
    for (size_t shift = 0; shift < 3; shift++) {
        char *text = base64_encode(padded + 2 - shift, len + shift);
        /* without digits that hold bits of the shifted bytes, and a last one that is not full */
        size_t skip = (shift * 8 + 5) / 6, whole = (len + shift) * 8 / 6;
        add_form(s, secret, "as base64", text + skip, whole - skip);
        bool other = false;
        for (char *p = text; *p; p++) {
            other |= *p == '+' || *p == '/';
            *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
        }
        if (other)
            add_form(s, secret, "as base64url", text + skip, whole - skip);
        secret_wipe(text, strlen(text));
        free(text);
    }
    secret_wipe(padded, len + 2);
}

static void add_hex(struct scan *s, const struct bundle_secret *secret, const uint8_t *value,
                    size_t len, const char *format)
{
    cleanup(free_p) char *text = xmalloc(2 * len + 1);
    for (size_t i = 0; i < len; i++)
        snprintf(text + 2 * i, 3, format, value[i]);
    add_form(s, secret, "as hexadecimal", text, 2 * len);
    secret_wipe(text, 2 * len);
}

/* As encodeURIComponent has it, or as a form has (`space` is '+'). */
static void add_url(struct scan *s, const struct bundle_secret *secret, const uint8_t *value,
                    size_t len, const char *format, const char *unreserved, const char *space)
{
    cleanup(free_p) char *text = xmalloc(3 * len + 1);
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (isalnum(value[i]) || (value[i] && strchr(unreserved, value[i])))
            text[n++] = (char)value[i];
        else if (value[i] == ' ' && *space)
            text[n++] = *space;
        else
            n += (size_t)snprintf(text + n, 4, format, value[i]);
    }
    if (n != len || memcmp(text, value, len) != 0)
        add_form(s, secret, "URL-encoded", text, n);
    secret_wipe(text, n);
}

/* As engines keep strings. */
static void add_utf16(struct scan *s, const struct bundle_secret *secret, const uint8_t *value,
                      size_t len)
{
    cleanup(free_p) uint8_t *text = xcalloc(2, len);
    for (size_t i = 0; i < len; i++)
        text[2 * i] = value[i];
    add_form(s, secret, "as UTF-16", text, 2 * len);
    secret_wipe(text, 2 * len);
}

static void add_secret(struct scan *s, const struct bundle_secret *secret)
{
    const uint8_t *value = secret_expose(secret->value);
    size_t len = secret_len(secret->value);
    /* a file that holds a secret often ends with a newline that is not part of it */
    while (len && (value[len - 1] == '\n' || value[len - 1] == '\r'))
        len--;
    if (len < SCAN_VALUE_MIN)
        return;
    add_form(s, secret, "as it is", value, len);
    add_base64(s, secret, value, len);
    add_hex(s, secret, value, len, "%02x");
    add_hex(s, secret, value, len, "%02X");
    add_url(s, secret, value, len, "%%%02X", "-_.!~*'()", "");
    add_url(s, secret, value, len, "%%%02x", "-_.!~*'()", "");
    add_url(s, secret, value, len, "%%%02X", "-_.~", "");
    add_url(s, secret, value, len, "%%%02X", "-_.*", "+");
    add_utf16(s, secret, value, len);
}

static void add_token(struct scan *s, const char *start, enum charset charset, size_t at_least,
                      size_t at_most, const char *what)
{
    struct pattern *p = add(s, start, strlen(start));
    p->charset = charset;
    p->at_least = at_least;
    p->at_most = at_most;
    p->token = what;
}

static const char pem_start[] = "-----BEGIN ";

struct scan *scan_new(const struct bundle_secret *secrets, size_t count)
{
    struct scan *s = xnew(struct scan);
    s->first = xcalloc(BUCKETS, sizeof *s->first);
    for (size_t i = 0; i < count; i++)
        if (secrets[i].value)
            add_secret(s, &secrets[i]);
#define TOKEN(start, charset, at_least, at_most, what)                                   \
    _Static_assert(sizeof(start) > PREFIX, "too short to be looked for");                \
    add_token(s, start, charset, at_least, at_most, what);
#include "bundle/tokens.def"
#undef TOKEN
    add_token(s, pem_start, ALNUM, 0, 0, "a private key");
    return s;
}

void scan_free(struct scan *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++) {
        secret_wipe(s->list[i].bytes, s->list[i].len);
        free(s->list[i].bytes);
    }
    free(s->list);
    free(s->first);
    free(s);
}

void scan_free_p(struct scan **s)
{
    scan_free(*s);
}

/* --- looking --- */

static bool in_charset(enum charset charset, uint8_t c)
{
    switch (charset) {
    case UPPER: return isdigit(c) || (c >= 'A' && c <= 'Z');
    case HEX: return isdigit(c) || (c >= 'a' && c <= 'f');
    case WORD: return isalnum(c) || c == '_' || c == '-';
    default: return isalnum(c);
    }
}

/* A label alone is in every TLS library: a key has a body. */
static bool is_private_key(const uint8_t *p, size_t left)
{
    enum { LABEL_MAX = 40, BODY_MIN = 40 };
    static const char end[] = "PRIVATE KEY-----";
    size_t label = left < LABEL_MAX ? left : LABEL_MAX, body = 0;
    const uint8_t *at = memmem(p, label, end, sizeof end - 1);
    if (!at)
        return false;
    at += sizeof end - 1;
    left -= (size_t)(at - p);
    /* a newline, also as JSON and source code write it */
    while (left && (isspace(*at) || *at == '\\' || (*at == 'n' && at[-1] == '\\'))) {
        at++;
        left--;
    }
    while (body < left && (isalnum(at[body]) || at[body] == '+' || at[body] == '/'))
        body++;
    return body >= BODY_MIN;
}

/* Does a token start at data + at? It must not be the middle of a longer word. */
static bool is_token(const struct pattern *p, const uint8_t *data, size_t len, size_t at)
{
    const uint8_t *rest = data + at + p->len;
    size_t left = len - at - p->len, n = 0;
    if (strcmp((const char *)p->token, "a private key") == 0)
        return is_private_key(rest, left);
    if (at && in_charset(WORD, data[at - 1]))
        return false;
    while (n < left && in_charset(p->charset, rest[n]))
        n++;
    if (n < p->at_least || (p->at_most && n > p->at_most))
        return false;
    /* the documentation's own, which SDKs carry along */
    return n < 7 || memcmp(rest + n - 7, "EXAMPLE", 7) != 0;
}

static bool matches(const struct pattern *p, const uint8_t *data, size_t len, size_t at)
{
    if (len - at < p->len || memcmp(data + at, p->bytes, p->len) != 0)
        return false;
    return p->form || is_token(p, data, len, at);
}

static int found(const struct pattern *p, const char *where, size_t at, struct err *err)
{
    if (p->form)
        err_set(err, ERR_FAILURE, "the secret '%s' of store '%s' stands in %s at byte %zu, %s",
                p->secret->key, p->secret->store, where, at, p->form);
    else
        err_set(err, ERR_FAILURE, "%s stands in %s at byte %zu", p->token, where, at);
    err_hint(err, "whoever gets the bundle could read it: let the app ask the secret store for it");
    return -ERR_FAILURE;
}

int scan_bytes(const struct scan *s, const struct spool *sp, const uint8_t *data, size_t len,
               const char *where, struct err *err)
{
    for (size_t from = 0, n; from < len; from += n) {
        n = spool_slice(len - from);
        for (size_t at = from; at < from + n && at + PREFIX <= len; at++)
            for (uint32_t i = s->first[bucket(data + at)]; i; i = s->list[i - 1].next)
                if (matches(&s->list[i - 1], data, len, at))
                    return found(&s->list[i - 1], where, at, err);
        spool_forget(sp, data + from, n);
    }
    return 0;
}
