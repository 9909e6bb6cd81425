/* SPDX-License-Identifier: Apache-2.0 */
/* The event that CloudFront hands to a function at origin-request, and what comes back (CloudFront
 * Developer Guide, "Lambda@Edge event structure"): a version can be asked before it has traffic. */
#ifndef EDGECTL_PROVIDER_AWS_EVENT_H
#define EDGECTL_PROVIDER_AWS_EVENT_H

#include <jansson.h>
#include "provider/provider.h"

/* A GET of the probe's path and host. */
json_t *aws_event_new(const struct probe *p);
/* The status of the answer; 200 for a request that is passed on to the origin. 502, as CloudFront
 * has it, when the function failed or answered nonsense, with its own words in `why`. */
int aws_event_status(const json_t *answer, char *why, size_t size);

#endif
