/* SPDX-License-Identifier: Apache-2.0 */
/* Traffic on CloudFront. One version has everything: the association of the primary distribution.
 * Two share it: a staging distribution that is the primary's copy but for its version, and a
 * continuous deployment policy that sends at most 15 % of the viewers there, each of whom stays
 * where they were for some minutes. A share of 0 is a policy by header. CloudFront Developer Guide,
 * "Use continuous deployment". */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "net/api_body.h"
#include "provider/aws_distribution.h"
#include "provider/aws_target.h"
#include "provider/journal.h"

#define API "/2020-05-31"
#define POLICIES API "/continuous-deployment-policy"
#define FACT_STAGING "aws.staging"
/* A request with it goes to staging while the policy is by header. */
#define CANARY_HEADER "aws-cf-cd-edgectl"

enum { ETAG_MAX = 256, STICKY_S = 300, STICKY_MAX_S = 600 };

struct policy {
    char *id;
    struct xml *config;
    struct buf etag;
};

static void policy_clear(struct policy *p)
{
    free(p->id);
    xml_free(p->config);
    buf_clear(&p->etag);
    *p = (struct policy){0};
}

static bool is_true(const struct xml *x, const char *path)
{
    const char *text = xml_get(x, path);
    return text && strcmp(text, "true") == 0;
}

/* --- reading --- */

static int policy_read(struct aws_target *t, const char *id, struct policy *ret, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = api_path(POLICIES "/%s", id);
    cleanup(xml_free_p) struct xml *x = NULL;
    struct buf etag = BUF_INIT(ETAG_MAX);
    r = aws_call_xml(s, &(struct api_request){.method = "GET", .path = path}, &x, &etag, err);
    const struct xml *config = xml_find(x, "ContinuousDeploymentPolicyConfig");
    if (r == 0 && !config)
        r = err_set(err, ERR_NETWORK, "Amazon CloudFront answered without a policy");
    if (r < 0) {
        buf_clear(&etag);
        return r;
    }
    *ret = (struct policy){.id = xstrdup(id), .config = xml_copy(config), .etag = etag};
    xml_set_attribute(ret->config, "xmlns", AWS_CLOUDFRONT_NS);
    return 0;
}

static bool serves(const struct xml *policy_config, const char *domain)
{
    const struct xml *items = xml_find(policy_config, "StagingDistributionDnsNames/Items");
    struct xml *name = NULL;
    while (items && (name = xml_each(items, "DnsName", name))) {
        if (strcmp(xml_get(name, NULL), domain) == 0)
            return true;
    }
    return false;
}

/* The attached one, else one that was made for this staging distribution and not attached yet. 1
 * found, 0 not. */
static int policy_find(struct aws_target *t, const struct aws_distribution *primary,
                       const struct aws_distribution *staging, struct policy *ret,
                       struct err *err)
{
    const char *id = aws_distribution_policy(primary->config);
    int r;
    if (*id) {
        r = policy_read(t, id, ret, err);
        return r < 0 ? r : 1;
    }
    if (!staging)
        return 0;
    struct aws_service *s;
    r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    if (r < 0)
        return r;
    cleanup(xml_free_p) struct xml *x = NULL;
    /* An account has 20 at most: one page. */
    r = aws_call_xml(s, &(struct api_request){.method = "GET", .path = POLICIES "?MaxItems=100"},
                     &x, NULL, err);
    if (r < 0)
        return r;
    const struct xml *items = xml_find(x, "Items");
    struct xml *one = NULL;
    while (items && (one = xml_each(items, "ContinuousDeploymentPolicySummary", one))) {
        const struct xml *policy = xml_find(one, "ContinuousDeploymentPolicy");
        const char *its = xml_get(policy, "Id");
        if (its && serves(xml_find(policy, "ContinuousDeploymentPolicyConfig"), staging->domain)) {
            r = policy_read(t, its, ret, err);
            return r < 0 ? r : 1;
        }
    }
    return 0;
}

/* A copy has its primary's comment. */
static bool is_staging(const struct xml *summary, const void *env)
{
    const char *comment = xml_get(summary, "Comment");
    return is_true(summary, "Staging") && comment && strcmp(comment, env) == 0;
}

