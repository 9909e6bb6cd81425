/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>
#include "base/buf.h"
#include "cli/complete.h"

struct completion_args {
    const char *shell;
};

static const struct cli_arg operands[] = {
    ARG_CHOICE(struct completion_args, "SHELL", shell, "bash|zsh|fish", "the shell to write for"),
    ARG_END,
};

static int run(struct cli *cli, void *args, struct err *err)
{
    (void)err;
    const struct completion_args *a = args;
    struct buf text = BUF_INIT(1 << 22);
    if (strcmp(a->shell, "bash") == 0)
        complete_bash(&text, cli->table);
    else if (strcmp(a->shell, "zsh") == 0)
        complete_zsh(&text, cli->table);
    else
        complete_fish(&text, cli->table);
    out_write(cli->out, text.data, text.len);
    buf_clear(&text);
    return 0;
}

static const struct cli_example examples[] = {
    {"edgectl completion bash >> ~/.bashrc", "complete in bash, from the next shell on"},
    {"edgectl completion fish > ~/.config/fish/completions/edgectl.fish", "complete in fish"},
    {NULL, NULL},
};

const struct cli_cmd cmd_completion = {
    .path = "completion",
    .group = GRP_TOOL,
    .summary = "write a completion script for a shell",
    .operands = operands,
    .args_size = sizeof(struct completion_args),
    .exits = EXITS(IO),
    .examples = examples,
    .run = run,
};
