/* SPDX-License-Identifier: Apache-2.0 */
/* What the command files share: their own declarations, from commands.def. */
#ifndef EDGECTL_CMD_CMD_H
#define EDGECTL_CMD_CMD_H

#include "cli/cli.h"

#define CMD(name) extern const struct cli_cmd cmd_##name;
#include "cmd/commands.def"
#undef CMD

#endif