int aws_staging_find(struct aws_target *t, const struct aws_distribution *primary,
                     struct aws_distribution *ret, struct err *err)
{
    struct journal *j = t->base.o.journal;
    const char *known = j ? journal_fact(j, FACT_STAGING) : NULL;
    int r = known ? aws_distribution_read(t, known, ret, err) : 0;
    if (r != 0)
        return r;
    const char *comment = xml_get(primary->config, "Comment");
    cleanup(free_p) char *id = NULL;
    r = comment && *comment ? aws_distribution_search(t, is_staging, comment, &id, err) : 0;
    return r <= 0 ? r : aws_distribution_read(t, id, ret, err);
}

/* What serves now. */
struct state {
    struct aws_distribution primary, staging;
    struct policy policy;
    bool has_staging, has_policy, attached;
    char *function_arn;
    const char *stable, *canary;    /* versions; NULL when it is none of this function's */
    int bp;                         /* the canary's share, -1 when it has no part in traffic */
};

static void state_clear(struct state *s)
{
    aws_distribution_clear(&s->primary);
    aws_distribution_clear(&s->staging);
    policy_clear(&s->policy);
    free(s->function_arn);
    *s = (struct state){0};
}

static const char *version_in(const struct state *s, const struct xml *config)
{
    const char *arn = config ? aws_distribution_function(config, AWS_GUEST_EVENT) : NULL;
    return arn ? aws_version_of(arn, s->function_arn) : NULL;
}

static int share(const struct xml *policy)
{
    if (!is_true(policy, "Enabled"))
        return -1;
    const char *weight = xml_get(policy, "TrafficConfig/SingleWeightConfig/Weight");
    const char *type = xml_get(policy, "TrafficConfig/Type");
    if (type && strcmp(type, "SingleHeader") == 0)
        return 0;
    return weight ? (int)lround(strtod(weight, NULL) * SPLIT_WHOLE) : -1;
}

static int read_state(struct aws_target *t, struct state *s, struct err *err)
{
    int r = aws_function_arn(t, &s->function_arn, err);
    if (r == 0)
        r = aws_distribution_need(t, &s->primary, err);
    if (r < 0)
        return r;
    s->stable = version_in(s, s->primary.config);
    s->attached = *aws_distribution_policy(s->primary.config);
    s->bp = -1;
    r = aws_staging_find(t, &s->primary, &s->staging, err);
    if (r < 0)
        return r;
    s->has_staging = r > 0;
    r = policy_find(t, &s->primary, s->has_staging ? &s->staging : NULL, &s->policy, err);
    if (r < 0)
        return r;
    s->has_policy = r > 0;
    s->canary = s->has_staging ? version_in(s, s->staging.config) : NULL;
    if (s->has_policy && s->attached && s->canary)
        s->bp = share(s->policy.config);
    return 0;
}

static void revision(const struct state *s, char ret[PROVIDER_ID_MAX])
{
    snprintf(ret, PROVIDER_ID_MAX, "%.40s/%.40s/%.40s", buf_str(&s->primary.etag),
             s->has_policy ? buf_str(&s->policy.etag) : "-",
             s->has_staging ? buf_str(&s->staging.etag) : "-");
}

static void add_arm(struct split *split, const char *version, int bp)
{
    struct split_arm *arm = &split->arms[split->count++];
    snprintf(arm->version, sizeof arm->version, "%s", version);
    arm->bp = bp;
}

int aws_get_split(struct target *target, struct split *ret, struct err *err)
{
    cleanup(state_clear) struct state s = {0};
    int r = read_state(aws_of(target), &s, err);
    if (r < 0)
        return r;
    *ret = (struct split){0};
    if (s.stable)
        add_arm(ret, s.stable, SPLIT_WHOLE - (s.bp > 0 ? s.bp : 0));
    if (s.stable && s.bp >= 0 && strcmp(s.stable, s.canary) != 0)
        add_arm(ret, s.canary, s.bp);
    else if (s.stable)
        ret->arms[0].bp = SPLIT_WHOLE;
    revision(&s, ret->revision);
    ret->settled = strcmp(s.primary.status, "Deployed") == 0 &&
                   (ret->count < 2 || strcmp(s.staging.status, "Deployed") == 0);
    return 0;
}

