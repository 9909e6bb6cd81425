/* SPDX-License-Identifier: Apache-2.0 */
/* What the table says a command needs (enum cli_need), made ready in one order, with one text for
 * what can be wrong, and released after it. */
#include "cmd/cmd.h"

#include <stdlib.h>
#include "base/mem.h"
#include "manifest/manifest.h"
#include "world/state.h"

int cmd_load_manifest(struct cli *cli, struct manifest **ret_manifest, struct err *err)
{
    struct manifest_problems problems;
    int r = manifest_load(".", cli->manifest_file, cli->target, ret_manifest, &problems);
    for (size_t i = 0; i < problems.count; i++) {
        const struct err *p = &problems.list[i];
        if (p->code == ERR_NONE)
            out_warn(cli->out, "%s:%d:%d: %s", p->file, p->line, p->col, p->msg);
        else
            out_error(cli->out, p);
    }
    manifest_problems_clear(&problems);
    if (r < 0 && err)
        err->msg[0] = '\0';     /* told, each with its place */
    return r;
}

int cmd_prepare(struct cli *cli, struct err *err)
{
    unsigned needs = cli->cmd->needs;
    if (needs & NEED_MANIFEST) {
        int r = cmd_load_manifest(cli, &cli->manifest, err);
        if (r < 0)
            return r;
    }
    if (!(needs & NEED_STATE))
        return 0;
    cleanup(free_p) char *dir = cli->manifest ? state_dir_for(cli->manifest, cli->state_dir)
                                              : xstrdup(cli->state_dir ? cli->state_dir : ".edgectl");
    int r = state_dir_make(dir, err);
    if (r == 0)
        cli->state_dir = cli->owned_state_dir = TAKE(dir);
    return r;
}

void cmd_release(struct cli *cli)
{
    manifest_unref(cli->manifest);
    cli->manifest = NULL;
    free(cli->owned_state_dir);
    cli->state_dir = cli->owned_state_dir = NULL;
}
