/* SPDX-License-Identifier: Apache-2.0 */
/* What the command files share: declarations from commands.def, help, the manifest. */
#ifndef EDGECTL_CMD_CMD_H
#define EDGECTL_CMD_CMD_H

#include "cli/cli.h"

struct manifest;

#define CMD(name) extern const struct cli_cmd cmd_##name;
#include "cmd/commands.def"
#undef CMD

/* The help of one command, or the list of those below `noun` (NULL = all), as payload. */
void cmd_show_help(struct cli *cli, const struct cli_cmd *cmd, const char *noun);

/* Reads the manifest that the global options name; every problem of it is told at once, so that a
 * failure leaves err->msg empty. */
must_use int cmd_load_manifest(struct cli *cli, struct manifest **ret_manifest, struct err *err);
/* End the process without waiting for its threads, as after returning `r` from run. */
_Noreturn void cmd_exit_now(struct cli *cli, int r);

#endif
