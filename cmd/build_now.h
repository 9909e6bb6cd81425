/* SPDX-License-Identifier: Apache-2.0 */
/* Bring the artifact up to date: what `build` and `deploy` share. */
#ifndef EDGECTL_CMD_BUILD_NOW_H
#define EDGECTL_CMD_BUILD_NOW_H

#include "cli/cli.h"
#include "manifest/manifest.h"

struct build_outcome {
    bool built;
    char *reason;           /* why it was built */
    int64_t build_ns;
};

void build_outcome_clear(struct build_outcome *o);

/* Runs the manifest's build command if the artifact is stale, or with `force`; nothing to do
 * without a command. What the build says is shown. -ERR_BUILD, -ERR_IO, -ERR_INTERRUPTED. */
must_use int build_now(struct cli *cli, struct manifest *m, bool force, struct build_outcome *ret,
                       struct err *err);

#endif
