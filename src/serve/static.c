/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/static.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include "base/hex.h"
#include "base/media.h"
#include "base/mem.h"
#include "serve/http1_response.h"

enum { PIECE = 64 << 10, MAX_PATH = 4096, MAX_NUMBER = 18 };

/* --- from the URI to a file --- */

/* The decoded path of an absolute URI. False if it cannot name a file: an encoded slash or NUL, a
 * broken escape, too long. */
static bool decode_path(const char *uri, char path[MAX_PATH])
{
    const char *p = strstr(uri, "://");
    p = p ? strpbrk(p + 3, "/?") : NULL;
    size_t n = 0;
    for (; p && *p && *p != '?' && n < MAX_PATH - 1; p++) {
        char c = *p;
        if (c == '%') {
            int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            if (c == '\0' || c == '/')
                return false;
            p += 2;
        }
        path[n++] = c;
    }
    path[n] = '\0';
    return n > 0 && n < MAX_PATH - 1;
}

static const struct manifest_static *find_site(const struct manifest_static *sites, size_t count,
                                               const char *path, const char **rest)
{
    const struct manifest_static *best = NULL;
    size_t best_len = 0;
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(sites[i].path);
        while (len && sites[i].path[len - 1] == '/')
            len--;
        bool inside = strncmp(path, sites[i].path, len) == 0 &&
                      (path[len] == '/' || path[len] == '\0');
        if (inside && (!best || len > best_len)) {
            best = &sites[i];
            best_len = len;
            *rest = path + len;
        }
    }
    return best;
}

/* No empty, hidden or dotted component. `path` is "" or begins with a slash. */
static bool path_allowed(const char *path)
{
    for (const char *p = path; *p; p++)
        if (*p == '/' && (p[1] == '/' || media_hidden(p + 1)))
            return false;
    return true;
}

