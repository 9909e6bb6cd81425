/* SPDX-License-Identifier: Apache-2.0 */
#include "rollout/note.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/mem.h"

enum { NOTE_MAX = 4000 };

static const char note_key[] = "rollout";

static json_t *summary(const struct rollout *r, int index, bool with_plan)
{
    const struct plan_target *t = &r->plan.target[index];
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    json_t *shares = json_array(), *touched = json_array();
    for (int i = 0; i < r->plan.targets; i++) {
        json_array_append_new(shares, json_integer(r->state.bp[i]));
        json_array_append_new(touched, json_boolean(r->state.touched[i]));
    }
    json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:i, s:o, s:o, s:b, s:b, s:s, s:I}", "id",
                          history_id(r->history), "stable", t->stable, "canary", t->canary, "phase",
                          rollout_phase_name(r->state.phase), "step", r->state.step, "bp", shares,
                          "touched", touched, "set", r->state.set, "paused", r->state.paused,
                          "host", host, "t", (json_int_t)(clock_wall_ns() / 1000000));
    if (r->state.intent.open)
        json_object_set_new(o, "intent", json_pack("{s:i, s:i, s:i, s:b}", "target",
                                                   r->state.intent.target, "from",
                                                   r->state.intent.from, "to", r->state.intent.to,
                                                   "back", r->state.intent.back));
    json_object_set_new(o, "set_at", json_integer(r->state.set_ms));
    if (with_plan)
        json_object_set_new(o, "plan", plan_save(&r->plan));
    return o;
}

void note_put(const struct rollout *r, struct target *t, int index)
{
    struct err err;
    for (int with_plan = 1; with_plan >= 0; with_plan--) {
        json_t *o = summary(r, index, with_plan);
        cleanup(free_p) char *text = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(17));
        json_decref(o);
        if (strlen(text) > NOTE_MAX)
            continue;
        if (target_put_note(t, note_key, text, &err) < 0)
            return;
        break;
    }
}

int note_get(struct target *t, json_t **ret, struct err *err)
{
    cleanup(buf_clear) struct buf text = BUF_INIT(64 * 1024);
    int r = target_get_note(t, note_key, &text, err);
    if (r <= 0)
        return r;
    *ret = json_loadb(buf_str(&text), text.len, 0, NULL);
    return *ret ? 1 : 0;
}

bool note_is_under_way(const json_t *note)
{
    const char *phase = json_string_value(json_object_get(note, "phase"));
    return phase && (strcmp(phase, rollout_phase_name(PHASE_FORWARD)) == 0 ||
                     strcmp(phase, rollout_phase_name(PHASE_BACK)) == 0);
}

static bool says(const json_t *note, const char *key, const char *text)
{
    const char *its = json_string_value(json_object_get(note, key));
    return its && strcmp(its, text) == 0;
}

bool note_is_taken(const struct rollout *r, struct target *t, int index,
                   char ret_host[NOTE_HOST_MAX])
{
    json_t *note = NULL;
    struct err ignored;
    if (note_get(t, &note, &ignored) <= 0)
        return false;
    /* An older one was left behind by a rollout that is no more. */
    bool taken = note_is_under_way(note) && !says(note, "id", history_id(r->history)) &&
                 says(note, "canary", r->plan.target[index].canary) &&
                 json_integer_value(json_object_get(note, "t")) > r->state.began_ms;
    const char *host = json_string_value(json_object_get(note, "host"));
    snprintf(ret_host, NOTE_HOST_MAX, "%s", host ? host : "another machine");
    json_decref(note);
    return taken;
}

void note_end(struct target *t)
{
    json_t *note = NULL;
    struct err ignored;
    if (note_get(t, &note, &ignored) <= 0)
        return;
    if (note_is_under_way(note)) {
        json_object_set_new(note, "phase", json_string(rollout_phase_name(PHASE_UNDONE)));
        json_object_set_new(note, "t", json_integer(clock_wall_ns() / 1000000));
        cleanup(free_p) char *text = json_dumps(note, JSON_COMPACT | JSON_REAL_PRECISION(17));
        (void)!target_put_note(t, note_key, text, &ignored);
    }
    json_decref(note);
}

int note_adopt(const json_t *note, const char *state_dir, const char *target, struct rollout **ret,
               struct err *err)
{
    struct history *h = NULL;
    cleanup(free_p) struct plan *plan = xnew(struct plan);
    const json_t *saved = json_object_get(note, "plan");
    if (!saved) {
        err_set(err, ERR_FAILURE, "the note at the provider holds no plan to go on with");
        err_hint(err, "put all traffic on one version: edgectl rollout abort --to VERSION");
        return -ERR_FAILURE;
    }
    /* In the first event, whole or not at all: a journal that began without what was done elsewhere
     * would call that somebody's meddling. The event of its own is for those who read events. */
    json_t *e = json_deep_copy(note);
    json_object_del(e, "plan");
    json_object_del(e, "t");
    json_object_set_new(e, "e", json_string("adopt"));
    int r = plan_load(plan, saved, err);
    if (r == 0)
        r = history_new(state_dir, target, &h, err);
    if (r == 0)
        r = rollout_begin(h, plan, e, ret, err);
    if (r == 0)
        return rollout_add(*ret, e, err);
    json_decref(e);
    return r;
}
