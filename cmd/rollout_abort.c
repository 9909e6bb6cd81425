/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/cmd.h"

#include <string.h>
#include "base/mem.h"
#include "cmd/rollout_begin.h"
#include "rollout/note.h"
#include "provider/common.h"

struct args {
    const char *to;
};

static int ask_back(struct rollout_session *s, struct err *err)
{
    cleanup(free_p) char *who = user_at_host();
    json_t *e = json_pack("{s:s, s:s, s:s}", "e", "back", "code", err_name(ERR_FAILURE), "by", who);
    json_object_set_new(e, "why", json_sprintf("aborted by %s", who));
    return rollout_add(s->rollout, e, err);
}

/* Putting back is what was asked for, so it is no failure. */
static int go_back(struct rollout_session *s, bool force, struct err *err)
{
    int r = s->rollout->state.phase == PHASE_FORWARD ? ask_back(s, err) : 0;
    if (r == 0)
        r = rollout_go_on(s, false, force, err);
    return s->rollout->state.phase == PHASE_UNDONE ? 0 : r;
}

/* All traffic to a version, whatever was there: the journal is not needed. */
static int give_all(struct session *s, const char *version, struct err *err)
{
    struct split want = {.count = 1, .arms[0].bp = SPLIT_WHOLE};
    struct probe p = {.version = version};
    struct probe_result result = {0};
    cleanup(version_list_clear) struct version_list list = {0};
    int r = target_versions(s->target, &list, err);
    bool known = false;
    for (size_t i = 0; i < list.count; i++) {
        struct version *v = &list.list[i];
        if (strcmp(v->id, version) == 0 || strcmp(v->release, version) == 0) {
            snprintf(want.arms[0].version, sizeof want.arms[0].version, "%s", v->id);
            known = true;
        }
    }
    if (r == 0 && !known) {
        r = err_set(err, ERR_USAGE, "target '%s' has no version '%s'", s->target->o.name, version);
        err_hint(err, "see them: edgectl versions");
    }
    if (r == 0)
        r = target_set_split(s->target, &want, NULL, "", err);
    if (r < 0 || !s->target->caps.probe)
        return r;
    p.version = want.arms[0].version;
    r = target_probe(s->target, &p, &result, err);
    if (r == 0 && (result.status == 0 || !result.verified))
        out_warn(s->cli->out, "target '%s': version %s has all traffic and does not answer: %s",
                 s->target->o.name, p.version, result.why);
    return r;
}

/* The journal, where there is one, learns that it is over. */
static int close_journal(struct rollout_session *s, const char *version, struct err *err)
{
    struct rollout *r = s->rollout;
    if (!rollout_is_under_way(r))
        return 0;
    bool back = strcmp(version, r->plan.target[0].canary) != 0;
    int result = back ? ask_back(s, err) : 0;
    for (int t = 0; t < r->plan.targets && result == 0; t++)
        result = rollout_add(r, json_pack("{s:s, s:i, s:i, s:b}", "e", "outcome", "target", t, "bp",
                                          back ? 0 : SPLIT_WHOLE, "back", back), err);
    return result < 0 ? result
                      : rollout_add(r, json_pack("{s:s, s:s, s:s}", "e", "end", "result", "taken",
                                                 "code", "none"), err);
}

static bool names(const char *text, const char *version)
{
    return version[0] && strcmp(text, version) == 0;
}

/* Each provider has its own name for a version: where the journal knows which ones belong together,
 * the name at one target stands for those at all. */
static const char *version_at(const struct rollout *r, int target, const char *version)
{
    const struct plan_target *own = r && target < r->plan.targets ? &r->plan.target[target] : NULL;
    for (int t = 0; own && t < r->plan.targets; t++) {
        const struct plan_target *pt = &r->plan.target[t];
        if (names(version, pt->stable))
            return own->stable;
        if (names(version, pt->canary) || names(version, pt->release))
            return own->canary;
    }
    return version;
}

static int abort_to(struct rollout_session *s, const char *version, struct err *err)
{
    struct err why = {0};
    /* A journal that is damaged, or cannot be written, is what this is for. */
    int loaded = rollout_session_load(s, NULL, true, &why);
    int r = 0;
    for (int i = s->count; i-- > 0 && r == 0;)
        r = give_all(&s->target[i], version_at(s->rollout, i, version), err);
    if (r < 0)
        return r;
    out_note(s->cli->out, "version %s has all traffic", version);
    if (loaded < 0 || close_journal(s, version_at(s->rollout, 0, version), &why) < 0)
        out_warn(s->cli->out, "%s", why.msg);
    for (int i = 0; i < s->count; i++)
        note_end(s->target[i].target);
    return 0;
}

static int run(struct cli *cli, void *args_ptr, struct err *err)
{
    const struct args *args = args_ptr;
    cleanup(rollout_session_close) struct rollout_session s = {0};
    int r = rollout_session_open(cli, JOURNAL_WRITE, &s, err);
    if (r == -ERR_DRIFT && !args->to) {
        r = rollout_session_ask(cli, "back", true, err);
        if (r == 0)
            out_note(cli->out, "rolled back: all traffic is on the stable version");
        if (r <= 0)
            return r;
        r = rollout_session_open(cli, JOURNAL_WRITE, &s, err);
    }
    if (r < 0)
        return r;
    if (args->to)
        return abort_to(&s, args->to, err);
    r = rollout_session_need(&s, err);
    return r < 0 ? r : go_back(&s, false, err);
}

static const struct cli_opt opts[] = {
    OPT_STR(struct args, 0, "to", to, "version", COMP_NONE,
            "give this version all traffic, whatever the journal and the split say"),
    OPT_END,
};

static const struct cli_example examples[] = {
    {"edgectl rollout abort", "put all traffic back on the stable version"},
    {"edgectl rollout abort --to 3f1c9a", "the same with a lost journal, or after meddling"},
    {NULL, NULL},
};

const struct cli_cmd cmd_rollout_abort = {
    .path = "rollout abort",
    .group = GRP_SHIP,
    .summary = "put all traffic back on the stable version",
    .about =
        "Puts all traffic back on the stable version, all targets in reverse, and asks\n"
        "that version whether it answers. When another process runs the rollout, it is\n"
        "asked to do so, and awaited.\n"
        "\n"
        "When the journal is lost or damaged, or somebody else has changed the split,\n"
        "`--to VERSION` gives that version all traffic whatever there was before;\n"
        "`edgectl versions` lists them.\n",
    .opts = opts,
    .args_size = sizeof(struct args),
    .needs = NEED_STATE,
    .exits = EXITS(IO, DRIFT, NETWORK, CREDENTIALS, MANIFEST, INTERRUPTED),
    .examples = examples,
    .run = run,
};
