/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the Fastly driver. API facts: Fastly's API as its CLI and go-fastly use it.
 *
 * An app is a service with its domains, the front. Without a router a release is a version of it,
 * and whichever is active has everything. With a router the front runs edgectl's router guest, and
 * a release is a version of one of two further services, the slots NAME-a and NAME-b; a config
 * store says how they share (templates/routers/README.md). An app becomes one with a router by
 * activating the router on the service that has the domains: nothing moves, so nothing is ever
 * unreachable.
 *
 * A version's id is "SERVICE.NUMBER". The release stands in its comment. Config and secret stores
 * hold the values of one release: their names end in a digest, and each version links its own, so
 * that an old version comes back with its config and secrets.
 *
 *     fastly.c      the table, who we are     fs_creds.c    where credentials are found
 *     fs_api.c      calls and errors          fs_service.c  services, versions
 *     fs_plan.c     what is missing           fs_stores.c   stores of a release
 *     fs_draft.c    filling a draft version   fs_check.c    whether a version is whole
 *     fs_router.c   the router and its slots  fs_traffic.c  versions, splits, probes
 *     fs_staging.c  the staging network       fs_notes.c    notes of rollouts
 *     fs_data.c     KV, config, secrets       fs_watch.c    metrics, logs, purge
 *     fs_leave.c    gc and destroy */
#ifndef EDGECTL_PROVIDER_FS_H
#define EDGECTL_PROVIDER_FS_H

#include <stdbool.h>
#include "bundle/bundle.h"
#include "provider/common.h"

enum { FS_SLOTS = 2 };

/* A service, as it was read last. */
struct fs_service {
    char *name;                     /* to look it up by, or make it with */
    char *id;                       /* NULL: not there */
    json_t *versions;               /* array, oldest first; NULL until read */
    int active;                     /* number; 0 = none */
    bool made;                      /* by edgectl, not adopted */
};

/* A store that a version links. */
struct fs_link {
    const char *name;               /* as the guest calls it; of the shipment */
    char *store;                    /* of the provider's account, its name there */
    char *id;                       /* NULL until it is made */
    enum store_kind kind;
    const struct bundle_binding *binding;   /* NULL: of an app that is not being shipped */
};

struct fs_links {
    struct fs_link *list;
    size_t count;
};

struct fs_call {
    struct api_call *call;
    const char *method;
    char *path;
};

/* A version that holds all but the package of some content, by the hash of that; see fs_draft.c. */
struct fs_held {
    const struct fs_service *service;   /* NULL: there is none */
    int number;
    char hash[HASH_HEX_SIZE];
};

/* A version that is to be looked at again; see fs_check.c. */
struct fs_check {
    struct fs_service *service;     /* NULL: there is none */
    int number;
    char *comment, *files_hash;
    struct fs_call package;
};

struct fs {
    struct target t;                /* first: the driver's functions get a pointer to it */
    struct api *api;
    char *token_from;
    struct headers headers;
    bool router;
    struct fs_service front, slots[FS_SLOTS];
    int64_t read_ns;                /* when they were read, by clock_mono_ns; 0 = not valid */
    struct fs_links links;          /* of the release that plan() saw */
    struct fs_check check;
    uint8_t seal_key[32];           /* what secrets are sealed with */
    int64_t seal_ns;                /* when it was had, by clock_mono_ns; 0 = there is none */
    struct fs_held held;
    struct fs_call early[1 + FS_SLOTS];     /* of front and slots, begun by fs_prepare */
    json_t *staging;                /* the front's domains and their addresses; NULL: unread */
    json_t *owned;                  /* destroy: ids by names of stores known by their links only */
};

/* --- fs_creds.c --- */
/* *ret_headers gets the key, *ret_from (the caller frees) where it was found. -ERR_CREDENTIALS. */
must_use int fs_creds_find(const struct target_options *o, struct headers *ret_headers,
                           char **ret_from, struct err *err);
extern const char fs_hint_scopes[];

/* --- fs_api.c --- */
/* `path` and `body` are taken. A POST is tried once only, unless `repeatable`. */
struct fs_call fs_start(struct fs *f, const char *method, char *path, struct api_body *body,
                        bool repeatable);
/* 1 and the JSON (the caller decrefs it), 0 for a 404, or -ERR_... */
must_use int fs_wait(struct fs *f, struct fs_call *call, json_t **ret, struct err *err);
/* Both; 404 is an error. ret may be NULL. */
must_use int fs_do(struct fs *f, const char *method, char *path, struct api_body *body,
                   json_t **ret, struct err *err);
/* Give it up; no effect on one that was waited for. For cleanup(). */
void fs_drop(struct fs_call *call);
bool fs_explain(const struct api_response *r, struct buf *words);

