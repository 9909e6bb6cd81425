/* SPDX-License-Identifier: Apache-2.0 */
#include "crypto/client_hello.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"

enum {
    EXT_SERVER_NAME = 0,
    EXT_GROUPS = 10,
    EXT_POINT_FORMATS = 11,
    EXT_SIGNATURES = 13,
    EXT_ALPN = 16,
    EXT_VERSIONS = 43,
    MAX_VALUES = 256,       /* of one list; a hello with more gets no fingerprint */
    MAX_TEXT = 16 << 10,
};

struct cursor {             /* bytes not read; `bad` once more was wanted than there is */
    const uint8_t *at;
    size_t left;
    bool bad;
};

struct list {
    uint16_t values[MAX_VALUES];
    size_t count;
};

struct hello {
    uint16_t version;
    struct list ciphers, extensions, groups, formats, signatures, versions;
    const uint8_t *alpn;    /* the first name */
    size_t alpn_len;
    bool sni;
};

/* --- reading --- */

static uint32_t take(struct cursor *c, size_t bytes)
{
    uint32_t n = 0;
    if (c->left < bytes) {
        c->bad = true;
        c->left = 0;
        return 0;
    }
    for (size_t i = 0; i < bytes; i++)
        n = n << 8 | *c->at++;
    c->left -= bytes;
    return n;
}

/* A vector with a length in front. */
static struct cursor take_vector(struct cursor *c, size_t length_bytes)
{
    size_t len = take(c, length_bytes);
    if (len > c->left) {
        c->bad = true;
        len = c->left;
    }
    struct cursor v = {.at = c->at, .left = len};
    c->at += len;
    c->left -= len;
    return v;
}

static bool is_grease(uint32_t v)
{
    return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

static void add(struct list *l, uint32_t value, struct cursor *c)
{
    if (l->count < MAX_VALUES)
        l->values[l->count++] = (uint16_t)value;
    else
        c->bad = true;
}

static void take_list(struct cursor *c, size_t bytes, struct list *to)
{
    while (c->left && !c->bad) {
        uint32_t v = take(c, bytes);
        if (!c->bad && !(bytes == 2 && is_grease(v)))
            add(to, v, c);
    }
}

static bool take_extension(uint32_t type, struct cursor body, struct hello *h)
{
    struct cursor v = {0};
    switch (type) {
    case EXT_SERVER_NAME:
        h->sni = true;
        return true;
    case EXT_GROUPS:
        v = take_vector(&body, 2);
        take_list(&v, 2, &h->groups);
        break;
    case EXT_POINT_FORMATS:
        v = take_vector(&body, 1);
        take_list(&v, 1, &h->formats);
        break;
    case EXT_SIGNATURES:
        v = take_vector(&body, 2);
        take_list(&v, 2, &h->signatures);
        break;
    case EXT_VERSIONS:
        v = take_vector(&body, 1);
        take_list(&v, 2, &h->versions);
        break;
    case EXT_ALPN: {
        v = take_vector(&body, 2);
        struct cursor name = take_vector(&v, 1);
        h->alpn = name.at;
        h->alpn_len = name.left;
        break;
    }
    default:
        return true;
    }
    return !v.bad && !body.bad;
}

static bool parse(const uint8_t *message, size_t len, struct hello *h)
{
    struct cursor c = {.at = message, .left = len};
    if (take(&c, 1) != 1) /* client_hello */
        return false;
    struct cursor m = take_vector(&c, 3);
    h->version = (uint16_t)take(&m, 2);
    for (int i = 0; i < 8; i++)
        take(&m, 4); /* random */
    take_vector(&m, 1); /* session id */
    struct cursor ciphers = take_vector(&m, 2);
    take_list(&ciphers, 2, &h->ciphers);
    take_vector(&m, 1); /* compression */
    if (c.bad || m.bad || ciphers.bad)
        return false;
    if (m.left == 0)
        return true; /* before TLS 1.2 there may be no extensions */
    struct cursor all = take_vector(&m, 2);
    while (all.left && !all.bad) {
        uint32_t type = take(&all, 2);
        struct cursor body = take_vector(&all, 2);
        if (all.bad || is_grease(type))
            continue;
        add(&h->extensions, type, &all);
        if (!take_extension(type, body, h))
            return false;
    }
    return !m.bad && !all.bad;
}

/* --- writing --- */

static void digest(const EVP_MD *kind, const struct buf *text, uint8_t *to)
{
    /* Fails only without memory, or in a libcrypto that has been stripped of the algorithm. */
    if (EVP_Digest(buf_str(text), text->len, to, NULL, kind, NULL) != 1)
        abort();
}

static void join(struct buf *to, const struct list *l, const char *format, char between)
{
    for (size_t i = 0; i < l->count; i++) {
        if (i)
            buf_add_char(to, between);
        buf_printf(to, format, l->values[i]);
    }
}

static void make_ja3(const struct hello *h, uint8_t md5[16])
{
    struct buf b = BUF_INIT(MAX_TEXT);
    const struct list *lists[] = {&h->ciphers, &h->extensions, &h->groups, &h->formats};
    buf_printf(&b, "%u", h->version);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        buf_add_char(&b, ',');
        join(&b, lists[i], "%u", '-');
    }
    digest(EVP_md5(), &b, md5);
    buf_clear(&b);
}

