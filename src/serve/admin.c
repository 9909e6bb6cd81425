/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/admin.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/mem.h"
#include "base/uri.h"
#include "crypto/hash.h"
#include "serve/admin_internal.h"
#include "world/state.h"

static const int64_t MARK_NS = 1000000000, GRACE_NS = 1000000000;

/* --- the answer --- */

static void call_free(struct admin_call *c)
{
    if (c->fd >= 0) {
        close(c->fd);
        unlink(c->file);
    }
    free(c->file);
    free(c->path);
    free(c->query);
    buf_clear(&c->body);
    buf_clear(&c->out);
    headers_clear(&c->headers);
    json_decref(c->json);
    exchange_unref(c->ex);
    free(c);
}

static void respond(struct admin_call *c)
{
    struct response_head head = {.status = c->status, .headers = &c->headers};
    struct body *body = body_new();
    if (c->json) {
        char *text = json_dumps(c->json, JSON_COMPACT);
        headers_set_str(&c->headers, "content-type", "application/json");
        body_write_take(body, text, strlen(text));
    } else if (c->out.len) {
        size_t len = c->out.len;
        body_write_take(body, buf_take(&c->out), len);
    }
    body_end(body);
    exchange_respond(c->ex, &head, body);
    call_free(c);
}

static int status_of(const struct err *err)
{
    switch (err->code) {
    case ERR_USAGE: return 400;
    case ERR_CREDENTIALS: return 403;
    case ERR_DRIFT: return 409;
    case ERR_LIMIT: return 413;
    case ERR_BUILD: case ERR_MANIFEST: return 422;
    default: return 500;
    }
}

static json_t *text_json(const char *text)
{
    json_t *json = json_string(text);
    return json ? json : json_string("(not UTF-8)");
}

static void fail(struct admin_call *c, const struct err *err)
{
    json_decref(c->json);
    c->status = status_of(err);
    c->json = json_pack("{s{ss so so}}", "error", "code", err_name(err->code), "message",
                        text_json(err->msg), "hint", text_json(err->hint));
}

static void refuse(struct admin_call *c, enum err_code code, const char *why)
{
    struct err err = {0};
    err_set(&err, code, "%s", why);
    fail(c, &err);
    respond(c);
}

/* --- at work --- */

static void work(uv_work_t *handle)
{
    struct admin_call *c = container_of(handle, struct admin_call, work);
    struct err err = {0};
    if (admin_handle(c, &err) < 0)
        fail(c, &err);
}

static void worked(uv_work_t *handle, int status)
{
    (void)status;
    struct admin_call *c = container_of(handle, struct admin_call, work);
    struct admin *a = c->admin;
    respond(c);
    a->at_work--;
    if (a->closed && a->at_work == 0)
        loop_stop(a->loop);
}

static void start_work(struct admin_call *c)
{
    c->admin->at_work++;
    uv_queue_work(loop_uv(c->admin->loop), &c->work, work, worked);
}

/* --- the request's body --- */

static bool keep(struct admin_call *c, const uint8_t *data, size_t len)
{
    return c->fd >= 0 ? file_write_all(c->fd, data, len) : buf_add(&c->body, data, len);
}

/* Not inside the call that brought the bytes. */
static void refuse_body(void *env)
{
    struct admin_call *c = env;
    body_stop(c->ex->body);
    if (c->fd >= 0)
        refuse(c, ERR_IO, "the upload cannot be written");
    else
        refuse(c, ERR_LIMIT, "the request is too large");
}

static void on_body(void *env)
{
    struct admin_call *c = env;
    for (;;) {
        const uint8_t *data;
        size_t len;
        switch (body_peek(c->ex->body, &data, &len)) {
        case BODY_DATA:
            if (!keep(c, data, len)) {
                body_on_readable(c->ex->body, NULL, NULL);
                c->refusal = (struct task){.fn = refuse_body, .env = c};
                loop_defer(c->admin->loop, &c->refusal);
                return;
            }
            body_consume(c->ex->body, len);
            break;
        case BODY_WAIT:
            return;
        case BODY_END:
            start_work(c);
            return;
        case BODY_ERROR:
            call_free(c);
            return;
        }
    }
}

