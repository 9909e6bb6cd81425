/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that delete, shown and done: what `gc` and `destroy` share. */
#ifndef EDGECTL_CMD_DELETE_STEPS_H
#define EDGECTL_CMD_DELETE_STEPS_H

#include "cmd/session.h"

/* Tells what is going to be deleted (with `dry_run`: as the payload, and that is all), does it, and
 * reports. */
must_use int delete_steps_run(struct session *s, struct steps *steps, bool dry_run,
                              struct err *err);

#endif
