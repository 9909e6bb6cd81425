/* SPDX-License-Identifier: Apache-2.0 */
/* The AWS driver's own view of a target, shared by its files. An app there is
 *
 *   a Lambda function in us-east-1 (its versions are the app's), with an execution role,
 *   a CloudFront distribution whose default behaviour has a version at origin-request,
 *   for a canary a staging distribution and a continuous deployment policy (at most 15 %), or a
 *   router in front of a function that holds both versions (any share): aws_router.h,
 *   KeyValueStores of CloudFront for KV and config, where the target says so,
 *   parameters of Systems Manager, /edgectl/FUNCTION/..., for secrets and notes.
 *
 * What edgectl made or adopted has the tag `edgectl-app`. */
#ifndef EDGECTL_PROVIDER_AWS_TARGET_H
#define EDGECTL_PROVIDER_AWS_TARGET_H

#include <jansson.h>
#include "provider/aws_api.h"
#include "provider/aws_creds.h"
#include "provider/common.h"
#include "xml/xml.h"

#define AWS_TAG "edgectl-app"

/* Where functions of CloudFront's edge run: its regional edge caches (CloudFront Developer Guide,
 * "Edge locations"). Then NULL. */
enum { AWS_EDGE_REGIONS = 12 };
extern const char *const aws_edge_regions[AWS_EDGE_REGIONS + 1];

struct aws_target {
    struct target base;
    struct aws_env env;
    struct aws_config *config;
    struct aws_creds *creds;
    struct aws_service *services[AWS_SERVICES];
    struct aws_service *watches[AWS_EDGE_REGIONS];  /* CloudWatch there, once it was asked */
    char *account, *arn_of_caller;  /* once they were asked for */
    const char *app;                /* name in the manifest */
    const char *function;           /* name of the function */
    char *own;                      /* "edgectl-FUNCTION": the name of what edgectl makes for it */
    bool router;                    /* two versions share traffic by our router */
    struct kv_rest *kv;             /* the REST store that was asked last, and its name */
    char *kv_store;
};

static inline struct aws_target *aws_of(struct target *t)
{
    return (struct aws_target *)t;
}

/* A service in AWS_EDGE_REGION, opened when it is first needed; borrowed. */
must_use int aws_service(struct aws_target *t, enum aws_service_id id, struct aws_service **ret,
                         struct err *err);
/* In another region; the caller closes it. */
must_use int aws_service_in(struct aws_target *t, enum aws_service_id id, const char *region,
                            struct aws_service **ret, struct err *err);
/* CloudWatch in one of aws_edge_regions; borrowed. */
must_use int aws_watch_in(struct aws_target *t, const char *region, struct aws_service **ret,
                          struct err *err);
/* The account's number; borrowed. */
must_use int aws_account(struct aws_target *t, const char **ret, struct err *err);
/* "arn:aws:lambda:us-east-1:ACCOUNT:function:NAME"; the caller frees. */
must_use int aws_function_arn(struct aws_target *t, char **ret, struct err *err);

/* A wait that grows: zero it, then call it between looks. -ERR_INTERRUPTED; -ERR_NETWORK when
 * `what` has not come about within limit_s. */
struct aws_wait {
    int64_t delay_ms, began_ns;
};
must_use int aws_wait(struct aws_target *t, struct aws_wait *w, const char *what, int limit_s,
                      struct err *err);

/* -ERR_INTERRUPTED when it was cut short. */
must_use int aws_pause(struct aws_target *t, int64_t ms, struct err *err);

/* Text of a JSON member, "" when there is none. */
const char *aws_text(const json_t *object, const char *name);

/* --- aws_lambda.c --- */

/* The function with its tags, or one version. 1 found, 0 not. */
must_use int aws_lambda_read(struct aws_target *t, const char *version, json_t **ret,
                             struct err *err);
/* Every version but $LATEST, oldest first: a JSON array of function configurations. */
must_use int aws_lambda_versions(struct aws_target *t, json_t **ret, struct err *err);
/* The number of the version that is this release; NULL if there is none. Borrowed. */
const char *aws_lambda_find(const json_t *versions, const char *release, const char *code_sha256);
/* The release id in a version's description, "" when it has none. */
void aws_lambda_release(const json_t *version, char ret[PROVIDER_ID_MAX]);
must_use int aws_lambda_make(struct target *t, struct step *s, struct err *err);
must_use int aws_lambda_adopt(struct target *t, struct step *s, struct err *err);
must_use int aws_lambda_publish(struct target *t, struct step *s, struct err *err);
/* 1: it is gone; 0: copies of it are still at the edge, and it goes hours later. */
must_use int aws_lambda_delete(struct aws_target *t, const char *version, struct err *err);
must_use int aws_lambda_probe(struct target *t, const struct probe *p, struct probe_result *ret,
                              struct err *err);

