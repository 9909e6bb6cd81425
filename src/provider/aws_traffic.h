/* SPDX-License-Identifier: Apache-2.0 */
/* What serves, as CloudFront and Lambda have it, and the two ways in which two versions share it:
 * CloudFront's own (aws_staging.c), or our router's (aws_router.h). For who changes it. */
#ifndef EDGECTL_PROVIDER_AWS_TRAFFIC_H
#define EDGECTL_PROVIDER_AWS_TRAFFIC_H

#include "provider/aws_router.h"

/* A continuous deployment policy. */
struct aws_policy {
    char *id;
    struct xml *config;
    struct buf etag;
};

/* Zero-initialise; not moved once it was read. */
struct aws_traffic {
    char *function_arn;             /* without a version */
    struct aws_distribution primary;
    const char *at;                 /* version of the function at the primary; NULL: none of it */
    bool is_pair;                   /* `at` holds these two */
    char pair[2][PROVIDER_ID_MAX];
    struct aws_rollout rollout;     /* with `router`, or a pair */

    struct aws_distribution staging;
    struct aws_policy policy;
    bool has_staging, has_policy, attached;
    const char *staged;             /* version at the staging one; NULL: none of the function */
    int staged_bp;                  /* its share, -1 when it has no part in traffic */

    const char *stable, *canary;    /* what has traffic; NULL: nothing of this function; nobody */
    int bp;                         /* the canary's share, -1 when there is none */
};

must_use int aws_traffic_read(struct aws_target *t, struct aws_traffic *s, struct err *err);
void aws_traffic_clear(struct aws_traffic *s);
/* The version of the function in a configuration; NULL if it is none. */
const char *aws_traffic_version(const struct aws_traffic *s, const struct xml *config);
/* ARN of a version; the caller frees. */
char *aws_traffic_arn(const struct aws_traffic *s, const char *version);

/* --- aws_staging.c --- */

void aws_policy_clear(struct aws_policy *p);
/* Fills the part on staging of what has the primary already. */
must_use int aws_staging_read(struct aws_target *t, struct aws_traffic *s, struct err *err);
/* Nobody goes there any more. */
must_use int aws_staging_off(struct aws_target *t, struct aws_traffic *s, struct err *err);
/* The canary at the staging distribution, deployed, and its share in a policy, which the caller
 * attaches. */
must_use int aws_staging_share(struct aws_target *t, struct aws_traffic *s, const char *canary,
                               int bp, struct err *err);
/* The staging distribution's configuration becomes the primary's. */
must_use int aws_staging_promote(struct aws_target *t, const struct aws_traffic *s,
                                 struct err *err);

#endif
