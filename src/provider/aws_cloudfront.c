/* SPDX-License-Identifier: Apache-2.0 */
/* Distributions. CloudFront API reference, 2020-05-31. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "base/uri.h"
#include "net/api_body.h"
#include "provider/aws_distribution.h"
#include "provider/aws_target.h"
#include "provider/journal.h"

#define API "/2020-05-31"
#define FACT_DISTRIBUTION "aws.distribution"

enum { ETAG_MAX = 256, EDIT_TRIES = 5, DEPLOY_LIMIT_S = 35 * 60 };

void aws_distribution_clear(struct aws_distribution *d)
{
    free(d->id);
    free(d->arn);
    free(d->domain);
    free(d->status);
    xml_free(d->config);
    buf_clear(&d->etag);
    *d = (struct aws_distribution){0};
}

static char *copy(const char *text)
{
    return xstrdup(text ? text : "");
}

/* From <Distribution>; the configuration becomes a document of its own. */
static void take(struct xml *x, struct buf *etag, struct aws_distribution *ret)
{
    *ret = (struct aws_distribution){
        .id = copy(xml_get(x, "Id")), .arn = copy(xml_get(x, "ARN")),
        .domain = copy(xml_get(x, "DomainName")), .status = copy(xml_get(x, "Status")),
        .config = xml_copy(xml_find(x, "DistributionConfig")), .etag = *etag};
    *etag = (struct buf)BUF_INIT(ETAG_MAX);
    xml_set_attribute(ret->config, "xmlns", AWS_CLOUDFRONT_NS);
}

static int take_answer(struct xml *x, struct buf *etag, struct aws_distribution *ret,
                       struct err *err)
{
    const char *id = xml_get(x, "Id");
    if (!id || !*id || !xml_find(x, "DistributionConfig"))
        return err_set(err, ERR_NETWORK, "Amazon CloudFront answered without a distribution");
    take(x, etag, ret);
    return 0;
}

int aws_distribution_read(struct aws_target *t, const char *id, struct aws_distribution *ret,
                          struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = api_path(API "/distribution/%s", id);
    cleanup(xml_free_p) struct xml *x = NULL;
    cleanup(buf_clear) struct buf etag = BUF_INIT(ETAG_MAX);
    r = aws_find_xml(s, path, "NoSuchDistribution", &x, &etag, err);
    if (r <= 0)
        return r;
    r = take_answer(x, &etag, ret, err);
    return r < 0 ? r : 1;
}

/* --- finding it --- */

int aws_distribution_search(struct aws_target *t, aws_match_fn *match, const void *env,
                            char **ret_id, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    cleanup(free_p) char *marker = xstrdup("");
    while (r == 0) {
        cleanup(free_p) char *path = *marker
            ? api_path(API "/distribution?MaxItems=100&Marker=%s", marker)
            : xstrdup(API "/distribution?MaxItems=100");
        cleanup(xml_free_p) struct xml *x = NULL;
        r = aws_call_xml(s, &(struct api_request){.method = "GET", .path = path}, &x, NULL, err);
        if (r < 0)
            return r;
        const struct xml *items = xml_find(x, "Items");
        struct xml *one = NULL;
        while (items && (one = xml_each(items, "DistributionSummary", one))) {
            const char *id = xml_get(one, "Id");
            if (id && match(one, env)) {
                *ret_id = xstrdup(id);
                return 1;
            }
        }
        const char *next = xml_get(x, "NextMarker");
        if (!next || !*next)
            return 0;
        free(marker);
        marker = xstrdup(next);
    }
    return r;
}

static char *comment(const struct aws_target *t)
{
    return xasprintf("edgectl: %s, target %s", t->app, t->base.o.name);
}

static bool has_comment(const struct xml *summary, const void *env)
{
    const char *its = xml_get(summary, "Comment"), *staging = xml_get(summary, "Staging");
    return its && strcmp(its, env) == 0 && !(staging && strcmp(staging, "true") == 0);
}

static int remember(struct aws_target *t, const char *id, struct err *err)
{
    struct journal *j = t->base.o.journal;
    return j ? journal_set_fact(j, FACT_DISTRIBUTION, id, err) : 0;
}

