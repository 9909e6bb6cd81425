/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest for a command, with what is wrong in it told. */
#include "cmd/cmd.h"

#include "cmd/ci.h"
#include "manifest/manifest.h"

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
        ci_error(cli->out, p);
    }
    manifest_problems_clear(&problems);
    if (r < 0 && err)
        err->msg[0] = '\0';     /* told, each with its place */
    return r;
}
