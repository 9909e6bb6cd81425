/* SPDX-License-Identifier: Apache-2.0 */
/* For tests of the HTTP front: a listener on its own thread with a handler that does what the
 * path says, and a raw client. Every wait is bounded. */
#ifndef EDGECTL_TESTS_SERVE_FRONT_H
#define EDGECTL_TESTS_SERVE_FRONT_H

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"
#include "serve/listener.h"

#define MS INT64_C(1000000)
#define WAIT_MS 5000
#define helper __attribute__((unused)) static /* not every test needs every one */

struct front {
    struct loop *loop;
    struct listener *listener;
    uv_thread_t thread;
    uint16_t port;
    atomic_int begun, gone, finished, closed;
};

/* --- the handler: one of these per exchange --- */

struct job {
    struct front *front;
    struct exchange *ex;
    struct body *out;
    struct timer timer;
    struct task task;
    int left;
};

static void job_end(struct job *j)
{
    timer_stop(&j->timer);
    task_cancel(&j->task);
    if (j->out) {
        body_on_drain(j->out, NULL, NULL);
        body_unref(j->out);
    }
    j->ex->on_gone = j->ex->on_finished = NULL;
    exchange_unref(j->ex);
    free(j);
}

static void answer(struct exchange *ex, int status, struct body *body)
{
    struct headers h = {0};
    headers_add_str(&h, "x-test", "yes");
    exchange_respond(ex, &(struct response_head){.status = status, .headers = &h}, body);
    headers_clear(&h);
}

static struct body *text_body(const char *text)
{
    struct body *b = body_new();
    body_write(b, text, strlen(text));
    body_end(b);
    return b;
}

static void do_info(struct job *j)
{
    struct buf b = BUF_INIT(1 << 20);
    buf_printf(&b, "%s %s %d\n", j->ex->method, j->ex->uri, j->ex->version);
    for (size_t i = 0; i < j->ex->headers.count; i++)
        buf_printf(&b, "%s: %s\n", j->ex->headers.list[i].name, j->ex->headers.list[i].value);
    const struct exchange_tls *t = j->ex->tls;
    if (t)
        buf_printf(&b, "tls %s %s %s verify %d cert %zu hello %zu ja3 %02x ja4 %s\n", t->protocol,
                   t->cipher,
                   t->servername ? t->servername : "none", t->verify_result, t->client_cert_len,
                   t->client_hello_len, t->has_ja3 ? t->ja3_md5[0] : 0, t->ja4 ? t->ja4 : "none");
    answer(j->ex, 200, text_body(buf_str(&b)));
    buf_clear(&b);
    job_end(j);
}

static void do_echo(struct job *j)
{
    struct body *b = body_new();
    body_append(b, body_ref(j->ex->body));
    body_end(b);
    answer(j->ex, 200, b);
    job_end(j);
}

static void late(void *env)
{
    struct job *j = env;
    answer(j->ex, 200, text_body("late\n"));
    job_end(j);
}

static void drip(void *env)
{
    struct job *j = env;
    body_write(j->out, "drip\n", 5);
    if (--j->left > 0) {
        timer_start(j->front->loop, &j->timer, 5 * MS, drip, j);
        return;
    }
    if (strstr(j->ex->uri, "fail")) {
        body_fail(j->out, "the test wants it");
    } else {
        headers_add_str(body_trailers(j->out), "x-sum", "15");
        headers_add_str(body_trailers(j->out), "x-bad", "a\r\nb");
        body_end(j->out);
    }
    job_end(j);
}

static void do_drip(struct job *j)
{
    j->left = 3;
    j->out = body_new();
    answer(j->ex, 200, body_ref(j->out));
    drip(j);
}

/* Writes 64 KiB pieces as long as the wire takes them, 8 MiB in all. */
static void pump(void *env)
{
    struct job *j = env;
    static char piece[64 << 10];
    while (j->left > 0 && !body_full(j->out) && !body_reader_gone(j->out)) {
        memset(piece, 'a' + j->left % 26, sizeof piece);
        body_write(j->out, piece, sizeof piece);
        j->left--;
    }
    if (j->left > 0 && !body_reader_gone(j->out))
        return;
    body_end(j->out);
    job_end(j);
}

static void pump_soon(void *env)
{
    struct job *j = env;
    loop_defer(j->front->loop, &j->task);
}

