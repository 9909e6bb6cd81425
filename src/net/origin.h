/* SPDX-License-Identifier: Apache-2.0 */
/* A target seen by a client before: everything about it that decides which connections may be
 * shared, under one pool name. Curl knows the origin by that name only ("connect to"), so its
 * pool can never mix two origins, whatever it compares by itself. */
#ifndef EDGECTL_NET_ORIGIN_H
#define EDGECTL_NET_ORIGIN_H

#include "base/err.h"
#include "crypto/tls_client.h"
#include "net/internal.h"

struct lookup;

struct origin {
    TAILQ_ENTRY(origin) link;
    struct net_client *client;
    size_t calls;                   /* in use; it stays while there are any */
    struct net_target target;       /* own copies of the strings; NULL where absent */
    struct tls_client *tls;
    struct net_failure bad;         /* unusable settings, when is_bad */
    bool is_bad;
    bool never_pool;                /* one connection a call, whatever the target says */
    char *url;
    char connect_to_text[64], pool[24];
    struct curl_slist connect_to;

    struct call_list idle;          /* calls with handles set up for this origin */
    size_t idle_count;

    struct lookup *lookup;          /* running */
    struct call_list waiting;       /* for it */
    struct curl_slist addresses;    /* data: "+pool:port:addr,addr" or NULL when unknown */
    int64_t fresh_until_ns;         /* look up again after; INT64_MAX for an address literal */
    int64_t loaded_until_ns;        /* curl has them cached at least until then */
};

/* Find or make. Never NULL. */
struct origin *origin_get(struct net_client *c, const struct net_target *target);
/* An easy handle set up for the origin, in client->calls; counts as one of its `calls`. */
struct net_call *origin_take_call(struct origin *o);
/* Back to the idle ones, or freed. */
void origin_give_call(struct net_call *call);
/* Launch the call, now or when the addresses are there. */
void origin_connect(struct net_call *call);
/* Give curl the origin's addresses along with the call, unless it has them; and take back those of
 * origins that are gone. */
void origin_load_addresses(struct net_call *call);
/* The call has ended: curl is done with what it was given, or must not look at it any more. */
void origin_unload_addresses(struct net_call *call);
/* The addresses did not work: ask anew next time. */
void origin_distrust(struct origin *o);
void origin_free(struct origin *o);

#endif