int aws_split_distribution(struct aws_target *t, const char *version, char **ret,
                           struct err *err)
{
    cleanup(state_clear) struct state s = {0};
    int r = read_state(t, &s, err);
    if (r < 0)
        return r;
    bool stable = s.stable && strcmp(s.stable, version) == 0;
    bool canary = s.canary && s.bp >= 0 && strcmp(s.canary, version) == 0;
    if (stable || canary)
        *ret = xstrdup(stable ? s.primary.id : s.staging.id);
    return stable || canary;
}

/* --- changing --- */

struct change {
    const char *arn;            /* version that the primary is to have */
    const char *was;            /* version that it had when this began; NULL none */
    const char *policy;         /* to attach; NULL = leave */
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
    return changed;
}

static char *version_arn(const struct state *s, const char *version)
{
    return xasprintf("%s:%s", s->function_arn, version);
}

static int set_primary(struct aws_target *t, const struct state *s, const char *version,
                       const char *policy, struct err *err)
{
    cleanup(free_p) char *arn = version_arn(s, version);
    struct change change = {.arn = arn, .policy = policy,
                            .was = aws_distribution_function(s->primary.config, AWS_GUEST_EVENT)};
    return aws_distribution_edit(t, s->primary.id, edit_primary, &change, err);
}

static int policy_write(struct aws_target *t, struct policy *p, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = api_path(POLICIES "/%s", p->id);
    cleanup(headers_clear) struct headers headers = {0};
    headers_add_str(&headers, "If-Match", buf_str(&p->etag));
    return aws_call_xml(s, &(struct api_request){.method = "PUT", .path = path, .headers = &headers,
                                                 .body = aws_body_xml(p->config)},
                        NULL, &p->etag, err);
}

static int policy_off(struct aws_target *t, struct state *s, struct err *err)
{
    if (!s->has_policy || !is_true(s->policy.config, "Enabled"))
        return 0;
    xml_set_text(xml_find(s->policy.config, "Enabled"), "false");
    return policy_write(t, &s->policy, err);
}

