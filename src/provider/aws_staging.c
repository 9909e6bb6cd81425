/* SPDX-License-Identifier: Apache-2.0 */
/* The staging distribution, which is the primary's copy but for its version, and the continuous
 * deployment policy that sends at most 15 % of the viewers there, each of whom stays where they
 * were for some minutes. A share of 0 is a policy by header. CloudFront Developer Guide, "Use
 * continuous deployment". */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "net/api_body.h"
#include "provider/aws_distribution.h"
#include "provider/aws_traffic.h"
#include "provider/journal.h"

#define API "/2020-05-31"
#define POLICIES API "/continuous-deployment-policy"
#define FACT_STAGING "aws.staging"
/* A request with it goes to staging while the policy is by header. */
#define CANARY_HEADER "aws-cf-cd-edgectl"

enum { ETAG_MAX = 256, STICKY_S = 300, STICKY_MAX_S = 600 };

void aws_policy_clear(struct aws_policy *p)
{
    free(p->id);
    xml_free(p->config);
    buf_clear(&p->etag);
    *p = (struct aws_policy){0};
}

static bool is_true(const struct xml *x, const char *path)
{
    const char *text = xml_get(x, path);
    return text && strcmp(text, "true") == 0;
}

/* --- reading --- */

static int policy_read(struct aws_target *t, const char *id, struct aws_policy *ret,
                       struct err *err)
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
    *ret = (struct aws_policy){.id = xstrdup(id), .config = xml_copy(config), .etag = etag};
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

/* Id of the policy in a list that sends viewers to `domain`; NULL if there is none. Borrowed. */
static const char *policy_of(const struct xml *items, const char *domain)
{
    struct xml *one = NULL;
    while (items && (one = xml_each(items, "ContinuousDeploymentPolicySummary", one))) {
        const struct xml *policy = xml_find(one, "ContinuousDeploymentPolicy");
        const char *id = xml_get(policy, "Id");
        if (id && serves(xml_find(policy, "ContinuousDeploymentPolicyConfig"), domain))
            return id;
    }
    return NULL;
}

/* The attached one, else one that was made for this staging distribution and not attached yet. 1
 * found, 0 not. */