/* For kernels before 5.6: step by step, and no symbolic links at all. */
static int open_stepwise(int dir, const char *path)
{
    cleanup(free_p) char *copy = xstrdup(path);
    int at = dup(dir);
    char *save = NULL;
    char *name = strtok_r(copy, "/", &save);
    for (; name && at >= 0; name = strtok_r(NULL, "/", &save)) {
        int next = openat(at, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        close(at);
        at = next;
    }
    return at;
}

static int open_beneath(const char *root, const char *path)
{
    cleanup(close_p) int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -1;
    while (*path == '/')
        path++;
    struct open_how how = {
        .flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK, /* a FIFO must not make us wait */
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
    };
    long fd = syscall(SYS_openat2, dir, *path ? path : ".", &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        return open_stepwise(dir, *path ? path : ".");
    return (int)fd;
}

struct file {
    int fd;
    struct stat st;
    char path[MAX_PATH + 16];       /* below the site, for its media type */
    bool needs_slash;
};

static void file_close(struct file *f)
{
    if (f->fd >= 0)
        close(f->fd);
}

static bool open_file(const char *root, const char *path, struct file *f)
{
    f->fd = open_beneath(root, path);
    return f->fd >= 0 && fstat(f->fd, &f->st) == 0;
}

/* The regular file that the path stands for. */
static bool find_file(const struct manifest_static *sites, size_t count, const char *uri,
                      struct file *f)
{
    char path[MAX_PATH];
    const char *rest = "";
    f->fd = -1;
    if (!decode_path(uri, path))
        return false;
    const struct manifest_static *site = find_site(sites, count, path, &rest);
    if (!site || !path_allowed(rest) || !open_file(site->dir, rest, f))
        return false;
    size_t len = strlen(rest);
    bool slash = len && rest[len - 1] == '/';
    if (S_ISDIR(f->st.st_mode)) {
        f->needs_slash = !slash;
        snprintf(f->path, sizeof f->path, "%s%sindex.html", rest, slash ? "" : "/");
        close(f->fd);
        if (!open_file(site->dir, f->path, f))
            return false;
    } else {
        snprintf(f->path, sizeof f->path, "%s", rest);
        if (slash)
            return false;
    }
    return S_ISREG(f->st.st_mode);
}

/* --- conditions and ranges --- */

static bool etag_in(const char *list, const char *etag)
{
    if (strcmp(list, "*") == 0)
        return true;
    size_t len = strlen(etag);
    for (const char *p = list; (p = strstr(p, etag)); p += len)
        if (p == list || strchr(" \t,/", p[-1])) /* '/' of the weak W/"..." */
            return true;
    return false;
}

static bool parse_http_date(const char *text, time_t *ret)
{
    struct tm t = {0};
    const char *end = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &t);
    if (!end || *end)
        return false;
    *ret = timegm(&t);
    return true;
}

static bool not_modified(const struct exchange *ex, const struct file *f, const char *etag)
{
    const char *none = headers_get(&ex->headers, "if-none-match");
    if (none)
        return etag_in(none, etag);
    const char *since = headers_get(&ex->headers, "if-modified-since");
    time_t t;
    return since && parse_http_date(since, &t) && f->st.st_mtime <= t;
}

struct range {
    int64_t from, to;       /* inclusive */
};

enum range_kind { RANGE_NONE, RANGE_ONE, RANGE_BAD };

static bool take_number(const char **p, int64_t *ret)
{
    size_t digits = strspn(*p, "0123456789");
    if (digits == 0 || digits > MAX_NUMBER)
        return false;
    *ret = (int64_t)strtoll(*p, NULL, 10);
    *p += digits;
    return true;
}

/* A range that cannot be understood, or several, may be ignored (RFC 9110, 14.2). */
static enum range_kind read_range(const char *text, int64_t size, struct range *r)
{
    if (strncasecmp(text, "bytes=", 6) != 0)
        return RANGE_NONE;
    const char *p = text + 6;
    if (*p == '-') {
        p++;
        int64_t last;
        if (!take_number(&p, &last) || *p)
            return RANGE_NONE;
        *r = (struct range){last < size ? size - last : 0, size - 1};
        return last == 0 || size == 0 ? RANGE_BAD : RANGE_ONE;
    }
    r->to = size - 1;
    if (!take_number(&p, &r->from) || *p++ != '-' || (*p && !take_number(&p, &r->to)) || *p ||
        (r->to < r->from && r->to != size - 1))
        return RANGE_NONE;
    r->to = r->to < size - 1 ? r->to : size - 1;
    return r->from < size ? RANGE_ONE : RANGE_BAD;
}

static enum range_kind wanted_range(const struct exchange *ex, const struct file *f,
                                    const char *etag, const char *modified, struct range *r)
{
    const char *range = headers_get(&ex->headers, "range");
    const char *only_if = headers_get(&ex->headers, "if-range");
    if (!range || strcmp(ex->method, "GET") != 0 ||
        (only_if && strcmp(only_if, etag) != 0 && strcmp(only_if, modified) != 0))
        return RANGE_NONE;
    return read_range(range, f->st.st_size, r);
}

/* --- sending --- */

struct transfer {
    struct loop *loop;
    uv_fs_t req;
    int fd;
    int64_t at, end;
    struct exchange *ex;        /* until the head has been given: with the first bytes, so that
                                 * both go out in one packet */
    int status;
    struct headers headers;
    struct body *body;
    char *piece;
    bool reading;
};

static void transfer_end(struct transfer *t)
{
    body_on_drain(t->body, NULL, NULL);
    body_unref(t->body);
    headers_clear(&t->headers);
    close(t->fd);
    free(t->piece);
    free(t);
}

static void give_head(struct transfer *t)
{
    struct exchange *ex = TAKE(t->ex);
    if (!ex)
        return;
    exchange_respond(ex, &(struct response_head){.status = t->status, .headers = &t->headers},
                     body_ref(t->body));
    exchange_unref(ex);
}

static void read_more(void *env);

static void on_read(uv_fs_t *req)
{
    struct transfer *t = req->data;
    ssize_t n = req->result;
    uv_fs_req_cleanup(req);
    t->reading = false;
    if (n > 0) {
        body_write_take(t->body, TAKE(t->piece), (size_t)n);
        t->at += n;
    } else { /* an error, or the file has become shorter since */
        body_fail(t->body, "the file could not be read to its end");
    }
    if (t->at == t->end)
        body_end(t->body);
    give_head(t);
    if (n > 0 && t->at < t->end)
        read_more(t);
    else
        transfer_end(t);
}

static void read_more(void *env)
{
    struct transfer *t = env;
    if (t->reading)
        return;
    if (body_reader_gone(t->body)) {
        transfer_end(t);
        return;
    }
    if (body_full(t->body))
        return; /* on_drain calls again */
    size_t len = t->end - t->at < PIECE ? (size_t)(t->end - t->at) : PIECE;
    t->piece = xmalloc(len);
    uv_buf_t buf = uv_buf_init(t->piece, (unsigned)len);
    t->reading = true;
    t->req.data = t;
    uv_fs_read(loop_uv(t->loop), &t->req, t->fd, &buf, 1, t->at, on_read);
}

/* Takes the file's descriptor and the reference to ex. */
static void send_file(struct exchange *ex, struct file *f, int status, struct headers *headers,
                      struct range r)
{
    struct transfer *t = xnew(struct transfer);
    t->loop = ex->loop;
    t->ex = ex;
    t->fd = f->fd;
    f->fd = -1;
    t->status = status;
    t->headers = *headers;
    *headers = (struct headers){0};
    t->at = r.from;
    t->end = r.to + 1;
    t->body = body_new();
    body_set_length(t->body, (uint64_t)(t->end - t->at));
    body_on_drain(t->body, read_more, t);
    read_more(t);
}

/* An answer that needs nothing of the file's content. `length` is what a GET would have brought:
 * if that is something, the body stays open, and HEAD lets nobody read it. */
static void send_head(struct exchange *ex, int status, const struct headers *headers,
                      int64_t length)
{
    struct body *b = body_new();
    body_set_length(b, (uint64_t)length);
    if (length == 0)
        body_end(b);
    exchange_respond(ex, &(struct response_head){.status = status, .headers = headers}, b);
    exchange_unref(ex);
}

static void redirect_to_slash(struct exchange *ex)
{
    struct headers h = {0};
    const char *path = strchr(strstr(ex->uri, "://") + 3, '/');
    size_t len = strcspn(path, "?");
    cleanup(free_p) char *to = xasprintf("%.*s/%s", (int)len, path, path + len);
    headers_add_str(&h, "location", to);
    send_head(ex, 308, &h, 0);
    headers_clear(&h);
}

static void answer(struct exchange *ex, struct file *f)
{
    char etag[48], modified[32];
    struct headers h = {0};
    struct range r = {0};
    int64_t size = f->st.st_size;
    int64_t mtime_ns = (int64_t)f->st.st_mtim.tv_sec * 1000000000 + f->st.st_mtim.tv_nsec;
    snprintf(etag, sizeof etag, "\"%llx-%llx\"", (unsigned long long)size,
             (unsigned long long)mtime_ns);
    http1_format_date(modified, f->st.st_mtime);
    headers_add_str(&h, "etag", etag);
    headers_add_str(&h, "last-modified", modified);
    headers_add_str(&h, "cache-control", "public, max-age=0, must-revalidate");
    enum range_kind kind = wanted_range(ex, f, etag, modified, &r);
    if (not_modified(ex, f, etag)) {
        send_head(ex, 304, &h, 0);
    } else if (kind == RANGE_BAD) {
        cleanup(free_p) char *all = xasprintf("bytes */%lld", (long long)size);
        headers_add_str(&h, "content-range", all);
        send_head(ex, 416, &h, 0);
    } else {
        headers_add_str(&h, "content-type", media_type(f->path));
        headers_add_str(&h, "accept-ranges", "bytes");
        if (kind == RANGE_NONE)
            r = (struct range){0, size - 1};
        cleanup(free_p) char *part = xasprintf("bytes %lld-%lld/%lld", (long long)r.from,
                                               (long long)r.to, (long long)size);
        if (kind == RANGE_ONE)
            headers_add_str(&h, "content-range", part);
        if (size == 0 || strcmp(ex->method, "HEAD") == 0)
            send_head(ex, 200, &h, size);
        else
            send_file(ex, f, kind == RANGE_ONE ? 206 : 200, &h, r);
    }
    headers_clear(&h);
}

bool static_try(const struct manifest_static *sites, size_t count, struct exchange *ex)
{
    if (count == 0 || (strcmp(ex->method, "GET") != 0 && strcmp(ex->method, "HEAD") != 0))
        return false;
    cleanup(file_close) struct file f = {.fd = -1};
    if (!find_file(sites, count, ex->uri, &f))
        return false;
    if (f.needs_slash)
        redirect_to_slash(ex);
    else
        answer(ex, &f);
    return true;
}