static int promote(struct aws_target *t, const struct state *s, struct err *err)
{
    struct aws_service *service;
    int r = aws_service(t, AWS_CLOUDFRONT, &service, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path =
        api_path(API "/distribution/%s/promote-staging-config?StagingDistributionId=%s",
                 s->primary.id, s->staging.id);
    cleanup(free_p) char *both = xasprintf("%s, %s", buf_str(&s->primary.etag),
                                           buf_str(&s->staging.etag));
    cleanup(headers_clear) struct headers headers = {0};
    headers_add_str(&headers, "If-Match", both);
    return aws_call_xml(service, &(struct api_request){.method = "PUT", .path = path,
                                                       .headers = &headers}, NULL, NULL, err);
}

static int set_one(struct aws_target *t, struct state *s, const char *version, struct err *err)
{
    /* Promoting takes over nothing but the version: the copy is made equal to the primary before
     * each canary, and somebody's edits since then would be lost. */
    bool same = s->has_staging && !aws_distribution_differs(s->primary.config, s->staging.config);
    if (s->bp >= 0 && same && strcmp(s->canary, version) == 0 &&
        (!s->stable || strcmp(s->stable, version) != 0))
        return promote(t, s, err);
    int r = policy_off(t, s, err);
    return r < 0 ? r : set_primary(t, s, version, NULL, err);
}

/* --- a canary --- */

/* The primary's configuration, with what must be a staging distribution's own. */
static struct xml *staging_config(const struct state *s, const char *arn)
{
    struct xml *config = xml_copy(s->primary.config);
    static const char *const own[] = {"CallerReference", "Aliases", "Staging", "Comment",
                                      "ContinuousDeploymentPolicyId", "ViewerCertificate"};
    for (size_t i = 0; i < ARRAY_LEN(own); i++) {
        struct xml *primary = xml_find(config, own[i]);
        const struct xml *staging = xml_find(s->staging.config, own[i]);
        if (primary && staging)
            xml_insert(config, xml_copy(staging), primary);
        else if (staging)
            xml_insert(config, xml_copy(staging), config->last);
        xml_free(primary);
    }
    aws_distribution_set_function(config, AWS_GUEST_EVENT, arn);
    return config;
}

static int copy_distribution(struct aws_target *t, struct state *s, struct err *err)
{
    struct aws_service *service;
    int r = aws_service(t, AWS_CLOUDFRONT, &service, err);
    if (r < 0)
        return r;
    cleanup(xml_free_p) struct xml *root = xml_new("CopyDistributionRequest");
    xml_set_attribute(root, "xmlns", AWS_CLOUDFRONT_NS);
    cleanup(free_p) char *reference = xasprintf("edgectl-staging-%s-%s", t->app, t->base.o.name);
    xml_add(root, "CallerReference", reference);
    xml_add(root, "Enabled", "true");
    cleanup(headers_clear) struct headers headers = {0};
    headers_add_str(&headers, "Staging", "true");
    headers_add_str(&headers, "If-Match", buf_str(&s->primary.etag));
    cleanup(free_p) char *path = api_path(API "/distribution/%s/copy", s->primary.id);
    cleanup(xml_free_p) struct xml *x = NULL;
    r = aws_call_xml(service, &(struct api_request){.method = "POST", .path = path,
                                                    .headers = &headers,
                                                    .body = aws_body_xml(root),
                                                    .repeatable = true}, &x, NULL, err);
    const char *id = r == 0 ? xml_get(x, "Id") : NULL;
    if (r == 0 && !id)
        r = err_set(err, ERR_NETWORK, "Amazon CloudFront made a copy without an id");
    if (r == 0 && t->base.o.journal)
        r = journal_set_fact(t->base.o.journal, FACT_STAGING, id, err);
    if (r == 0)
        r = aws_distribution_read(t, id, &s->staging, err);
    if (r == 0)
        r = err_set(err, ERR_DRIFT, "the staging distribution %s is gone", id);
    s->has_staging = r > 0;
    return r < 0 ? r : 0;
}

/* The staging distribution, made and deployed with that version. */
static int prepare_staging(struct aws_target *t, struct state *s, const char *version,
                           struct err *err)
{
    int r = s->has_staging ? 0 : copy_distribution(t, s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *arn = version_arn(s, version);
    const char *has = aws_distribution_function(s->staging.config, AWS_GUEST_EVENT);
    if (!has || strcmp(has, arn) != 0 ||
        aws_distribution_differs(s->primary.config, s->staging.config)) {
        struct xml *config = staging_config(s, arn);
        xml_free(s->staging.config);
        s->staging.config = config;
        r = aws_distribution_write(t, &s->staging, err);
    }
    return r < 0 ? r : aws_distribution_settle(t, s->staging.id, err);
}

static struct xml *policy_config(const struct state *s, int bp)
{
    char weight[16], idle[16], most[16];
    snprintf(weight, sizeof weight, "%.4g", bp / (double)SPLIT_WHOLE);
    snprintf(idle, sizeof idle, "%d", STICKY_S);
    snprintf(most, sizeof most, "%d", STICKY_MAX_S);
    struct xml *root = xml_new("ContinuousDeploymentPolicyConfig");
    xml_set_attribute(root, "xmlns", AWS_CLOUDFRONT_NS);
    struct xml *names = xml_add(root, "StagingDistributionDnsNames", NULL);
    xml_add(names, "Quantity", "1");
    xml_add(xml_add(names, "Items", NULL), "DnsName", s->staging.domain);
    xml_add(root, "Enabled", "true");
    struct xml *traffic = xml_add(root, "TrafficConfig", NULL);
    if (bp > 0) {
        struct xml *single = xml_add(traffic, "SingleWeightConfig", NULL);
        xml_add(single, "Weight", weight);
        struct xml *sticky = xml_add(single, "SessionStickinessConfig", NULL);
        xml_add(sticky, "IdleTTL", idle);
        xml_add(sticky, "MaximumTTL", most);
        xml_add(traffic, "Type", "SingleWeight");
    } else {
        struct xml *single = xml_add(traffic, "SingleHeaderConfig", NULL);
        xml_add(single, "Header", CANARY_HEADER);
        xml_add(single, "Value", "1");
        xml_add(traffic, "Type", "SingleHeader");
    }
    return root;
}

/* A staging distribution has one policy at most: when it has one already, that is the first try's,
 * whose answer was lost. */
static int policy_make(struct aws_target *t, struct state *s, struct xml *config, struct err *err)
{
    struct aws_service *service;
    int r = aws_service(t, AWS_CLOUDFRONT, &service, err);
    if (r < 0)
        return r;
    cleanup(api_response_clear) struct api_response answer = {0};
    r = api_do(aws_service_api(service),
               &(struct api_request){.method = "POST", .path = POLICIES, .repeatable = true,
                                     .body = aws_body_xml(config)}, &answer, err);
    if (r < 0)
        return r;
    if (answer.status != 201 && !aws_error_is(&answer, "StagingDistributionInUse"))
        return aws_fail(service, "POST", POLICIES, &answer, err);
    r = policy_find(t, &s->primary, &s->staging, &s->policy, err);
    if (r == 0)
        r = err_set(err, ERR_NETWORK, "Amazon CloudFront made a policy that it does not know");
    s->has_policy = r > 0;
    return r < 0 ? r : 0;
}

static int set_two(struct aws_target *t, struct state *s, const struct split *want,
                   struct err *err)
{
    const char *stable = want->arms[0].version, *canary = want->arms[1].version;
    int bp = want->arms[1].bp;
    int r = 0;
    bool other = s->bp >= 0 && strcmp(s->canary, canary) != 0;
    if (other) /* nobody must meet the new canary before its copy is deployed */
        r = policy_off(t, s, err);
    if (r == 0 && (!s->stable || strcmp(s->stable, stable) != 0)) {
        r = set_primary(t, s, stable, NULL, err);
        if (r == 0) {
            state_clear(s);
            r = read_state(t, s, err);
        }
    }
    if (r == 0)
        r = prepare_staging(t, s, canary, err);
    if (r < 0)
        return r;
    cleanup(xml_free_p) struct xml *config = policy_config(s, bp);
    if (!s->has_policy) {
        r = policy_make(t, s, config, err);
    } else {
        xml_free(s->policy.config);
        s->policy.config = TAKE(config);
        r = policy_write(t, &s->policy, err);
    }
    return r < 0 || s->attached ? r : set_primary(t, s, stable, s->policy.id, err);
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
    cleanup(state_clear) struct state s = {0};
    int r = check_shares(t, want, err);
    if (r == 0)
        r = read_state(t, &s, err);
    if (r < 0)
        return r;
    char now[PROVIDER_ID_MAX];
    revision(&s, now);
    if (expect && strcmp(expect, now) != 0)
        return err_set(err, ERR_DRIFT, "the distribution %s has changed since it was read",
                       s.primary.id);
    return want->count == 1 ? set_one(t, &s, want->arms[0].version, err)
                            : set_two(t, &s, want, err);
}

/* --- taking it away --- */

static int detach(struct xml *config, void *env, struct err *err)
{
    (void)env;
    (void)err;
    return aws_distribution_set_policy(config, "");
}

static int disable(struct xml *config, void *env, struct err *err)
{
    (void)env;
    (void)err;
    bool on = aws_distribution_enabled(config);
    aws_distribution_disable(config);
    return on;
}

int aws_distribution_delete(struct aws_target *t, const char *id, struct err *err)
{
    int r = aws_distribution_edit(t, id, disable, NULL, err);
    if (r == 0)
        r = aws_distribution_settle(t, id, err);
    cleanup(aws_distribution_clear) struct aws_distribution d = {0};
    if (r == 0)
        r = aws_distribution_read(t, id, &d, err);
    if (r <= 0)
        return r;
    cleanup(free_p) char *path = api_path(API "/distribution/%s", id);
    return aws_delete_tagged(t, path, &d.etag, err);
}

int aws_staging_delete(struct target *target, struct step *step, struct err *err)
{
    (void)step;
    struct aws_target *t = aws_of(target);
    cleanup(state_clear) struct state s = {0};
    int r = read_state(t, &s, err);
    if (r == 0)
        r = policy_off(t, &s, err);
    if (r == 0 && s.attached) {
        r = aws_distribution_edit(t, s.primary.id, detach, NULL, err);
        if (r == 0)
            r = aws_distribution_settle(t, s.primary.id, err);
    }
    if (r == 0 && s.has_policy) {
        cleanup(free_p) char *path = api_path(POLICIES "/%s", s.policy.id);
        r = aws_delete_tagged(t, path, &s.policy.etag, err);
    }
    if (r == 0 && s.has_staging)
        r = aws_distribution_delete(t, s.staging.id, err);
    if (r == 0 && t->base.o.journal)
        r = journal_set_fact(t->base.o.journal, FACT_STAGING, NULL, err);
    return r;
}
