/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"

enum { TURN_MS = 100, SHOWN = 60 };

/* The environment with what is added, which wins. The caller frees the array, not the strings. */
static char **joined_env(char *const *add)
{
    size_t added = 0, had = 0, n = 0;
    while (add && add[added])
        added++;
    while (environ[had])
        had++;
    char **all = xcalloc(added + had + 1, sizeof *all);
    for (size_t i = 0; i < added; i++)
        all[n++] = add[i];
    for (size_t i = 0; i < had; i++) {
        size_t k = 0, name = strcspn(environ[i], "=") + 1;
        while (k < added && strncmp(add[k], environ[i], name) != 0)
            k++;
        if (k == added)
            all[n++] = environ[i];
    }
    return all;
}

static int start(const struct command *c, int out_fd, pid_t *ret_pid)
{
    char *const argv[] = {(char *)"sh", (char *)"-c", (char *)c->text, NULL};
    cleanup(free_p) char **env = joined_env(c->env);
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, dflt;
    sigemptyset(&none);
    sigemptyset(&dflt);
    sigaddset(&dflt, SIGINT);
    sigaddset(&dflt, SIGTERM);
    sigaddset(&dflt, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out_fd >= 0 ? out_fd : STDERR_FILENO,
                                     STDOUT_FILENO);
    if (c->dir)
        posix_spawn_file_actions_addchdir_np(&actions, c->dir);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &dflt);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    int failed = posix_spawn(ret_pid, "/bin/sh", &actions, &attributes, argv, env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

static bool drain(int fd, struct buf *out)
{
    char piece[4096];
    ssize_t n = read(fd, piece, sizeof piece);
    if (n > 0)
        buf_add(out, piece, (size_t)n);
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

static int give_up(pid_t pid, struct err *err, enum err_code code, const struct command *c,
                   const char *why)
{
    kill(-pid, SIGKILL);
    waitpid(pid, NULL, 0);
    return err_set(err, code, "the command '%.*s' %s", SHOWN, c->text, why);
}

static int watch(const struct command *c, pid_t pid, int fd, struct buf *out, struct err *err)
{
    int64_t until = clock_mono_ns() + c->timeout_ms * 1000000;
    bool open = fd >= 0;
    int status;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        poll(&p, open ? 1 : 0, open ? TURN_MS : 10);
        if (open && p.revents)
            open = drain(fd, out);
        if (out && out->overflow)
            return give_up(pid, err, ERR_FAILURE, c, "printed too much");
        if (!open && waitpid(pid, &status, WNOHANG) == pid)
            break;
        if (c->interrupted && atomic_load(c->interrupted))
            return give_up(pid, err, ERR_INTERRUPTED, c, "was interrupted");
        if (clock_mono_ns() > until)
            return give_up(pid, err, ERR_FAILURE, c, "took too long");
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return WIFEXITED(status)
               ? err_set(err, ERR_FAILURE, "the command '%.*s' failed with status %d", SHOWN,
                         c->text, WEXITSTATUS(status))
               : err_set(err, ERR_FAILURE, "the command '%.*s' was ended by signal %d", SHOWN,
                         c->text, WTERMSIG(status));
}

int command_run(const struct command *c, struct buf *out, struct err *err)
{
    int fds[2] = {-1, -1};
    if (out && pipe2(fds, O_CLOEXEC) < 0)
        return err_sys(err, ERR_IO, errno, "cannot make a pipe");
    pid_t pid = 0;
    int failed = start(c, fds[1], &pid);
    cleanup(close_p) int read_fd = fds[0];
    if (fds[1] >= 0)
        close(fds[1]);
    if (failed)
        return err_sys(err, ERR_FAILURE, failed, "cannot run the command '%.*s'", SHOWN, c->text);
    return watch(c, pid, read_fd, out, err);
}
