/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <stdlib.h>
#include "base/mem.h"
#include "cmd/local_state.h"
#include "cmd/remote.h"
#include "world/kv_record.h"

enum { BATCH_MAX = 1000, BATCH_MAX_BYTES = 32 << 20 };

struct args {
    const char *store;
    const char *file;
};

/* Lines read but not written yet: they are written together or not at all. */
struct batch {
    struct kv_record records[BATCH_MAX];
    struct kv_put puts[BATCH_MAX];
    int lines[BATCH_MAX];
    size_t count, bytes;
};

struct import {
    struct cli *cli;
    struct local_kv kv;
    struct line_reader lines;
    struct batch batch;
    size_t done;
};

static void batch_reset(struct batch *b)
{
    for (size_t i = 0; i < b->count; i++)
        kv_record_clear(&b->records[i]);
    b->count = b->bytes = 0;
}

static int batch_write(struct import *im, struct err *err)
{
    struct batch *b = &im->batch;
    for (size_t i = 0; i < b->count; i++)
        b->puts[i] = b->records[i].put;
    struct kv_batch batch = {.puts = b->puts, .count = b->count};
    size_t failed = 0;
    if (b->count == 0)
        return 0;
    enum kv_result result = kv_batch_now(im->kv.db, &batch, &failed);
    if (result != KV_OK) {
        int r = local_kv_fail(&im->kv, result, b->puts[failed].store, b->puts[failed].key, err);
        err_place(err, im->lines.name, b->lines[failed], 0);
        return r;
    }
    im->done += b->count;
    batch_reset(b);
    return 0;
}

/* The next line as a record: 1, or 0 at the end. */
static int next_record(struct import *im, const char *store, struct kv_record *ret_record,
                       struct err *err)
{
    char *line;
    size_t len;
    int r = line_reader_next(&im->lines, &line, &len, err);
    if (r <= 0)
        return r;
    r = kv_record_parse(line, len, store, ret_record, err);
    return r < 0 ? line_reader_place(&im->lines, r, err) : 1;
}

/* Look at every line before the first is written. */
static int check_all(struct import *im, const char *store, struct err *err)
{
    struct kv_record record;
    int r;
    while ((r = next_record(im, store, &record, err)) > 0)
        kv_record_clear(&record);
    line_reader_rewind(&im->lines);
    return r;
}

static int write_all(struct import *im, const char *store, struct err *err)
{
    struct batch *b = &im->batch;
    int r;
    while ((r = next_record(im, store, &b->records[b->count], err)) > 0) {
        b->lines[b->count] = im->lines.number;
        b->bytes += b->records[b->count].put.value_len;
        b->count++;
        if (b->count < BATCH_MAX && b->bytes < BATCH_MAX_BYTES)
            continue;
        r = batch_write(im, err);
        if (r < 0)
            return r;
    }
    return r < 0 ? r : batch_write(im, err);
}

static void import_close(struct import **im)
{
    batch_reset(&(*im)->batch);
    line_reader_close(&(*im)->lines);
    local_kv_close(&(*im)->kv);
    free(*im);
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    if (cli->target_given)
        return remote_import(cli, (struct store_ref){STORE_KV, args->store}, args->file, err);
    cleanup(import_close) struct import *im = xnew(struct import);
    im->cli = cli;
    int r = local_kv_open(cli, &im->kv, err);
    if (r == 0)
        r = local_state_declares(&im->kv.state, STORE_KV, args->store, err);
    if (r == 0)
        r = line_reader_open(&im->lines, args->file, err);
    if (r == 0 && im->lines.rewindable)
        r = check_all(im, args->store, err);
    if (r == 0)
        r = write_all(im, args->store, err);
    if (r < 0) {
        char hint[sizeof err->hint + 4] = "";
        if (err && err->hint[0])
            snprintf(hint, sizeof hint, "%s; ", err->hint);
        err_hint(err, im->done ? "%sthe first %zu entries are stored, none after them"
                               : "%snothing was stored", hint, im->done);
        return r;
    }
    local_tell_count(cli, args->store, "imported", im->done);
    if (!out_is_json(cli->out))
        out_note(cli->out, "%zu entries imported", im->done);
    return 0;
}

static const struct cli_arg operands[] = {
    ARG_STR(struct args, "STORE", store, COMP_KV, "the KV store"),
    ARG_OPTIONAL(struct args, "FILE", file, COMP_FILE, "JSON lines; stdin if left away"),
    ARG_END,
};

static const struct cli_example examples[] = {
    {"edgectl kv import sessions sessions.ndjson", "what kv export wrote"},
    {NULL, NULL},
};

const struct cli_cmd cmd_kv_import = {
    .path = "kv import",
    .group = GRP_STATE,
    .summary = "store KV entries from JSON lines",
    .operands = operands,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, LIMIT, MANIFEST),
    .examples = examples,
    .run = run,
};
