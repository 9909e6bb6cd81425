/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/aws_sign.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/cleanup.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/hmac.h"
#include "provider/aws_time.h"

enum { CANONICAL_MAX = 1 << 20 };

static const char *const ALGORITHM[] = {"AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"};

static void add_encoded(struct buf *to, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (isalnum(c) || (c && strchr("-._~", c)))
            buf_add_char(to, (char)c);
        else
            buf_printf(to, "%%%02X", c);
    }
}

/* Every service but S3: dot segments and empty ones go, and the path as it is on the wire is
 * encoded once more, so that what was "%3A" is signed as "%253A". */
static void add_path(struct buf *to, const char *path)
{
    size_t cap = 1, count = 0, len = 0;
    for (const char *p = path; *p; p++)
        cap += *p == '/';
    struct segment {
        const char *text;
        size_t len;
    } *kept = xcalloc(cap, sizeof *kept);
    for (const char *at = path; *at; at += len) {
        at += *at == '/';
        len = strcspn(at, "/");
        if (len == 0 || (len == 1 && *at == '.'))
            continue;
        if (len == 2 && strncmp(at, "..", 2) == 0)
            count -= count > 0;
        else
            kept[count++] = (struct segment){at, len};
    }
    for (size_t i = 0; i < count; i++) {
        buf_add_char(to, '/');
        add_encoded(to, kept[i].text, kept[i].len);
    }
    free(kept);
    size_t path_len = strlen(path);
    if (count == 0 || (path_len > 0 && path[path_len - 1] == '/'))
        buf_add_char(to, '/');
}

static int digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : tolower((unsigned char)c) - 'a' + 10;
}

/* A name or value of the wire's query in the one form that is signed. */
static void add_query_part(struct buf *to, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '%' && i + 2 < len && isxdigit((unsigned char)text[i + 1]) &&
            isxdigit((unsigned char)text[i + 2])) {
            c = (char)(digit(text[i + 1]) * 16 + digit(text[i + 2]));
            i += 2;
        }
        add_encoded(to, &c, 1);
    }
}

struct pair {
    char *name, *value;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    int by_name = strcmp(x->name, y->name);
    return by_name ? by_name : strcmp(x->value, y->value);
}

static char *query_part(const char *text, size_t len)
{
    struct buf b = BUF_INIT(CANONICAL_MAX);
    add_query_part(&b, text, len);
    return buf_take(&b);
}

static void add_query(struct buf *to, const char *query)
{
    size_t cap = 1, count = 0;
    for (const char *p = query; *p; p++)
        cap += *p == '&';
    struct pair *pairs = xcalloc(cap, sizeof *pairs);
    for (const char *at = query; *at;) {
        size_t len = strcspn(at, "&"), name = 0;
        while (name < len && at[name] != '=')
            name++;
        size_t value = name + (name < len);
        if (len)
            pairs[count++] = (struct pair){query_part(at, name),
                                           query_part(at + value, len - value)};
        at += len + (at[len] == '&');
    }
    qsort(pairs, count, sizeof *pairs, compare_pairs);
    for (size_t i = 0; i < count; i++) {
        buf_printf(to, "%s%s=%s", i ? "&" : "", pairs[i].name, pairs[i].value);
        free(pairs[i].name);
        free(pairs[i].value);
    }
    free(pairs);
}

