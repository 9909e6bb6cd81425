/* SPDX-License-Identifier: Apache-2.0 */
/* What a command works on: a folder with a manifest, or one module. */
#ifndef EDGECTL_CMD_PROJECT_H
#define EDGECTL_CMD_PROJECT_H

#include "cli/cli.h"
#include "manifest/manifest.h"

/* Load the project for a command with an optional operand MODULE (NULL if not given): --manifest,
 * or edge.yaml or fastly.toml found here, or, with a module and no manifest at all, none. A module
 * that is named takes the place of the manifest's artifact, and is there already: no build command
 * is run for it. Every problem is printed; then the
 * error is left empty. */
must_use int project_load(struct cli *cli, const char *module, struct manifest **ret,
                          struct err *err);

#endif
