/* SPDX-License-Identifier: Apache-2.0 */
/* Running a build command: `sh -c` in a process group of its own, its output passed on line by
 * line. Whatever it has started goes when it ends, when it is cancelled, and when edgectl itself
 * dies, however that comes about. */
#ifndef EDGECTL_BUILD_RUN_H
#define EDGECTL_BUILD_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "base/loop.h"

enum {
    BUILD_LINE_MAX = 16 * 1024,     /* a longer line comes in pieces */
    BUILD_TAIL_MAX = 32 * 1024,     /* of output kept for the error page */
};

struct build_result {
    bool ok;                /* ended by itself with status 0 */
    bool cancelled;
    int status;             /* exit status; -1 when a signal ended it */
    int signal;             /* or 0 */
    int64_t elapsed_ns;
    const char *tail;       /* the last whole lines of output, without terminal escapes; "" */
};

struct build_run_options {
    const char *command;    /* for sh -c */
    const char *dir;        /* to run it in */
    bool color;             /* the output will be seen on a terminal */
    /* One line of stdout or stderr without its end, in the order written; may be NULL. */
    void (*on_line)(void *env, const char *line, size_t len);
    /* Once, last of all; the run may be freed in it. Not called after build_run_free. */
    void (*on_end)(void *env, const struct build_result *result);
    void *env;
};

struct build_run;

/* Start it. Fails with -ERR_BUILD when there is no such directory or no process can be made. */
must_use int build_run_start(struct loop *loop, const struct build_run_options *options,
                             struct build_run **ret_run, struct err *err);
/* Ask it to stop (SIGTERM to the group, SIGKILL two seconds later); on_end follows. */
void build_run_cancel(struct build_run *run);
/* Kill whatever is left, at once, and forget it. NULL is allowed. */
void build_run_free(struct build_run *run);

/* How it ended as an error ("the build command failed with status 101"), for a result that is not
 * ok. Returns the negative code. */
int build_result_error(const struct build_result *result, const char *command, struct err *err);

#endif
