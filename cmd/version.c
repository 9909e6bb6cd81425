/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "base/version.h"

static int run(struct cli *cli, void *args, struct err *err)
{
    (void)args;
    (void)err;
    if (out_is_json(cli->out))
        out_json(cli->out, json_pack("{s:s}", "version", EDGECTL_VERSION));
    else
        out_printf(cli->out, "edgectl %s\n", EDGECTL_VERSION);
    return 0;
}

static const struct cli_example examples[] = {
    {"edgectl version --json", "the version, for a script"},
    {NULL, NULL},
};

const struct cli_cmd cmd_version = {
    .path = "version",
    .group = GRP_TOOL,
    .summary = "show the version",
    .exits = EXITS(IO),
    .examples = examples,
    .run = run,
};
