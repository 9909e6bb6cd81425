/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the Cloudflare driver. API facts: Cloudflare's API v4 as wrangler uses it.
 *
 *     cloudflare.c   the table, who we are, leaving
 *     cf_api.c       credentials' way into calls, the envelope, absent things
 *     cf_creds.c     where credentials are found
 *     cf_plan.c      what is missing, and the steps that make it
 *     cf_routes.c    domains and routes
 *     cf_upload.c    a version
 *     cf_traffic.c   versions, splits, probes
 *     cf_data.c      KV, config, secrets
 *     cf_notes.c     notes
 *     cf_gc.c        old versions; leaving
 *     cf_watch.c     metrics, tail, purge */
#ifndef EDGECTL_PROVIDER_CF_H
#define EDGECTL_PROVIDER_CF_H

#include <stdbool.h>
#include "base/headers.h"
#include "bundle/bundle.h"
#include "provider/common.h"

struct cf_creds {
    struct headers headers;         /* that make a call ours */
    char *from;                     /* for people: "CLOUDFLARE_API_TOKEN" */
};

/* A KV namespace that stands for a store. */
struct cf_namespace {
    char *store, *id;
};

struct cf {
    struct target t;                /* first: the driver's functions get a pointer to it */
    struct api *api;
    struct cf_creds creds;
    char *account;                  /* NULL until cf_account was called */
    char *script;
    char *subdomain;                /* of the account below workers.dev; NULL = not known, none */
    json_t *deployments;            /* as read last ... */
    int64_t deployments_ns;         /* ... at this time of clock_mono_ns; 0 = not valid */
    json_t *zones;                  /* {name: zone's id, or null: it is none} as far as asked */
    bool exists;                    /* the worker, as plan() saw it */
    struct cf_namespace *namespaces;
    size_t namespace_count;
};

/* --- cf_creds.c --- */
/* -ERR_CREDENTIALS when there are none, with what was looked at. */
must_use int cf_creds_find(const struct target_options *o, struct cf_creds *ret, struct err *err);
void cf_creds_clear(struct cf_creds *c);
extern const char cf_hint_scopes[];

/* --- cf_api.c --- */
/* A call on its way. */
struct cf_call {
    struct api_call *call;
    const char *method;
    char *path;
};

/* `path` and `body` are taken. A POST is tried once only, unless `repeatable`. */
struct cf_call cf_start(struct cf *c, const char *method, char *path, struct api_body *body,
                        bool repeatable);
/* 1 and the envelope (the caller decrefs it), 0 when there is no such thing, or -ERR_... */
must_use int cf_wait(struct cf *c, struct cf_call *call, json_t **ret, struct err *err);
/* Both; an absent thing is an error. ret may be NULL. */
must_use int cf_do(struct cf *c, const char *method, char *path, struct api_body *body,
                   json_t **ret, struct err *err);
/* Give it up; no effect on one that was waited for. For cleanup(). */
void cf_drop(struct cf_call *call);
/* The numeric code of the first error in an error's message, 0 if it has none. */
int cf_code(const struct err *err);
/* Which account this is about. */
must_use int cf_account(struct cf *c, struct err *err);
/* "/accounts/A<rest>", "/accounts/A/workers/scripts/S<rest>"; the caller frees. After cf_account */
char *cf_account_path(const struct cf *c, const char *rest);
char *cf_script_path(const struct cf *c, const char *rest);
bool cf_explain(const struct api_response *r, struct buf *words);

/* --- cf_plan.c --- */
int cf_plan(struct target *t, struct shipment *s, struct steps *ret, struct err *err);
/* The namespace of a store: the manifest's id, or the one named after worker and store. 1 found, 0
 * not. */
must_use int cf_namespace_find(struct cf *c, const char *store, const char **ret_id,
                               struct err *err);
/* The title that a store's namespace is made with; the caller frees. */
char *cf_namespace_title(const struct cf *c, const char *store);
/* Makes it, unless it is there. */
must_use int cf_namespace_make(struct cf *c, const char *store, struct err *err);
/* In the place of a store's name: the namespace that holds notes. */
#define CF_NOTES ""
/* The message of versions that a change of config or secrets makes. */
extern const char cf_settings_message[];

/* --- cf_routes.c --- */
/* Must the account's domains be known for a plan? */
bool cf_wants_domains(const struct cf *c);
/* Steps for the domains and routes that the manifest names and the worker does not have, and for
 * those that were made here and are named no more. `attached`: an envelope with the account's
 * domains; NULL when cf_wants_domains was false. */
