/* SPDX-License-Identifier: Apache-2.0 */
/* A command at work on a target: the manifest with that target, its journal (and with it the lock),
 * and the target opened. */
#ifndef EDGECTL_CMD_SESSION_H
#define EDGECTL_CMD_SESSION_H

#include "cli/cli.h"
#include "provider/journal.h"
#include "provider/target.h"

struct session {
    struct cli *cli;
    struct manifest *manifest;
    char *state_dir;
    struct journal *journal;
    struct target *target;
    struct out_progress progress;
};

/* Another target than --target's: `target` NULL takes that. Ctrl-C makes target_interrupted true
 * from now on. On failure nothing is to be closed. */
must_use int session_open(struct cli *cli, const char *target, enum journal_mode mode,
                          struct session *ret, struct err *err);
void session_close(struct session *s);
/* As if somebody interrupted it after that time: for what is asked to end then. */
void session_interrupt_after(int64_t ms);
/* Is the terminal's user asked, and did they say the word? `want`: what --confirm must be; `given`:
 * what it was, or NULL. -ERR_USAGE when not. */
must_use int session_confirm(struct session *s, const char *what, const char *want,
                             const char *given, struct err *err);

/* "12.5 %" of basis points. */
const char *session_percent(int bp, char to[16]);
/* "2026-11-26 14:05:06" UTC, "" for 0. */
const char *session_time(int64_t ms, char to[32]);

#endif
