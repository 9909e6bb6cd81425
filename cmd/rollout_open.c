/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/rollout_open.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/mem.h"
#include "cmd/cmd.h"
#include "provider/common.h"
#include "rollout/note.h"
#include "world/state.h"

static const struct manifest_rollout plain = {.burn_in_ms = -1, .history_ms = -1};

static const struct manifest_rollout *section(const struct manifest *m)
{
    return m->rollout ? m->rollout : &plain;
}

bool rollout_is_under_way(const struct rollout *r)
{
    return r && (r->state.phase == PHASE_FORWARD || r->state.phase == PHASE_BACK);
}

/* --- targets --- */

/* Names from the manifest, copied, since each session loads its own. */
static int list_targets(struct cli *cli, char ***ret_names, int *ret_count, struct err *err)
{
    struct manifest *m = NULL;
    int r = cmd_load_manifest(cli, &m, err);
    if (r < 0)
        return r;
    const struct manifest_rollout *s = section(m);
    bool many = s->target_count > 0 && strcmp(cli->target, "local") == 0;
    int count = many ? (int)s->target_count : 1;
    if (count > PLAN_TARGETS_MAX) {
        manifest_unref(m);
        return err_set(err, ERR_MANIFEST, "rollout.targets: more than %d", PLAN_TARGETS_MAX);
    }
    char **names = xcalloc((size_t)count, sizeof *names);
    for (int i = 0; i < count; i++)
        names[i] = xstrdup(many ? s->targets[i] : cli->target);
    manifest_unref(m);
    *ret_names = names;
    *ret_count = count;
    return 0;
}

int rollout_session_open(struct cli *cli, enum journal_mode mode, struct rollout_session *s,
                         struct err *err)
{
    char **names = NULL;
    int count = 0;
    const char *asked = cli->target;
    *s = (struct rollout_session){.cli = cli};
    int r = list_targets(cli, &names, &count, err);
    if (r < 0)
        return r;
    for (int i = 0; i < count && r == 0; i++) {
        /* The session keeps the name. */
        r = session_open(cli, names[i], mode, &s->target[i], err);
        s->count += r == 0;
    }
    if (r < 0)
        rollout_session_close(s);
    /* Whoever finds it locked opens it again, to ask the process that runs it. */
    cli->target = asked;
    for (int i = 0; i < count; i++)
        free(names[i]);
    free(names);
    return r;
}

void rollout_session_close(struct rollout_session *s)
{
    rollout_free(s->rollout);
    while (s->count > 0)
        session_close(&s->target[--s->count]);
    s->rollout = NULL;
}

/* --- the journal --- */

static int from_note(struct rollout_session *s, bool write, struct err *err)
{
    json_t *note = NULL;
    struct session *first = &s->target[0];
    struct err why;
    int r = note_get(first->target, &note, &why);
    const char *phase = json_string_value(json_object_get(note, "phase"));
    bool under_way = note_is_under_way(note);
    r = 0;
    if (note && under_way && write) {
        r = note_adopt(note, first->state_dir, first->target->o.name, &s->rollout, err);
        if (r == 0)
            out_note(s->cli->out, "taken over from %s: what was counted there is counted anew",
                     json_string_value(json_object_get(note, "host")));
        /* Whoever runs it there finds out by that. */
        for (int t = 0; r == 0 && t < s->count && t < s->rollout->plan.targets; t++)
            note_put(s->rollout, s->target[t].target, t);
    } else if (note && under_way) {
        out_note(s->cli->out, "rollout %s is run from another machine (%s): phase %s, step %d",
                 json_string_value(json_object_get(note, "id")),
                 json_string_value(json_object_get(note, "host")), phase,
                 (int)json_integer_value(json_object_get(note, "step")) + 1);
    }
    json_decref(note);
    return r;
}

/* What was begun here and taken over on another machine goes on from where that one is. */
static int take_back(struct rollout_session *s, struct err *err)
{
    char host[NOTE_HOST_MAX];
    if (!rollout_is_under_way(s->rollout) ||
        !note_is_taken(s->rollout, s->target[0].target, 0, host))
        return 0;
    int r = rollout_add(s->rollout, json_pack("{s:s, s:s, s:s}", "e", "end", "result", "taken",
                                              "code", "none"), err);
    rollout_free(s->rollout);
    s->rollout = NULL;
    return r < 0 ? r : from_note(s, true, err);
}

static int no_such(const char *id, struct err *err)
{
    err_set(err, ERR_USAGE, "there is no rollout '%s'", id);
    err_hint(err, "see them: edgectl rollout history");
    return -ERR_USAGE;
}

int rollout_session_load(struct rollout_session *s, const char *id, bool write, struct err *err)
{
    struct history *h = NULL;
    struct session *first = &s->target[0];
    int r = history_open(first->state_dir, first->target->o.name, id, write, &h, err);
    if (r < 0)
        return r;
    if (h) {
        r = rollout_load(h, &s->rollout, err);
        return r == 0 && write ? take_back(s, err) : r;
    }
    if (id)
        return no_such(id, err);
    return from_note(s, write, err);
}

