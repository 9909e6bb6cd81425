/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP front alone, with a fixed answer: for measuring it against other servers.
 * usage: front [LOOPS]   prints its URL, serves until killed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/loop.h"
#include "serve/listener.h"

static void begin(void *env, struct exchange *ex)
{
    (void)env;
    struct headers headers = {0};
    headers_add_str(&headers, "content-type", "text/plain");
    struct body *body = body_new();
    body_write(body, "hello\n", 6);
    body_end(body);
    exchange_respond(ex, &(struct response_head){.status = 200, .headers = &headers}, body);
    headers_clear(&headers);
    exchange_unref(ex);
}

static void run(void *loop)
{
    loop_run(loop);
}

int main(int argc, char **argv)
{
    int loops = argc > 1 ? atoi(argv[1]) : 2;
    struct exchange_handler handler = {.begin = begin};
    struct listener *first = NULL, *next;
    struct err err;
    uv_thread_t thread;
    for (int i = 0; i < loops; i++) {
        struct loop *loop = loop_new();
        struct listener_options o = {.host = "127.0.0.1", .join = first};
        if (listener_open(loop, &o, &handler, &next, &err) < 0) {
            fprintf(stderr, "front: %s\n", err.msg);
            return 1;
        }
        first = first ? first : next;
        if (uv_thread_create(&thread, run, loop) != 0)
            return 1;
    }
    printf("%s\n", listener_url(first));
    fflush(stdout);
    uv_thread_join(&thread);
    return 0;
}