int aws_distribution_find(struct aws_target *t, struct aws_distribution *ret, struct err *err)
{
    const struct manifest_target *m = t->base.o.manifest->target;
    if (m && m->distribution)
        return aws_distribution_read(t, m->distribution, ret, err);
    struct journal *j = t->base.o.journal;
    const char *known = j ? journal_fact(j, FACT_DISTRIBUTION) : NULL;
    int r = known ? aws_distribution_read(t, known, ret, err) : 0;
    if (r != 0)
        return r;
    cleanup(free_p) char *id = NULL;
    cleanup(free_p) char *text = comment(t);
    r = aws_distribution_search(t, has_comment, text, &id, err);
    if (r <= 0)
        return r;
    r = aws_distribution_read(t, id, ret, err);
    return r;
}

int aws_distribution_need(struct aws_target *t, struct aws_distribution *ret, struct err *err)
{
    int r = aws_distribution_find(t, ret, err);
    if (r > 0)
        return 0;
    const struct manifest_target *m = t->base.o.manifest->target;
    if (r == 0 && m && m->distribution) {
        r = err_set(err, ERR_MANIFEST, "there is no CloudFront distribution %s in this account",
                    m->distribution);
        err_hint(err, "check targets.%s.distribution, and which account `edgectl doctor` names",
                 t->base.o.name);
    } else if (r == 0) {
        r = err_set(err, ERR_FAILURE, "nothing has been deployed to %s yet", t->base.o.name);
        err_hint(err, "edgectl deploy --target %s", t->base.o.name);
    }
    return r;
}

/* --- changing it --- */

int aws_distribution_write(struct aws_target *t, struct aws_distribution *d, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = api_path(API "/distribution/%s/config", d->id);
    cleanup(headers_clear) struct headers headers = {0};
    headers_add_str(&headers, "If-Match", buf_str(&d->etag));
    struct api_request request = {.method = "PUT", .path = path, .headers = &headers,
                                  .body = aws_body_xml(d->config)};
    return aws_call_xml(s, &request, NULL, &d->etag, err);
}

int aws_distribution_edit(struct aws_target *t, const char *id, aws_edit_fn *edit, void *env,
                          struct err *err)
{
    int r = 0;
    for (int i = 0; i < EDIT_TRIES; i++) {
        cleanup(aws_distribution_clear) struct aws_distribution d = {0};
        r = aws_distribution_read(t, id, &d, err);
        if (r == 0)
            return err_set(err, ERR_DRIFT, "the CloudFront distribution %s is gone", id);
        if (r > 0)
            r = edit(d.config, env, err);
        if (r <= 0)
            return r;
        r = aws_distribution_write(t, &d, err);
        if (r != -ERR_DRIFT)
            return r;
        /* Somebody came in between: their change is kept, ours goes on top of it. */
    }
    return r;
}

int aws_distribution_settle(struct aws_target *t, const char *id, struct err *err)
{
    struct aws_wait w = {0};
    cleanup(free_p) char *what = xasprintf("the distribution %s to be deployed", id);
    for (;;) {
        cleanup(aws_distribution_clear) struct aws_distribution d = {0};
        int r = aws_distribution_read(t, id, &d, err);
        if (r == 0)
            return err_set(err, ERR_DRIFT, "the CloudFront distribution %s is gone", id);
        if (r < 0 || strcmp(d.status, "Deployed") == 0)
            return r < 0 ? r : 0;
        r = aws_wait(t, &w, what, DEPLOY_LIMIT_S, err);
        if (r < 0)
            return r;
    }
}

/* The first backend is the origin of requests that a guest passes on. */
static void choose_origin(const struct aws_target *t, struct aws_distribution_plan *p,
                          char **ret_host)
{
    const struct manifest *m = t->base.o.manifest;
    *ret_host = NULL;
    if (m->backend_count) {
        *ret_host = xstrdup(m->backends[0].host);
        p->origin_tls = m->backends[0].tls;
        p->origin_port = m->backends[0].port;
    } else {
        *ret_host = xstrdup("origin.invalid");
        p->origin_tls = true;
        p->origin_port = 443;
    }
    p->origin_host = *ret_host;
}

