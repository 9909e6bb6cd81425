/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>
#include "base/clock.h"
#include "cmd/ci.h"
#include "cmd/session.h"

struct rollback_args {
    const char *version;
    bool no_probe;
};

/* The version that has more than half of the traffic; "" if none has. */
static const char *main_version(const struct split *s)
{
    for (int i = 0; i < s->count; i++)
        if (s->arms[i].bp > SPLIT_WHOLE / 2)
            return s->arms[i].version;
    return "";
}

static const char *whole_arm(const json_t *arms)
{
    size_t i;
    json_t *arm;
    json_array_foreach((json_t *)arms, i, arm)
        if (json_integer_value(json_object_get(arm, "bp")) == SPLIT_WHOLE)
            return json_string_value(json_object_get(arm, "version"));
    return NULL;
}

/* Of our own splits: what had all traffic before the current one got it. */
static const char *before_by_journal(const struct journal *j, const char *current)
{
    struct journal_op op;
    const char *whole = NULL, *before = NULL;
    for (size_t i = 0; journal_op_at(j, i, &op); i++) {
        if (strcmp(op.kind, "split") != 0 || op.error)
            continue;
        const char *to = whole_arm(json_object_get(op.detail, "to"));
        if (!whole)
            whole = whole_arm(json_object_get(op.detail, "from"));
        if (to && strcmp(to, current) == 0 && whole && strcmp(whole, current) != 0)
            before = whole;
        if (to)
            whole = to;
    }
    return before;
}

/* Where two versions share the traffic, the way back is to the stable one, not behind it. */
static const char *stable_of(const struct split *s)
{
    bool shared = s->count > 1 && s->arms[0].bp > 0 && s->arms[1].bp > 0;
    return shared ? s->arms[0].version : NULL;
}

static const struct version *find(const struct version_list *list, const char *id)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->list[i].id, id) == 0)
            return &list->list[i];
    return NULL;
}

/* Without a journal that knows: the newest that is older than the current one. */
static const char *before_by_age(const struct version_list *list, const char *current)
{
    bool passed = false;
    for (size_t i = 0; i < list->count; i++) {
        if (passed && list->list[i].deployable)
            return list->list[i].id;
        passed = passed || strcmp(list->list[i].id, current) == 0;
    }
    return NULL;
}

static int choose(struct session *s, const struct rollback_args *args,
                  const struct version_list *list, const struct split *now, char *ret_id,
                  struct err *err)
{
    const char *current = main_version(now);
    const char *id = args->version ? args->version : stable_of(now);
    if (!id)
        id = before_by_journal(s->journal, current);
    if (id && !args->version && !find(list, id))
        id = NULL; /* it has gone */
    if (!id)
        id = before_by_age(list, current);
    if (!id)
        return err_set(err, ERR_USAGE, "there is no older version on '%s'", s->target->o.name);
    const struct version *v = find(list, id);
    if (!v || !v->deployable) {
        int r = err_set(err, ERR_USAGE, v ? "version '%s' cannot be given traffic any more"
                                          : "there is no version '%s'", id);
        err_hint(err, "list them: edgectl versions --target %s", s->target->o.name);
        return r;
    }
    memcpy(ret_id, v->id, sizeof v->id);
    return 0;
}

/* It is asked before it gets the traffic: the way back must not lead into another hole. */
static int probe(struct session *s, const char *id, struct err *err)
{
    struct probe_result result;
    int r = target_probe(s->target, &(struct probe){.version = id}, &result, err);
    if (r < 0 || (result.verified && result.status < 500))
        return r;
    if (result.status == 0)
        r = err_set(err, ERR_FAILURE, "version %s does not answer: %s", id, result.why);
    else
        r = err_set(err, ERR_FAILURE, "version %s %s %d", id,
                    result.verified ? "answers GET / with" : "was asked, another answered",
                    result.status);
    err_hint(err, "nothing was changed; --no-probe does it all the same");
    return r;
}

static int roll_back(struct session *s, const struct rollback_args *args, struct err *err)
{
    cleanup(version_list_clear) struct version_list list = {0};
    cleanup(split_clear) struct split now = {0};
    struct split want = {.count = 1, .arms = {{.bp = SPLIT_WHOLE}}};
    char *id = want.arms[0].version;
    int64_t began = clock_mono_ns();
    int r = target_versions(s->target, &list, err);
    if (r == 0)
        r = target_get_split(s->target, &now, err);
    if (r == 0)
        r = choose(s, args, &list, &now, id, err);
    if (r < 0)
        return r;
    bool changed = !split_equal(&now, &want);
    if (changed && !args->no_probe && s->target->caps.probe)
        r = probe(s, id, err);
    const struct version *v = find(&list, id);
    if (r == 0)
        r = target_set_split(s->target, &want, now.revision, v->release, err);
    if (r < 0)
        return r;
    ci_report(&(struct ci_outcome){
        .command = "rollback", .app = s->manifest->name, .target = s->target->o.name,
        .version = id, .previous = main_version(&now), .changed = changed, .serving = true,
    });
    if (out_is_json(s->cli->out))
        out_json(s->cli->out, json_pack("{ss ss ss* sb sf}", "target", s->target->o.name,
                                        "version", id, "previous",
                                        *main_version(&now) ? main_version(&now) : NULL, "changed",
                                        changed, "ms", (double)(clock_mono_ns() - began) / 1e6));
    else
        out_printf(s->cli->out, changed ? "version %s serves '%s' again\n"
                                        : "version %s serves '%s' already, nothing to do\n",
                   id, s->target->o.name);
    return 0;
}

static int run(struct cli *cli, void *args, struct err *err)
{
    cleanup(session_close) struct session s = {0};
    int r = session_open(cli, NULL, JOURNAL_WRITE, &s, err);
    return r < 0 ? r : roll_back(&s, args, err);
}

static const struct cli_arg operands[] = {
    ARG_OPTIONAL(struct rollback_args, "VERSION", version, COMP_NONE,
                 "to this one, instead of what served before"),
    ARG_END,
};

static const struct cli_opt opts[] = {
    OPT_FLAG(struct rollback_args, 0, "no-probe", no_probe, "do not ask it for a page first"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl rollback", "back to what served before the last deploy"},
    {"edgectl rollback \"$VERSION\" --target production", "to a certain version"},
    {NULL, NULL},
};

const struct cli_cmd cmd_rollback = {
    .path = "rollback",
    .group = GRP_SHIP,
    .summary = "give all traffic back to an earlier version",
    .operands = operands,
    .opts = opts,
    .args_size = sizeof(struct rollback_args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, DRIFT, NETWORK, CREDENTIALS, MANIFEST),
    .examples = examples,
    .run = run,
};
