/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic on CloudFront. One version has everything: the association of the primary distribution.
 * Two share it: by a staging distribution, up to 15 %, or where the target says `router: true` by
 * the router. Then the association is a pair (aws_pair.c), and a step is one write to a store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/aws_distribution.h"
#include "provider/aws_traffic.h"

void aws_traffic_clear(struct aws_traffic *s)
{
    aws_distribution_clear(&s->primary);
    aws_distribution_clear(&s->staging);
    aws_policy_clear(&s->policy);
    aws_rollout_clear(&s->rollout);
    free(s->function_arn);
    *s = (struct aws_traffic){0};
}

const char *aws_traffic_version(const struct aws_traffic *s, const struct xml *config)
{
    const char *arn = config ? aws_distribution_function(config, AWS_GUEST_EVENT) : NULL;
    return arn ? aws_version_of(arn, s->function_arn) : NULL;
}

char *aws_traffic_arn(const struct aws_traffic *s, const char *version)
{
    return xasprintf("%s:%s", s->function_arn, version);
}

/* --- reading --- */

static int read_pair(struct aws_target *t, struct aws_traffic *s, struct err *err)
{
    cleanup(json_decref_p) json_t *version = NULL;
    int r = s->at ? aws_lambda_read(t, s->at, &version, err) : 0;
    if (r > 0)
        s->is_pair = aws_pair_read(
            aws_text(json_object_get(version, "Configuration"), "Description"), s->pair);
    return r < 0 ? r : 0;
}

static bool holds(const struct aws_traffic *s, const char *version)
{
    return s->is_pair && (strcmp(s->pair[0], version) == 0 || strcmp(s->pair[1], version) == 0);
}

/* As pair/index.js does it: a label that it does not hold is the first one's. */
static const char *served(const struct aws_traffic *s, const char *label)
{
    return holds(s, label) ? label : s->pair[0];
}

static void weigh(struct aws_traffic *s)
{
    const struct aws_rollout *w = &s->rollout;
    s->bp = -1;
    if (s->is_pair) {
        s->stable = served(s, w->valid ? w->stable : "");
        s->canary = served(s, w->valid ? w->canary : "");
        s->bp = strcmp(s->stable, s->canary) != 0 ? w->weight_bp : -1;
    } else {
        s->stable = s->at;
        s->canary = s->staged;
        s->bp = s->at && s->staged && strcmp(s->at, s->staged) != 0 ? s->staged_bp : -1;
    }
}

int aws_traffic_read(struct aws_target *t, struct aws_traffic *s, struct err *err)
{
    int r = aws_function_arn(t, &s->function_arn, err);
    if (r == 0)
        r = aws_distribution_need(t, &s->primary, err);
    if (r < 0)
        return r;
    s->at = aws_traffic_version(s, s->primary.config);
    r = read_pair(t, s, err);
    if (r == 0 && (t->router || s->is_pair))
        r = aws_rollout_read(t, &s->rollout, err);
    if (r == 0)
        r = aws_staging_read(t, s, err);
    weigh(s);
    return r;
}

static void revision(const struct aws_traffic *s, char ret[PROVIDER_ID_MAX])
{
    snprintf(ret, PROVIDER_ID_MAX, "%.30s/%.30s/%.30s/%.30s", buf_str(&s->primary.etag),
             s->has_policy ? buf_str(&s->policy.etag) : "-",
             s->has_staging ? buf_str(&s->staging.etag) : "-",
             s->rollout.store_arn ? buf_str(&s->rollout.etag) : "-");
}

static void add_arm(struct split *split, const char *version, int bp)
{
    struct split_arm *arm = &split->arms[split->count++];
    snprintf(arm->version, sizeof arm->version, "%s", version);
    arm->bp = bp;
}