int aws_distribution_make(struct target *target, struct step *step, struct err *err)
{
    (void)step;
    struct aws_target *t = aws_of(target);
    cleanup(free_p) char *text = comment(t);
    cleanup(free_p) char *reference = xasprintf("edgectl-%s-%s", t->app, t->base.o.name);
    cleanup(free_p) char *host = NULL;
    struct aws_distribution_plan plan = {.reference = reference, .comment = text};
    choose_origin(t, &plan, &host);
    struct xml *root = xml_new("DistributionConfigWithTags");
    xml_set_attribute(root, "xmlns", AWS_CLOUDFRONT_NS);
    struct xml *config = aws_distribution_new(&plan);
    xml_insert(root, config, NULL);
    aws_add_tag(t, xml_add(root, "Tags", NULL));
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    /* The reference makes a repeat harmless: it answers with what was made before. */
    struct api_request request = {.method = "POST", .path = API "/distribution?WithTags",
                                  .body = aws_body_xml(root), .repeatable = true};
    xml_free(root);
    if (r < 0) {
        api_body_free(request.body);
        return r;
    }
    cleanup(xml_free_p) struct xml *x = NULL;
    r = aws_call_xml(s, &request, &x, NULL, err);
    if (r < 0)
        return r;
    const char *id = xml_get(x, "Id"), *domain = xml_get(x, "DomainName");
    if (!id || !domain)
        return err_set(err, ERR_NETWORK, "Amazon CloudFront made a distribution without an id");
    free(target->shipment->url);
    target->shipment->url = xasprintf("https://%s/", domain);
    return remember(t, id, err);
}

int aws_delete_tagged(struct aws_target *t, const char *path, const struct buf *etag,
                      struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    if (r < 0)
        return r;
    cleanup(headers_clear) struct headers headers = {0};
    headers_add_str(&headers, "If-Match", buf_str(etag));
    cleanup(api_response_clear) struct api_response answer = {0};
    r = api_do(aws_service_api(s), &(struct api_request){.method = "DELETE", .path = path,
                                                         .headers = &headers}, &answer, err);
    /* A try whose answer was lost has deleted it. */
    if (r < 0 || answer.status / 100 == 2 || answer.status == 404)
        return r;
    return aws_fail(s, "DELETE", path, &answer, err);
}

/* --- tags --- */

void aws_add_tag(const struct aws_target *t, struct xml *tags)
{
    struct xml *tag = xml_add(xml_add(tags, "Items", NULL), "Tag", NULL);
    xml_add(tag, "Key", AWS_TAG);
    xml_add(tag, "Value", t->app);
}

int aws_tagged(struct aws_target *t, const char *arn, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = api_path(API "/tagging?Resource=%s", arn);
    cleanup(xml_free_p) struct xml *x = NULL;
    r = aws_call_xml(s, &(struct api_request){.method = "GET", .path = path}, &x, NULL, err);
    if (r < 0)
        return r;
    const struct xml *items = xml_find(x, "Items");
    struct xml *tag = NULL;
    while (items && (tag = xml_each(items, "Tag", tag))) {
        const char *key = xml_get(tag, "Key"), *value = xml_get(tag, "Value");
        if (key && strcmp(key, AWS_TAG) == 0)
            return value && strcmp(value, t->app) == 0;
    }
    return 0;
}

int aws_tag(struct aws_target *t, const char *arn, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    if (r < 0)
        return r;
    cleanup(xml_free_p) struct xml *root = xml_new("Tags");
    xml_set_attribute(root, "xmlns", AWS_CLOUDFRONT_NS);
    aws_add_tag(t, root);
    cleanup(free_p) char *path = api_path(API "/tagging?Operation=Tag&Resource=%s", arn);
    return aws_call_xml(s, &(struct api_request){.method = "POST", .path = path,
                                                 .body = aws_body_xml(root), .repeatable = true},
                        NULL, NULL, err);
}

/* --- purge --- */

int aws_purge(struct target *target, const char *key, bool soft, struct err *err)
{
    struct aws_target *t = aws_of(target);
    if (soft) {
        int r = err_set(err, ERR_USAGE, "CloudFront has no soft purge");
        err_hint(err, "leave out --soft");
        return r;
    }
    cleanup(aws_distribution_clear) struct aws_distribution d = {0};
    struct aws_service *s;
    int r = aws_distribution_need(t, &d, err);
    if (r == 0)
        r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *reference = xasprintf("edgectl-%lld", (long long)clock_wall_ns());
    cleanup(free_p) char *what = xasprintf("%s%s", key && *key == '/' ? "" : "/", key ? key : "*");
    cleanup(xml_free_p) struct xml *root = xml_new("InvalidationBatch");
    xml_set_attribute(root, "xmlns", AWS_CLOUDFRONT_NS);
    struct xml *paths = xml_add(root, "Paths", NULL);
    xml_add(paths, "Quantity", "1");
    xml_add(xml_add(paths, "Items", NULL), "Path", what);
    xml_add(root, "CallerReference", reference);
    cleanup(free_p) char *path = api_path(API "/distribution/%s/invalidation", d.id);
    return aws_call_xml(s, &(struct api_request){.method = "POST", .path = path,
                                                 .body = aws_body_xml(root), .repeatable = true},
                        NULL, NULL, err);
}
