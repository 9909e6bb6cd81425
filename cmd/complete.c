/* SPDX-License-Identifier: Apache-2.0 */
/* _complete KIND PREFIX: values for the completion scripts, one a line. It reads local files only,
 * and says nothing when something is wrong with them: a shell is waiting. */
#include "cmd/cmd.h"

#include <string.h>
#include "cli/complete.h"
#include "manifest/manifest.h"
#include "template/template.h"

struct complete_args {
    const char *kind, *prefix;
};

static const struct cli_arg operands[] = {
    ARG_STR(struct complete_args, "KIND", kind, COMP_NONE, "what kind of value"),
    ARG_OPTIONAL(struct complete_args, "PREFIX", prefix, COMP_NONE, "what is typed already"),
    ARG_END,
};

static void offer(struct cli *cli, const char *prefix, const char *value, size_t len)
{
    size_t typed = prefix ? strlen(prefix) : 0;
    if (len >= typed && memcmp(value, prefix ? prefix : "", typed) == 0)
        out_printf(cli->out, "%.*s\n", (int)len, value);
}

static void offer_templates(struct cli *cli, const char *prefix)
{
    for (const struct template_builtin *t = template_builtins; t->name; t++)
        offer(cli, prefix, t->name, strlen(t->name));
}

static void offer_commands(struct cli *cli, const char *prefix)
{
    const struct cli_cmd *cmd;
    for (size_t i = 0; (cmd = complete_cmd(cli->table, i)); i++)
        offer(cli, prefix, cmd->path, strlen(cmd->path));
}

static void offer_bindings(struct cli *cli, enum cli_comp kind, const char *prefix)
{
    struct manifest *m = NULL;
    struct manifest_problems problems;
    int r = manifest_load(".", cli->manifest_file, cli->target, &m, &problems);
    manifest_problems_clear(&problems);
    if (r < 0)
        return;
    const struct manifest_store *stores = kind == COMP_SECRET ? m->secrets : m->configs;
    size_t count = kind == COMP_SECRET ? m->secret_count : m->config_count;
    if (kind == COMP_TARGET)
        for (size_t i = 0; i < m->target_count; i++)
            offer(cli, prefix, m->targets[i], strlen(m->targets[i]));
    else if (kind == COMP_KV)
        for (size_t i = 0; i < m->kv_count; i++)
            offer(cli, prefix, m->kv[i].name, strlen(m->kv[i].name));
    else
        for (size_t i = 0; i < count; i++)
            offer(cli, prefix, stores[i].name, strlen(stores[i].name));
    manifest_unref(m);
}

static int run(struct cli *cli, void *args, struct err *err)
{
    (void)err;
    const struct complete_args *a = args;
    enum cli_comp kind = complete_kind(a->kind);
    switch (kind) {
    case COMP_TARGET:
    case COMP_KV:
    case COMP_SECRET:
    case COMP_CONFIG:
        offer_bindings(cli, kind, a->prefix);
        break;
    case COMP_TEMPLATE:
        offer_templates(cli, a->prefix);
        break;
    case COMP_COMMAND:
        offer_commands(cli, a->prefix);
        break;
    default:
        break;
    }
    return 0;
}

const struct cli_cmd cmd_complete = {
    .path = "_complete",
    .group = GRP_TOOL,
    .summary = "values for the completion scripts",
    .operands = operands,
    .args_size = sizeof(struct complete_args),
    .hidden = true,
    .run = run,
};
