/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/aws_distribution.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include "base/mem.h"

/* AWS's managed policies: nothing is cached, everything of the viewer is passed on. The same ids in
 * every account (CloudFront Developer Guide, "Use managed cache policies"). */
static const char caching_disabled[] = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad";
static const char all_viewer[] = "216adef6-5c7f-47e4-b989-5492eafa07d3";

static const char *const config_order[] = {
    "CallerReference", "Aliases", "DefaultRootObject", "Origins", "OriginGroups",
    "DefaultCacheBehavior", "CacheBehaviors", "CustomErrorResponses", "Comment", "Logging",
    "PriceClass", "Enabled", "ViewerCertificate", "Restrictions", "WebACLId", "HttpVersion",
    "IsIPV6Enabled", "ContinuousDeploymentPolicyId", "Staging", NULL};

static const char *const behaviour_order[] = {
    "PathPattern", "TargetOriginId", "TrustedSigners", "TrustedKeyGroups", "ViewerProtocolPolicy",
    "AllowedMethods", "SmoothStreaming", "Compress", "LambdaFunctionAssociations",
    "FunctionAssociations", "FieldLevelEncryptionId", "RealtimeLogConfigArn", "CachePolicyId",
    "OriginRequestPolicyId", "ResponseHeadersPolicyId", "GrpcConfig", "ForwardedValues", NULL};

/* The child of that name, made behind those that come before it when it is missing. */
static struct xml *place(struct xml *parent, const char *name, const char *const *order)
{
    struct xml *found = xml_find(parent, name), *after = NULL;
    if (found)
        return found;
    for (size_t i = 0; order[i] && strcmp(order[i], name) != 0; i++) {
        struct xml *before = xml_find(parent, order[i]);
        after = before ? before : after;
    }
    found = xml_new(name);
    xml_insert(parent, found, after);
    return found;
}

void aws_quantity_fix(struct xml *list)
{
    struct xml *items = xml_find(list, "Items"), *quantity = xml_find(list, "Quantity");
    int count = 0;
    for (struct xml *item = items ? items->first : NULL; item; item = item->next)
        count += item->name != NULL;
    if (!quantity) {
        quantity = xml_new("Quantity");
        xml_insert(list, quantity, NULL);
    }
    char text[16];
    snprintf(text, sizeof text, "%d", count);
    xml_set_text(quantity, text);
    if (!count)
        xml_free(items);
}

static struct xml *list_items(struct xml *list)
{
    struct xml *items = xml_find(list, "Items");
    return items ? items : xml_add(list, "Items", NULL);
}

const char *aws_version_of(const char *arn, const char *function_arn)
{
    size_t len = strlen(function_arn);
    return strncmp(arn, function_arn, len) == 0 && arn[len] == ':' ? arn + len + 1 : NULL;
}

/* --- functions in behaviours --- */

/* The two kinds differ in their names alone. */
struct kind {
    const char *list, *item, *arn;
    bool body;                      /* has IncludeBody */
};

static const struct kind lambda = {"LambdaFunctionAssociations", "LambdaFunctionAssociation",
                                   "LambdaFunctionARN", true};
static const struct kind edge = {"FunctionAssociations", "FunctionAssociation", "FunctionARN",
                                 false};

static struct xml *association(const struct xml *behaviour, const struct kind *k,
                               const char *event)
{
    const struct xml *items = xml_find(xml_find(behaviour, k->list), "Items");
    struct xml *item = NULL;
    while (items && (item = xml_each(items, k->item, item))) {
        const char *its = xml_get(item, "EventType");
        if (its && strcmp(its, event) == 0)
            return item;
    }
    return NULL;
}

static const char *get(const struct xml *behaviour, const struct kind *k, const char *event)
{
    return xml_get(association(behaviour, k, event), k->arn);
}

