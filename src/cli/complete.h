/* SPDX-License-Identifier: Apache-2.0 */
/* Completion scripts, from the command table. Words of the table stand in the scripts; values that
 * depend on the project are asked for by `edgectl _complete KIND PREFIX`. */
#ifndef EDGECTL_CLI_COMPLETE_H
#define EDGECTL_CLI_COMPLETE_H

#include "base/buf.h"
#include "cli/cli.h"

/* bash 4 or newer, without the bash-completion package. */
void complete_bash(struct buf *to, const struct cli_table *table);
void complete_zsh(struct buf *to, const struct cli_table *table);
void complete_fish(struct buf *to, const struct cli_table *table);

/* "kv", the KIND of _complete. */
const char *complete_kind_name(enum cli_comp kind);
/* COMP_COUNT if there is none of that name. */
enum cli_comp complete_kind(const char *name);

/* For the writers of scripts: the options of a command in the order in which help has them (cmd
 * NULL = the global ones), from i = 0 until NULL. */
const struct cli_opt *complete_opt(const struct cli_cmd *cmd, size_t i);
/* The i-th command that is shown, until NULL. */
const struct cli_cmd *complete_cmd(const struct cli_table *table, size_t i);
/* Is this command the first of its noun ("kv" of "kv get")? Then the noun is copied to `noun`. */
enum { COMPLETE_NOUN_MAX = 64 };
bool complete_new_noun(const struct cli_table *table, size_t i, char noun[COMPLETE_NOUN_MAX]);
/* The last word of a command's path, and "a|b" as "a b". */
const char *complete_verb(const struct cli_cmd *cmd);
void complete_choices(struct buf *to, const char *choices);

#endif
