/* SPDX-License-Identifier: Apache-2.0 */
/* burst PORT PATH COUNT SECONDS: COUNT connections to 127.0.0.1:PORT, one GET on each, all at once.
 * Prints a JSON line: how many were answered 200, otherwise, or not within SECONDS, and how long
 * the whole took. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/loop.h"
#include "base/mem.h"

struct conn {
    uv_tcp_t tcp;
    uv_connect_t connect;
    uv_write_t write;
    char head[13];          /* "HTTP/1.1 200 " */
    size_t got;
    bool counted;
};

static struct loop *loop;
static size_t count, ok, refused, other;
static char request[1024];

static void on_timeout(void *env)
{
    (void)env;
    loop_stop(loop);
}

static void done(struct conn *c, size_t *tally)
{
    if (c->counted)
        return;
    c->counted = true;
    ++*tally;
    uv_close((uv_handle_t *)&c->tcp, NULL);
    if (ok + refused + other == count)
        loop_stop(loop);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    static char shared[4096];
    (void)handle;
    (void)size;
    *buf = uv_buf_init(shared, sizeof(shared));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct conn *c = stream->data;
    if (n < 0) {
        done(c, &other);
        return;
    }
    size_t take = (size_t)n < sizeof(c->head) - c->got ? (size_t)n : sizeof(c->head) - c->got;
    memcpy(c->head + c->got, buf->base, take);
    c->got += take;
    if (c->got == sizeof(c->head))
        done(c, memcmp(c->head + 8, " 200 ", 5) == 0 ? &ok : &other);
}

static void on_connect(uv_connect_t *connect, int status)
{
    struct conn *c = connect->data;
    uv_buf_t buf = uv_buf_init(request, (unsigned)strlen(request));
    if (status < 0) {
        done(c, &refused);
        return;
    }
    uv_write(&c->write, (uv_stream_t *)&c->tcp, &buf, 1, NULL);
    uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    struct sockaddr_in addr;
    uv_ip4_addr("127.0.0.1", atoi(argv[1]), &addr);
    snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: localhost:%s\r\n\r\n", argv[2],
             argv[1]);
    count = (size_t)atoll(argv[3]);
    loop = loop_new();
    struct conn *conns = xcalloc(count, sizeof(*conns));
    int64_t from = clock_mono_ns();
    for (size_t i = 0; i < count; i++) {
        struct conn *c = &conns[i];
        c->tcp.data = c->connect.data = c;
        uv_tcp_init(loop_uv(loop), &c->tcp);
        uv_tcp_connect(&c->connect, &c->tcp, (struct sockaddr *)&addr, on_connect);
    }
    struct timer timer = {0};
    timer_start(loop, &timer, atoll(argv[4]) * 1000000000, on_timeout, NULL);
    loop_run(loop);
    timer_stop(&timer);
    printf("{\"ok\": %zu, \"refused\": %zu, \"other\": %zu, \"unanswered\": %zu, \"seconds\": %.3f}\n",
           ok, refused, other, count - ok - refused - other,
           (double)(clock_mono_ns() - from) / 1e9);
    loop_free(loop);
    free(conns);
    return 0;
}
