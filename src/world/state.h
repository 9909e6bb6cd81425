/* SPDX-License-Identifier: Apache-2.0 */
/* The state folder: where a project's KV data, secrets and local overrides live. */
#ifndef EDGECTL_WORLD_STATE_H
#define EDGECTL_WORLD_STATE_H

#include "base/err.h"

struct manifest;

/* The folder's path, freed by the caller: `override` if given (--state), else ".edgectl" in the
 * project directory, or, for a manifest that is called neither edge.yaml nor fastly.toml,
 * ".edgectl/<its file name>", so that several manifests in one directory do not share state. */
char *state_dir_for(const struct manifest *m, const char *override);

/* Make it, with missing parents and mode 0700; a .gitignore in it keeps it out of commits. No
 * effect if it is there. -ERR_IO. */
must_use int state_dir_make(const char *dir, struct err *err);

#endif
