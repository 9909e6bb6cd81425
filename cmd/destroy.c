/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include "base/mem.h"
#include "cmd/delete_steps.h"

struct destroy_args {
    const char *confirm;
    bool dry_run;
};

static int destroy(struct session *s, const struct destroy_args *args, struct err *err)
{
    cleanup(steps_clear) struct steps steps = {0};
    const char *name = s->manifest->name;
    int r = target_destroy(s->target, &steps, err);
    if (r < 0)
        return r;
    for (size_t i = 0; !args->dry_run && i < steps.count; i++)
        out_note(s->cli->out, "  - %s", steps.list[i].text);
    if (!args->dry_run && steps.count > 0) {
        cleanup(free_p) char *what = xasprintf("'%s' is going to be deleted from '%s' for good",
                                               name, s->target->o.name);
        r = session_confirm(s, what, name, args->confirm, err);
    }
    return r < 0 ? r : delete_steps_run(s, &steps, args->dry_run, err);
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct destroy_args *args = args_ptr;
    cleanup(session_close) struct session s = {0};
    int r = session_open(cli, NULL, args->dry_run ? JOURNAL_READ : JOURNAL_WRITE, &s, err);
    return r < 0 ? r : destroy(&s, args, err);
}

static const struct cli_opt opts[] = {
    OPT_STR(struct destroy_args, 0, "confirm", confirm, "name", COMP_NONE,
            "the app's name, to say that it is meant"),
    OPT_FLAG(struct destroy_args, 'n', "dry-run", dry_run, "show what would go; delete nothing"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl destroy --dry-run --target production", "what would be deleted"},
    {"edgectl destroy --confirm app", "delete the app from this machine's server"},
    {NULL, NULL},
};

const struct cli_cmd cmd_destroy = {
    .path = "destroy",
    .group = GRP_SHIP,
    .summary = "delete the app from a target, for good",
    .opts = opts,
    .args_size = sizeof(struct destroy_args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, DRIFT, NETWORK, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