/* A zip. */
struct aws_code {
    const uint8_t *data;
    size_t len;
    const struct spool *spool;      /* where it stands; NULL = in memory */
};
/* The bundle's; it stays there. */
struct aws_code aws_lambda_code(const struct bundle *b);
/* Base64 of its SHA-256, as Lambda has it; the caller frees. */
char *aws_lambda_digest(const struct aws_code *code);
/* Uploads it unless it is there, and publishes it, with that description of at most 256 bytes, as a
 * version that can be called once this returns. The same code is the same version. */
must_use int aws_lambda_publish_as(struct aws_target *t, const struct aws_code *code,
                                   const char *text, char ret[PROVIDER_ID_MAX], struct err *err);

/* --- aws_role.c --- */

/* 1: the role is there as it should be, 0: aws_role_make has something to do. */
must_use int aws_role_ready(struct aws_target *t, bool *ret_exists, struct err *err);
must_use int aws_role_make(struct target *t, struct step *s, struct err *err);
must_use int aws_role_delete(struct target *t, struct step *s, struct err *err);
/* The execution role's ARN; the caller frees. */
must_use int aws_role_arn(struct aws_target *t, char **ret, struct err *err);

/* --- aws_parameters.c --- */

/* 1 found, 0 not. `value` may be NULL. */
must_use int aws_parameter_get(struct aws_target *t, const char *name, struct buf *value,
                               struct err *err);
must_use int aws_parameter_put(struct aws_target *t, const char *name, const void *value,
                               size_t len, bool secret, bool overwrite, struct err *err);
/* What is below a path, as the service lists it, without asking for values to be decrypted. */
must_use int aws_parameters_list(struct aws_target *t, const char *path, json_t **ret,
                                 struct err *err);
/* Names below a path: a JSON array of texts. */
must_use int aws_parameter_names(struct aws_target *t, const char *path, json_t **ret,
                                 struct err *err);
must_use int aws_parameter_delete(struct aws_target *t, const char *name, struct err *err);
/* The steps for the secrets of a shipment that are not there. */
must_use int aws_secrets_plan(struct aws_target *t, struct shipment *s, struct steps *ret,
                              struct err *err);
must_use int aws_secrets_list(struct target *t, struct store_ref store, const char *prefix,
                              entry_fn *fn, void *env, struct err *err);
must_use int aws_secrets_put(struct target *t, struct store_ref store, const struct entry *entries,
                             size_t count, struct err *err);
must_use int aws_secrets_remove(struct target *t, struct store_ref store, const char *const *keys,
                                size_t count, struct err *err);
must_use int aws_put_note(struct target *t, const char *key, const char *text, struct err *err);
must_use int aws_get_note(struct target *t, const char *key, struct buf *text, struct err *err);

/* --- aws_data.c --- */

must_use int aws_list(struct target *t, struct store_ref store, const char *prefix, entry_fn *fn,
                      void *env, struct err *err);
must_use int aws_get(struct target *t, struct store_ref store, const char *key, struct buf *value,
                     struct entry *ret, struct err *err);
must_use int aws_put(struct target *t, struct store_ref store, const struct entry *entries,
                     size_t count, struct err *err);
must_use int aws_remove(struct target *t, struct store_ref store, const char *const *keys,
                        size_t count, struct err *err);

/* The steps for the KeyValueStores of a shipment: those that are missing, and first content. */
must_use int aws_stores_plan(struct aws_target *t, const struct shipment *s, struct steps *ret,
                             struct err *err);
/* True if what the target names for a store is a CloudFront KeyValueStore; NULL is not. */
bool aws_kvs_id(const char *id);

/* --- aws_kvs.c: CloudFront KeyValueStores --- */

/* Else it is a name. */
bool aws_kvs_is_arn(const char *id);
/* By name or ARN (which is not looked for): 1 found, 0 not. The caller frees *ret_arn. */
must_use int aws_kvs_find(struct aws_target *t, const char *id, char **ret_arn, struct err *err);
/* Also when it is there; waits until it takes data. The caller frees *ret_arn. */
must_use int aws_kvs_make(struct aws_target *t, const char *name, const char *comment,
                          char **ret_arn, struct err *err);
/* 1: it is there and has this app's tag. */
must_use int aws_kvs_owned(struct aws_target *t, const char *name, struct err *err);
/* Also when it is gone. */
must_use int aws_kvs_delete(struct aws_target *t, const char *name, struct err *err);
must_use int aws_kvs_list(struct aws_target *t, const char *arn, const char *prefix, entry_fn *fn,
                          void *env, struct err *err);
/* 1 found, 0 not. */
must_use int aws_kvs_get(struct aws_target *t, const char *arn, const char *key, struct buf *value,
                         struct err *err);