static bool set(struct xml *behaviour, const struct kind *k, const char *event, const char *arn)
{
    struct xml *item = association(behaviour, k, event);
    const char *now = xml_get(item, k->arn);
    if (arn ? now && strcmp(now, arn) == 0 : !item)
        return false;
    struct xml *list = place(behaviour, k->list, behaviour_order);
    if (!arn) {
        xml_free(item);
    } else if (item) {
        xml_set_text(xml_find(item, k->arn), arn);
    } else {
        item = xml_add(list_items(list), k->item, NULL);
        xml_add(item, k->arn, arn);
        xml_add(item, "EventType", event);
        if (k->body)
            xml_add(item, "IncludeBody", "true");
    }
    aws_quantity_fix(list);
    return true;
}

/* Without the version at its end. */
static bool same_function(const char *a, const char *b)
{
    const char *end = a ? strrchr(a, ':') : NULL;
    return end && b && strncmp(a, b, (size_t)(end - a) + 1) == 0 &&
           !strchr(b + (end - a) + 1, ':');
}

const char *aws_distribution_function(const struct xml *config, const char *event)
{
    return get(xml_find(config, "DefaultCacheBehavior"), &lambda, event);
}

bool aws_distribution_set_function(struct xml *config, const char *event, const char *arn)
{
    struct xml *first = place(config, "DefaultCacheBehavior", config_order);
    const char *had = get(first, &lambda, event);
    cleanup(free_p) char *old = had ? xstrdup(had) : NULL;
    bool changed = set(first, &lambda, event, arn);
    const struct xml *others = xml_find(xml_find(config, "CacheBehaviors"), "Items");
    struct xml *other = NULL;
    while (others && (other = xml_each(others, "CacheBehavior", other))) {
        const char *its = get(other, &lambda, event);
        if (its && (same_function(arn, its) || same_function(old, its)))
            changed |= set(other, &lambda, event, arn);
    }
    return changed;
}

bool aws_distribution_guests(const struct xml *config, aws_behaviour_fn *fn, void *env)
{
    const char *main = aws_distribution_function(config, AWS_GUEST_EVENT);
    const struct xml *others = xml_find(xml_find(config, "CacheBehaviors"), "Items");
    struct xml *other = NULL;
    bool any = fn(xml_find(config, "DefaultCacheBehavior"), env);
    while (main && others && (other = xml_each(others, "CacheBehavior", other)))
        if (same_function(main, get(other, &lambda, AWS_GUEST_EVENT)))
            any |= fn(other, env);
    return any;
}

const char *aws_behaviour_edge_function(const struct xml *behaviour, const char *event)
{
    return get(behaviour, &edge, event);
}

bool aws_behaviour_set_edge_function(struct xml *behaviour, const char *event, const char *arn)
{
    return set(behaviour, &edge, event, arn);
}

const char *aws_behaviour_function(const struct xml *behaviour, const char *event)
{
    return get(behaviour, &lambda, event);
}

void aws_distribution_set_member(struct xml *behaviour, const char *name, const char *text)
{
    xml_set_text(place(behaviour, name, behaviour_order), text);
}

/* --- the rest --- */

bool aws_distribution_has_alias(const struct xml *config, const char *host)
{
    const struct xml *items = xml_find(xml_find(config, "Aliases"), "Items");
    struct xml *item = NULL;
    while (items && (item = xml_each(items, "CNAME", item))) {
        if (strcasecmp(xml_get(item, NULL), host) == 0)
            return true;
    }
    return false;
}

bool aws_distribution_add_alias(struct xml *config, const char *host)
{
    if (aws_distribution_has_alias(config, host))
        return false;
    struct xml *list = place(config, "Aliases", config_order);
    xml_add(list_items(list), "CNAME", host);
    aws_quantity_fix(list);
    return true;
}

bool aws_distribution_has_certificate(const struct xml *config)
{
    const struct xml *its = xml_find(config, "ViewerCertificate");
    return xml_find(its, "ACMCertificateArn") || xml_find(its, "IAMCertificateId");
}

static bool set_text(struct xml *config, const char *name, const char *text)
{
    const char *now = xml_get(config, name);
    if (strcmp(now ? now : "", text) == 0)
        return false;
    xml_set_text(place(config, name, config_order), text);
    return true;
}

const char *aws_distribution_policy(const struct xml *config)
{
    const char *id = xml_get(config, "ContinuousDeploymentPolicyId");
    return id ? id : "";
}

