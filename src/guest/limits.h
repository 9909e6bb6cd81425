/* SPDX-License-Identifier: Apache-2.0 */
/* A provider's limits at run time (`edgectl dev --limits`): the numbers are those of
 * bundle/limits.def; what the client gets beyond them is the provider's own answer. With
 * LIMITS_NONE nothing here does anything. */
#ifndef EDGECTL_GUEST_LIMITS_H
#define EDGECTL_GUEST_LIMITS_H

#include "bundle/limits.h"
#include "guest/guest.h"

/* Is the request one that the provider would take? False: it has been answered. */
bool guest_limits_admit(enum limit_profile profile, struct exchange *ex);
/* The body of a client request as the guest gets it: Lambda@Edge cuts what is too long, others
 * break the upload off. Takes and gives a reference. */
struct body *guest_limits_body(enum limit_profile profile, struct body *source);

/* The stricter of `own` (0: none) and the provider's, in the unit of the kind. `asked`: what the
 * manifest says (0: nothing), which may raise a provider's default as far as that lets it. */
uint64_t guest_limits_time_ms(enum limit_profile profile, enum limit_kind kind, uint64_t asked,
                              uint64_t own);
uint64_t guest_limits_memory(enum limit_profile profile, uint64_t asked);

/* The smaller of the provider's limit and edgectl's own. */
uint64_t guest_limit(const struct guest *g, enum limit_kind kind, uint64_t own);
/* One more of what is counted in *count; false when it is one too many. */
bool guest_limits_count(const struct guest *g, enum limit_kind kind, uint64_t *count);

/* The provider's answer for a guest that ended at a limit. False if it has none for such an end. */
bool guest_limits_ended(enum limit_profile profile, struct exchange *ex,
                        const struct instance_outcome *out);
/* As exchange_respond; where the provider bounds what a guest may answer, the answer waits until it
 * is known to be within that. */
void guest_limits_respond(enum limit_profile profile, struct exchange *ex,
                          const struct response_head *head, struct body *body);

#endif
