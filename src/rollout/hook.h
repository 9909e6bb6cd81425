/* SPDX-License-Identifier: Apache-2.0 */
/* Hooks of a rollout: commands and webhooks before and after each step and at the end. */
#ifndef EDGECTL_ROLLOUT_HOOK_H
#define EDGECTL_ROLLOUT_HOOK_H

#include <stdatomic.h>
#include "manifest/manifest.h"
#include "rollout/rollout.h"

enum hook_when { HOOK_BEFORE, HOOK_AFTER, HOOK_END };

/* Runs those of one point in order; the first that fails ends it. Each is told by EDGECTL_ROLLOUT_*
 * variables, or by the same as a JSON body: id, when, target, stable, canary, step, percent, phase.
 * -ERR_FAILURE, -ERR_NETWORK, -ERR_INTERRUPTED. */
must_use int hooks_run(const struct rollout *r, const struct manifest *m,
                       const struct manifest_hooks *hooks, enum hook_when when,
                       const atomic_bool *interrupted, struct err *err);

#endif
