/* SPDX-License-Identifier: Apache-2.0 */
/* The deploy engine: a release onto a target, the same for every provider. What is missing there is
 * asked of the driver, shown, done step by step (each journalled), proved by a request to the new
 * version, and then given traffic. Run again after a kill anywhere, it goes on with what is missing
 * then; with nothing missing it does nothing. */
#ifndef EDGECTL_PROVIDER_DEPLOY_H
#define EDGECTL_PROVIDER_DEPLOY_H

#include "provider/target.h"

enum deploy_traffic {
    DEPLOY_ALL,             /* all of it, at the end */
    DEPLOY_FIRST_ONLY,      /* none, but a first version gets all */
    DEPLOY_NONE,            /* none, whatever */
};

struct deploy_watch {
    /* The plan, before anything is done. `traffic`: the version is going to get all of it. */
    void (*planned)(void *env, const struct shipment *s, const struct steps *steps, bool traffic);
    void (*step)(void *env, const struct step *s, size_t i, size_t n);
    void (*probed)(void *env, const struct probe_result *r);
    void (*shifted)(void *env, const struct split *from, const struct split *to);
    void *env;
};

struct deploy_options {
    bool dry_run;
    bool skip_probe;
    const char *probe_path;         /* NULL = "/" */
    enum deploy_traffic traffic;
    struct deploy_watch watch;      /* each may be NULL */
};

struct deploy_result {
    size_t steps;                   /* done, or with dry_run to be done */
    bool shifted;                   /* got all traffic now, or with dry_run is to get it */
    bool serving;                   /* has all traffic */
    char before[PROVIDER_ID_MAX];   /* the version that had it; "" if none */
    int64_t interrupted_ms;         /* when an earlier deploy was cut off; 0 = it was not */
    struct probe_result probe;      /* status 0: none was made */
};

/* `s` gets the version and its addresses. -ERR_DRIFT: a rollout is under way. -ERR_FAILURE: the
 * version did not answer as it should, and has no traffic. */
must_use int deploy_run(struct target *t, struct shipment *s, const struct deploy_options *o,
                        struct deploy_result *ret, struct err *err);

#endif
