/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/complete.h"

#include <string.h>
#include "cli/parse.h"

static const char *const kinds[COMP_COUNT] = {
    [COMP_NONE] = "none",     [COMP_FILE] = "file",         [COMP_DIR] = "dir",
    [COMP_CHOICES] = "words", [COMP_TARGET] = "target",     [COMP_KV] = "kv",
    [COMP_SECRET] = "secret", [COMP_CONFIG] = "config",     [COMP_TEMPLATE] = "template",
    [COMP_COMMAND] = "command",
};

const char *complete_kind_name(enum cli_comp kind)
{
    return kinds[kind];
}

enum cli_comp complete_kind(const char *name)
{
    int i = 0;
    while (i < COMP_COUNT && strcmp(kinds[i], name) != 0)
        i++;
    return (enum cli_comp)i;
}

static size_t count_opts(const struct cli_opt *o)
{
    size_t n = 0;
    for (; o && o[n].type != CLI_END; n++)
        ;
    return n;
}

const struct cli_opt *complete_opt(const struct cli_cmd *cmd, size_t i)
{
    const struct cli_opt *lists[] = {
        cmd ? cmd->opts : NULL,
        cmd && (cmd->needs & NEED_STATE) ? cli_state_opts : NULL,
        cli_global_opts,
    };
    for (size_t l = 0; l < ARRAY_LEN(lists); l++) {
        size_t n = count_opts(lists[l]);
        if (i < n)
            return &lists[l][i];
        i -= n;
    }
    return NULL;
}

const struct cli_cmd *complete_cmd(const struct cli_table *table, size_t i)
{
    for (size_t at = 0; at < table->count; at++)
        if (!table->cmds[at]->hidden && i-- == 0)
            return table->cmds[at];
    return NULL;
}

static bool noun_of(const struct cli_cmd *cmd, char noun[COMPLETE_NOUN_MAX])
{
    size_t len = strcspn(cmd->path, " ");
    if (!cmd->path[len] || len >= COMPLETE_NOUN_MAX)
        return false;
    memcpy(noun, cmd->path, len);
    noun[len] = '\0';
    return true;
}

bool complete_new_noun(const struct cli_table *table, size_t i, char noun[COMPLETE_NOUN_MAX])
{
    if (!noun_of(complete_cmd(table, i), noun))
        return false;
    for (size_t before = 0; before < i; before++) {
        char other[COMPLETE_NOUN_MAX];
        if (noun_of(complete_cmd(table, before), other) && strcmp(noun, other) == 0)
            return false;
    }
    return true;
}

const char *complete_verb(const struct cli_cmd *cmd)
{
    const char *blank = strrchr(cmd->path, ' ');
    return blank ? blank + 1 : cmd->path;
}

void complete_choices(struct buf *to, const char *choices)
{
    for (; *choices; choices++)
        buf_add_char(to, *choices == '|' ? ' ' : *choices);
}