static bool is_blob_upload(const struct admin_call *c)
{
    return c->part_count == 4 && strcmp(c->parts[0], "apps") == 0 &&
           strcmp(c->parts[2], "blobs") == 0 && admin_is(c, "PUT");
}

static int open_blob(struct admin_call *c, struct err *err)
{
    cleanup(free_p) char *dir = NULL;
    int r = shelf_blob_dir(c->admin->o.shelf, c->parts[1], &dir, err);
    if (r < 0)
        return r;
    c->file = xasprintf("%s/.new-%016llx", dir, (unsigned long long)random_u64());
    c->fd = open(c->file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return c->fd < 0 ? err_sys(err, ERR_IO, errno, "cannot write %s", c->file) : 0;
}

/* --- the request's head --- */

static bool split_path(struct admin_call *c)
{
    struct uri uri;
    if (!uri_parse(c->ex->uri, strlen(c->ex->uri), &uri))
        return false;
    c->path = xstrndup(uri.path, uri.path_len);
    char *query = strchr(c->path, '?');
    c->query = xstrdup(query ? query + 1 : "");
    if (query)
        *query = '\0';
    if (strcmp(c->path, "/v1") == 0)
        return true;
    if (strncmp(c->path, "/v1/", 4) != 0)
        return false;
    for (char *p = c->path + 4; p; ) {
        char *slash = strchr(p, '/');
        if (slash)
            *slash = '\0';
        if (c->part_count == ADMIN_PARTS || !*p || !uri_decode(p))
            return false;
        c->parts[c->part_count++] = p;
        p = slash ? slash + 1 : NULL;
    }
    return true;
}

static bool authorized(const struct admin *a, const struct exchange *ex)
{
    const char *field = headers_get(&ex->headers, "authorization");
    cleanup(free_p) char *want = xasprintf("Bearer %s", a->token);
    size_t len = strlen(want);
    if (!field || strlen(field) != len)
        return false;
    /* In a time that does not depend on where they differ. */
    unsigned differ = 0;
    for (size_t i = 0; i < len; i++)
        differ |= (unsigned char)field[i] ^ (unsigned char)want[i];
    return differ == 0;
}

static bool is_logs(const struct admin_call *c)
{
    return c->part_count == 3 && strcmp(c->parts[0], "apps") == 0 &&
           strcmp(c->parts[2], "logs") == 0 && admin_is(c, "GET");
}

static void answer_logs(struct admin_call *c)
{
    cleanup(free_p) char *version = admin_query(c, "version");
    struct response_head head = {.status = 200, .headers = &c->headers};
    headers_set_str(&c->headers, "content-type", "application/x-ndjson");
    exchange_respond(c->ex, &head, admin_logs_listen(c->admin->logs, c->parts[1], version));
    call_free(c);
}

static void on_request(void *env, struct exchange *ex)
{
    struct admin *a = env;
    struct admin_call *c = xnew(struct admin_call);
    struct err err = {0};
    *c = (struct admin_call){.admin = a, .ex = ex, .status = 200, .fd = -1};
    buf_init(&c->body, ADMIN_BODY_MAX);
    buf_init(&c->out, ADMIN_BODY_MAX);
    if (!authorized(a, ex)) {
        refuse(c, ERR_CREDENTIALS, "the token is wrong");
        return;
    }
    if (!split_path(c)) {
        refuse(c, ERR_USAGE, "there is no such address");
        return;
    }
    if (is_blob_upload(c) && open_blob(c, &err) < 0) {
        fail(c, &err);
        respond(c);
        return;
    }
    if (is_logs(c)) {
        answer_logs(c);
        return;
    }
    body_on_readable(ex->body, on_body, c);
    on_body(c);
}

/* --- for handlers --- */

bool admin_is(const struct admin_call *c, const char *method)
{
    return strcmp(c->ex->method, method) == 0;
}

char *admin_query(const struct admin_call *c, const char *name)
{
    size_t name_len = strlen(name);
    for (const char *p = c->query; *p;) {
        size_t len = strcspn(p, "&");
        if (len > name_len && strncmp(p, name, name_len) == 0 && p[name_len] == '=') {
            char *value = xstrndup(p + name_len + 1, len - name_len - 1);
            if (uri_decode(value))
                return value;
            free(value);
            return NULL;
        }
        p += len + (p[len] == '&');
    }
    return NULL;
}

int admin_json(struct admin_call *c, json_t **ret, struct err *err)
{
    json_error_t why;
    *ret = json_loadb(c->body.len ? c->body.data : "", c->body.len, 0, &why);
    return *ret ? 0 : err_set(err, ERR_USAGE, "the request is no JSON: %.100s", why.text);
}

/* --- life --- */

/* Anybody may connect to a socket in /tmp whose mode was changed, or as root. */
static bool is_stranger(void *env, int fd)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    (void)env;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && peer.uid == getuid())
        return false;
    close(fd);
    return true;
}

