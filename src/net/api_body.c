/* SPDX-License-Identifier: Apache-2.0 */
#include "net/api_body.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/base64.h"
#include "base/buf.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/secret.h"

enum { HASH_CHUNK = 64 * 1024 };

struct piece {
    const char *data;               /* NULL: a file */
    char *owned;                    /* equals data, or NULL */
    size_t len;
    int fd;                         /* of a file, else -1 */
    bool base64;                    /* data goes out encoded: `len` is of that */
    size_t raw;                     /* bytes of data then */
};

struct api_body {
    char *type;
    char *boundary;                 /* of multipart */
    struct piece *pieces;
    size_t count;
    uint64_t size;
    size_t at;                      /* the next byte to read: piece ... */
    size_t offset;                  /* ... and within it */
    const struct spool *spool;      /* is told what of the pieces was read; may be NULL */
};

struct api_body *api_body_new(const char *content_type)
{
    struct api_body *b = xnew(struct api_body);
    b->type = content_type ? xstrdup(content_type) : NULL;
    return b;
}

void api_body_free(struct api_body *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->count; i++) {
        struct piece *p = &b->pieces[i];
        secret_wipe(p->owned, p->owned ? p->len : 0);
        free(p->owned);
        close_p(&p->fd);
    }
    free(b->pieces);
    free(b->type);
    free(b->boundary);
    free(b);
}

void api_body_free_p(struct api_body **b)
{
    api_body_free(*b);
}

static void add_piece(struct api_body *b, struct piece piece)
{
    if (!piece.len) {
        close_p(&piece.fd);
        free(piece.owned);
        return;
    }
    b->pieces = xreallocarray(b->pieces, b->count + 1, sizeof piece);
    b->pieces[b->count++] = piece;
    b->size += piece.len;
}

static void add_owned(struct api_body *b, char *data, size_t len)
{
    add_piece(b, (struct piece){.data = data, .owned = data, .len = len, .fd = -1});
}

void api_body_add(struct api_body *b, const void *data, size_t len)
{
    if (len)
        add_owned(b, xmemdup(data, len), len);
}

void api_body_add_borrowed(struct api_body *b, const void *data, size_t len)
{
    add_piece(b, (struct piece){.data = data, .len = len, .fd = -1});
}

void api_body_add_base64(struct api_body *b, const void *data, size_t len)
{
    add_piece(b, (struct piece){.data = data, .len = (len + 2) / 3 * 4, .fd = -1, .base64 = true,
                                .raw = len});
}

void api_body_spool(struct api_body *b, const struct spool *sp)
{
    b->spool = sp;
}

