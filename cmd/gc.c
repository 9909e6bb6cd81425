/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "cmd/delete_steps.h"

struct gc_args {
    int keep;
    int64_t older_ms;
    bool dry_run;
};

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct gc_args *args = args_ptr;
    cleanup(session_close) struct session s = {0};
    cleanup(steps_clear) struct steps steps = {0};
    struct gc_options options = {.keep = args->keep, .older_than_ms = args->older_ms};
    int r = session_open(cli, NULL, args->dry_run ? JOURNAL_READ : JOURNAL_WRITE, &s, err);
    if (r == 0)
        r = target_gc(s.target, &options, &steps, err);
    return r < 0 ? r : delete_steps_run(&s, &steps, args->dry_run, err);
}

static const struct gc_args defaults = {.keep = 10};

static const struct cli_opt opts[] = {
    OPT_INT(struct gc_args, 0, "keep", keep, "n", 0, 1000,
            "versions to keep besides those with traffic"),
    OPT_DURATION(struct gc_args, 0, "older-than", older_ms, "time", "leave younger ones alone"),
    OPT_FLAG(struct gc_args, 'n', "dry-run", dry_run, "show what would go; delete nothing"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl gc --keep 3 --dry-run", "what could go on this machine"},
    {"edgectl gc --older-than 720h --target production", "what is older than 30 days"},
    {NULL, NULL},
};

const struct cli_cmd cmd_gc = {
    .path = "gc",
    .group = GRP_SHIP,
    .summary = "delete old versions and what else is left over on a target",
    .opts = opts,
    .args_size = sizeof(struct gc_args),
    .defaults = &defaults,
    .needs = NEED_STATE,
    .exits = EXITS(IO, DRIFT, NETWORK, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
