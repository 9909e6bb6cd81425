/* SPDX-License-Identifier: Apache-2.0 */
/* credential_process. Its standard error is the user's: it may ask for something there. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"
#include "provider/aws_creds.h"
#include "provider/aws_time.h"
#include "provider/common.h"

extern char **environ;

/* Somebody at the terminal may have to look for a code. After its answer it only has to end. */
enum { ANSWER_MAX = 64 * 1024, WAIT_MS = 60 * 1000, PERSON_MS = 5 * 60 * 1000, END_MS = 3000 };
enum { NAP_MS = 10 };

/* In a group of its own it can be ended with all that it began; but a group that is not the
 * terminal's would be stopped when it reads there (SIGTTIN), so then it stays in ours. */
static int start(const char *command, int out, bool own_group, pid_t *ret_pid)
{
    char *const argv[] = {(char *)"sh", (char *)"-c", (char *)command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, (short)(POSIX_SPAWN_SETSIGMASK |
                                                  (own_group ? POSIX_SPAWN_SETPGROUP : 0)));
    int failed = posix_spawn(ret_pid, "/bin/sh", &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* Everything until the end of its output; false when it takes too long or says too much. */
static bool read_all(int fd, int64_t limit_ms, struct buf *to)
{
    int64_t until_ns = clock_mono_ns() + limit_ms * 1000000;
    for (;;) {
        int64_t left_ms = (until_ns - clock_mono_ns()) / 1000000;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int ready = left_ms > 0 ? poll(&p, 1, (int)left_ms) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return false;
        char *room = buf_reserve(to, 4096);
        if (!room)
            return false;
        ssize_t n = read(fd, room, 4096);
        if (n == 0)
            return true;
        if (n < 0 && errno != EINTR)
            return false;
        to->len += n > 0 ? (size_t)n : 0;
    }
}

/* True once it has ended, with its exit status; false when it does not. */
static bool has_ended(pid_t pid, int *ret_status)
{
    int64_t until_ns = clock_mono_ns() + (int64_t)END_MS * 1000000;
    for (;;) {
        pid_t ended = waitpid(pid, ret_status, WNOHANG);
        if (ended == pid || (ended < 0 && errno != EINTR))
            return true;
        if (clock_mono_ns() > until_ns)
            return false;
        poll(NULL, 0, NAP_MS);
    }
}

static int run(const char *command, struct buf *answer, struct err *err)
{
    bool person = isatty(STDIN_FILENO);
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(err, ERR_CREDENTIALS, errno, "cannot run credential_process");
    cleanup(close_p) int in = ends[0];
    cleanup(close_p) int out = ends[1];
    pid_t pid;
    int failed = start(command, out, !person, &pid);
    if (failed)
        return err_sys(err, ERR_CREDENTIALS, failed, "cannot run credential_process");
    close(out);
    out = -1;
    int status = 0;
    bool whole = read_all(in, person ? PERSON_MS : WAIT_MS, answer);
    bool ended = whole && has_ended(pid, &status);
    if (!ended) {
        kill(person ? pid : -pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    }
    if (!whole)
        return err_set(err, ERR_CREDENTIALS, "credential_process did not answer within %s",
                       person ? "five minutes" : "a minute");
    if (!ended)
        return err_set(err, ERR_CREDENTIALS, "credential_process closed its output but did not "
                       "end");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return err_set(err, ERR_CREDENTIALS, "credential_process failed (%s %d)",
                       WIFEXITED(status) ? "exit status" : "signal",
                       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return 0;
}

static void wiped_buf(struct buf *b)
{
    if (b->data)
        secret_wipe(b->data, b->cap);
    buf_clear(b);
}

static const char *member(const json_t *answer, const char *name)
{
    const char *text = json_string_value(json_object_get(answer, name));
    return text && *text ? text : NULL;
}

int aws_process_keys(const char *command, struct aws_keys *ret, struct err *err)
{
    cleanup(wiped_buf) struct buf answer = BUF_INIT(ANSWER_MAX);
    /* Room at once: a buffer that moves would leave copies behind. */
    buf_reserve(&answer, ANSWER_MAX);
    int r = run(command, &answer, err);
    if (r < 0)
        return r;
    cleanup(json_decref_p) json_t *keys = json_loadb(answer.data, answer.len, 0, NULL);
    const char *id = member(keys, "AccessKeyId"), *secret = member(keys, "SecretAccessKey");
    const char *token = member(keys, "SessionToken"), *expires = member(keys, "Expiration");
    if (json_integer_value(json_object_get(keys, "Version")) != 1 || !id || !secret)
        return err_set(err, ERR_CREDENTIALS,
                       "credential_process answered something else than Version 1 with AccessKeyId "
                       "and SecretAccessKey");
    int64_t expires_s = 0;
    if (expires && !aws_time_parse(expires, &expires_s))
        return err_set(err, ERR_CREDENTIALS, "credential_process gave no valid time as Expiration");
    *ret = (struct aws_keys){.access_key_id = xstrdup(id),
                             .secret_key = secret_new(secret, strlen(secret)),
                             .session_token = token ? secret_new(token, strlen(token)) : NULL,
                             .expires_s = expires_s};
    return 0;
}
