/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "cmd/local_state.h"
#include "cmd/remote.h"

struct args {
    const char *store;
    const char *key;
    const char *value;
    const char *file;
    const char *metadata;
    int ttl;
    const char *mode;
    const char *generation;
};

static enum kv_mode mode_named(const char *name)
{
    static const char *const names[] = {
        [KV_OVERWRITE] = "overwrite", [KV_ADD] = "add", [KV_APPEND] = "append",
        [KV_PREPEND] = "prepend",
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i], name) == 0)
            return (enum kv_mode)i;
    return KV_OVERWRITE;
}

static int take_generation(const char *text, struct kv_put *put, struct err *err)
{
    char *end;
    if (!text)
        return 0;
    errno = 0;
    put->if_generation = strtoull(text, &end, 10);
    put->has_generation = true;
    if (errno || end == text || *end || text[0] == '-')
        return err_set(err, ERR_USAGE, "'%.60s' is not a generation; see: kv get --json", text);
    return 0;
}

static int put_remote(struct cli *cli, const struct args *args, struct err *err)
{
    cleanup(buf_clear) struct buf value = BUF_INIT(KV_VALUE_MAX);
    if (args->generation || mode_named(args->mode) != KV_OVERWRITE)
        return err_set(err, ERR_USAGE, "--mode and --generation are for this machine's data");
    int r = value_read(cli, &(struct value_source){args->value, args->file, false}, &value, err);
    struct entry e = {
        .key = (char *)args->key, .value = (char *)buf_str(&value), .len = value.len,
        .metadata = (char *)args->metadata,
        .expires_ms = args->ttl ? clock_wall_ns() / 1000000 + args->ttl * INT64_C(1000) : 0,
    };
    return r < 0 ? r : remote_put(cli, (struct store_ref){STORE_KV, args->store}, &e, err);
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    cleanup(buf_clear) struct buf value = BUF_INIT(KV_VALUE_MAX);
    cleanup(local_kv_close) struct local_kv kv = {0};
    struct kv_put put = {
        .store = args->store, .key = args->key, .mode = mode_named(args->mode),
        .metadata = args->metadata, .metadata_len = args->metadata ? strlen(args->metadata) : 0,
        .ttl_s = args->ttl,
    };
    if (!kv_key_valid(args->key, strlen(args->key)))
        return err_set(err, ERR_USAGE, "'%.256s' is not a valid key", args->key);
    if (put.metadata_len > KV_METADATA_MAX)
        return err_set(err, ERR_LIMIT, "metadata has at most %d bytes", KV_METADATA_MAX);
    if (cli->target_given)
        return put_remote(cli, args, err);
    int r = take_generation(args->generation, &put, err);
    if (r == 0)
        r = local_kv_open(cli, &kv, err);
    if (r == 0)
        r = local_state_declares(&kv.state, STORE_KV, args->store, err);
    if (r == 0)
        r = value_read(cli, &(struct value_source){args->value, args->file, false}, &value, err);
    if (r < 0)
        return r;
    put.value = buf_str(&value);
    put.value_len = value.len;
    uint64_t generation = 0;
    enum kv_result result = kv_put_now(kv.db, &put, &generation);
    if (result != KV_OK)
        return local_kv_fail(&kv, result, args->store, args->key, err);
    if (out_is_json(cli->out)) {
        char text[24];
        snprintf(text, sizeof text, "%" PRIu64, generation);
        out_json(cli->out, json_pack("{s:s, s:s, s:s}", "store", args->store, "key", args->key,
                                     "generation", text));
    }
    return 0;
}

static const struct cli_arg operands[] = {
    ARG_STR(struct args, "STORE", store, COMP_KV, "the KV store"),
    ARG_STR(struct args, "KEY", key, COMP_NONE, "the key"),
    ARG_END,
};

static const struct cli_opt opts[] = {
    OPT_STR(struct args, 0, "value", value, "text", COMP_NONE, "the value; else stdin is read"),
    OPT_STR(struct args, 'f', "file", file, "path", COMP_FILE, "the value is in that file"),
    OPT_STR(struct args, 0, "metadata", metadata, "text", COMP_NONE, "metadata of the entry"),
    OPT_INT(struct args, 0, "ttl", ttl, "seconds", 1, 2147483647, "the entry ends after that"),
    OPT_CHOICE(struct args, 0, "mode", mode, "mode", "overwrite|add|append|prepend",
               "what to do with a value that is there"),
    OPT_STR(struct args, 0, "if-generation", generation, "number", COMP_NONE,
            "only in place of that generation"),
    OPT_END,
};

static const struct args defaults = {.mode = "overwrite"};

static const struct cli_example examples[] = {
    {"edgectl kv put sessions user/1 --value '{\"name\":\"Ada\"}'", "one value"},
    {"edgectl kv put assets logo.png --file logo.png --metadata image/png", "from a file"},
    {"edgectl kv put sessions user/2 --ttl 60 <user.json", "from stdin, for a minute"},
    {NULL, NULL},
};

const struct cli_cmd cmd_kv_put = {
    .path = "kv put",
    .group = GRP_STATE,
    .summary = "store a KV value",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct args),
    .defaults = &defaults,
    .needs = NEED_STATE,
    .exits = EXITS(IO, LIMIT, MANIFEST),
    .examples = examples,
    .run = run,
};