/* --- fs_service.c --- */
void fs_service_clear(struct fs_service *s);
/* Ask for it, by id or by name; fs_service_read takes the answer in. */
struct fs_call fs_service_ask(struct fs *f, const struct fs_service *s);
/* 1 there, 0 not. */
must_use int fs_service_read(struct fs *f, struct fs_service *s, struct fs_call *call,
                             struct err *err);
/* Begin that. */
void fs_prepare(struct target *t);
/* All that this target has: front, and slots where there is a router. -ERR_MANIFEST when a service
 * with a slot's name is somebody else's. */
must_use int fs_read_all(struct fs *f, struct err *err);
/* Slots, too, which are left of a router that the target had once. */
must_use int fs_read_every(struct fs *f, struct err *err);
/* The same, unless that was done just now. */
must_use int fs_read_fresh(struct fs *f, struct err *err);
/* Make it, unless it is there. */
must_use int fs_service_make(struct fs *f, struct fs_service *s, struct err *err);
/* The version's object; NULL if there is none. Borrowed. */
const json_t *fs_version(const struct fs_service *s, int number);
/* The newest version with that release in its comment; 0 = none. */
int fs_find_release(const struct fs_service *s, const char *release);
/* The newest version's number, 0 = none. */
int fs_newest(const struct fs_service *s);
bool fs_is_locked(const struct fs_service *s, int number);
/* The release in a comment; "" when it has none. */
void fs_comment_release(const char *comment, char ret[PROVIDER_ID_MAX]);
/* "edgectl release ID: message (git REV)"; the caller frees. */
char *fs_comment(const char *release, const char *message, const char *revision);
/* True when edgectl made some version of it. */
bool fs_is_ours(const struct fs_service *s);
char *fs_version_id(const struct fs_service *s, int number);
/* The service of a version id, and its number; NULL when it is none of this target's. */
struct fs_service *fs_service_of(struct fs *f, const char *version, int *ret_number);
must_use int fs_activate(struct fs *f, struct fs_service *s, int number, struct err *err);

/* --- fs_stores.c --- */
void fs_links_clear(struct fs_links *l);
/* Ask which of the stores that a release links are there, and take the answers into f->links. */
struct fs_call *fs_links_ask(struct fs *f, const struct shipment *s);
must_use int fs_links_read(struct fs *f, struct fs_call *calls, struct err *err);
/* Steps for what is missing of them. */
must_use int fs_plan_stores(struct fs *f, const struct shipment *s, struct steps *steps,
                            struct err *err);
/* A store by its name in the account; *ret_id NULL when there is none (the caller frees). */
must_use int fs_store_find(struct fs *f, enum store_kind kind, const char *name, char **ret_id,
                           struct err *err);
/* All of a kind: an array of {id, name}. */
must_use int fs_store_list(struct fs *f, enum store_kind kind, json_t **ret, struct err *err);
/* Found or made. */
must_use int fs_store_make(struct fs *f, enum store_kind kind, const char *name, char **ret_id,
                           struct err *err);
/* "/resources/stores/kv", "config" or "secret". */
const char *fs_store_path(enum store_kind kind);

/* --- fs_draft.c --- */
/* What a version is to hold. */
struct fs_content {
    const char *comment;
    const void *package;            /* tar.gz */
    size_t package_len;
    const struct spool *spool;      /* the package is there */
    const char *package_name, *files_hash;
    char **domains;
    size_t domain_count;
    json_t *backends;               /* array of objects of text, by the API's names */
    const struct fs_links *links;
    bool prune;                     /* what else is there goes */
};

/* A draft with that content: the one that an earlier run began, else a clone of the active version.
 * Its number. Whoever does not activate it next has to call fs_check_end. */
must_use int fs_draft(struct fs *f, struct fs_service *s, const struct fs_content *content,
                      int *ret_number, struct err *err);
/* It is active now, and so cannot be changed any more: what f->held says of it is kept. */
must_use int fs_keep_held(struct fs *f, const struct fs_service *s, int number, struct err *err);
/* The manifest's backends. -ERR_MANIFEST for what Fastly cannot have. */
must_use int fs_backends(const struct fs *f, json_t **ret, struct err *err);

/* --- fs_check.c --- */
void fs_check_clear(struct fs_check *c);
/* Its comment and its package were written at the same time: begin to read the package back. */
void fs_check_begin(struct fs *f, struct fs_service *s, int number, const char *comment,
                    const char *files_hash);
/* End that, if it was begun. `version`: the version as some later answer had it; NULL = its comment
 * is known to be there. The version is complete then (fs_note_complete). A lost comment is written
 * again; a lost package is -ERR_NETWORK, and the version is marked so that the next run makes
 * another one. */
