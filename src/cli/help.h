/* SPDX-License-Identifier: Apache-2.0 */
/* --help, from the command table: at most 80 columns. */
#ifndef EDGECTL_CLI_HELP_H
#define EDGECTL_CLI_HELP_H

#include "base/buf.h"
#include "cli/cli.h"

/* "edgectl dev [OPTIONS] [APP.wasm]", without a newline. */
void help_usage(struct buf *to, const struct cli_cmd *cmd);
/* The help of one command. */
void help_command(struct buf *to, const struct cli_cmd *cmd);
/* The list of commands: all, or those that begin with `noun`. */
void help_overview(struct buf *to, const struct cli_table *table, const char *noun);

#endif
