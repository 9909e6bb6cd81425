/* SPDX-License-Identifier: Apache-2.0 */
/* One target's journal: what was about to be done there, how it ended, and facts that cannot be
 * looked up (ids that a provider chose). JSON lines in <state>/targets/<name>/journal.jsonl, each
 * synced before the function returns (but for journal_note_fact); a torn last line is dropped when
 * it is opened. Whoever has it
 * open for writing holds the target's lock: two deploys or rollouts of this state folder cannot be
 * at work on one target at the same time.
 *
 * An operation is a pair of records with the same number: begin (before the first remote call),
 * end (after the last). One that has begun and not ended was interrupted: it may have been done, in
 * part or whole, and whoever goes on asks the provider which. */
#ifndef EDGECTL_PROVIDER_JOURNAL_H
#define EDGECTL_PROVIDER_JOURNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"

struct journal;

enum journal_mode { JOURNAL_READ, JOURNAL_WRITE };

/* JOURNAL_WRITE makes what is missing; -ERR_DRIFT when another process has the lock, with its pid,
 * host and since when. JOURNAL_READ takes no lock; no file is an empty journal. -ERR_IO; -ERR_USAGE
 * for a name with '/', or that begins with '.'. */
must_use int journal_open(const char *state_dir, const char *target, enum journal_mode mode,
                          struct journal **ret, struct err *err);
/* Is somebody at work on the target? Without touching the lock, so that nobody is disturbed: by
 * what its holder has written. True for one on another machine, of which nothing is known. */
bool journal_is_held(const char *state_dir, const char *target);
/* NULL is allowed. Frees the lock. */
void journal_close(struct journal *j);
void journal_close_p(struct journal **j);

/* NULL when it is not set; valid until it is set again. */
const char *journal_fact(const struct journal *j, const char *key);
/* NULL removes it. No record when nothing changes. */
must_use int journal_set_fact(struct journal *j, const char *key, const char *value,
                              struct err *err);
/* The same for a fact that saves a question, and is never the only place that something stands in:
 * it is synced with the next record, not by itself. A kill leaves it; a power failure may not. */
must_use int journal_note_fact(struct journal *j, const char *key, const char *value,
                               struct err *err);
typedef void journal_fact_fn(void *env, const char *key, const char *value);
void journal_each_fact(const struct journal *j, journal_fact_fn *fn, void *env);

/* An operation. `kind`: "step", "split", ...; `what`: the step's id; `release`: "" when none;
 * `detail`: borrowed, may be NULL. */
must_use int journal_begin(struct journal *j, const char *kind, const char *what,
                           const char *release, const json_t *detail, uint64_t *ret_number,
                           struct err *err);
/* r and *failure as the operation returned them (failure only looked at when r < 0). Returns 0 or
 * its own failure. */
must_use int journal_end(struct journal *j, uint64_t number, int r, const struct err *failure,
                         const json_t *detail, struct err *err);

struct journal_op {
    uint64_t number;
    int64_t began_ms, ended_ms;     /* ended_ms 0: interrupted, or under way */
    const char *kind, *what, *release, *error;   /* error NULL: it went well */
    const json_t *detail, *result;  /* NULL when none */
};

/* Operation i of those that are kept (the last 1,000), oldest first; false past the end.
 * Borrowed. */
bool journal_op_at(const struct journal *j, size_t i, struct journal_op *ret);
/* The newest operation, if it has not ended. */
bool journal_interrupted(const struct journal *j, struct journal_op *ret);

#endif
