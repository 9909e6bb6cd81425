/* SPDX-License-Identifier: Apache-2.0 */
/* slow_backend DELAY_MS: an HTTP backend on a free port of 127.0.0.1 that answers every request 200
 * "slow" after that delay, keeping connections open. Prints its port, then runs until killed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/loop.h"
#include "base/mem.h"

static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nslow\n";

struct client {
    uv_tcp_t tcp;
    struct timer timer;
    size_t matched;         /* of the blank line that ends a head; requests carry no body */
};

static struct loop *loop;
static int64_t delay_ns;

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void close_client(struct client *c)
{
    timer_stop(&c->timer);
    if (!uv_is_closing((uv_handle_t *)&c->tcp))
        uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_written(uv_write_t *write, int status)
{
    (void)status;
    free(write);
}

static void on_due(void *env)
{
    struct client *c = env;
    uv_buf_t buf = uv_buf_init((char *)answer, sizeof(answer) - 1);
    uv_write(xnew(uv_write_t), (uv_stream_t *)&c->tcp, &buf, 1, on_written);
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf)
{
    static char shared[64 * 1024];
    (void)handle;
    (void)size;
    *buf = uv_buf_init(shared, sizeof(shared));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    static const char end[] = "\r\n\r\n";
    struct client *c = stream->data;
    if (n < 0) {
        close_client(c);
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        c->matched = buf->base[i] == end[c->matched] ? c->matched + 1 : buf->base[i] == '\r';
        if (c->matched == 4) {
            c->matched = 0;
            timer_start(loop, &c->timer, delay_ns, on_due, c);
        }
    }
}

static void on_connection(uv_stream_t *server, int status)
{
    struct client *c = xnew(struct client);
    uv_tcp_init(server->loop, &c->tcp);
    c->tcp.data = c;
    if (status < 0 || uv_accept(server, (uv_stream_t *)&c->tcp) < 0)
        close_client(c);
    else
        uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    delay_ns = atoll(argv[1]) * 1000000;
    loop = loop_new();
    uv_tcp_t server;
    struct sockaddr_in addr;
    int len = sizeof(addr);
    uv_ip4_addr("127.0.0.1", 0, &addr);
    uv_tcp_init(loop_uv(loop), &server);
    if (uv_tcp_bind(&server, (struct sockaddr *)&addr, 0) < 0 ||
        uv_listen((uv_stream_t *)&server, 4096, on_connection) < 0)
        return 1;
    uv_tcp_getsockname(&server, (struct sockaddr *)&addr, &len);
    printf("%d\n", ntohs(addr.sin_port));
    fflush(stdout);
    loop_run(loop);
    return 0;
}