must_use int fs_check_end(struct fs *f, const json_t *version, struct err *err);
/* Remember that the version holds all that its comment stands for. */
must_use int fs_note_complete(struct fs *f, const struct fs_service *s, int number,
                              const char *comment, struct err *err);
/* Whether it does: 1, or 0. One that is locked and not known here is looked through for this
 * package and f->links: somebody else may have locked what was half done. */
must_use int fs_is_complete(struct fs *f, const struct fs_service *s, int number,
                            const char *files_hash, struct err *err);

/* --- fs_router.c --- */
/* The rollout that the router reads. */
struct fs_rollout {
    bool valid;
    char stable, canary;            /* 'a' or 'b' */
    int weight_bp, gen;
    char salt[24];
};

/* "NAME-edgectl-router", the config store; the caller frees. */
char *fs_rollout_store(const struct fs *f);
must_use int fs_rollout_read(struct fs *f, struct fs_rollout *ret, struct err *err);
must_use int fs_rollout_write(struct fs *f, const struct fs_rollout *r, struct err *err);
/* True if the front's active version is the router. */
bool fs_router_is_active(const struct fs *f);
/* The slot that a new release may take: one without traffic. -ERR_DRIFT while both have some. */
must_use int fs_slot_free(struct fs *f, int *ret_slot, struct err *err);
/* The slot's own address, by its service; the caller frees. */
char *fs_own_domain(const struct fs_service *s);
must_use int fs_plan_router(struct fs *f, struct steps *steps, struct err *err);
/* The newest version of the front that is this router, active or not; 0 = none. */
int fs_router_version(const struct fs *f);

/* --- fs_plan.c --- */
int fs_plan(struct target *t, struct shipment *s, struct steps *ret, struct err *err);

/* --- fs_traffic.c --- */
int fs_versions(struct target *t, struct version_list *ret, struct err *err);
int fs_get_split(struct target *t, struct split *ret, struct err *err);
int fs_set_split(struct target *t, const struct split *want, const char *expect, struct err *err);
int fs_probe(struct target *t, const struct probe *p, struct probe_result *ret, struct err *err);
/* The host name that users come to; the caller frees, NULL = none. */
char *fs_host(const struct fs *f);

/* --- fs_staging.c --- */
bool fs_is_staged(const struct fs_service *s, int number);
/* Put that version of the front onto the staging network, unless it is there as `front` was read
 * last; *ret_address gets the address of `host` there (the caller frees), NULL if it has none. */
must_use int fs_stage(struct fs *f, int number, const char *host, char **ret_address,
                      struct err *err);
/* Take what is staged of it off that network. */
must_use int fs_unstage(struct fs *f, struct fs_service *s, struct err *err);
/* A step for what a preview needs besides its version. -ERR_USAGE when there can be none. */
must_use int fs_plan_preview(struct fs *f, const struct shipment *s, struct steps *steps,
                             struct err *err);

/* --- fs_data.c --- */
int fs_list(struct target *t, struct store_ref store, const char *prefix, entry_fn *fn, void *env,
            struct err *err);
int fs_get(struct target *t, struct store_ref store, const char *key, struct buf *value,
           struct entry *ret, struct err *err);
int fs_put(struct target *t, struct store_ref store, const struct entry *entries, size_t count,
           struct err *err);
int fs_remove(struct target *t, struct store_ref store, const char *const *keys, size_t count,
              struct err *err);
must_use int fs_kv_put(struct fs *f, const char *id, const struct entry *entries, size_t count,
                       struct err *err);
must_use int fs_config_put(struct fs *f, const char *id, const struct entry *entries, size_t count,
                           struct err *err);
must_use int fs_secret_put(struct fs *f, const char *id, const char *key,
                           const struct secret *value, struct err *err);

/* --- fs_leave.c --- */
int fs_gc(struct target *t, const struct gc_options *o, struct steps *ret, struct err *err);
int fs_destroy(struct target *t, struct steps *ret, struct err *err);

/* --- fs_notes.c --- */
/* "NAME-edgectl-notes", the config store; the caller frees. */
char *fs_notes_store(const struct fs *f);
int fs_put_note(struct target *t, const char *key, const char *text, struct err *err);
int fs_get_note(struct target *t, const char *key, struct buf *text, struct err *err);

/* --- fs_watch.c --- */
int fs_metrics(struct target *t, const char *version, int64_t since_ms, struct metrics *ret,
               struct err *err);
int fs_tail(struct target *t, const char *version, log_fn *fn, void *env, struct err *err);
int fs_purge(struct target *t, const char *key, bool soft, struct err *err);

static inline struct fs *fs_of(struct target *t)
{
    return (struct fs *)t;
}

#endif
