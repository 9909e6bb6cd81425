/* SPDX-License-Identifier: Apache-2.0 */
/* What the rollout commands share: the targets of a rollout, opened, and its journal. */
#ifndef EDGECTL_CMD_ROLLOUT_OPEN_H
#define EDGECTL_CMD_ROLLOUT_OPEN_H

#include "cmd/session.h"
#include "rollout/drive.h"

struct rollout_session {
    struct cli *cli;
    struct session target[PLAN_TARGETS_MAX];
    int count;
    struct rollout *rollout;        /* NULL: there is none */
};

/* Opens the targets: those of rollout.targets in the manifest, else that of --target. JOURNAL_WRITE
 * takes the lock of each. On failure nothing is to be closed. */
must_use int rollout_session_open(struct cli *cli, enum journal_mode mode,
                                  struct rollout_session *ret, struct err *err);
void rollout_session_close(struct rollout_session *s);
/* Loads the newest rollout, or that with the id, from this machine or, when it is not here, from
 * the provider's note. None is 0 too. */
must_use int rollout_session_load(struct rollout_session *s, const char *id, bool write,
                                  struct err *err);
/* The same; -ERR_USAGE when there is none that is under way. */
must_use int rollout_session_need(struct rollout_session *s, struct err *err);
/* Makes a plan; a version that is not known leaves `canary` empty and says why in *why. */
must_use int rollout_session_plan(struct rollout_session *s, const char *version,
                                  struct plan *plan, struct err *err);
bool rollout_is_under_way(const struct rollout *r);

/* Asks the process that has the lock, and waits until it has taken the request (until_end: until
 * the rollout has ended, and as was asked for). 1: that process is no more, and the request stands:
 * open the session to write and go on. -ERR_USAGE when there is no rollout. */
must_use int rollout_session_ask(struct cli *cli, const char *what, bool until_end,
                                 struct err *err);

#endif