static void do_big(struct job *j)
{
    j->left = 128;
    j->out = body_new();
    j->task = (struct task){.fn = pump, .env = j};
    body_on_drain(j->out, pump_soon, j);
    answer(j->ex, 200, body_ref(j->out));
    pump(j);
}

static void on_gone(struct exchange *ex)
{
    struct job *j = ex->handler_data;
    j->front->gone++;
    body_on_readable(ex->body, NULL, NULL);
    job_end(j);
}

/* Reads all of the request body, then answers with its length and trailers. */
static void count(void *env)
{
    struct job *j = env;
    const uint8_t *data;
    size_t len;
    enum body_read r;
    while ((r = body_peek(j->ex->body, &data, &len)) == BODY_DATA) {
        j->left += (int)len;
        body_consume(j->ex->body, len);
    }
    if (r == BODY_WAIT)
        return;
    body_on_readable(j->ex->body, NULL, NULL);
    if (r == BODY_ERROR) {
        if (!j->ex->gone) /* else on_gone follows */
            exchange_respond_text(j->ex, 400, "text/plain", "broken body\n");
        job_end(j);
        return;
    }
    const char *t = headers_get(body_trailers(j->ex->body), "x-end");
    char text[128];
    snprintf(text, sizeof text, "%d bytes, x-end %s\n", j->left, t ? t : "none");
    answer(j->ex, 200, text_body(text));
    job_end(j);
}

static void count_soon(void *env)
{
    struct job *j = env;
    loop_defer(j->front->loop, &j->task);
}

static void do_count(struct job *j)
{
    j->task = (struct task){.fn = count, .env = j};
    j->ex->on_gone = on_gone;
    body_on_readable(j->ex->body, count_soon, j);
    loop_defer(j->front->loop, &j->task);
}

static void do_hints(struct job *j)
{
    struct headers h = {0};
    headers_add_str(&h, "link", "</a.css>; rel=preload");
    exchange_interim(j->ex, 103, &h);
    exchange_interim(j->ex, 103, &h);
    headers_clear(&h);
    answer(j->ex, 200, text_body("hinted\n"));
    job_end(j);
}

/* Framing and other headers from the query: "/manual?content-length=5&x=y", body "hello". */
static void do_manual(struct job *j)
{
    struct headers h = {0};
    char *q = strchr(j->ex->uri, '?'), *save = NULL;
    for (char *p = q ? strtok_r(q + 1, "&", &save) : NULL; p; p = strtok_r(NULL, "&", &save)) {
        char *eq = strchr(p, '=');
        headers_add(&h, p, (size_t)(eq - p), eq + 1, strlen(eq + 1));
    }
    exchange_respond(j->ex,
                     &(struct response_head){.status = 200, .headers = &h, .manual_framing = true},
                     text_body("hello"));
    headers_clear(&h);
    job_end(j);
}

/* What the guest put there must not become a line of its own. */
static void do_inject(struct job *j)
{
    struct headers h = {0};
    headers_add(&h, "x-a", 3, "1\r\nx-evil: 1", 13);
    headers_add(&h, "x-b\r\nx-evil", 11, "2", 1);
    headers_add(&h, "x-c", 3, "3\0", 2);
    headers_add(&h, "", 0, "4", 1);
    headers_add(&h, "content-length", 14, "3", 1);
    headers_add(&h, "x-good", 6, "\xc3\xa4\tb", 4);
    exchange_respond(j->ex, &(struct response_head){.status = 200, .headers = &h},
                     text_body("hello"));
    headers_clear(&h);
    job_end(j);
}

static void on_upgrade_finished(struct exchange *ex)
{
    struct job *j = ex->handler_data;
    j->front->finished++;
    job_end(j);
}

/* What comes after the switch goes back; without one, 200. */
static void do_upgrade(struct job *j)
{
    struct headers h = {0};
    const char *protocol = exchange_upgrade_wanted(j->ex);
    if (!protocol) {
        answer(j->ex, 200, text_body("no switch\n"));
        job_end(j);
        return;
    }
    headers_add_str(&h, "x-test", "yes");
    headers_add_str(&h, "content-length", "5");
    headers_add_str(&h, "upgrade", protocol);
    struct body *both = body_new();
    j->ex->on_finished = on_upgrade_finished;
    exchange_upgrade(j->ex, &h, both, body_ref(both));
    headers_clear(&h);
}

static void do_wait(struct job *j)
{
    j->ex->on_gone = on_gone; /* never answers */
}

helper void front_closed(void *env)
{
    struct front *f = env;
    f->closed++;
    loop_stop(f->loop);
}