int aws_get_split(struct target *target, struct split *ret, struct err *err)
{
    cleanup(aws_traffic_clear) struct aws_traffic s = {0};
    int r = aws_traffic_read(aws_of(target), &s, err);
    if (r < 0)
        return r;
    *ret = (struct split){0};
    if (s.stable)
        add_arm(ret, s.stable, SPLIT_WHOLE - (s.bp > 0 ? s.bp : 0));
    if (s.stable && s.bp >= 0)
        add_arm(ret, s.canary, s.bp);
    revision(&s, ret->revision);
    ret->settled = strcmp(s.primary.status, "Deployed") == 0 &&
                   (ret->count < 2 || s.is_pair || strcmp(s.staging.status, "Deployed") == 0);
    return 0;
}

/* --- the primary --- */

struct change {
    const char *arn;            /* version that the primary is to have */
    const char *was;            /* version that it had when this began; NULL none */
    const char *policy;         /* to attach; NULL = leave */
    char *router;               /* the function's ARN */
    bool routed;                /* it is to be there, else not */
    struct aws_policies policies;
};

static int edit_primary(struct xml *config, void *env, struct err *err)
{
    const struct change *c = env;
    const char *now = aws_distribution_function(config, AWS_GUEST_EVENT);
    if (strcmp(now ? now : "", c->was ? c->was : "") != 0 && !(now && strcmp(now, c->arn) == 0))
        return err_set(err, ERR_DRIFT, "somebody else has put %s at the distribution meanwhile",
                       now ? now : "no function");
    bool changed = aws_distribution_set_function(config, AWS_GUEST_EVENT, c->arn);
    if (c->policy)
        changed |= aws_distribution_set_policy(config, c->policy);
    return (c->routed ? aws_router_put(config, c->router, &c->policies)
                      : aws_router_detach(config, c->router)) || changed;
}

/* What the label needs of the policies is looked at with the guest already in its places. */
static int make_policies(struct aws_target *t, const struct aws_traffic *s, struct change *c,
                         struct err *err)
{
    cleanup(xml_free_p) struct xml *config = xml_copy(s->primary.config);
    aws_distribution_set_function(config, AWS_GUEST_EVENT, c->arn);
    return aws_policies_make(t, config, &c->policies, err);
}

static int set_primary(struct aws_target *t, const struct aws_traffic *s, const char *version,
                       const char *policy, struct err *err)
{
    cleanup(free_p) char *arn = aws_traffic_arn(s, version);
    cleanup(free_p) char *router = NULL;
    struct change change = {.arn = arn, .policy = policy, .routed = t->router,
                            .was = aws_distribution_function(s->primary.config, AWS_GUEST_EVENT)};
    int r = aws_router_arn(t, &router, err);
    change.router = router;
    if (r == 0 && t->router)
        r = aws_router_check(&s->primary, router, err);
    if (r == 0 && t->router)
        r = make_policies(t, s, &change, err);
    if (r == 0)
        r = aws_distribution_edit(t, s->primary.id, edit_primary, &change, err);
    aws_policies_clear(&change.policies);
    return r;
}

/* --- by CloudFront --- */

static int set_one(struct aws_target *t, struct aws_traffic *s, const char *version,
                   struct err *err)
{
    /* Promoting takes over nothing but the version: the copy is made equal to the primary before
     * each canary, and somebody's edits since then would be lost. */
    bool same = s->has_staging && !aws_distribution_differs(s->primary.config, s->staging.config);
    if (!s->is_pair && s->bp >= 0 && same && strcmp(s->canary, version) == 0 &&
        (!s->stable || strcmp(s->stable, version) != 0))
        return aws_staging_promote(t, s, err);
    int r = aws_staging_off(t, s, err);
    return r < 0 ? r : set_primary(t, s, version, NULL, err);
}

/* Of a target that had one: a copy of the primary would have it, too. */
static int has_router(struct aws_target *t, const struct aws_traffic *s, struct err *err)
{
    cleanup(free_p) char *router = NULL;
    cleanup(xml_free_p) struct xml *config = xml_copy(s->primary.config);
    int r = aws_router_arn(t, &router, err);
    return r < 0 ? r : aws_router_detach(config, router);
}

