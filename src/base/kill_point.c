/* SPDX-License-Identifier: Apache-2.0 */
#include "base/kill_point.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Process-wide by its nature: the process is what it ends. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long count;

static void write_line(const char *path, const char *where)
{
    char line[512];
    int len = snprintf(line, sizeof line, "%ld %.400s\n", count, where);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    ssize_t written = write(fd, line, (size_t)len);
    (void)written;
    close(fd);
}

void kill_point(const char *where)
{
    const char *at = getenv("EDGECTL_TEST_KILL_AT"), *log = getenv("EDGECTL_TEST_KILL_LOG");
    if (!at && !log)
        return;
    pthread_mutex_lock(&lock);
    count++;
    if (log)
        write_line(log, where);
    if (at && count == strtol(at, NULL, 10))
        kill(getpid(), SIGKILL);
    pthread_mutex_unlock(&lock);
}