/* Left to the transport: what a proxy or curl may write anew would break the signature. */
static bool is_unsigned(const char *name)
{
    static const char *const names[] = {"user-agent", "expect", "accept-encoding", "connection",
                                        "authorization", "content-length", "transfer-encoding"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return false;
}

static int compare_headers(const void *a, const void *b)
{
    const struct header *const *x = a, *const *y = b;
    int by_name = strcmp((*x)->name, (*y)->name);
    /* Lines of one name keep their order, whatever qsort does. */
    return by_name ? by_name : (*x > *y) - (*x < *y);
}

/* Trimmed, with each run of white space as one blank. */
static void add_value(struct buf *to, const char *value)
{
    value += strspn(value, " \t\r\n");
    for (; *value; value++) {
        if (!strchr(" \t\r\n", *value))
            buf_add_char(to, *value);
        else if (value[1] && !strchr(" \t\r\n", value[1]))
            buf_add_char(to, ' ');
    }
}

/* The signed header lines into `lines`, and their names, by ';', into `names`. */
static void add_headers(const struct headers *h, struct buf *lines, struct buf *names)
{
    const struct header **sorted = xcalloc(h->count + 1, sizeof(struct header *));
    size_t count = 0;
    for (size_t i = 0; i < h->count; i++) {
        if (!is_unsigned(h->list[i].name))
            sorted[count++] = &h->list[i];
    }
    qsort(sorted, count, sizeof *sorted, compare_headers);
    for (size_t i = 0; i < count; i++) {
        bool again = i > 0 && strcmp(sorted[i]->name, sorted[i - 1]->name) == 0;
        if (again)
            buf_add_char(lines, ',');
        else
            buf_printf(lines, "%s%s:", i ? "\n" : "", sorted[i]->name);
        add_value(lines, sorted[i]->value);
        if (!again)
            buf_printf(names, "%s%s", i ? ";" : "", sorted[i]->name);
    }
    if (count)
        buf_add_char(lines, '\n');
    free(sorted);
}

/* What signing adds but for Authorization, after the message's own and Host. */
static void signed_headers(const struct aws_signer *s, const struct aws_message *m,
                           struct headers *to)
{
    char when[AWS_TIME_SIZE];
    aws_time_text(m->time_s, when);
    if (m->headers)
        headers_copy(to, m->headers);
    headers_set_str(to, "host", m->host);
    headers_set_str(to, "x-amz-date", when);
    if (s->algorithm == AWS_V4A)
        headers_set_str(to, "x-amz-region-set", s->region);
    if (s->session_token)
        headers_set(to, "x-amz-security-token", strlen("x-amz-security-token"),
                    (const char *)secret_expose(s->session_token), secret_len(s->session_token));
}

static void canonical(const struct aws_message *m, const struct headers *all, struct buf *to,
                      struct buf *names)
{
    char digest[HASH_HEX_SIZE];
    hash_hex(m->body_sha256, digest);
    buf_printf(to, "%s\n", m->method);
    add_path(to, m->path);
    buf_add_char(to, '\n');
    add_query(to, m->query ? m->query : "");
    buf_add_char(to, '\n');
    add_headers(all, to, names);
    buf_printf(to, "\n%s\n%s", buf_str(names), digest);
}

void aws_sign_canonical(const struct aws_signer *s, const struct aws_message *m, struct buf *to)
{
    cleanup(buf_clear) struct buf names = BUF_INIT(CANONICAL_MAX);
    cleanup(headers_clear) struct headers all = {0};
    signed_headers(s, m, &all);
    canonical(m, &all, to, &names);
}

static void derive_v4(const struct aws_signer *s, const char *day, uint8_t ret_key[HASH_SIZE])
{
    static const char prefix[] = "AWS4", last[] = "aws4_request";
    size_t len = strlen(prefix) + secret_len(s->secret_key);
    uint8_t *start;
    cleanup(secret_unref_p) struct secret *first = secret_alloc(len, &start);
    memcpy(start, prefix, strlen(prefix));
    memcpy(start + strlen(prefix), secret_expose(s->secret_key), secret_len(s->secret_key));
    hmac_bytes(secret_expose(first), len, day, strlen(day), ret_key);
    hmac_bytes(ret_key, HASH_SIZE, s->region, strlen(s->region), ret_key);
    hmac_bytes(ret_key, HASH_SIZE, s->service, strlen(s->service), ret_key);
    hmac_bytes(ret_key, HASH_SIZE, last, strlen(last), ret_key);
}

struct p256 *aws_sign_derive(const char *access_key_id, const struct secret *secret_key)
{
    /* The counter construction of NIST SP 800-108, one block of 256 bits a try: candidates above
     * the curve's order less two are skipped, so that the key is evenly distributed. */
    static const uint8_t order_less_2[P256_SIZE] = {
        0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
        0x25, 0x4f};
    size_t len = strlen("AWS4A") + secret_len(secret_key);
    uint8_t *start, candidate[P256_SIZE];
    cleanup(secret_unref_p) struct secret *key = secret_alloc(len, &start);
    memcpy(start, "AWS4A", strlen("AWS4A"));
    memcpy(start + strlen("AWS4A"), secret_expose(secret_key), secret_len(secret_key));
    for (int counter = 1; counter <= 254; counter++) {
        cleanup(buf_clear) struct buf fixed = BUF_INIT(CANONICAL_MAX);
        buf_add(&fixed, "\0\0\0\1AWS4-ECDSA-P256-SHA256", 4 + strlen("AWS4-ECDSA-P256-SHA256") + 1);
        buf_add_str(&fixed, access_key_id);
        buf_add_char(&fixed, (char)counter);
        buf_add(&fixed, "\0\0\1\0", 4);
        hmac_bytes(secret_expose(key), len, fixed.data, fixed.len, candidate);
        if (memcmp(candidate, order_less_2, P256_SIZE) > 0)
            continue;
        for (int i = P256_SIZE - 1; i >= 0 && ++candidate[i] == 0; i--)
            ;
        struct p256 *derived = p256_new(candidate);
        secret_wipe(candidate, sizeof candidate);
        return derived;
    }
    /* One try fails with a chance of 2^-32. */
    abort();
}

static void add_hex(struct buf *to, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++)
        buf_printf(to, "%02x", data[i]);
}