int rollout_session_need(struct rollout_session *s, struct err *err)
{
    int r = rollout_session_load(s, NULL, true, err);
    if (r < 0)
        return r;
    /* What was asked of a process that is no more comes before what is asked now. */
    while (r == 0 && rollout_is_under_way(s->rollout)) {
        r = rollout_take_request(s->rollout, err);
        if (r == 0)
            return 0;
        r = r < 0 ? r : 0;
    }
    if (r < 0)
        return r;
    err_set(err, ERR_USAGE, "no rollout is under way on target '%s'", s->target[0].target->o.name);
    /* Who aborts what has ended wants the version before. */
    if (s->rollout && s->rollout->state.phase == PHASE_DONE)
        err_hint(err, "the last one gave version %.60s all traffic; put the one before back: "
                 "edgectl rollback", s->rollout->plan.target[0].canary);
    else
        err_hint(err, "begin one: edgectl rollout run; when the journal is lost: edgectl rollout "
                      "abort --to VERSION");
    return -ERR_USAGE;
}

int rollout_session_plan(struct rollout_session *s, const char *version, struct plan *plan,
                         struct err *err)
{
    const struct provider_caps *caps[PLAN_TARGETS_MAX];
    *plan = (struct plan){.targets = s->count};
    for (int i = 0; i < s->count; i++) {
        caps[i] = &s->target[i].target->caps;
        int r = drive_find_versions(s->target[i].target, version, &plan->target[i], err);
        if (r < 0)
            return r;
    }
    return plan_make(section(s->target[0].manifest), caps, plan, err);
}

/* --- asking the process that runs it --- */

/* Turns of 100 ms: each of the runner's calls may take a provider many minutes. */
enum { TURNS_TO_END = 18000, TURNS_TO_TELL = 50, TURNS_TO_LOOK = 10 };

static bool taken(const struct rollout *r, size_t before, bool until_end)
{
    return !r || (until_end ? !rollout_is_under_way(r) : r->state.asked > before);
}

/* Has whoever ran it gone? */
static bool is_free(const struct session *s)
{
    struct journal *j = NULL;
    struct err err;
    if (journal_open(s->state_dir, s->target->o.name, JOURNAL_WRITE, &j, &err) < 0)
        return false;
    journal_close(j);
    return true;
}

/* It has ended: as was asked for? */
static int ended_as(const struct rollout *r, const char *what, struct err *err)
{
    if (r && r->state.phase == PHASE_DONE && strcmp(what, "back") == 0) {
        err_set(err, ERR_USAGE, "the rollout had ended before it could be aborted: all traffic is "
                                "on the new version");
        err_hint(err, "put the one before back: edgectl rollback");
        return -ERR_USAGE;
    }
    if (r && r->state.phase == PHASE_UNDONE && strcmp(what, "full") == 0)
        return err_set(err, r->state.code, "rolled back: %s", r->state.why);
    return 0;
}

int rollout_session_ask(struct cli *cli, const char *what, bool until_end, struct err *err)
{
    cleanup(rollout_session_close) struct rollout_session s = {0};
    int r = rollout_session_open(cli, JOURNAL_READ, &s, err);
    if (r == 0)
        r = rollout_session_load(&s, NULL, false, err);
    if (r == 0 && !rollout_is_under_way(s.rollout))
        r = err_set(err, ERR_USAGE, "no rollout is under way on target '%s'",
                    s.target[0].target->o.name);
    if (r < 0)
        return r;
    cleanup(free_p) char *who = user_at_host();
    json_t *request = drive_request(what, who);
    size_t before = s.rollout->state.asked;
    r = history_ask(s.rollout->history, request, err);
    json_decref(request);
    /* It looks for requests several times a second, but between two of its calls. */
    for (int turn = 0; r == 0 && !taken(s.rollout, before, until_end); turn++) {
        bool begun = s.rollout->state.asked > before;
        if (turn == TURNS_TO_TELL)
            out_note(cli->out, "waiting for the process that runs it%s; what was asked for stays",
                     begun ? " to end" : "");
        if (turn >= TURNS_TO_END)
            return err_set(err, ERR_DRIFT, begun ? "the process that runs the rollout does not end"
                                           : "the process that runs the rollout does not react");
        if (target_interrupted(s.target[0].target))
            return err_set(err, ERR_INTERRUPTED, "interrupted; what was asked for stays so");
        struct timespec t = {.tv_nsec = 100000000};
        nanosleep(&t, NULL);
        bool gone = turn % TURNS_TO_LOOK == 0 && is_free(&s.target[0]);
        rollout_free(s.rollout);
        s.rollout = NULL;
        r = rollout_session_load(&s, NULL, false, err);
        if (r == 0 && gone && !taken(s.rollout, before, until_end))
            return 1;
    }
    return r == 0 && until_end ? ended_as(s.rollout, what, err) : r;
}
