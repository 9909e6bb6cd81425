/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>
#include "base/utf8.h"
#include "cmd/session.h"

struct purge_args {
    const char *key;
    bool all, soft;
};

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct purge_args *args = args_ptr;
    cleanup(session_close) struct session s = {0};
    if (!args->key == !args->all) {
        int told = err_set(err, ERR_USAGE, "what is to be purged?");
        err_hint(err, "name a surrogate key, or give --all");
        return told;
    }
    if (args->key && !utf8_valid(args->key, strlen(args->key)))
        return err_set(err, ERR_USAGE, "the surrogate key is not UTF-8");
    int r = session_open(cli, NULL, JOURNAL_READ, &s, err);
    if (r == 0)
        r = target_purge(s.target, args->key, args->soft, err);
    if (r < 0)
        return r;
    if (out_is_json(cli->out))
        out_json(cli->out, json_pack("{ss ss* sb}", "target", s.target->o.name, "key", args->key,
                                     "soft", args->soft));
    else
        out_note(cli->out, "purged on '%s'", s.target->o.name);
    return 0;
}

static const struct cli_arg operands[] = {
    ARG_OPTIONAL(struct purge_args, "KEY", key, COMP_NONE, "surrogate key of what is to go"),
    ARG_END,
};

static const struct cli_opt opts[] = {
    OPT_FLAG(struct purge_args, 0, "all", all, "everything that is cached"),
    OPT_FLAG(struct purge_args, 0, "soft", soft, "only mark it stale"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl purge product-42", "what was cached under that key"},
    {"edgectl purge --all --soft --target production", "everything, as stale"},
    {NULL, NULL},
};

const struct cli_cmd cmd_purge = {
    .path = "purge",
    .group = GRP_SHIP,
    .summary = "drop what a target has cached",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct purge_args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, NETWORK, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
