/* SPDX-License-Identifier: Apache-2.0 */
/* --help, from the command table: at most 80 columns. */
#ifndef EDGECTL_CLI_HELP_H
#define EDGECTL_CLI_HELP_H

#include "base/buf.h"
#include "cli/cli.h"

#define HELP_SUMMARY "run edge apps here as the edge would, and ship them"

/* "edgectl dev [OPTIONS] [APP.wasm]", without a newline. */
void help_usage(struct buf *to, const struct cli_cmd *cmd);
/* The help of one command. */
void help_command(struct buf *to, const struct cli_cmd *cmd);
/* The list of commands: all, or those that begin with `noun`. */
void help_overview(struct buf *to, const struct cli_table *table, const char *noun);

/* What is said about an option or an operand: its text, its words, its default (`defaults` is the
 * command's args struct or NULL). */
void help_opt_text(struct buf *to, const struct cli_opt *o, const void *defaults);
void help_arg_text(struct buf *to, const struct cli_arg *a);
const char *help_group_title(enum cli_group group);

#endif
