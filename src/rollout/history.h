/* SPDX-License-Identifier: Apache-2.0 */
/* A rollout's own journal: one event a line, only ever appended, each synced before the call that
 * it announces. A line is "CRC JSON", where the CRC covers the line and the one before it, so that
 * neither a torn end nor a lost middle passes for the truth: the end is dropped, the middle is an
 * error. It lives in <state>/rollouts/<target>/<id>.jsonl; ids sort by time.
 *
 * Who writes holds the lock of the provider's journal. Others read, and ask the writer for things
 * through a second file beside it (history_ask). */
#ifndef EDGECTL_ROLLOUT_HISTORY_H
#define EDGECTL_ROLLOUT_HISTORY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

enum { HISTORY_ID_MAX = 40 };

struct history;

/* A new rollout: makes the file, empty. -ERR_IO. */
must_use int history_new(const char *state_dir, const char *target, struct history **ret,
                         struct err *err);
/* The newest one of a target that has begun, or that with the id. 0 and NULL when there is none.
 * -ERR_FAILURE when it is damaged. */
must_use int history_open(const char *state_dir, const char *target, const char *id, bool write,
                          struct history **ret, struct err *err);
/* A journal's file, wherever it is, to be read. */
must_use int history_read(const char *path, struct history **ret, struct err *err);
/* NULL is allowed. */
void history_close(struct history *h);
void history_close_p(struct history **h);

const char *history_id(const struct history *h);
const char *history_path(const struct history *h);
/* Events so far; event i is borrowed and has "e" (its kind) and "t" (wall time, ms). */
size_t history_count(const struct history *h);
const json_t *history_event(const struct history *h, size_t i);
/* Appends and syncs; takes the event, and sets its "t" unless it has one. */
must_use int history_add(struct history *h, json_t *event, struct err *err);

/* Ask whoever writes this rollout: "pause", "resume", "promote", "abort" ... */
must_use int history_ask(const struct history *h, const json_t *request, struct err *err);
/* The next request that has not been taken, or NULL; the caller's. `taken`: how many were. */
json_t *history_request(const struct history *h, size_t taken);

/* Ids of a target's rollouts, oldest first; free with history_list_free. */
must_use int history_list(const char *state_dir, const char *target, char ***ret_ids,
                          size_t *ret_count, struct err *err);
void history_list_free(char **ids, size_t count);

#endif
