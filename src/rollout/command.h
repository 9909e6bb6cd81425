/* SPDX-License-Identifier: Apache-2.0 */
/* A shell command of the manifest: hooks, and evidence. It runs in a process group of its own that
 * is killed when its time is over, and dies with edgectl. */
#ifndef EDGECTL_ROLLOUT_COMMAND_H
#define EDGECTL_ROLLOUT_COMMAND_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/err.h"

struct command {
    const char *text;               /* for sh -c */
    const char *dir;                /* to run it in */
    char *const *env;               /* "NAME=value" beside the environment; ends with NULL */
    int64_t timeout_ms;
    const atomic_bool *interrupted; /* NULL: never */
};

/* Runs it to its end. stdout goes to `out`, or to stderr when that is NULL. -ERR_FAILURE when it
 * fails, is killed, takes too long or prints more than out->max; -ERR_INTERRUPTED. */
must_use int command_run(const struct command *c, struct buf *out, struct err *err);

#endif