bool aws_distribution_set_policy(struct xml *config, const char *id)
{
    return set_text(config, "ContinuousDeploymentPolicyId", id);
}

bool aws_distribution_enabled(const struct xml *config)
{
    const char *text = xml_get(config, "Enabled");
    return text && strcmp(text, "true") == 0;
}

void aws_distribution_disable(struct xml *config)
{
    set_text(config, "Enabled", "false");
}

static void strip(struct xml *config)
{
    /* What CopyDistribution does not take over, or what differs by purpose. */
    static const char *const own[] = {"CallerReference", "Aliases", "Comment", "Enabled",
                                      "ContinuousDeploymentPolicyId", "Staging", "Logging"};
    for (size_t i = 0; i < ARRAY_LEN(own); i++)
        xml_free(xml_find(config, own[i]));
    set(xml_find(config, "DefaultCacheBehavior"), &lambda, AWS_GUEST_EVENT, NULL);
    const struct xml *others = xml_find(xml_find(config, "CacheBehaviors"), "Items");
    struct xml *other = NULL;
    while (others && (other = xml_each(others, "CacheBehavior", other)))
        set(other, &lambda, AWS_GUEST_EVENT, NULL);
}

bool aws_distribution_differs(const struct xml *primary, const struct xml *staging)
{
    cleanup(xml_free_p) struct xml *a = xml_copy(primary);
    cleanup(xml_free_p) struct xml *b = xml_copy(staging);
    cleanup(buf_clear) struct buf x = BUF_INIT(16 << 20);
    cleanup(buf_clear) struct buf y = BUF_INIT(16 << 20);
    strip(a);
    strip(b);
    xml_write(a, &x);
    xml_write(b, &y);
    return strcmp(buf_str(&x), buf_str(&y)) != 0;
}

/* --- a new one --- */

static void add_origin(struct xml *config, const struct aws_distribution_plan *p)
{
    char port[16];
    snprintf(port, sizeof port, "%d", p->origin_port);
    struct xml *list = xml_add(config, "Origins", NULL);
    xml_add(list, "Quantity", "1");
    struct xml *origin = xml_add(xml_add(list, "Items", NULL), "Origin", NULL);
    xml_add(origin, "Id", "origin");
    xml_add(origin, "DomainName", p->origin_host);
    struct xml *custom = xml_add(origin, "CustomOriginConfig", NULL);
    xml_add(custom, "HTTPPort", p->origin_tls ? "80" : port);
    xml_add(custom, "HTTPSPort", p->origin_tls ? port : "443");
    xml_add(custom, "OriginProtocolPolicy", p->origin_tls ? "https-only" : "http-only");
}

static void add_methods(struct xml *behaviour)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH",
                                          "DELETE"};
    struct xml *list = xml_add(behaviour, "AllowedMethods", NULL);
    xml_add(list, "Quantity", "7");
    struct xml *items = xml_add(list, "Items", NULL);
    for (size_t i = 0; i < ARRAY_LEN(methods); i++)
        xml_add(items, "Method", methods[i]);
}

struct xml *aws_distribution_new(const struct aws_distribution_plan *p)
{
    struct xml *config = xml_new("DistributionConfig");
    xml_set_attribute(config, "xmlns", AWS_CLOUDFRONT_NS);
    xml_add(config, "CallerReference", p->reference);
    add_origin(config, p);
    struct xml *behaviour = xml_add(config, "DefaultCacheBehavior", NULL);
    xml_add(behaviour, "TargetOriginId", "origin");
    xml_add(behaviour, "ViewerProtocolPolicy", "redirect-to-https");
    add_methods(behaviour);
    /* Guests answer as they like; compressing is theirs. */
    xml_add(behaviour, "Compress", "false");
    xml_add(behaviour, "CachePolicyId", caching_disabled);
    xml_add(behaviour, "OriginRequestPolicyId", all_viewer);
    xml_add(config, "Comment", p->comment);
    xml_add(config, "Enabled", "true");
    /* A continuous deployment policy needs HTTP/3 to be off. */
    xml_add(config, "HttpVersion", "http2");
    xml_add(config, "IsIPV6Enabled", "true");
    return config;
}
