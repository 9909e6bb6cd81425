/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "cmd/local_config.h"
#include "cmd/remote.h"

enum { PAIRS_MAX = 100000 };

struct args {
    const char *store;
    const char *file;
};

/* All lines: a config store is small, so the whole import is one transaction. */
struct import {
    struct pair *pairs;
    json_t **lines;             /* what the pairs borrow from */
    size_t count, cap;
};

static void import_clear(struct import *im)
{
    for (size_t i = 0; i < im->count; i++)
        json_decref(im->lines[i]);
    free(im->lines);
    free(im->pairs);
}

static int take(struct import *im, const char *store, json_t *o, struct err *err)
{
    const json_t *key = json_object_get(o, "key"), *value = json_object_get(o, "value");
    if (!json_is_string(key) || !json_is_string(value) || json_object_size(o) != 2)
        return err_set(err, ERR_FAILURE, "not a JSON object of \"key\" and \"value\", both text");
    size_t len = json_string_length(value);
    int r = config_check(json_string_value(key), json_string_value(value), len, err);
    if (r < 0)
        return r;
    if (im->count == PAIRS_MAX)
        return err_set(err, ERR_LIMIT, "more than %d keys", PAIRS_MAX);
    if (im->count == im->cap) {
        im->cap = im->cap ? im->cap * 2 : 64;
        im->pairs = xreallocarray(im->pairs, im->cap, sizeof *im->pairs);
        im->lines = xreallocarray(im->lines, im->cap, sizeof *im->lines);
    }
    im->pairs[im->count] = (struct pair){
        store, json_string_value(key), json_string_value(value), len};
    im->lines[im->count++] = json_incref(o);
    return 0;
}

static int read_all(struct import *im, const struct args *args, struct line_reader *lines,
                    struct err *err)
{
    char *line;
    size_t len;
    int r;
    while ((r = line_reader_next(lines, &line, &len, err)) > 0) {
        json_error_t why;
        json_t *o = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
        if (o)
            r = take(im, args->store, o, err);
        else
            r = err_set(err, ERR_FAILURE, "not valid JSON: %s", why.text);
        json_decref(o);
        if (r < 0)
            return line_reader_place(lines, r, err);
    }
    return r;
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    if (cli->target_given)
        return remote_import(cli, (struct store_ref){STORE_CONFIG, args->store}, args->file, err);
    cleanup(local_config_close) struct local_config c = {0};
    cleanup(line_reader_close) struct line_reader lines = {0};
    cleanup(import_clear) struct import im = {0};
    int r = local_config_open(cli, &c, err);
    if (r == 0)
        r = local_state_declares(&c.state, STORE_CONFIG, args->store, err);
    if (r == 0)
        r = line_reader_open(&lines, args->file, err);
    if (r == 0)
        r = read_all(&im, args, &lines, err);
    if (r < 0) {
        if (err && !err->hint[0])
            err_hint(err, "nothing was stored");
        return r;
    }
    r = overrides_put(c.overrides, PAIR_CONFIG, im.pairs, im.count, err);
    if (r == 0 && !out_is_json(cli->out))
        out_note(cli->out, "%zu keys imported", im.count);
    if (r == 0)
        local_tell_count(cli, args->store, "imported", im.count);
    return r;
}

static const struct cli_arg operands[] = {
    ARG_STR(struct args, "STORE", store, COMP_CONFIG, "the config store"),
    ARG_OPTIONAL(struct args, "FILE", file, COMP_FILE, "JSON lines; stdin if left away"),
    ARG_END,
};

static const struct cli_example examples[] = {
    {"edgectl config import flags flags.ndjson", "all of it or, on an error, nothing"},
    {NULL, NULL},
};

const struct cli_cmd cmd_config_import = {
    .path = "config import",
    .group = GRP_STATE,
    .summary = "override config values from JSON lines",
    .operands = operands,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, LIMIT, MANIFEST),
    .examples = examples,
    .run = run,
};