helper void front_close(void *env)
{
    struct front *f = env;
    listener_close(f->listener, 200 * MS, front_closed, f);
}

helper void front_begin(void *env, struct exchange *ex)
{
    static const struct {
        const char *path;
        void (*fn)(struct job *j);
    } jobs[] = {
        {"/echo", do_echo}, {"/drip", do_drip}, {"/big", do_big}, {"/count", do_count},
        {"/hints", do_hints}, {"/manual", do_manual}, {"/inject", do_inject}, {"/wait", do_wait},
        {"/upgrade", do_upgrade},
    };
    struct front *f = env;
    struct job *j = xnew(struct job);
    j->front = f;
    j->ex = ex;
    ex->handler_data = j;
    f->begun++;
    const char *path = strchr(strstr(ex->uri, "//") + 2, '/');
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        if (strncmp(path, jobs[i].path, strlen(jobs[i].path)) == 0) {
            jobs[i].fn(j);
            return;
        }
    if (strncmp(path, "/stop", 5) == 0)
        front_close(f);
    if (strncmp(path, "/late", 5) == 0)
        timer_start(f->loop, &j->timer, 30 * MS, late, j);
    else if (strncmp(path, "/status/", 8) == 0)
        answer(ex, atoi(path + 8), text_body("text\n")), job_end(j);
    else if (strncmp(path, "/abort", 6) == 0)
        exchange_abort(ex), job_end(j);
    else
        do_info(j);
}

helper void front_run(void *env)
{
    struct front *f = env;
    loop_run(f->loop);
}

helper void front_start(struct front *f, const struct listener_options *options)
{
    struct listener_options o = *options;
    struct exchange_handler handler = {.begin = front_begin, .env = f};
    struct err err;
    if (!o.host)
        o.host = "127.0.0.1";
    *f = (struct front){.loop = loop_new()};
    if (listener_open(f->loop, &o, &handler, &f->listener, &err) < 0)
        fail_msg("%s", err.msg);
    f->port = listener_port(f->listener);
    assert_int_equal(uv_thread_create(&f->thread, front_run, f), 0);
}

helper void front_stop(struct front *f)
{
    loop_post(f->loop, front_close, f);
    uv_thread_join(&f->thread);
    assert_int_equal(f->closed, 1);
    loop_free(f->loop);
}

/* --- the client --- */

helper int dial(const struct front *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(f->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

helper void say_bytes(int fd, const char *data, size_t len)
{
    while (len) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0)
            return; /* the server may close on us: what it answered is what counts */
        data += n;
        len -= (size_t)n;
    }
}

helper void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

/* Reads until `until` was seen (NULL: until the end), or the end, or the time is over. Returns what
 * came, to be freed; *ended tells of the end (1), a reset (-1), or neither (0). */
helper char *hear(int fd, const char *until, int *ended)
{
    struct buf b = BUF_INIT(64 << 20);
    int64_t give_up = clock_mono_ns() + WAIT_MS * MS;
    int end = 0;
    while (!end && !(until && b.data && strstr(b.data, until))) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = (give_up - clock_mono_ns()) / MS;
        if (left <= 0 || poll(&p, 1, (int)left) <= 0)
            break;
        char *to = buf_reserve(&b, 64 << 10);
        ssize_t n = recv(fd, to, 64 << 10, 0);
        b.len += n > 0 ? (size_t)n : 0;
        b.data[b.len] = '\0';
        end = n == 0 ? 1 : n < 0 ? -1 : 0;
    }
    if (ended)
        *ended = end;
    return buf_take(&b);
}

/* One request on a new connection with the sending side left open; all that comes until the end. */
helper char *ask(const struct front *f, const char *request)
{
    int ended, fd = dial(f);
    say(fd, request);
    char *got = hear(fd, NULL, &ended);
    close(fd);
    if (ended == 0)
        fail_msg("no end of connection after: %.200s\ngot: %.500s", request, got);
    return got;
}

#define wait_for(counter, at_least) wait_for_(counter, at_least, __LINE__)

helper void wait_for_(atomic_int *counter, int at_least, int line)
{
    for (int i = 0; i < WAIT_MS && *counter < at_least; i++)
        usleep(1000);
    if (*counter < at_least)
        fail_msg("line %d: %d, not %d", line, *counter, at_least);
}

helper void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in: %.1000s", part, text);
}

helper void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' is in: %.1000s", part, text);
}

#endif
