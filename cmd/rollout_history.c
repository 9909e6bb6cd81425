/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>
#include "cmd/rollout_open.h"
#include "rollout/report.h"

struct args {
    const char *id;
};

static json_t *row(const struct rollout *r)
{
    char began[32], changed[32];
    const char *result = rollout_phase_name(r->state.phase);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", history_id(r->history), "result",
                     result, "stable", r->plan.target[0].stable, "canary",
                     r->plan.target[0].canary, "began", report_time(r->state.began_ms, began),
                     "changed", report_time(r->state.changed_ms, changed), "why", r->state.why);
}

static int list(struct rollout_session *s, struct err *err)
{
    static const struct out_column columns[] = {
        {"id", "ROLLOUT", false},     {"result", "PHASE", false}, {"stable", "FROM", false},
        {"canary", "TO", false},      {"began", "BEGAN", false},  {"why", "BECAUSE", false},
        {NULL, NULL, false},
    };
    const struct session *first = &s->target[0];
    char **ids = NULL;
    size_t count = 0;
    json_t *rows = json_array();
    int r = history_list(first->state_dir, first->target->o.name, &ids, &count, err);
    for (size_t i = 0; i < count; i++) {
        struct history *h = NULL;
        struct rollout *one = NULL;
        struct err why = {0};
        if (history_open(first->state_dir, first->target->o.name, ids[i], false, &h, &why) < 0 ||
            rollout_load(h, &one, &why) < 0)
            json_array_append_new(rows, json_pack("{s:s, s:s, s:s}", "id", ids[i], "result",
                                                  "damaged", "why", why.msg));
        else
            json_array_append_new(rows, row(one));
        rollout_free(one);
    }
    history_list_free(ids, count);
    if (count == 0)
        out_note(s->cli->out, "no rollout yet on target '%s'", first->target->o.name);
    out_table(s->cli->out, rows, columns);
    return r;
}

/* Each event as a line of JSON: this is for reading back what was decided, and why. */
static int events(struct rollout_session *s, const char *id, struct err *err)
{
    int r = rollout_session_load(s, id, false, err);
    if (r < 0)
        return r;
    const struct rollout *one = s->rollout;
    for (size_t i = 0; i < history_count(one->history); i++) {
        char *text = json_dumps(history_event(one->history, i), JSON_COMPACT);
        out_printf(s->cli->out, "%s\n", text);
        free(text);
    }
    return 0;
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    cleanup(rollout_session_close) struct rollout_session s = {0};
    int r = rollout_session_open(cli, JOURNAL_READ, &s, err);
    if (r < 0)
        return r;
    return args->id ? events(&s, args->id, err) : list(&s, err);
}

static const struct cli_arg operands[] = {
    ARG_OPTIONAL(struct args, "ID", id, COMP_NONE, "whose events; all rollouts if left away"),
    ARG_END,
};

static const struct cli_example examples[] = {
    {"edgectl rollout history", "the rollouts of this target and how they ended"},
    {"edgectl rollout history 20261126-140509-1f2e", "every event of one, as lines of JSON"},
    {NULL, NULL},
};

const struct cli_cmd cmd_rollout_history = {
    .path = "rollout history",
    .group = GRP_SHIP,
    .summary = "list rollouts, or the events of one",
    .about =
        "Lists the rollouts of this target, and why they ended as they did. With an ID:\n"
        "each of its events as a line of JSON, as in its journal.\n",
    .operands = operands,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
