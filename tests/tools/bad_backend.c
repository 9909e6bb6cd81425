/* SPDX-License-Identifier: Apache-2.0 */
/* bad_backend: an HTTP backend on a free port of 127.0.0.1 that answers badly, in the way that the
 * request's path names (see `ways`); any other path is answered well. Prints its port, then runs
 * until killed. */
#include <arpa/inet.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What to send, and how to go on: 'c' close, 'r' reset, 'h' hang until the client leaves,
 * 'f' more of it for ever. */
static const struct {
    const char *path, *answer;
    char then;
} ways[] = {
    {"/close", "", 'c'},
    {"/reset", "", 'r'},
    {"/hang", "", 'h'},
    {"/half-head", "HTTP/1.1 200 OK\r\nContent-Le", 'c'},
    {"/hang-head", "HTTP/1.1 200 OK\r\nContent-Le", 'h'},
    {"/garbage", "Hello, is this the right number?\r\n\r\n", 'c'},
    {"/status", "HTTP/1.1 20x OK\r\nContent-Length: 0\r\n\r\n", 'c'},
    {"/short", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", 'c'},
    {"/short-reset", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", 'r'},
    {"/hang-body", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", 'h'},
    {"/long", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlong and longer", 'c'},
    {"/lengths", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 7\r\n\r\nlengths", 'c'},
    {"/length", "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nlength", 'c'},
    {"/chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n", 'c'},
    {"/no-last-chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", 'c'},
    {"/huge-chunk",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nhello", 'c'},
    {"/endless-head", "HTTP/1.1 200 OK\r\nX: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n", 'f'},
    {"/interims", "HTTP/1.1 100 Continue\r\n\r\n", 'f'},
};

static const char good[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\ngood\n";

static void drain(int fd)
{
    char buf[4096];
    while (read(fd, buf, sizeof buf) > 0)
        ;
}

static void answer(int fd, const char *text, char then)
{
    size_t len = strlen(text);
    bool sent = write(fd, text, len) == (ssize_t)len;
    /* An unfinished head goes on with its last line, a finished one comes again. */
    if (then == 'f' && strncmp(text + len - 4, "\r\n\r\n", 4) != 0)
        text = strchr(text, '\n') + 1;
    while (then == 'f' && sent)
        sent = write(fd, text, strlen(text)) > 0;
    if (then == 'r')
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    if (then == 'c')
        shutdown(fd, SHUT_WR);
    if (then != 'r')
        drain(fd);
    close(fd);
}

static void serve(int fd)
{
    char head[8192], path[256] = "";
    size_t len = 0;
    ssize_t n;
    head[0] = '\0';
    while (len < sizeof head - 1 && !strstr(head, "\r\n\r\n") &&
           (n = read(fd, head + len, sizeof head - 1 - len)) > 0) {
        len += (size_t)n;
        head[len] = '\0';
    }
    sscanf(head, "%*s %255s", path);
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++)
        if (strcmp(path, ways[i].path) == 0) {
            answer(fd, ways[i].answer, ways[i].then);
            return;
        }
    answer(fd, good, 'c');
}

int main(void)
{
    int server = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;
    if (bind(server, (struct sockaddr *)&addr, len) < 0 || listen(server, 128) < 0)
        return 1;
    getsockname(server, (struct sockaddr *)&addr, &len);
    printf("%d\n", ntohs(addr.sin_port));
    fflush(stdout);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_IGN);
    for (;;) {
        int fd = accept(server, NULL, NULL);
        if (fd < 0)
            continue;
        /* A process for each, as some hang; they end when the client leaves. */
        if (fork() == 0) {
            close(server);
            serve(fd);
            _exit(0);
        }
        close(fd);
    }
}
