/* SPDX-License-Identifier: Apache-2.0 */
/* Requests under way to backends, for send.c (starts them), pending.c (hands their answers to the
 * guest) and forward.c (hands them to the client); what of that redirect.c needs too. */
#ifndef EDGECTL_GUEST_PENDING_H
#define EDGECTL_GUEST_PENDING_H

#include "guest/session.h"

enum { PENDING_MAX = 16384 };

/* An edit of the response that the host will send (pending_req_header_*). */
enum edit_op { EDIT_REMOVE, EDIT_INSERT, EDIT_APPEND };
enum edit_target { TARGET_ANY, TARGET_RESPONSE, TARGET_ERROR };

struct edit {
    struct edit *next;
    enum edit_op op;
    enum edit_target target;
    char *name, *value;
    size_t name_len, value_len;
};

struct pending {
    struct pending *next, **prev;   /* in guest_env.under_way, while the call runs */
    struct guest *guest;        /* counted while the call runs */
    struct net_call *call;      /* NULL once it is done */
    struct net_response *response;
    struct net_failure failure;
    bool detached;              /* nobody will ask: drop the answer */
    bool forward;               /* the host answers the client with it */
    bool pass;
    struct exchange *ex;        /* when forward */
    struct edit *edits, **edits_tail;
    struct net_target target;
};

/* Guest pointers to where an answer goes; detail may be 0. */
struct answer_out {
    uint64_t detail, response, body;
};

void pending_free(struct pending *p);
/* NULL if the handle is none of a pending request. `take` makes it invalid. */
struct pending *pending_get(struct guest *g, uint64_t handle);
struct pending *pending_take(struct guest *g, uint64_t handle);
/* The answer, or the failure, of one that is ready goes to the guest; the pending is used up. */
int32_t pending_give(struct instance *in, struct pending *p, const struct answer_out *out);
/* The send_error_detail record at `ptr` (0 = the guest wants none). */
void pending_write_detail(struct instance *in, uint64_t ptr, const struct net_failure *f);
/* One with `forward` set is ready: answer its client (forward.c). It is used up. */
void pending_deliver(struct pending *p);

/* What a backend is to src/net; strings are borrowed from it. */
struct net_target send_target(const struct manifest_backend *b);
/* Prefix of the backend, then path and query of the absolute `uri`, with one slash between. NULL if
 * that is no URI. To be freed. */
char *send_path(const struct manifest_backend *b, const char *uri);
/* Answer a client with a failure as a gateway does, by 502, 504 or 500 (RFC 9110 section 15.6):
 * `headers`, and the failure's text as the body. */
void forward_failure(struct exchange *ex, const struct net_failure *f,
                     const struct headers *headers);

#endif
