/* SPDX-License-Identifier: Apache-2.0 */
/* A rollout on the terminal: as a screen that is redrawn, as lines, or as JSON lines. */
#ifndef EDGECTL_CMD_ROLLOUT_SHOW_H
#define EDGECTL_CMD_ROLLOUT_SHOW_H

#include "cli/cli.h"
#include "rollout/drive.h"

struct rollout_show {
    struct cli *cli;
    bool screen;                    /* redraw in place */
    int drawn;                      /* lines of the last drawing */
    int64_t told_ms;                /* of the last line about waiting */
    enum gate_reason told_reason;   /* what it was about */
    enum rollout_wait told_wait;
    int told_step;
    char trouble[256];              /* what went wrong last; "": nothing */
    int64_t trouble_ms;             /* when it was told */
};

void rollout_show_init(struct rollout_show *s, struct cli *cli);
/* For struct drive_options. */
void rollout_show_event(void *env, const struct rollout *r, const json_t *event);
void rollout_show_wait(void *env, const struct rollout *r, const struct rollout_move *move);
void rollout_show_trouble(void *env, const struct err *err);

/* Status as text, for `status` and the screen. */
void rollout_show_status(struct cli *cli, const struct rollout *r);
void rollout_show_plan(struct cli *cli, const struct plan *plan);

/* Runs a rollout to where it can get, and tells it. */
must_use int rollout_show_drive(struct cli *cli, struct rollout *r, struct drive_options *o,
                                struct err *err);

#endif
