/* SPDX-License-Identifier: Apache-2.0 */
/* Which version of which app answers a request: apps by host name, versions by a split that a
 * client sticks to, or by a header that names one. A table is immutable once it is in use; a change
 * makes another. */
#ifndef EDGECTL_SERVE_SITE_H
#define EDGECTL_SERVE_SITE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include "guest/guest.h"
#include "serve/exchange.h"
#include "serve/tally.h"

enum { SITE_ID_MAX = 64, SITE_ARMS = 2, SITE_WHOLE = 10000 };

/* A version that can take requests. */
struct deployment {
    atomic_int refs;
    char id[SITE_ID_MAX];
    char *site;                     /* name of its app */
    struct guest_app *app;
    struct tally *tally;
};

/* Takes over the reference to `app`. One reference for the caller. */
struct deployment *deployment_new(const char *site, const char *id, struct guest_app *app,
                                  unsigned workers);
struct deployment *deployment_ref(struct deployment *d);
/* NULL is allowed. */
void deployment_unref(struct deployment *d);

struct site_arm {
    struct deployment *deployment;  /* NULL: it cannot be served */
    int bp;                         /* of 10000 */
};

/* What the header may name. */
struct site_version {
    char id[SITE_ID_MAX];
    struct deployment *deployment;  /* NULL: it is being loaded, or cannot be served */
    bool loading;
};

struct site {
    char *name;
    char **hosts;                   /* lower case, without port */
    size_t host_count;
    struct site_version *versions;
    size_t version_count;
    struct site_arm arms[SITE_ARMS];    /* the stable one first */
    int arm_count;
};

struct sites {
    atomic_int refs;
    struct site *list;
    size_t count;
    bool any_host;                  /* the only app answers whatever the host */
};

/* Empty, with one reference. */
struct sites *sites_new(void);
/* A zeroed site at the end. What it is given is freed with the table. */
struct site *sites_add(struct sites *s);
struct sites *sites_ref(struct sites *s);
/* NULL is allowed. */
void sites_unref(struct sites *s);

struct site_pick {
    struct deployment *deployment;  /* with a reference */
    bool forced;                    /* by name: no evidence for anything */
    int status;                     /* why there is none though the host is known: 404 or 503, */
    const char *problem, *detail;   /* ... in words; static; detail may be NULL */
};

/* False if no app has this host. VERSION.APP.localhost names a version as the header does. The
 * share of a canary that cannot be served is the stable version's; that of a stable one is
 * nobody's, for a canary is not to get what it was not given. Marks the exchange with the version's
 * header, and with a cookie where the client is to stay with its version. */
bool sites_pick(const struct sites *s, struct exchange *ex, struct site_pick *ret);

#endif
