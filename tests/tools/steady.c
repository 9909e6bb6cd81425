/* SPDX-License-Identifier: Apache-2.0 */
/* steady PORT HOST RATE SECONDS: GET / at RATE requests a second over connections that are kept,
 * until SECONDS have passed or SIGTERM. Prints a JSON line: per version that says it answered how
 * many requests, how many of them bad (5xx), and when the first and the last came (ms since the
 * start). */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"

enum { CONNECTIONS = 64, VERSIONS = 16, ANSWER_MAX = 64 * 1024, TICK_MS = 5 };

struct conn {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    bool open, busy;
    char answer[ANSWER_MAX];
    size_t got;
};

struct seen {
    char version[64];
    uint64_t requests, bad;
    int64_t first_ms, last_ms;
};

static struct loop *loop;
static struct conn conns[CONNECTIONS];
static struct seen versions[VERSIONS];
static struct sockaddr_in address;
static char request[512];
static double rate, owed;
static int64_t began_ns, ticked_ns;
static uint64_t lost;

static void start(struct conn *c);

static void on_stop(void *env)
{
    (void)env;
    loop_stop(loop);
}

static void on_signal(uv_signal_t *handle, int signum)
{
    (void)handle;
    (void)signum;
    loop_stop(loop);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = handle->data;
    start(c);
}

static void drop(struct conn *c)
{
    lost += c->busy;
    c->open = c->busy = false;
    if (!uv_is_closing((uv_handle_t *)&c->tcp))
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

/* The value of a header within the head, or NULL. */
static const char *header(const char *head, const char *name)
{
    size_t len = strlen(name);
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) == 0 && line[2 + len] == ':')
            return line + 3 + len + strspn(line + 3 + len, " ");
    }
    return NULL;
}

static void count(const char *head)
{
    const char *version = header(head, "edgectl-version");
    size_t len = version ? strcspn(version, "\r") : 0;
    int64_t now = (clock_mono_ns() - began_ns) / 1000000;
    for (int i = 0; i < VERSIONS; i++) {
        struct seen *s = &versions[i];
        if (s->requests == 0)
            snprintf(s->version, sizeof s->version, "%.*s", (int)len, version ? version : "");
        if (strlen(s->version) != len || strncmp(s->version, version ? version : "", len) != 0)
            continue;
        if (s->requests++ == 0)
            s->first_ms = now;
        s->last_ms = now;
        s->bad += head[9] == '5';
        return;
    }
}

/* Is the answer whole? Its head is ended by a NUL then. */
static bool whole(struct conn *c)
{
    c->answer[c->got] = '\0';
    char *end = strstr(c->answer, "\r\n\r\n");
    if (!end)
        return false;
    char *body = end + 4;
    size_t have = c->got - (size_t)(body - c->answer);
    end[2] = '\0';
    const char *length = header(c->answer, "content-length");
    const char *coding = header(c->answer, "transfer-encoding");
    bool done = length  ? have >= strtoul(length, NULL, 10)
                : coding ? have >= 5 && memcmp(body + have - 5, "0\r\n\r\n", 5) == 0
                         : true;
    if (!done)
        end[2] = '\r';
    return done;
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    struct conn *c = handle->data;
    (void)size;
    *buf = uv_buf_init(c->answer + c->got, (unsigned)(sizeof c->answer - 1 - c->got));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;
    (void)buf;
    if (n < 0) {
        drop(c);
        return;
    }
    c->got += (size_t)n;
    if (!c->busy || !whole(c))
        return;
    count(c->answer);
    c->busy = false;
    c->got = 0;
}

static void on_connect(uv_connect_t *req, int status)
{
    struct conn *c = req->data;
    if (status < 0) {
        drop(c);
        return;
    }
    c->open = true;
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

static void start(struct conn *c)
{
    uv_tcp_init(loop_uv(loop), &c->tcp);
    uv_tcp_nodelay(&c->tcp, 1);
    c->tcp.data = c;
    c->connect.data = c;
    c->got = 0;
    uv_tcp_connect(&c->connect, &c->tcp, (const struct sockaddr *)&address, on_connect);
}

static void ask(struct conn *c)
{
    uv_buf_t out = uv_buf_init(request, (unsigned)strlen(request));
    c->busy = true;
    c->got = 0;
    uv_write(&c->write, (uv_stream_t *)&c->tcp, &out, 1, NULL);
}

static void on_tick(uv_timer_t *timer)
{
    static int next;
    int64_t now = clock_mono_ns();
    (void)timer;
    owed += rate * (double)(now - ticked_ns) / 1e9;
    ticked_ns = now;
    /* What could not be sent in time is not caught up with: that would be a burst. */
    if (owed > CONNECTIONS)
        owed = CONNECTIONS;
    for (int i = 0; i < CONNECTIONS && owed >= 1; i++) {
        struct conn *c = &conns[next++ % CONNECTIONS];
        if (!c->open || c->busy)
            continue;
        ask(c);
        owed--;
    }
}

int main(int argc, char **argv)
{
    uv_signal_t term;
    uv_timer_t tick;
    struct timer stop = {0};
    if (argc != 5)
        return 2;
    uv_ip4_addr("127.0.0.1", (int)strtol(argv[1], NULL, 10), &address);
    snprintf(request, sizeof request, "GET / HTTP/1.1\r\nHost: %.200s\r\n\r\n", argv[2]);
    rate = strtod(argv[3], NULL);
    loop = loop_new();
    began_ns = ticked_ns = clock_mono_ns();
    for (int i = 0; i < CONNECTIONS; i++)
        start(&conns[i]);
    uv_signal_init(loop_uv(loop), &term);
    uv_signal_start(&term, on_signal, SIGTERM);
    uv_timer_init(loop_uv(loop), &tick);
    uv_timer_start(&tick, on_tick, TICK_MS, TICK_MS);
    timer_start(loop, &stop, (int64_t)(strtod(argv[4], NULL) * 1e9), on_stop, NULL);
    loop_run(loop);
    printf("{\"lost\": %llu, \"versions\": {", (unsigned long long)lost);
    for (int i = 0; i < VERSIONS && versions[i].requests; i++) {
        const struct seen *s = &versions[i];
        printf("%s\"%s\": {\"requests\": %llu, \"bad\": %llu, \"first_ms\": %lld, \"last_ms\": %lld}",
               i ? ", " : "", s->version, (unsigned long long)s->requests,
               (unsigned long long)s->bad, (long long)s->first_ms, (long long)s->last_ms);
    }
    printf("}}\n");
    return 0;
}