static int set_two(struct aws_target *t, struct aws_traffic *s, const struct split *want,
                   struct err *err)
{
    const char *stable = want->arms[0].version, *canary = want->arms[1].version;
    int routed = has_router(t, s, err), r = routed < 0 ? routed : 0;
    bool other = s->staged_bp >= 0 && strcmp(s->staged, canary) != 0;
    if (r == 0 && other) /* nobody must meet the new canary before its copy is deployed */
        r = aws_staging_off(t, s, err);
    if (r == 0 && (routed || !s->at || strcmp(s->at, stable) != 0)) {
        r = set_primary(t, s, stable, NULL, err);
        if (r == 0) {
            aws_traffic_clear(s);
            r = aws_traffic_read(t, s, err);
        }
    }
    if (r == 0)
        r = aws_staging_share(t, s, canary, want->arms[1].bp, err);
    return r < 0 || s->attached ? r : set_primary(t, s, stable, s->policy.id, err);
}

/* --- by the router --- */

/* Labels come first when what is there knows them: then it is done within seconds, and the
 * distribution's change after it changes nothing for visitors. */
static int route_one(struct aws_target *t, struct aws_traffic *s, const char *version,
                     struct err *err)
{
    int r = aws_staging_off(t, s, err);
    if (r == 0 && holds(s, version))
        r = aws_rollout_write(t, &s->rollout, version, version, 0, err);
    if (r == 0)
        r = set_primary(t, s, version, NULL, err);
    return r < 0 ? r : aws_rollout_write(t, &s->rollout, version, version, 0, err);
}

/* Until the pair is everywhere, everybody gets what was stable: both of what is there and of the
 * pair hold it. */
static int route_two(struct aws_target *t, struct aws_traffic *s, const struct split *want,
                     struct err *err)
{
    const char *stable = want->arms[0].version, *canary = want->arms[1].version;
    char pair[PROVIDER_ID_MAX];
    bool settled = strcmp(s->primary.status, "Deployed") == 0;
    int r = 0;
    if (!holds(s, stable) || !holds(s, canary)) {
        r = aws_pair_make(t, stable, canary, pair, err);
        if (r == 0)
            r = aws_staging_off(t, s, err);
        if (r == 0)
            r = aws_rollout_write(t, &s->rollout, stable, stable, 0, err);
        if (r == 0)
            r = set_primary(t, s, pair, NULL, err);
        settled = false;
    }
    if (r == 0 && !settled)
        r = aws_distribution_settle(t, s->primary.id, err);
    return r < 0 ? r
                 : aws_rollout_write(t, &s->rollout, stable, canary, want->arms[1].bp, err);
}

static int check_shares(const struct aws_target *t, const struct split *want, struct err *err)
{
    if (want->count == 1)
        return 0;
    int bp = want->count == 2 ? want->arms[1].bp : -1;
    const struct provider_caps *caps = &t->base.caps;
    if (bp == 0 || (bp >= caps->min_bp && bp <= caps->max_bp))
        return 0;
    int r = err_set(err, ERR_USAGE, "CloudFront cannot give %g %% to a second version", bp / 100.0);
    err_hint(err, "from %g to %g %%, or everything", caps->min_bp / 100.0, caps->max_bp / 100.0);
    return r;
}

int aws_set_split(struct target *target, const struct split *want, const char *expect,
                  struct err *err)
{
    struct aws_target *t = aws_of(target);
    cleanup(aws_traffic_clear) struct aws_traffic s = {0};
    int r = check_shares(t, want, err);
    if (r == 0)
        r = aws_traffic_read(t, &s, err);
    if (r < 0)
        return r;
    char now[PROVIDER_ID_MAX];
    revision(&s, now);
    if (expect && strcmp(expect, now) != 0)
        return err_set(err, ERR_DRIFT, "the distribution %s has changed since it was read",
                       s.primary.id);
    const char *one = want->arms[0].version;
    if (t->router)
        return want->count == 1 ? route_one(t, &s, one, err) : route_two(t, &s, want, err);
    return want->count == 1 ? set_one(t, &s, one, err) : set_two(t, &s, want, err);
}
