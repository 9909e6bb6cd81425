/* SPDX-License-Identifier: Apache-2.0 */
/* argv against the command table. Pure: nothing is printed or opened. */
#ifndef EDGECTL_CLI_PARSE_H
#define EDGECTL_CLI_PARSE_H

#include "cli/cli.h"

/* Fills cli->cmd and the global options from argv (cli->table must be set, the global options
 * hold their defaults). *ret_args: the command's args struct, NULL when it has none or there is no
 * command; free with cli_args_free. With --help or --version given, operands may be missing and
 * cli->cmd may be NULL; cli->noun is then the first word of nested commands, if one was given.
 * ERR_USAGE, with the nearest match or the way to help as hint. */
must_use int cli_parse(struct cli *cli, int argc, char **argv, void **ret_args, struct err *err);
void cli_args_free(const struct cli_cmd *cmd, void *args);

/* The command of that path, or NULL. */
const struct cli_cmd *cli_find(const struct cli_table *table, const char *path);
/* Does any command's path begin with that word and go on? */
bool cli_is_noun(const struct cli_table *table, const char *word);

#endif