/* -ERR_LIMIT for what is too large, -ERR_USAGE and -ERR_FAILURE for what it does not keep. */
must_use int aws_kvs_check(const struct entry *entries, size_t count, struct err *err);
/* Everything is checked before anything is written. */
must_use int aws_kvs_put(struct aws_target *t, const char *arn, const struct entry *entries,
                         size_t count, struct err *err);
/* The version of the store; and a write of one key on top of exactly that one, else -ERR_DRIFT. */
must_use int aws_kvs_etag(struct aws_target *t, const char *arn, struct buf *etag, struct err *err);
must_use int aws_kvs_put_on(struct aws_target *t, const char *arn, const char *key,
                            const char *value, struct buf *etag, struct err *err);
must_use int aws_kvs_remove(struct aws_target *t, const char *arn, const char *const *keys,
                            size_t count, struct err *err);

/* --- aws_cloudfront.c --- */

struct aws_distribution {
    char *id, *arn, *domain, *status;
    struct xml *config;
    struct buf etag;
};

void aws_distribution_clear(struct aws_distribution *d);
/* 1 found, 0 not. */
must_use int aws_distribution_read(struct aws_target *t, const char *id,
                                   struct aws_distribution *ret, struct err *err);
/* The app's: named by the target, remembered, or found by its comment. 1 found, 0 not. */
must_use int aws_distribution_find(struct aws_target *t, struct aws_distribution *ret,
                                   struct err *err);
/* The app's, where there must be one. */
must_use int aws_distribution_need(struct aws_target *t, struct aws_distribution *ret,
                                   struct err *err);
/* Puts the changed configuration back. -ERR_DRIFT when it has changed since it was read. */
must_use int aws_distribution_write(struct aws_target *t, struct aws_distribution *d,
                                    struct err *err);
/* Reads, changes and writes until nobody came in between. `edit`: 1 changed, 0 nothing to do. */
typedef int aws_edit_fn(struct xml *config, void *env, struct err *err);
must_use int aws_distribution_edit(struct aws_target *t, const char *id, aws_edit_fn *edit,
                                   void *env, struct err *err);
must_use int aws_distribution_settle(struct aws_target *t, const char *id, struct err *err);
must_use int aws_distribution_make(struct target *t, struct step *s, struct err *err);
/* Finds one in the account's list: `match` gets each DistributionSummary. 1 found, 0 not. */
typedef bool aws_match_fn(const struct xml *summary, const void *env);
must_use int aws_distribution_search(struct aws_target *t, aws_match_fn *match, const void *env,
                                     char **ret_id, struct err *err);
/* DELETE with If-Match of something in CloudFront; also when it is gone. */
must_use int aws_delete_tagged(struct aws_target *t, const char *path, const struct buf *etag,
                               struct err *err);
/* The app's own tag, into the Tags of a request. */
void aws_add_tag(const struct aws_target *t, struct xml *tags);
/* Value of a tag of anything in CloudFront: 1 found, 0 not. */
must_use int aws_tagged(struct aws_target *t, const char *arn, struct err *err);
must_use int aws_tag(struct aws_target *t, const char *arn, struct err *err);
must_use int aws_purge(struct target *t, const char *key, bool soft, struct err *err);

/* --- aws_split.c: the staging distribution and its policy --- */

must_use int aws_get_split(struct target *t, struct split *ret, struct err *err);
must_use int aws_set_split(struct target *t, const struct split *want, const char *expect,
                           struct err *err);
/* The staging distribution: 1 found, 0 not. */
must_use int aws_staging_find(struct aws_target *t, const struct aws_distribution *primary,
                              struct aws_distribution *ret, struct err *err);
/* Switches it off, waits until that is everywhere, deletes it. */
must_use int aws_distribution_delete(struct aws_target *t, const char *id, struct err *err);
/* Step: take policy and staging distribution away. */
must_use int aws_staging_delete(struct target *t, struct step *s, struct err *err);

/* --- aws_secret_gc.c --- */

/* Steps that delete values of secrets which no version in `kept` (a JSON array of numbers as text)
 * uses, and which are not the newest of their secret. */
must_use int aws_secrets_gc(struct aws_target *t, const json_t *kept, struct steps *to,
                            struct err *err);

/* --- aws_plan.c, aws_gc.c, aws_metrics.c, aws_logs.c --- */

must_use int aws_plan(struct target *t, struct shipment *s, struct steps *ret, struct err *err);
must_use int aws_versions(struct target *t, struct version_list *ret, struct err *err);
must_use int aws_gc(struct target *t, const struct gc_options *o, struct steps *ret,
                    struct err *err);
must_use int aws_destroy(struct target *t, struct steps *ret, struct err *err);
must_use int aws_metrics(struct target *t, const char *version, int64_t since_ms,
                         struct metrics *ret, struct err *err);
must_use int aws_tail(struct target *t, const char *version, log_fn *fn, void *env,
                      struct err *err);

#endif
