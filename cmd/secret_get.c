/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>
#include "cmd/remote.h"
#include "cmd/secret_name.h"
#include "world/secrets.h"

struct args {
    const char *name;
    const char *key;
};

struct search {
    const struct secret_name *name;
    json_t *found;
};

static void look(void *env, const struct secret_info *info)
{
    struct search *s = env;
    if (strcmp(info->store, s->name->store) != 0 || strcmp(info->key, s->name->key) != 0)
        return;
    s->found = json_pack("{s:s, s:s, s:s, s:b, s:s}", "store", info->store, "name", info->key,
                         "source", info->local ? "local" : "manifest", "set", info->set, "digest",
                         info->set ? info->print : "");
}

static void show(struct output *out, json_t *found)
{
    if (out_is_json(out)) {
        out_json(out, found);
        return;
    }
    const char *digest = json_string_value(json_object_get(found, "digest"));
    out_printf(out, "%s\n", *digest ? digest : "not set");
    json_decref(found);
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    cleanup(local_state_clear) struct local_state state = {0};
    cleanup(secrets_close_p) struct secrets *secrets = NULL;
    struct secret_name name;
    struct search search = {.name = &name};
    if (cli->target_given) {
        int told = err_set(err, ERR_USAGE, "the value of a secret cannot be read back from '%s'",
                           cli->target);
        err_hint(err, "its digest: edgectl secret list --target %s", cli->target);
        return told;
    }
    int r = local_state_open(cli, &state, err);
    if (r == 0)
        r = secret_name_find(&state, args->name, args->key, &name, err);
    if (r == 0)
        r = secrets_open(state.manifest, state.dir, &secrets, err);
    if (r == 0)
        r = secrets_each(secrets, look, &search, err);
    if (r < 0)
        return r;
    if (!search.found)
        return err_set(err, ERR_FAILURE, "there is no secret '%s' in store '%s'", name.key,
                       name.store);
    show(cli->out, search.found);
    return 0;
}

static const struct cli_arg operands[] = {
    ARG_STR(struct args, "NAME", name, COMP_SECRET, "the secret; or its store, before KEY"),
    ARG_OPTIONAL(struct args, "KEY", key, COMP_NONE, "the secret, when NAME is its store"),
    ARG_END,
};

static const struct cli_example examples[] = {
    {"edgectl secret get api-key", "whether it is set, and the digest of its value"},
    {NULL, NULL},
};

const struct cli_cmd cmd_secret_get = {
    .path = "secret get",
    .group = GRP_STATE,
    .summary = "show the digest of a secret; its value is never shown",
    .operands = operands,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