static int by_value(const void *a, const void *b)
{
    return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

static const char *version_name(const struct hello *h)
{
    uint16_t v = h->versions.count ? 0 : h->version;
    for (size_t i = 0; i < h->versions.count; i++)
        v = h->versions.values[i] > v ? h->versions.values[i] : v;
    switch (v) {
    case 0x0304: return "13";
    case 0x0303: return "12";
    case 0x0302: return "11";
    case 0x0301: return "10";
    case 0x0300: return "s3";
    case 0x0002: return "s2";
    default: return "00";
    }
}

static bool ascii_alnum(uint8_t c)
{
    return c < 0x80 && isalnum(c);
}

static void alpn_name(const struct hello *h, char to[3])
{
    static const char hex[] = "0123456789abcdef";
    memcpy(to, "00", 3);
    if (h->alpn_len == 0)
        return;
    uint8_t first = h->alpn[0], last = h->alpn[h->alpn_len - 1];
    bool plain = ascii_alnum(first) && ascii_alnum(last);
    to[0] = plain ? (char)first : hex[first >> 4];
    to[1] = plain ? (char)last : hex[last & 15];
}

/* The first 12 hex digits of the SHA-256, or zeros for nothing. */
static void short_hash(const struct buf *text, char to[13])
{
    uint8_t sum[32] = {0};
    if (text->len)
        digest(EVP_sha256(), text, sum);
    for (size_t i = 0; i < 6; i++)
        snprintf(to + 2 * i, 3, "%02x", sum[i]);
}

static unsigned at_most_99(size_t n)
{
    return n < 99 ? (unsigned)n : 99;
}

static void make_ja4(const struct hello *h, char ja4[JA4_SIZE])
{
    struct buf b = BUF_INIT(MAX_TEXT);
    struct list ciphers = h->ciphers, extensions = {0};
    char alpn[3], cipher_hash[13], extension_hash[13];
    qsort(ciphers.values, ciphers.count, sizeof ciphers.values[0], by_value);
    join(&b, &ciphers, "%04x", ',');
    short_hash(&b, cipher_hash);
    buf_reset(&b);
    for (size_t i = 0; i < h->extensions.count; i++)
        if (h->extensions.values[i] != EXT_SERVER_NAME && h->extensions.values[i] != EXT_ALPN)
            extensions.values[extensions.count++] = h->extensions.values[i];
    qsort(extensions.values, extensions.count, sizeof extensions.values[0], by_value);
    join(&b, &extensions, "%04x", ',');
    if (extensions.count && h->signatures.count) {
        buf_add_char(&b, '_');
        join(&b, &h->signatures, "%04x", ',');
    }
    short_hash(&b, extension_hash);
    buf_clear(&b);
    alpn_name(h, alpn);
    snprintf(ja4, JA4_SIZE, "t%s%c%02u%02u%s_%s_%s", version_name(h), h->sni ? 'd' : 'i',
             at_most_99(h->ciphers.count), at_most_99(h->extensions.count), alpn, cipher_hash,
             extension_hash);
}

bool client_hello_read(const uint8_t *message, size_t len, struct client_hello_prints *ret)
{
    struct hello h = {0};
    if (!parse(message, len, &h))
        return false;
    make_ja3(&h, ret->ja3_md5);
    make_ja4(&h, ret->ja4);
    return true;
}