static void add_signature(const struct aws_signer *s, const char *day, const struct buf *text,
                          struct buf *to)
{
    uint8_t key[HASH_SIZE], signature[P256_SIGNATURE_MAX];
    size_t len = HASH_SIZE;
    if (s->algorithm == AWS_V4A) {
        len = p256_sign(s->key, text->data, text->len, signature);
    } else {
        derive_v4(s, day, key);
        hmac_bytes(key, HASH_SIZE, text->data, text->len, signature);
        secret_wipe(key, sizeof key);
    }
    add_hex(to, signature, len);
}

void aws_sign(const struct aws_signer *s, const struct aws_message *m, struct headers *add)
{
    cleanup(headers_clear) struct headers all = {0};
    signed_headers(s, m, &all);
    static const char *const added[] = {"x-amz-date", "x-amz-security-token", "x-amz-region-set"};
    for (size_t i = 0; i < ARRAY_LEN(added); i++) {
        const char *value = headers_get(&all, added[i]);
        if (value)
            headers_set_str(add, added[i], value);
    }

    cleanup(buf_clear) struct buf request = BUF_INIT(CANONICAL_MAX);
    cleanup(buf_clear) struct buf names = BUF_INIT(CANONICAL_MAX);
    canonical(m, &all, &request, &names);
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    hash_bytes(request.data, request.len, digest);
    hash_hex(digest, hex);

    const char *when = headers_get(&all, "x-amz-date");
    cleanup(free_p) char *day = xstrndup(when, strlen("20150830"));
    cleanup(free_p) char *scope = s->algorithm == AWS_V4A
        ? xasprintf("%s/%s/aws4_request", day, s->service)
        : xasprintf("%s/%s/%s/aws4_request", day, s->region, s->service);
    cleanup(buf_clear) struct buf text = BUF_INIT(CANONICAL_MAX);
    buf_printf(&text, "%s\n%s\n%s\n%s", ALGORITHM[s->algorithm], when, scope, hex);

    cleanup(buf_clear) struct buf line = BUF_INIT(CANONICAL_MAX);
    buf_printf(&line, "%s Credential=%s/%s, SignedHeaders=%s, Signature=", ALGORITHM[s->algorithm],
               s->access_key_id, scope, buf_str(&names));
    add_signature(s, day, &text, &line);
    headers_set_str(add, "authorization", buf_str(&line));
}
