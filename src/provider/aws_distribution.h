/* SPDX-License-Identifier: Apache-2.0 */
/* Changes of a CloudFront DistributionConfig, as a tree: one place is changed and everything else
 * goes back as it came, in its order, whether this program knows it or not. Nothing here does I/O.
 * The order of elements is that of the service's model (botocore cloudfront 2020-05-31). */
#ifndef EDGECTL_PROVIDER_AWS_DISTRIBUTION_H
#define EDGECTL_PROVIDER_AWS_DISTRIBUTION_H

#include <stdbool.h>
#include "xml/xml.h"

#define AWS_CLOUDFRONT_NS "http://cloudfront.amazonaws.com/doc/2020-05-31/"
/* The event at which a guest runs: once per request that the cache does not answer, with up to 1 MB
 * of body, and free to be combined with a CloudFront Function. */
#define AWS_GUEST_EVENT "origin-request"

/* What a new distribution is made from. */
struct aws_distribution_plan {
    const char *reference;          /* the same for the same: a repeat makes no second */
    const char *comment;
    const char *origin_host;
    bool origin_tls;
    int origin_port;
};

/* The configuration of a distribution without caching, any method, whose origin is asked only by a
 * guest that passes a request on. */
struct xml *aws_distribution_new(const struct aws_distribution_plan *p);

/* ARN of the versioned function at an event of the default behaviour; NULL if there is none.
 * Borrowed. */
const char *aws_distribution_function(const struct xml *config, const char *event);
/* Put `arn` there, and into every other behaviour that has a version of the same function at that
 * event. NULL takes it away, there and where the same function is. True if something changed. */
bool aws_distribution_set_function(struct xml *config, const char *event, const char *arn);
/* Each behaviour with the guest: the default one, and those that have the same function there. True
 * if `fn` was so for one of them. */
typedef bool aws_behaviour_fn(struct xml *behaviour, void *env);
bool aws_distribution_guests(const struct xml *config, aws_behaviour_fn *fn, void *env);
/* Of one behaviour: the Lambda function at an event, and the CloudFront Function. */
const char *aws_behaviour_function(const struct xml *behaviour, const char *event);
const char *aws_behaviour_edge_function(const struct xml *behaviour, const char *event);
/* NULL takes it away. True if something changed. */
bool aws_behaviour_set_edge_function(struct xml *behaviour, const char *event, const char *arn);
/* An element with text, in its place. */
void aws_distribution_set_member(struct xml *behaviour, const char *name, const char *text);

bool aws_distribution_has_alias(const struct xml *config, const char *host);
/* False if it was there. */
bool aws_distribution_add_alias(struct xml *config, const char *host);
/* It has a certificate of its own, without which there can be no alias. */
bool aws_distribution_has_certificate(const struct xml *config);

/* "" when none. */
const char *aws_distribution_policy(const struct xml *config);
bool aws_distribution_set_policy(struct xml *config, const char *id);
bool aws_distribution_enabled(const struct xml *config);
void aws_distribution_disable(struct xml *config);

/* What differs between two configurations that a guest would notice: true if a staging one was
 * made from another one than this primary. Functions, aliases and the like do not count. */
bool aws_distribution_differs(const struct xml *primary, const struct xml *staging);

/* "arn:...:function:NAME:7" is a version of the function "arn:...:function:NAME"; its version, or
 * NULL. */
const char *aws_version_of(const char *arn, const char *function_arn);

/* A list with an element more or less has its Quantity right. For other lists of the service. */
void aws_quantity_fix(struct xml *list);

#endif
