/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>
#include "cmd/rollout_open.h"
#include "cmd/rollout_show.h"
#include "rollout/report.h"

enum { METRICS_MAX = 1 << 20 };

struct args {
    const char *id;
    bool openmetrics;
};

/* What the targets really have now, beside what they should have. */
static int check_split(struct rollout_session *s, json_t *status, struct err *err)
{
    const struct rollout *r = s->rollout;
    json_t *splits = json_array();
    int result = 0;
    for (int t = 0; t < s->count && t < r->plan.targets; t++) {
        cleanup(split_clear) struct split now = {0};
        struct err why = {0};
        json_t *arms = json_array();
        if (target_get_split(s->target[t].target, &now, &why) < 0) {
            out_warn(s->cli->out, "the split of '%s' cannot be read: %s", r->plan.target[t].name,
                     why.msg);
            json_array_append_new(splits, json_null());
            json_decref(arms);
            continue;
        }
        for (int i = 0; i < now.count; i++)
            json_array_append_new(arms, json_pack("{s:s, s:f}", "version", now.arms[i].version,
                                                  "percent", now.arms[i].bp / 100.0));
        json_array_append_new(splits, arms);
        int bp = split_share(&now, r->plan.target[t].canary);
        bool open = r->state.intent.open && r->state.intent.target == t;
        if (rollout_is_under_way(r) && bp != r->state.bp[t] && !(open && bp == r->state.intent.to))
            result = err_set(err, ERR_DRIFT, "target '%s': the new version should have %g %% and "
                             "has %g %%%s%s", r->plan.target[t].name, r->state.bp[t] / 100.0,
                             bp / 100.0, now.by ? "; changed by " : "", now.by ? now.by : "");
    }
    json_object_set_new(status, "splits", splits);
    return result;
}

static int show(struct rollout_session *s, const struct args *args, struct err *err)
{
    struct cli *cli = s->cli;
    if (args->openmetrics) {
        cleanup(buf_clear) struct buf text = BUF_INIT(METRICS_MAX);
        report_openmetrics(s->rollout, &text);
        out_write(cli->out, text.data, text.len);
        return 0;
    }
    json_t *status = report_status(s->rollout);
    int r = check_split(s, status, err);
    if (out_is_json(cli->out)) {
        out_json(cli->out, status);
        return r;
    }
    json_decref(status);
    rollout_show_status(cli, s->rollout);
    bool held = journal_is_held(s->target[0].state_dir, s->target[0].target->o.name);
    if (rollout_is_under_way(s->rollout) && !held)
        out_printf(cli->out, "  nobody runs it: %sgo on with `edgectl rollout resume`, or back "
                             "with `edgectl rollout abort`\n",
                   s->rollout->state.intent.open ? "a change was cut off; " : "");
    return r;
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    cleanup(rollout_session_close) struct rollout_session s = {0};
    int r = rollout_session_open(cli, JOURNAL_READ, &s, err);
    if (r == 0)
        r = rollout_session_load(&s, args->id, false, err);
    if (r < 0)
        return r;
    if (s.rollout)
        return show(&s, args, err);
    if (args->openmetrics) {
        out_printf(cli->out, "# EOF\n");
        return 0;
    }
    if (out_is_json(cli->out))
        out_json(cli->out, json_pack("{s:n, s:s}", "id", "phase", "none"));
    else
        out_printf(cli->out, "no rollout yet\n");
    return 0;
}

static const struct cli_arg operands[] = {
    ARG_OPTIONAL(struct args, "ID", id, COMP_NONE, "a rollout of `rollout history`; the last one"),
    ARG_END,
};

static const struct cli_opt opts[] = {
    OPT_FLAG(struct args, 0, "openmetrics", openmetrics, "as OpenMetrics text"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl rollout status", "steps, split, rates, verdict, requests still needed"},
    {"edgectl rollout status --json", "the same for a script"},
    {NULL, NULL},
};

const struct cli_cmd cmd_rollout_status = {
    .path = "rollout status",
    .group = GRP_SHIP,
    .summary = "show how a rollout stands",
    .about =
        "Shows the steps, the split that is and the one that should be, both versions'\n"
        "rates, the gate's verdict and how many requests it still needs. It changes\n"
        "nothing, and may be asked while another process runs the rollout. It fails\n"
        "with 5 when somebody else has changed the split.\n",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, DRIFT, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
