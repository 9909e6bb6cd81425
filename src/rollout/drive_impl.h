/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the drive, for drive*.c. */
#ifndef EDGECTL_ROLLOUT_DRIVE_IMPL_H
#define EDGECTL_ROLLOUT_DRIVE_IMPL_H

#include "rollout/drive.h"

struct drive {
    struct drive_options o;
    struct rollout *r;
    struct evidence *evidence;
    struct rollout_seen seen;
    struct split split[PLAN_TARGETS_MAX];       /* as last read */
    int64_t read_ms[PLAN_TARGETS_MAX];          /* when, monotonic */
    uint32_t boot;                              /* which start of which machine; 0: not known */
    int64_t looked_ms;                          /* monotonic; 0: not in this run */
    int tries;                                  /* of the change that fails now */
    int ask_tries;                              /* of the question that fails now */
};

int64_t drive_wall_ms(void);
int64_t drive_mono_ms(void);
bool drive_interrupted(const struct drive *d);
const struct manifest_rollout *drive_manifest(const struct drive *d);
/* Writes an event and tells it. */
must_use int drive_event(struct drive *d, json_t *event, struct err *err);
void drive_sleep(struct drive *d, int64_t ms);

void drive_arm(struct split *s, const char *version, int bp);
must_use int drive_read(struct drive *d, int target, struct err *err);
/* What was read too long ago to be relied on is not known. */
void drive_forget_old(struct drive *d);
/* Ask the version that should answer now, until it does. */
must_use int drive_prove(struct drive *d, int target, bool back, struct err *err);
/* What the stable version did before, for the gate. */
must_use int drive_past(struct drive *d, int target, struct err *err);
/* Why the gate failed, in a sentence. */
void drive_explain(const struct rollout *r, char *to, size_t cap);
/* Who changed the split, when, and how it is now. */
void drive_drift(const struct drive *d, int target, struct err *err);

#endif
