/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "cmd/remote.h"
#include "cmd/secret_name.h"
#include "world/secrets.h"

struct args {
    const char *name;
    const char *key;
};

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    cleanup(local_state_clear) struct local_state state = {0};
    struct secret_name name;
    int r = cli->target_given ? secret_remote_names(cli, &state, err)
                              : local_state_open(cli, &state, err);
    if (r < 0)
        return r;
    /* What lies in a store that is not declared (any more) can be deleted too. */
    (void)!secret_name_find(&state, args->name, args->key, &name, NULL);
    if (cli->target_given)
        return remote_delete(cli, (struct store_ref){STORE_SECRET, name.store}, &name.key, 1, err);
    r = secrets_delete(state.dir, name.store, name.key, err);
    if (r == 0) {
        r = err_set(err, ERR_FAILURE, "no secret '%s' of store '%s' is stored here", name.key,
                    name.store);
        err_hint(err, "one that the manifest gives is changed there; see: edgectl secret list");
    }
    if (r > 0)
        local_tell_count(cli, name.store, "deleted", 1);
    return r < 0 ? r : 0;
}

static const struct cli_arg operands[] = {
    ARG_STR(struct args, "NAME", name, COMP_SECRET, "the secret; or its store, before KEY"),
    ARG_OPTIONAL(struct args, "KEY", key, COMP_NONE, "the secret, when NAME is its store"),
    ARG_END,
};

static const struct cli_example examples[] = {
    {"edgectl secret delete api-key", "what the manifest says about it holds again"},
    {NULL, NULL},
};

const struct cli_cmd cmd_secret_delete = {
    .path = "secret delete",
    .group = GRP_STATE,
    .summary = "delete a secret stored by secret put",
    .operands = operands,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, MANIFEST),
    .examples = examples,
    .run = run,
};
