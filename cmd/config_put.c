/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "cmd/local_config.h"
#include "cmd/remote.h"

enum { VALUE_MAX_BYTES = 4 * 8000 };

struct args {
    const char *store;
    const char *key;
    const char *value;
    const char *file;
};

static int put_remote(struct cli *cli, const struct args *args, struct err *err)
{
    cleanup(buf_clear) struct buf value = BUF_INIT(VALUE_MAX_BYTES);
    int r = value_read(cli, &(struct value_source){args->value, args->file, true}, &value, err);
    if (r == 0)
        r = config_check(args->key, buf_str(&value), value.len, err);
    struct entry e = {.key = (char *)args->key, .value = (char *)buf_str(&value),
                      .len = value.len};
    return r < 0 ? r : remote_put(cli, (struct store_ref){STORE_CONFIG, args->store}, &e, err);
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    cleanup(buf_clear) struct buf value = BUF_INIT(VALUE_MAX_BYTES);
    cleanup(local_config_close) struct local_config c = {0};
    if (cli->target_given)
        return put_remote(cli, args, err);
    int r = local_config_open(cli, &c, err);
    if (r == 0)
        r = local_state_declares(&c.state, STORE_CONFIG, args->store, err);
    if (r == 0)
        r = value_read(cli, &(struct value_source){args->value, args->file, true}, &value, err);
    if (r == 0)
        r = config_check(args->key, buf_str(&value), value.len, err);
    if (r < 0)
        return r;
    struct pair pair = {args->store, args->key, buf_str(&value), value.len};
    r = overrides_put(c.overrides, PAIR_CONFIG, &pair, 1, err);
    if (r == 0)
        local_tell_put(cli, args->store, args->key);
    return r;
}

static const struct cli_arg operands[] = {
    ARG_STR(struct args, "STORE", store, COMP_CONFIG, "the config store"),
    ARG_STR(struct args, "KEY", key, COMP_NONE, "the key"),
    ARG_OPTIONAL(struct args, "VALUE", value, COMP_NONE, "the value; else stdin is read"),
    ARG_END,
};

static const struct cli_opt opts[] = {
    OPT_STR(struct args, 'f', "file", file, "path", COMP_FILE, "the value is in that file"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl config put flags beta on", "from the app's next look on, also while dev runs"},
    {NULL, NULL},
};

const struct cli_cmd cmd_config_put = {
    .path = "config put",
    .group = GRP_STATE,
    .summary = "override a config value on this machine",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, LIMIT, MANIFEST),
    .examples = examples,
    .run = run,
};
