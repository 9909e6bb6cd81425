/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the Vercel driver. API facts: Vercel's REST API as its CLI and SDK use it.
 *
 *     vercel.c       the table, who we are, leaving
 *     vc_api.c       calls, errors, waits
 *     vc_creds.c     where the token, the team and the project's name are found
 *     vc_plan.c      what is missing, and the steps that make it
 *     vc_deploy.c    files and deployments
 *     vc_traffic.c   versions, splits by rolling releases, probes
 *     vc_purge.c     forgetting what is cached
 *     vc_data.c      data by kind; Edge Config, notes
 *     vc_secrets.c   environment variables: secrets, and where KV is
 *     vc_watch.c     metrics and logs */
#ifndef EDGECTL_PROVIDER_VC_H
#define EDGECTL_PROVIDER_VC_H

#include <stdbool.h>
#include "bundle/bundle.h"
#include "crypto/secret.h"
#include "provider/common.h"

struct vc_creds {
    struct secret *token;
    char *from;                     /* for people: "VERCEL_TOKEN" */
    char *team;                     /* id or slug; NULL: the user's own account */
    char *project;                  /* id or name */
};

struct vc {
    struct target t;                /* first: the driver's functions get a pointer to it */
    struct api *api;
    struct vc_creds creds;
    char *project_id, *project_name;    /* once vc_project was called */
    json_t *project;                /* as it was read last */
    int status;                     /* of the last answer; 0 when there was none */
    struct kv_rest *kv;             /* the store whose data were asked for last; NULL = none */
    char *kv_store;
};

static inline struct vc *vc_of(struct target *t)
{
    return (struct vc *)t;
}

/* --- vc_creds.c --- */
must_use int vc_creds_find(const struct target_options *o, struct vc_creds *ret, struct err *err);
void vc_creds_clear(struct vc_creds *c);

/* --- vc_api.c --- */
/* `path` is taken, and gets the team. ret may be NULL. Any 2xx. */
must_use int vc_do(struct vc *v, const char *method, char *path, json_t *body, bool repeatable,
                   json_t **ret, struct err *err);
/* As vc_do, but 0 when there is no such thing, 1 when there is. */
must_use int vc_find(struct vc *v, char *path, json_t **ret, struct err *err);
/* Deletes; what is gone already is as good. `path` is taken. */
must_use int vc_delete(struct vc *v, char *path, struct err *err);
/* With the team as a query parameter, where there is one; `path` is taken, the caller frees. */
char *vc_path(const struct vc *v, char *path);
/* As api_fail, with Vercel's codes. */
int vc_fail(const struct vc *v, const char *method, const char *path,
            const struct api_response *r, struct err *err);
/* "missing_files" of an error's body, "" when it has none; the caller frees. */
char *vc_code(const struct api_response *r);
bool vc_explain(const struct api_response *r, struct buf *words);
/* A wait that grows as Vercel's own client has it: zero it, call it between looks.
 * -ERR_INTERRUPTED, -ERR_NETWORK after limit_s. */
struct vc_wait {
    int64_t began_ns;
};
must_use int vc_pause(struct vc *v, struct vc_wait *w, const char *what, int limit_s,
                      struct err *err);

/* --- vc_plan.c --- */
/* Reads the project: 1 it is there, 0 not. */
must_use int vc_project(struct vc *v, struct err *err);
/* ... where there must be one. */
must_use int vc_need_project(struct vc *v, struct err *err);
must_use int vc_plan(struct target *t, struct shipment *s, struct steps *ret, struct err *err);
must_use int vc_gc(struct target *t, const struct gc_options *o, struct steps *ret,
                   struct err *err);
must_use int vc_destroy(struct target *t, struct steps *ret, struct err *err);

/* --- vc_deploy.c --- */
/* The newest deployment of this release that has not failed: 1 found, 0 not. `target`: "production"
 * or NULL for a preview. */
must_use int vc_deployment_find(struct vc *v, const char *release, const char *target, json_t **ret,
                                struct err *err);
/* All of the project, newest first. `target` NULL = previews too. */
must_use int vc_deployments(struct vc *v, const char *target, json_t **ret, struct err *err);
/* Its id: lists and single ones name it differently. "" when it has none. */
const char *vc_deployment_id(const json_t *deployment);
/* Where the release is reached, for the shipment. */
void vc_note_urls(const struct vc *v, struct shipment *s, const json_t *deployment);
must_use int vc_deploy(struct target *t, struct step *s, struct err *err);

/* --- vc_traffic.c --- */
must_use int vc_versions(struct target *t, struct version_list *ret, struct err *err);
must_use int vc_get_split(struct target *t, struct split *ret, struct err *err);
must_use int vc_set_split(struct target *t, const struct split *want, const char *expect,
                          struct err *err);
must_use int vc_set_stages(struct target *t, const int *bp, int count, struct err *err);
must_use int vc_probe(struct target *t, const struct probe *p, struct probe_result *ret,
                      struct err *err);

/* --- vc_secrets.c --- */
/* The environment variables of the project: a JSON array. */
must_use int vc_variables(struct vc *v, json_t **ret, struct err *err);
/* Steps for the variables that the release needs and the project does not have as they are: its
 * secrets, and what the host must know of the databases that stand for KV stores. */
must_use int vc_plan_secrets(struct vc *v, const struct shipment *s, struct steps *ret,
                             struct err *err);
/* Steps that take away the variables that edgectl put there. */
must_use int vc_plan_no_secrets(struct vc *v, struct steps *ret, struct err *err);
must_use int vc_list_secrets(struct vc *v, const struct store_ref *store, const char *prefix,
                             entry_fn *fn, void *env, struct err *err);
must_use int vc_put_secrets(struct vc *v, const struct store_ref *store,
                            const struct entry *entries, size_t count, struct err *err);
must_use int vc_remove_secrets(struct vc *v, const struct store_ref *store, const char *const *keys,
                               size_t count, struct err *err);

/* --- vc_data.c --- */
must_use int vc_list(struct target *t, struct store_ref store, const char *prefix, entry_fn *fn,
                     void *env, struct err *err);
must_use int vc_get(struct target *t, struct store_ref store, const char *key, struct buf *value,
                    struct entry *ret, struct err *err);
must_use int vc_get_many(struct target *t, struct store_ref store, const char *const *keys,
                         size_t count, entry_fn *fn, void *env, struct err *err);
must_use int vc_put(struct target *t, struct store_ref store, const struct entry *entries,
                    size_t count, struct err *err);
must_use int vc_remove(struct target *t, struct store_ref store, const char *const *keys,
                       size_t count, struct err *err);
/* The Edge Config that holds notes, by its slug: 1 found (the caller frees its id), 0 not. */
must_use int vc_notes_find(struct vc *v, char **ret_id, struct err *err);
must_use int vc_put_note(struct target *t, const char *key, const char *text, struct err *err);
must_use int vc_get_note(struct target *t, const char *key, struct buf *text, struct err *err);

/* --- vc_purge.c --- */
must_use int vc_purge(struct target *t, const char *key, bool soft, struct err *err);

/* --- vc_watch.c --- */
must_use int vc_metrics(struct target *t, const char *version, int64_t since_ms,
                        struct metrics *ret, struct err *err);
must_use int vc_tail(struct target *t, const char *version, log_fn *fn, void *env,
                     struct err *err);

#endif
