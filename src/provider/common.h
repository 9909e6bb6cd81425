/* SPDX-License-Identifier: Apache-2.0 */
/* What drivers of HTTP providers share. */
#ifndef EDGECTL_PROVIDER_COMMON_H
#define EDGECTL_PROVIDER_COMMON_H

#include <jansson.h>
#include "base/json.h"
#include "manifest/node.h"
#include "net/api.h"
#include "provider/provider.h"

/* Text of a member; NULL when there is none or it is something else. Borrowed. */
const char *json_text(const json_t *object, const char *key);
/* The same, as a copy: NULL for none, and for "". */
char *json_text_copy(const json_t *object, const char *key);

/* "user@host", who we are, for others to read; UTF-8. The caller frees. */
char *user_at_host(void);

/* "2026-01-01T00:00:05.250Z", also with a space for 'T' and without 'Z' (then UTC): ms since 1970,
 * 0 for anything else. */
int64_t time_ms_from_iso(const char *text);
/* "2026-01-01T00:00:05Z". */
enum { ISO_TIME_SIZE = 21 };
void time_iso(int64_t ms, char ret_text[ISO_TIME_SIZE]);
/* Their clock minus ours, by the Date of an answer; 0 when it has none. */
int64_t clock_skew_ms(const struct api_response *r);

/* A variable that the provider's own CLI reads: the environment's, else .env's; "" is none. */
const char *target_variable(const struct target_options *o, const char *name);
/* What a header can carry: a token with anything else in it was pasted wrongly. `from`: where it
 * stands. -ERR_CREDENTIALS. */
must_use int token_form(const char *value, const char *from, struct err *err);
/* A file in which a provider's CLI keeps its login; node_free clears what was in it. -ERR_IO;
 * -ERR_CREDENTIALS for what is no TOML, of which nothing is quoted: it may be a token. */
must_use int login_from_toml(const char *path, struct node **ret, struct err *err);
/* Text of a map's member; NULL for none and for "". Borrowed. */
const char *node_text(const struct node *map, const char *key);
/* A file below the user's configuration folder ($XDG_CONFIG_HOME, else ~/.config); the caller
 * frees. */
char *user_config_path(const char *rest);

/* The base of an api_options, from the first of `names` (then NULL) that is set; *ret_from gets its
 * name. */
const char *base_from_variables(const struct target_options *o, const char *const *names,
                                const char *otherwise, const char **ret_from);
/* Fills trace and its environment. */
void api_options_for(const struct target_options *o, struct api_options *options);

/* GET `url` as anybody on the internet would, with these headers, and note who says it answered:
 * `x-edgectl-version` or, where the guest's host cannot know better, `x-edgectl-release`.
 * `resolve`: an address to connect to, or NULL. */
void probe_url(struct target *t, const char *url, const struct headers *headers,
               const char *resolve, int64_t timeout_ms, struct probe_result *ret);

/* For a call's progress: shown to the target's user, unless it is little. `env` is the target. */
void upload_progress(void *env, uint64_t sent, uint64_t total);
/* Several calls at the same time are shown as one: transfer_progress, with a transfer of each as
 * `env`. */
struct transfers {
    struct target *target;
    uint64_t sent, total;           /* bytes */
};
struct transfer {
    struct transfers *all;
    uint64_t sent;
};
void transfer_progress(void *env, uint64_t sent, uint64_t total);

/* What was read so short a time ago is not asked for again by those who only want to know; whoever
 * changes something reads anew. */
static const int64_t FRESH_NS = 1000000000;

/* Do what must not be done twice. Where it is not known whether it was done (an answer was lost),
 * or was done by somebody else, `find` tells: 1 it is there, 0 not. Then it is tried again, as
 * calls that may be repeated are. */
must_use int make_once(struct api *api, int (*make)(void *env, struct err *err),
                       int (*find)(void *env, struct err *err), void *env, struct err *err);

/* The source of a KV store's first content; NULL when the manifest has none for it. */
const struct manifest_kv *kv_of(const struct target *t, const char *store);
/* That content as entries with keys, values and metadata. Free with entries_free. */
must_use int target_kv_seed_entries(const struct target *t, const struct manifest_kv *kv,
                                    struct entry **ret_entries, size_t *ret_count, struct err *err);
void entries_free(struct entry *entries, size_t count);
/* Put that content by `put`, and keep in the journal that it was begun, then that it is there.
 * `id`: the store at the provider; another one of that name is filled anew. */
must_use int target_kv_seed(struct target *t, const char *store, const char *id,
                            int (*put)(void *env, const struct entry *entries, size_t count,
                                       struct err *err),
                            void *env, struct err *err);
/* 1: it was begun and not ended, 0: it is there, -1: the journal knows nothing of that store. */
int target_kv_seed_known(const struct target *t, const char *store, const char *id);

/* journal_fact, journal_set_fact and journal_note_fact with a key made of two; without a journal
 * nothing is known. */
const char *fact_get(const struct target *t, const char *kind, const char *name);
must_use int fact_set(struct target *t, const char *kind, const char *name, const char *value,
                      struct err *err);
must_use int fact_note(struct target *t, const char *kind, const char *name, const char *value,
                       struct err *err);

#endif
