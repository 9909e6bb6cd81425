/* SPDX-License-Identifier: Apache-2.0 */
/* Beginning a rollout, or going on with one: `rollout run`, `start` and `resume`. */
#ifndef EDGECTL_CMD_ROLLOUT_BEGIN_H
#define EDGECTL_CMD_ROLLOUT_BEGIN_H

#include "cmd/rollout_open.h"

/* A rollout that is under way goes on (-ERR_DRIFT when it is one of another version than the one
 * that is named); else one begins. */
must_use int rollout_begin_or_go_on(struct cli *cli, const char *version, bool no_wait,
                                    struct err *err);
/* Runs the session's rollout. `force`: put it back whoever has changed the split. */
must_use int rollout_go_on(struct rollout_session *s, bool no_wait, bool force, struct err *err);

#endif