must_use int cf_plan_routes(struct cf *c, const json_t *attached, struct steps *steps,
                            struct err *err);
/* Steps that take away all that were made here. */
must_use int cf_plan_no_routes(struct cf *c, struct steps *steps, struct err *err);
/* "https://HOST" of the first route with one host; NULL when there is none. */
char *cf_route_url(const struct cf *c);
/* Calls `fn` once for each zone of the target's domains and routes, until it fails. */
must_use int cf_each_zone(struct cf *c,
                          int (*fn)(struct cf *c, const char *zone, void *env, struct err *err),
                          void *env, struct err *err);

/* --- cf_upload.c --- */
/* The release's version, unless it is there already; sets it in the shipment. */
int cf_run_version(struct target *t, struct step *step, struct err *err);
/* Is it a release's id? Then that is the tag of a version that edgectl made. */
bool cf_is_release(const char *tag);
/* The newest version with that release in `versions`, an envelope; NULL if there is none. */
const json_t *cf_find_release(const json_t *versions, const char *release);

/* --- cf_traffic.c --- */
int cf_versions(struct target *t, struct version_list *ret, struct err *err);
int cf_get_split(struct target *t, struct split *ret, struct err *err);
int cf_set_split(struct target *t, const struct split *want, const char *expect, struct err *err);
int cf_probe(struct target *t, const struct probe *p, struct probe_result *ret, struct err *err);
/* The address of the worker's versions below workers.dev; NULL where there is none. */
char *cf_preview_url(const struct cf *c, const char *version);
/* What has the traffic is known, from an envelope of deployments (NULL: there is none). */
void cf_know_deployments(struct cf *c, json_t *root);
/* "https://..." that users come to; NULL where there is none. */
char *cf_url(const struct cf *c);
/* The account's name below workers.dev, asked for once. */
must_use int cf_know_subdomain(struct cf *c, struct err *err);

/* --- cf_data.c --- */
int cf_list(struct target *t, struct store_ref store, const char *prefix, entry_fn *fn, void *env,
            struct err *err);
int cf_get(struct target *t, struct store_ref store, const char *key, struct buf *value,
           struct entry *ret, struct err *err);
int cf_get_many(struct target *t, struct store_ref store, const char *const *keys, size_t count,
                entry_fn *fn, void *env, struct err *err);
int cf_put(struct target *t, struct store_ref store, const struct entry *entries, size_t count,
           struct err *err);
int cf_remove(struct target *t, struct store_ref store, const char *const *keys, size_t count,
              struct err *err);
must_use int cf_kv_put(struct cf *c, const char *namespace_id, const struct entry *entries,
                       size_t count, struct err *err);
must_use int cf_kv_remove(struct cf *c, const char *namespace_id, const char *const *keys,
                          size_t count, struct err *err);
/* As get of a driver. */
must_use int cf_kv_get(struct cf *c, const char *namespace_id, const char *key, struct buf *value,
                       struct entry *ret, struct err *err);
/* A binding of a secret, for an upload or a patch. -ERR_MANIFEST when it is no text. */
must_use int cf_secret_json(const struct secret *value, const char *what, json_t **ret,
                            struct err *err);
/* Clears the text of secrets that JSON holds. */
void cf_wipe_json(json_t *value);

/* --- cf_notes.c --- */
must_use int cf_put_note(struct target *t, const char *key, const char *text, struct err *err);
must_use int cf_get_note(struct target *t, const char *key, struct buf *text, struct err *err);

/* --- cf_gc.c --- */
must_use int cf_gc(struct target *t, const struct gc_options *o, struct steps *ret,
                   struct err *err);
must_use int cf_destroy(struct target *t, struct steps *ret, struct err *err);

/* --- cf_watch.c --- */
int cf_metrics(struct target *t, const char *version, int64_t since_ms, struct metrics *ret,
               struct err *err);
int cf_tail(struct target *t, const char *version, log_fn *fn, void *env, struct err *err);
int cf_purge(struct target *t, const char *key, bool soft, struct err *err);
/* The zone that a host name is in; 1 found, 0 not. */
must_use int cf_zone(struct cf *c, const char *host, char **ret_zone, struct err *err);

static inline struct cf *cf_of(struct target *t)
{
    return (struct cf *)t;
}

#endif