static int policy_find(struct aws_target *t, const struct aws_distribution *primary,
                       const struct aws_distribution *staging, struct aws_policy *ret,
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
    cleanup(free_p) char *marker = NULL;
    for (;;) {
        cleanup(free_p) char *path = marker ? api_path(POLICIES "?MaxItems=100&Marker=%s", marker)
                                            : xstrdup(POLICIES "?MaxItems=100");
        cleanup(xml_free_p) struct xml *x = NULL;
        r = aws_call_xml(s, &(struct api_request){.method = "GET", .path = path}, &x, NULL, err);
        const char *found = r < 0 ? NULL : policy_of(xml_find(x, "Items"), staging->domain);
        if (found)
            r = policy_read(t, found, ret, err);
        if (r < 0 || found)
            return r < 0 ? r : 1;
        const char *next = xml_get(x, "NextMarker");
        if (!next || !*next)
            return 0;
        free(marker);
        marker = xstrdup(next);
    }
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

int aws_staging_read(struct aws_target *t, struct aws_traffic *s, struct err *err)
{
    s->attached = *aws_distribution_policy(s->primary.config);
    int r = aws_staging_find(t, &s->primary, &s->staging, err);
    if (r < 0)
        return r;
    s->has_staging = r > 0;
    r = policy_find(t, &s->primary, s->has_staging ? &s->staging : NULL, &s->policy, err);
    if (r < 0)
        return r;
    s->has_policy = r > 0;
    s->staged = s->has_staging ? aws_traffic_version(s, s->staging.config) : NULL;
    s->staged_bp = s->has_policy && s->attached && s->staged ? share(s->policy.config) : -1;
    return 0;
}

/* --- changing --- */

/* An ETag may be stale by our own first try, whose answer was lost: is what was wanted there? */
typedef int is_done_fn(struct aws_target *t, void *env, struct err *err);

static int unless_done(struct aws_target *t, int r, const struct err *why, is_done_fn *is_done,
                       void *env, struct err *err)
{
    int done = r == -ERR_DRIFT ? is_done(t, env, NULL) : 0;
    if (r < 0 && done <= 0 && err)
        *err = *why;
    return done > 0 ? 0 : r;
}

static int policy_is_so(struct aws_target *t, void *env, struct err *err)
{
    struct aws_policy *want = env;
    struct aws_policy now = {0};
    int r = policy_read(t, want->id, &now, err);
    if (r == 0 && share(now.config) == share(want->config)) {
        buf_clear(&want->etag);
        want->etag = now.etag;
        now.etag = (struct buf)BUF_INIT(ETAG_MAX);
        r = 1;
    }
    aws_policy_clear(&now);
    return r;
}

static int policy_write(struct aws_target *t, struct aws_policy *p, struct err *err)
{
    struct aws_service *s;
    struct err why = {0};
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = api_path(POLICIES "/%s", p->id);
    cleanup(headers_clear) struct headers headers = {0};
    headers_add_str(&headers, "If-Match", buf_str(&p->etag));
    r = aws_call_xml(s, &(struct api_request){.method = "PUT", .path = path, .headers = &headers,
                                              .body = aws_body_xml(p->config)},
                     NULL, &p->etag, &why);
    return unless_done(t, r, &why, policy_is_so, p, err);
}

int aws_staging_off(struct aws_target *t, struct aws_traffic *s, struct err *err)
{
    if (!s->has_policy || !is_true(s->policy.config, "Enabled"))
        return 0;
    xml_set_text(xml_find(s->policy.config, "Enabled"), "false");
    return policy_write(t, &s->policy, err);
}

/* What a distribution is to have, and which. */
struct having {
    const char *distribution, *arn;
    const struct xml *like;         /* and else like this; NULL = whatever */
};

static int has_it(struct aws_target *t, void *env, struct err *err)
{
    const struct having *h = env;
    cleanup(aws_distribution_clear) struct aws_distribution d = {0};
    int r = aws_distribution_read(t, h->distribution, &d, err);
    const char *has = r > 0 ? aws_distribution_function(d.config, AWS_GUEST_EVENT) : NULL;
    return r < 0 ? r : has && strcmp(has, h->arn) == 0 &&
                           !(h->like && aws_distribution_differs(h->like, d.config));
}

int aws_staging_promote(struct aws_target *t, const struct aws_traffic *s, struct err *err)
{
    cleanup(free_p) char *arn = aws_traffic_arn(s, s->staged);
    struct having want = {s->primary.id, arn, NULL};
    struct err why = {0};
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
    r = aws_call_xml(service, &(struct api_request){.method = "PUT", .path = path,
                                                    .headers = &headers}, NULL, NULL, &why);
    return unless_done(t, r, &why, has_it, &want, err);
}

/* --- a canary --- */

/* The primary's configuration, with what must be a staging distribution's own. */
static struct xml *staging_config(const struct aws_traffic *s, const char *arn)
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

static int copy_distribution(struct aws_target *t, struct aws_traffic *s, struct err *err)
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
static int prepare_staging(struct aws_target *t, struct aws_traffic *s, const char *version,
                           struct err *err)
{
    int r = s->has_staging ? 0 : copy_distribution(t, s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *arn = aws_traffic_arn(s, version);
    const char *has = aws_distribution_function(s->staging.config, AWS_GUEST_EVENT);
    if (!has || strcmp(has, arn) != 0 ||
        aws_distribution_differs(s->primary.config, s->staging.config)) {
        struct xml *config = staging_config(s, arn);
        xml_free(s->staging.config);
        s->staging.config = config;
        struct err why = {0};
        struct having want = {s->staging.id, arn, s->primary.config};
        r = aws_distribution_write(t, &s->staging, &why);
        r = unless_done(t, r, &why, has_it, &want, err);
    }
    return r < 0 ? r : aws_distribution_settle(t, s->staging.id, err);
}

static struct xml *policy_config(const struct aws_traffic *s, int bp)
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
static int policy_make(struct aws_target *t, struct aws_traffic *s, struct xml *config,
                       struct err *err)
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

int aws_staging_share(struct aws_target *t, struct aws_traffic *s, const char *canary, int bp,
                      struct err *err)
{
    int r = prepare_staging(t, s, canary, err);
    if (r < 0)
        return r;
    cleanup(xml_free_p) struct xml *config = policy_config(s, bp);
    if (!s->has_policy)
        return policy_make(t, s, config, err);
    xml_free(s->policy.config);
    s->policy.config = TAKE(config);
    return policy_write(t, &s->policy, err);
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
    cleanup(aws_traffic_clear) struct aws_traffic s = {0};
    int r = aws_traffic_read(t, &s, err);
    if (r == 0)
        r = aws_staging_off(t, &s, err);
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