static void on_mark(void *env)
{
    struct admin *a = env;
    shelf_mark(a->o.shelf);
    timer_start(a->loop, &a->mark, MARK_NS, on_mark, a);
}

/* The one that is there goes on being good: a new one would cost a sync at each start. */
static int make_token(struct admin *a, struct err *err)
{
    uint8_t bytes[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    size_t len;
    cleanup(free_p) char *path = xasprintf("%s/" STATE_TOKEN, a->o.state_dir);
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & 0777) == 0600 && st.st_uid == getuid() &&
        file_read(path, HASH_HEX_SIZE, &a->token, &len, NULL) == 0) {
        if (hex_is(a->token, HASH_HEX_SIZE - 1))
            return 0;
        free(TAKE(a->token));
    }
    random_bytes(bytes, sizeof bytes);
    hash_hex(bytes, hex);
    a->token = xstrdup(hex);
    return file_write(path, hex, strlen(hex), 0600, err);
}

static void thread_main(void *arg)
{
    loop_run(((struct admin *)arg)->loop);
}

static void admin_free(struct admin *a)
{
    admin_logs_free(a->logs);
    loop_free(a->loop);
    free(a->socket);
    free(a->token);
    free(a);
}

static int open_socket(struct admin *a, struct err *err)
{
    int r = make_token(a, err);
    if (r < 0)
        return r;
    struct listener_options options = {.path = a->socket, .elsewhere = is_stranger};
    struct exchange_handler handler = {on_request, a};
    return listener_open(a->loop, &options, &handler, &a->listener, err);
}

static void on_closed(void *env)
{
    struct admin *a = env;
    a->closed = true;
    if (a->at_work == 0)
        loop_stop(a->loop);
}

static void begin_stop(void *env)
{
    struct admin *a = env;
    timer_stop(&a->mark);
    admin_logs_end(a->logs);
    listener_close(a->listener, GRACE_NS, on_closed, a);
}

int admin_start(const struct admin_options *options, struct admin **ret, struct err *err)
{
    struct admin *a = xnew(struct admin);
    a->o = *options;
    a->loop = loop_new();
    a->logs = admin_logs_new(options->server, a->loop);
    a->socket = state_socket_path(options->state_dir);
    a->started_ms = clock_wall_ns() / 1000000;
    int r = open_socket(a, err);
    if (r < 0) {
        admin_free(a);
        return r;
    }
    timer_start(a->loop, &a->mark, MARK_NS, on_mark, a);
    if (uv_thread_create(&a->thread, thread_main, a) != 0) {
        admin_free(a);
        return err_set(err, ERR_IO, "cannot start a thread");
    }
    *ret = a;
    return 0;
}

void admin_stop(struct admin *a)
{
    if (!a)
        return;
    loop_post(a->loop, begin_stop, a);
    uv_thread_join(&a->thread);
    unlink(a->socket);
}

void admin_close(struct admin *a)
{
    if (a)
        admin_free(a);
}