int api_body_add_file(struct api_body *b, const char *path, struct err *err)
{
    cleanup(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_sys(err, ERR_IO, errno, "cannot read %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_IO, "%s is not a regular file", path);
    add_piece(b, (struct piece){.len = (size_t)st.st_size, .fd = fd});
    fd = -1;
    return 0;
}

uint64_t api_body_size(const struct api_body *b)
{
    return b->size;
}

const char *api_body_type(const struct api_body *b)
{
    return b->type;
}

/* --- reading --- */

void api_body_rewind(struct api_body *b)
{
    b->at = b->offset = 0;
}

/* Some groups of four, beginning with the one that the offset is in. */
static long read_base64(const struct spool *sp, const struct piece *p, size_t offset, void *to,
                        size_t cap)
{
    enum { GROUPS = 4096 };
    size_t from = offset / 4 * 3, skip = offset % 4, left = p->raw - from;
    size_t take = left < 3 * GROUPS ? left : 3 * GROUPS;
    cleanup(free_p) char *text = base64_encode(p->data + from, take);
    size_t n = strlen(text) - skip < cap ? strlen(text) - skip : cap;
    memcpy(to, text + skip, n);
    spool_forget(sp, p->data + from, take);
    return (long)n;
}

static long read_piece(const struct spool *sp, const struct piece *p, size_t offset, void *to,
                       size_t cap)
{
    if (p->base64)
        return read_base64(sp, p, offset, to, cap);
    size_t n = p->len - offset < cap ? p->len - offset : cap;
    if (p->data) {
        memcpy(to, p->data + offset, n);
        spool_forget(sp, p->data + offset, n);
        return (long)n;
    }
    ssize_t r;
    do
        r = pread(p->fd, to, n, (off_t)offset);
    while (r < 0 && errno == EINTR);
    if (r == 0)
        errno = ENODATA; /* it has shrunk */
    return r > 0 ? (long)r : -1;
}

long api_body_read(struct api_body *b, void *to, size_t cap)
{
    size_t got = 0;
    while (got < cap && b->at < b->count) {
        const struct piece *p = &b->pieces[b->at];
        long n = read_piece(b->spool, p, b->offset, (char *)to + got, cap - got);
        if (n < 0)
            return -1;
        got += (size_t)n;
        b->offset += (size_t)n;
        if (b->offset == p->len) {
            b->at++;
            b->offset = 0;
        }
    }
    return (long)got;
}

int api_body_sha256(struct api_body *b, uint8_t ret_digest[32], struct err *err)
{
    cleanup(hash_free_p) struct hash *h = hash_new();
    cleanup(free_p) char *chunk = xmalloc(HASH_CHUNK);
    api_body_rewind(b);
    long n;
    while ((n = api_body_read(b, chunk, HASH_CHUNK)) > 0)
        hash_add(h, chunk, (size_t)n);
    secret_wipe(chunk, HASH_CHUNK);
    int sys = errno;
    api_body_rewind(b);
    if (n < 0)
        return err_sys(err, ERR_IO, sys, "cannot read the file to send");
    hash_final(h, ret_digest);
    return 0;
}

/* --- kinds --- */

struct api_body *api_body_text(const char *content_type, const void *data, size_t len)
{
    struct api_body *b = api_body_new(content_type);
    api_body_add(b, data, len);
    return b;
}

struct api_body *api_body_json(json_t *value)
{
    struct api_body *b = api_body_new("application/json");
    char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    json_decref(value);
    add_owned(b, text, strlen(text));
    return b;
}

/* The rules of application/x-www-form-urlencoded (WHATWG URL, section 5.2). */
static void add_form_text(struct buf *to, const char *s)
{
    for (const unsigned char *p = (const unsigned char *)s; *p; p++) {
        if (strchr("*-._", *p) || (*p >= '0' && *p <= '9') ||
            ((*p | 32) >= 'a' && (*p | 32) <= 'z'))
            buf_add_char(to, (char)*p);
        else if (*p == ' ')
            buf_add_char(to, '+');
        else
            buf_printf(to, "%%%02X", *p);
    }
}

struct api_body *api_body_form(const char *name, ...)
{
    struct buf text = BUF_INIT(SIZE_MAX / 2);
    va_list ap;
    va_start(ap, name);
    for (; name; name = va_arg(ap, const char *)) {
        const char *value = va_arg(ap, const char *);
        if (!value)
            continue;
        if (text.len)
            buf_add_char(&text, '&');
        add_form_text(&text, name);
        buf_add_char(&text, '=');
        add_form_text(&text, value);
    }
    va_end(ap);
    struct api_body *b = api_body_new("application/x-www-form-urlencoded");
    size_t len = text.len;
    if (len)
        add_owned(b, buf_take(&text), len);
    return b;
}

/* --- multipart --- */

/* 128 bits of a hash: a content that holds it by chance does not exist, and one made to hold it
 * would need to know the seed before. */
struct api_body *api_body_parts(const char *seed)
{
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    hash_bytes(seed, strlen(seed), digest);
    hash_hex(digest, hex);
    struct api_body *b = xnew(struct api_body);
    b->boundary = xasprintf("edgectl-%.32s", hex);
    b->type = xasprintf("multipart/form-data; boundary=%s", b->boundary);
    return b;
}

/* As browsers and curl do it: RFC 7578 leaves quoting open. */
static void add_quoted(struct buf *to, const char *s)
{
    for (; *s; s++) {
        if (*s == '"')
            buf_add_str(to, "%22");
        else if (*s == '\r')
            buf_add_str(to, "%0D");
        else if (*s == '\n')
            buf_add_str(to, "%0A");
        else
            buf_add_char(to, *s);
    }
}

void api_body_part(struct api_body *b, const char *name, const char *filename, const char *type)
{
    struct buf head = BUF_INIT(SIZE_MAX / 2);
    buf_printf(&head, "%s--%s\r\nContent-Disposition: form-data; name=\"", b->count ? "\r\n" : "",
               b->boundary);
    add_quoted(&head, name);
    if (filename) {
        buf_add_str(&head, "\"; filename=\"");
        add_quoted(&head, filename);
    }
    buf_add_char(&head, '"');
    if (type)
        buf_printf(&head, "\r\nContent-Type: %s", type);
    buf_add_str(&head, "\r\n\r\n");
    size_t len = head.len;
    add_owned(b, buf_take(&head), len);
}

void api_body_end_parts(struct api_body *b)
{
    char *end = xasprintf("%s--%s--\r\n", b->count ? "\r\n" : "", b->boundary);
    add_owned(b, end, strlen(end));
}
