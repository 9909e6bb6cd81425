/* SPDX-License-Identifier: Apache-2.0 */
/* A rollout's state kept with the provider, where it can: enough for another machine to tell how
 * things stand, and to go on or to put everything back. What was counted is not in it: a gate that
 * is taken over begins anew, with what the provider has counted since the last step. */
#ifndef EDGECTL_ROLLOUT_NOTE_H
#define EDGECTL_ROLLOUT_NOTE_H

#include "rollout/rollout.h"

/* Never fails: the note is a help, not the truth. */
void note_put(const struct rollout *r, struct target *t, int index);
/* 1 and the note, which the caller json_decrefs; 0 when there is none. */
must_use int note_get(struct target *t, json_t **ret, struct err *err);
enum { NOTE_HOST_MAX = 64 };
/* Is it of a rollout that goes on? */
bool note_is_under_way(const json_t *note);
/* Has another machine taken this rollout over (note_adopt) since it began here? Then its note is
 * there instead of ours. What cannot be read says nothing. */
bool note_is_taken(const struct rollout *r, struct target *t, int index,
                   char ret_host[NOTE_HOST_MAX]);
/* Whatever it says is over, for everybody: all traffic was given to one version. */
void note_end(struct target *t);
/* A journal of our own from it. -ERR_FAILURE when the note holds no plan. */
must_use int note_adopt(const json_t *note, const char *state_dir, const char *target,
                        struct rollout **ret, struct err *err);

#endif
