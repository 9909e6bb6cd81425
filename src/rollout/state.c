/* SPDX-License-Identifier: Apache-2.0 */
/* From the events of a rollout's journal to its state. */
#include <stdio.h>
#include <string.h>
#include "rollout/step.h"

static const char *text_at(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static int target_at(const struct plan *p, const json_t *o)
{
    json_int_t t = json_integer_value(json_object_get(o, "target"));
    return t >= 0 && t < p->targets ? (int)t : 0;
}

static void on_intent(const struct plan *p, struct rollout_state *s, const json_t *e)
{
    s->intent.open = true;
    s->intent.target = target_at(p, e);
    s->intent.from = (int)json_integer_value(json_object_get(e, "from"));
    s->intent.to = (int)json_integer_value(json_object_get(e, "to"));
    s->intent.back = json_is_true(json_object_get(e, "back"));
    s->touched[s->intent.target] = true;
}

static void on_outcome(const struct plan *p, struct rollout_state *s, const json_t *e)
{
    int t = target_at(p, e);
    s->intent.open = false;
    s->bp[t] = (int)json_integer_value(json_object_get(e, "bp"));
    if (json_is_true(json_object_get(e, "back"))) {
        s->touched[t] = false;
        s->restored[t] = p->target[t].probe;
    } else {
        s->set = true;
        s->soaked_ms = 0;
        s->set_ms = json_integer_value(json_object_get(e, "t"));
    }
}

static void on_next(struct rollout_state *s)
{
    s->step++;
    s->before = s->set = s->proven = s->passed = s->approved = s->after = false;
    s->soaked_ms = 0;
}

static void on_back(struct rollout_state *s, const json_t *e)
{
    const char *code = text_at(e, "code");
    if (s->phase != PHASE_FORWARD)
        return;
    s->phase = PHASE_BACK;
    s->code = ERR_FAILURE;
    for (int i = 1; i < ERR_COUNT; i++) {
        if (strcmp(err_name((enum err_code)i), code) == 0)
            s->code = (enum err_code)i;
    }
    snprintf(s->why, sizeof s->why, "%s", text_at(e, "why"));
}

/* Taken over from another machine's note, at `t`. The provider has counted on since the split was
 * set, whoever watched: CI jobs, each on a machine of its own, come to the end of a soak, too. */
static void on_adopt(const struct plan *p, struct rollout_state *s, const json_t *e, int64_t t)
{
    struct rollout_clock then = {.wall_ms = json_integer_value(json_object_get(e, "set_at"))};
    struct rollout_clock now = {.wall_ms = t};
    s->set_ms = then.wall_ms;
    s->soaked_ms = then.wall_ms ? rollout_watched(&then, &now) : 0;
    json_int_t step = json_integer_value(json_object_get(e, "step"));
    s->step = step < 0 ? 0 : step > p->steps ? p->steps : (int)step;
    s->before = s->set = json_is_true(json_object_get(e, "set"));
    s->paused = json_is_true(json_object_get(e, "paused"));
    if (strcmp(text_at(e, "phase"), "back") == 0)
        s->phase = PHASE_BACK;
    s->code = ERR_FAILURE;
    for (int i = 0; i < p->targets; i++) {
        s->bp[i] = (int)json_integer_value(json_array_get(json_object_get(e, "bp"), (size_t)i));
        s->touched[i] = json_is_true(json_array_get(json_object_get(e, "touched"), (size_t)i));
    }
    /* It was about to be changed when it was noted: who knows whether it was. */
    if (json_is_object(json_object_get(e, "intent")))
        on_intent(p, s, json_object_get(e, "intent"));
}

static void on_proven(const struct plan *p, struct rollout_state *s, const json_t *e)
{
    if (json_is_true(json_object_get(e, "back")))
        s->restored[target_at(p, e)] = false;
    else
        s->proven = true;
}

void rollout_apply(const struct plan *p, struct rollout_state *s, const json_t *e)
{
    const char *kind = text_at(e, "e");
    int64_t t = json_integer_value(json_object_get(e, "t"));
    if (s->began_ms == 0)
        s->began_ms = t;
    s->changed_ms = t;
    if (json_object_get(e, "boot")) {
        s->boot = (uint32_t)json_integer_value(json_object_get(e, "boot"));
        s->mono_ms = json_integer_value(json_object_get(e, "m"));
    }
    if (json_is_true(json_object_get(e, "asked")))
        s->asked++;
    if (strcmp(kind, "look") == 0) {
        s->looks++;
        if (s->set)
            s->soaked_ms += json_integer_value(json_object_get(e, "dt"));
    } else if (strcmp(kind, "intent") == 0) {
        on_intent(p, s, e);
    } else if (strcmp(kind, "outcome") == 0) {
        on_outcome(p, s, e);
    } else if (strcmp(kind, "start") == 0 && json_object_get(e, "adopt")) {
        on_adopt(p, s, json_object_get(e, "adopt"), t);
    } else if (strcmp(kind, "adopt") == 0) {
        on_adopt(p, s, e, t);
    } else if (strcmp(kind, "before") == 0) {
        s->before = true;
    } else if (strcmp(kind, "proven") == 0) {
        on_proven(p, s, e);
    } else if (strcmp(kind, "passed") == 0) {
        s->passed = true;
    } else if (strcmp(kind, "after") == 0) {
        s->after = true;
    } else if (strcmp(kind, "next") == 0) {
        on_next(s);
    } else if (strcmp(kind, "approve") == 0) {
        s->approved = true;
    } else if (strcmp(kind, "full") == 0) {
        s->full = s->approved = true;
        s->paused = false;
    } else if (strcmp(kind, "pause") == 0) {
        s->paused = true;
    } else if (strcmp(kind, "resume") == 0) {
        s->paused = false;
    } else if (strcmp(kind, "back") == 0) {
        on_back(s, e);
    } else if (strcmp(kind, "end") == 0) {
        s->phase = s->phase == PHASE_BACK ? PHASE_UNDONE : PHASE_DONE;
    }
}

const char *rollout_phase_name(enum rollout_phase phase)
{
    static const char *const names[] = {"forward", "back", "done", "undone"};
    return names[phase];
}

const char *rollout_wait_name(enum rollout_wait wait)
{
    static const char *const names[] = {"nothing", "evidence", "soak", "approval", "paused",
                                        "window"};
    return names[wait];
}
