/* SPDX-License-Identifier: Apache-2.0 */
/* An opened target, for commands, the deploy engine and the rollout. What the provider does not
 * have is -ERR_USAGE here, in words; everything else is as provider.h has it. */
#ifndef EDGECTL_PROVIDER_TARGET_H
#define EDGECTL_PROVIDER_TARGET_H

#include "provider/provider.h"

/* The provider is that of o->manifest->target; without one, `local`. */
must_use int target_open(const struct target_options *o, struct target **ret, struct err *err);
/* NULL is allowed. */
void target_close(struct target *t);
void target_close_p(struct target **t);

/* A deploy is about to be planned: what that reads may be on its way meanwhile. */
void target_prepare(struct target *t);
must_use int target_whoami(struct target *t, struct identity *ret, struct err *err);
must_use int target_versions(struct target *t, struct version_list *ret, struct err *err);
must_use int target_get_split(struct target *t, struct split *ret, struct err *err);
/* Journalled: intent and outcome are on the disk before and after. Does nothing when the split is
 * that already. `release` is for the journal, "" when none. */
must_use int target_set_split(struct target *t, const struct split *want, const char *expect,
                              const char *release, struct err *err);
must_use int target_set_stages(struct target *t, const int *bp, int count, struct err *err);
must_use int target_probe(struct target *t, const struct probe *p, struct probe_result *ret,
                          struct err *err);
must_use int target_metrics(struct target *t, const char *version, int64_t since_ms,
                            struct metrics *ret, struct err *err);
must_use int target_tail(struct target *t, const char *version, log_fn *fn, void *env,
                         struct err *err);
must_use int target_purge(struct target *t, const char *key, bool soft, struct err *err);
must_use int target_list(struct target *t, struct store_ref store, const char *prefix,
                         entry_fn *fn, void *env, struct err *err);
must_use int target_get(struct target *t, struct store_ref store, const char *key,
                        struct buf *value, struct entry *ret, struct err *err);
/* Many, also of config: see get_many of provider.h. */
must_use int target_get_many(struct target *t, struct store_ref store, const char *const *keys,
                             size_t count, entry_fn *fn, void *env, struct err *err);
must_use int target_put(struct target *t, struct store_ref store, const struct entry *entries,
                        size_t count, struct err *err);
must_use int target_remove(struct target *t, struct store_ref store, const char *const *keys,
                           size_t count, struct err *err);
/* Providers without notes keep none: put does nothing, get finds nothing. */
must_use int target_put_note(struct target *t, const char *key, const char *text,
                             struct err *err);
must_use int target_get_note(struct target *t, const char *key, struct buf *text,
                             struct err *err);
must_use int target_gc(struct target *t, const struct gc_options *o, struct steps *ret,
                       struct err *err);
must_use int target_destroy(struct target *t, struct steps *ret, struct err *err);

/* Runs the steps in order, each journalled; stops at the first failure, and with -ERR_INTERRUPTED
 * between two. `on_step` (may be NULL) is told before each. */
must_use int target_run_steps(struct target *t, struct steps *steps, const char *release,
                              void (*on_step)(void *env, const struct step *s, size_t i, size_t n),
                              void *env, struct err *err);

#endif
