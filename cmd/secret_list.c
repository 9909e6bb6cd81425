/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>
#include "cmd/local_state.h"
#include "cmd/remote.h"
#include "world/secrets.h"

struct args {
    const char *store;
};

struct listing {
    const struct args *args;
    json_t *rows;
};

static void add_row(void *env, const struct secret_info *info)
{
    struct listing *l = env;
    if (l->args->store && strcmp(l->args->store, info->store) != 0)
        return;
    json_array_append_new(l->rows, json_pack(
        "{s:s, s:s, s:s, s:s}", "store", info->store, "name", info->key, "source",
        info->local ? "local" : "manifest", "digest", info->set ? info->print : "not set"));
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    static const struct out_column columns[] = {
        {"store", "STORE", false}, {"name", "NAME", false}, {"source", "SOURCE", false},
        {"digest", "DIGEST", false}, {NULL, NULL, false},
    };
    cleanup(local_state_clear) struct local_state state = {0};
    cleanup(secrets_close_p) struct secrets *secrets = NULL;
    struct listing l = {.args = args_ptr};
    if (cli->target_given)
        return remote_list(cli, (struct store_ref){STORE_SECRET, l.args->store}, NULL, err);
    int r = local_state_open(cli, &state, err);
    if (r == 0)
        r = secrets_open(state.manifest, state.dir, &secrets, err);
    if (r < 0)
        return r;
    l.rows = json_array();
    r = secrets_each(secrets, add_row, &l, err);
    if (r < 0) {
        json_decref(l.rows);
        return r;
    }
    out_table(cli->out, l.rows, columns);
    const struct err *warning;
    for (size_t i = 0; (warning = secrets_warning(secrets, i)); i++)
        out_warn(cli->out, "%s (%s)", warning->msg, warning->hint);
    return 0;
}

static const struct cli_arg operands[] = {
    ARG_OPTIONAL(struct args, "STORE", store, COMP_SECRET, "only that store"),
    ARG_END,
};

static const struct cli_example examples[] = {
    {"edgectl secret list", "names, where each comes from, and digests; never a value"},
    {NULL, NULL},
};

const struct cli_cmd cmd_secret_list = {
    .path = "secret list",
    .group = GRP_STATE,
    .summary = "list secrets by name; values are never shown",
    .operands = operands,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
