/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "base/buf.h"
#include "base/nearest.h"
#include "cli/help.h"
#include "cli/parse.h"

struct help_args {
    struct cli_list words;
};

static const struct cli_arg operands[] = {
    ARG_LIST(struct help_args, "COMMAND", words, COMP_COMMAND, "the command to tell about"),
    ARG_END,
};

void cmd_show_help(struct cli *cli, const struct cli_cmd *cmd, const char *noun)
{
    struct buf text = BUF_INIT(1 << 20);
    if (cmd)
        help_command(&text, cmd);
    else
        help_overview(&text, cli->table, noun);
    out_write(cli->out, text.data, text.len);
    buf_clear(&text);
}

static int unknown(struct cli *cli, const char *path, struct err *err)
{
    struct nearest n = {.word = path};
    for (size_t i = 0; i < cli->table->count; i++)
        nearest_offer(&n, cli->table->cmds[i]->path);
    int r = err_set(err, ERR_USAGE, "unknown command '%s'", path);
    if (n.best)
        err_hint(err, "did you mean 'edgectl help %s'?", n.best);
    else
        err_hint(err, "'edgectl help' lists the commands");
    return r;
}

static int run(struct cli *cli, void *args, struct err *err)
{
    const struct help_args *a = args;
    struct buf path = BUF_INIT(256);
    for (size_t i = 0; i < a->words.count; i++)
        buf_printf(&path, "%s%s", i ? " " : "", a->words.items[i]);
    const char *noun = path.len ? buf_str(&path) : NULL;
    const struct cli_cmd *cmd = noun ? cli_find(cli->table, noun) : NULL;
    int r = 0;
    if (cmd || !noun || cli_is_noun(cli->table, noun))
        cmd_show_help(cli, cmd, noun);
    else
        r = unknown(cli, noun, err);
    buf_clear(&path);
    return r;
}

static const struct cli_example examples[] = {
    {"edgectl help completion", "the same as 'edgectl completion --help'"},
    {NULL, NULL},
};

const struct cli_cmd cmd_help = {
    .path = "help",
    .group = GRP_TOOL,
    .summary = "show help for a command",
    .operands = operands,
    .args_size = sizeof(struct help_args),
    .exits = EXITS(IO),
    .examples = examples,
    .run = run,
};
