/* SPDX-License-Identifier: Apache-2.0 */
/* The router in front of two versions (templates/routers/cloudfront.js, whose contract stands in
 * templates/routers/README.md): a CloudFront Function on the viewer's events that labels requests,
 * a KeyValueStore that it reads the shares from, and the label's place in the behaviours' policies.
 * Function and store have the name of what edgectl makes for the app (aws_target.own). */
#ifndef EDGECTL_PROVIDER_AWS_ROUTER_H
#define EDGECTL_PROVIDER_AWS_ROUTER_H

#include "provider/aws_target.h"

/* --- aws_router.c --- */

/* The rollout as it stands in the store. */
struct aws_rollout {
    char *store_arn;                /* NULL: there is no store */
    struct buf etag;                /* of the store */
    bool valid;                     /* the rest is there and makes sense */
    int gen, weight_bp;
    char salt[65], stable[PROVIDER_ID_MAX], canary[PROVIDER_ID_MAX];
};

void aws_rollout_clear(struct aws_rollout *w);
must_use int aws_rollout_read(struct aws_target *t, struct aws_rollout *ret, struct err *err);
/* On top of what was read, else -ERR_DRIFT. Nothing to do when it is so already. `canary` may be
 * `stable`. */
must_use int aws_rollout_write(struct aws_target *t, struct aws_rollout *w, const char *stable,
                               const char *canary, int weight_bp, struct err *err);

/* ARN of the router's function, whether it is there or not; the caller frees. */
must_use int aws_router_arn(struct aws_target *t, char **ret, struct err *err);
/* The steps that make store and function what this edgectl has; `config` (NULL: there is none yet)
 * is that of the distribution, which must be free for it. */
must_use int aws_router_plan(struct aws_target *t, const struct aws_distribution *d,
                             struct steps *to, struct err *err);
/* Puts it at the viewer's events of every behaviour with the guest, and the label into the
 * policies. */
must_use int aws_router_attach(struct aws_target *t, const char *distribution, struct err *err);
/* -ERR_DRIFT when something else is at the viewer's events of the guest's behaviours: CloudFront
 * takes one function there. `arn` is the router's, here and below. */
must_use int aws_router_check(const struct aws_distribution *d, const char *arn, struct err *err);
/* The two edits, true if something changed. */
struct aws_policies;
bool aws_router_put(struct xml *config, const char *arn, const struct aws_policies *p);
bool aws_router_detach(struct xml *config, const char *arn);
/* Step data: none. Function, store and policies, once no distribution has them. */
must_use int aws_router_delete(struct target *t, struct step *s, struct err *err);
/* 1: there is something for aws_router_delete. */
must_use int aws_router_exists(struct aws_target *t, struct err *err);

/* --- aws_policies.c --- */

/* Policies, and what comes in their place. */
struct aws_policy_swap {
    int kind;
    char *from, *to;                /* ids; "" is none */
};

struct aws_policies {
    struct aws_policy_swap *list;
    size_t count;
    bool back;                      /* from the copies to what they are copies of */
};

void aws_policies_clear(struct aws_policies *p);
/* Makes the copies that the behaviours with the guest need. */
must_use int aws_policies_make(struct aws_target *t, struct xml *config, struct aws_policies *ret,
                               struct err *err);
/* True if something changed. */
bool aws_policies_apply(struct xml *config, const struct aws_policies *p);
/* The way back from every copy there is. */
must_use int aws_policies_back(struct aws_target *t, struct aws_policies *ret, struct err *err);
/* The copies of a way back, once nothing has them. */
must_use int aws_policies_delete(struct aws_target *t, const struct aws_policies *p,
                                 struct err *err);

/* --- aws_pair.c --- */

/* Whether a version's description says that it holds two others, and which. */
bool aws_pair_read(const char *description, char ret[2][PROVIDER_ID_MAX]);
/* What is in a version's zip; the caller clears it. */
struct archive_files;
must_use int aws_code_fetch(struct aws_target *t, const char *version, struct archive_files *files,
                            struct err *err);
/* The version that holds these two, made unless it is there. */
must_use int aws_pair_make(struct aws_target *t, const char *a, const char *b,
                           char ret[PROVIDER_ID_MAX], struct err *err);

#endif
