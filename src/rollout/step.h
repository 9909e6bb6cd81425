/* SPDX-License-Identifier: Apache-2.0 */
/* The rollout's state machine, pure: what has happened (the events of its journal) makes a state,
 * and the state, the clock and what was just seen make the next move. Nothing here does anything;
 * rollout/drive.c carries the moves out and writes the events.
 *
 * Every state has a way out: whatever happens, "back" leads to all traffic on the stable version,
 * and a move that was interrupted is found done or not done by reading the provider. */
#ifndef EDGECTL_ROLLOUT_STEP_H
#define EDGECTL_ROLLOUT_STEP_H

#include <jansson.h>
#include "rollout/gate.h"
#include "rollout/plan.h"

enum rollout_phase {
    PHASE_FORWARD,          /* taking steps */
    PHASE_BACK,             /* putting everything back */
    PHASE_DONE,             /* all traffic is on the new version */
    PHASE_UNDONE,           /* all traffic is on the stable version again */
};

struct rollout_state {
    enum rollout_phase phase;
    int step;                       /* that is being taken or held; plan->steps: all are taken */
    /* What has been done of it, in this order: */
    bool before, set, proven, passed, approved, after;
    int64_t soaked_ms;              /* watched time since its split is in place */
    int64_t set_ms;                 /* wall time of the last step's split; 0: none yet */
    bool paused, full;              /* full: go to the end without judging */
    struct {
        bool open;                  /* a split was about to be set, and nothing is known since */
        int target, from, to;
        bool back;
    } intent;
    int bp[PLAN_TARGETS_MAX];       /* the new version's share that each target should have */
    bool touched[PLAN_TARGETS_MAX]; /* the target's split is not the first one */
    bool restored[PLAN_TARGETS_MAX];    /* put back and not proven yet */
    enum err_code code;             /* why it goes or went back */
    char why[256];
    int64_t began_ms, changed_ms;   /* wall time of the first and of the last event */
    int64_t mono_ms;                /* the monotonic clock at the last event that tells, */
    uint32_t boot;                  /* and which start of which machine it counts from; 0: none */
    size_t asked;                   /* requests of other processes that were taken */
    size_t looks;
};

/* One event of the journal. Unknown ones change nothing. */
void rollout_apply(const struct plan *p, struct rollout_state *s, const json_t *event);

/* What was read from a target: the new version's share. */
struct rollout_split {
    bool known;
    bool foreign;                   /* a version that is neither of the two has traffic */
    bool arm;                       /* the new version can be reached, if only by its header */
    int bp;
};

struct rollout_seen {
    int64_t wall_ms;
    struct rollout_split split[PLAN_TARGETS_MAX];
    struct gate_result verdict;     /* of all targets together */
};

enum rollout_act {
    DO_READ,                /* the split of `target` */
    DO_RECORD,              /* `target` has `bp` already: write that as the outcome */
    DO_SET,                 /* give the new version `bp` on `target` */
    DO_BEFORE, DO_AFTER,    /* run hooks */
    DO_PROVE,               /* ask the version of `target` that should answer */
    DO_PASS,                /* write that the step has passed */
    DO_NEXT,                /* write that the next step begins */
    DO_BACK,                /* write that everything goes back, because of `code` */
    DO_FINISH,              /* write the end */
    DO_WAIT,                /* watch, until something changes */
    DO_STOP,                /* leave all as it is, with exit status of `code` */
    DO_END,                 /* nothing is left to do */
};

enum rollout_wait {
    WAIT_NOTHING, WAIT_EVIDENCE, WAIT_SOAK, WAIT_APPROVAL, WAIT_PAUSED, WAIT_WINDOW,
};

struct rollout_move {
    enum rollout_act act;
    int target, bp;
    bool back;              /* DO_SET, DO_RECORD, DO_PROVE: on the way back */
    enum rollout_wait wait;
    int64_t until_ms;       /* wall time; 0: not known */
    enum err_code code;
};

struct rollout_move rollout_next(const struct plan *p, const struct rollout_state *s,
                                 const struct rollout_seen *seen);

/* Two clocks at a moment. `mono_ms` stands still while the machine sleeps, and is 0 when the
 * moment was before the machine started, or on another one; `wall_ms` may be set by anybody. */
struct rollout_clock {
    int64_t mono_ms, wall_ms;
};

/* Watched time between two moments: by the clock that no one can set, where both are of one start
 * of the machine, else by that of the day, as far as it makes sense (0 to 7 days). */
int64_t rollout_watched(const struct rollout_clock *was, const struct rollout_clock *now);
/* The clocks at the last event, for who is at `now` in the boot `boot`. */
struct rollout_clock rollout_last_clock(const struct rollout_state *s, uint32_t boot,
                                        const struct rollout_clock *now);

/* "forward", "back", "done", "undone"; "soak", "approval" ... */
const char *rollout_phase_name(enum rollout_phase phase);
const char *rollout_wait_name(enum rollout_wait wait);

#endif
