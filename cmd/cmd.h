/* SPDX-License-Identifier: Apache-2.0 */
/* What the command files share: declarations from commands.def, and how help is shown. */
#ifndef EDGECTL_CMD_CMD_H
#define EDGECTL_CMD_CMD_H

#include "cli/cli.h"

#define CMD(name) extern const struct cli_cmd cmd_##name;
#include "cmd/commands.def"
#undef CMD

/* The help of one command, or the list of those below `noun` (NULL = all), as payload. */
void cmd_show_help(struct cli *cli, const struct cli_cmd *cmd, const char *noun);

#endif
