/* SPDX-License-Identifier: Apache-2.0 */
/* What is missing until a release is a version of the function, and the versions there are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bundle/bundle.h"
#include "provider/aws_distribution.h"
#include "provider/aws_router.h"
#include "provider/aws_time.h"

/* An adopted function keeps the role that it has. */
static int plan_role(struct aws_target *t, const json_t *function, const struct shipment *s,
                     struct steps *to, struct err *err)
{
    const char *has = aws_text(json_object_get(function, "Configuration"), "Role");
    const char *name = strrchr(has, '/');
    if (name && strcmp(name + 1, t->own) != 0) {
        cleanup(free_p) char *text = xasprintf(
            "the function's role %s must trust edgelambda.amazonaws.com%s", has,
            s->secret_count ? ", and be allowed ssm:GetParameter for this app's secrets" : "");
        if (t->base.o.note)
            t->base.o.note(t->base.o.env, text);
        return 0;
    }
    bool exists;
    int r = aws_role_ready(t, &exists, err);
    if (r == 0)
        steps_add(to, exists ? STEP_CHANGE : STEP_MAKE, xasprintf("role %s", t->own),
                  xasprintf("%s the execution role %s: logs, and this app's parameters and stores",
                            exists ? "change the rights of" : "make", t->own), aws_role_make);
    return r < 0 ? r : 0;
}

/* Is the function there, and ours? Its versions, if so, tell whether this release is one. */
static int plan_function(struct aws_target *t, struct shipment *s, const char *digest,
                         struct steps *to, struct err *err)
{
    cleanup(json_decref_p) json_t *function = NULL;
    int r = aws_lambda_read(t, NULL, &function, err);
    bool exists = r > 0;
    if (r >= 0)
        r = plan_role(t, function, s, to, err);
    if (r < 0)
        return r;
    if (!exists) {
        steps_add(to, STEP_MAKE, xasprintf("function %s", t->function),
                  xasprintf("make the Lambda function %s in " AWS_EDGE_REGION, t->function),
                  aws_lambda_make);
        return 0;
    }
    const char *owner = aws_text(json_object_get(function, "Tags"), AWS_TAG);
    const json_t *its = json_object_get(function, "Configuration");
    if (*owner && strcmp(owner, t->app) != 0) {
        r = err_set(err, ERR_DRIFT, "the Lambda function %s belongs to the app '%s'", t->function,
                    owner);
        err_hint(err, "name another in targets.%s.function", t->base.o.name);
        return r;
    }
    if (!*owner)
        steps_add(to, STEP_ADOPT, xasprintf("function %s", t->function),
                  xasprintf("adopt the Lambda function %s (%s, %s, last changed %s): new versions "
                            "of it are published, old ones stay", t->function,
                            aws_text(its, "Runtime"), aws_text(its, "Handler"),
                            aws_text(its, "LastModified")), aws_lambda_adopt);
    cleanup(json_decref_p) json_t *versions = NULL;
    r = aws_lambda_versions(t, &versions, err);
    const char *found = r == 0 ? aws_lambda_find(versions, s->bundle->id, digest) : NULL;
    if (found)
        snprintf(s->version, sizeof s->version, "%s", found);
    return r;
}

static int adopt_distribution(struct target *target, struct step *step, struct err *err)
{
    return aws_tag(aws_of(target), step->data, err);
}

struct domain_change {
    char *distribution, *host;
};

static void domain_free(void *data)
{
    struct domain_change *c = data;
    free(c->distribution);
    free(c->host);
    free(c);
}

static int edit_alias(struct xml *config, void *env, struct err *err)
{
    (void)err;
    return aws_distribution_add_alias(config, env);
}

static int run_alias(struct target *target, struct step *step, struct err *err)
{
    const struct domain_change *c = step->data;
    return aws_distribution_edit(aws_of(target), c->distribution, edit_alias, c->host, err);
}

static int plan_domains(struct aws_target *t, const struct aws_distribution *d, struct steps *to,
                        struct err *err)
{
    const struct manifest_target *m = t->base.o.manifest->target;
    for (size_t i = 0; m && i < m->domain_count; i++) {
        if (d && aws_distribution_has_alias(d->config, m->domains[i]))
            continue;
        if (!d || !aws_distribution_has_certificate(d->config)) {
            int r = err_set(err, ERR_MANIFEST, "%s cannot be served: %s%s has no certificate of "
                            "its own", m->domains[i], d ? "the distribution " : "a new one",
                            d ? d->id : "");
            err_hint(err, "deploy without targets.%s.domains, attach a certificate of AWS "
                     "Certificate Manager to the distribution, then deploy again", t->base.o.name);
            return r;
        }
        struct step *step = steps_add(to, STEP_CHANGE, xasprintf("domain %s", m->domains[i]),
                                      xasprintf("add %s to the distribution %s", m->domains[i],
                                                d->id), run_alias);
        struct domain_change *c = xnew(struct domain_change);
        *c = (struct domain_change){xstrdup(d->id), xstrdup(m->domains[i])};
        step->data = c;
        step->free_data = domain_free;
    }
    return 0;
}

static char *url_of(const struct aws_target *t, const struct aws_distribution *d)
{
    const struct manifest_target *m = t->base.o.manifest->target;
    return xasprintf("https://%s/", m && m->domain_count ? m->domains[0] : d->domain);
}

static int plan_distribution(struct aws_target *t, struct shipment *s, struct steps *to,
                             struct err *err)
{
    cleanup(aws_distribution_clear) struct aws_distribution d = {0};
    const struct manifest_target *m = t->base.o.manifest->target;
    int r = m && m->distribution ? aws_distribution_need(t, &d, err)
                                 : aws_distribution_find(t, &d, err);
    if (r < 0)
        return r;
    s->first = true;
    if (!d.id) {
        steps_add(to, STEP_MAKE, xstrdup("distribution"),
                  xasprintf("make a CloudFront distribution for %s", t->app),
                  aws_distribution_make);
        r = plan_domains(t, NULL, to, err);
        return r == 0 && t->router ? aws_router_plan(t, NULL, to, err) : r;
    }
    cleanup(free_p) char *arn = NULL;
    r = aws_function_arn(t, &arn, err);
    if (r == 0)
        r = aws_tagged(t, d.arn, err);
    if (r < 0)
        return r;
    const char *has = aws_distribution_function(d.config, AWS_GUEST_EVENT);
    s->first = !has || !aws_version_of(has, arn);
    if (r == 0) {
        steps_add_named(
            to, STEP_ADOPT, xasprintf("distribution %s", d.id),
            xasprintf("adopt the distribution %s (%s): at %s of its default behaviour it has %s, "
                      "the release comes in its place", d.id, d.domain, AWS_GUEST_EVENT,
                      has ? has : "no function"), adopt_distribution, d.arn);
    }
    free(s->url);
    s->url = url_of(t, &d);
    r = plan_domains(t, &d, to, err);
    return r == 0 && t->router ? aws_router_plan(t, &d, to, err) : r;
}

int aws_plan(struct target *target, struct shipment *s, struct steps *ret, struct err *err)
{
    struct aws_target *t = aws_of(target);
    if (s->preview) {
        int r = err_set(err, ERR_USAGE, "Lambda@Edge has no previews");
        err_hint(err, "deploy with --no-traffic: the version is tested by calling it");
        return r;
    }
    const struct aws_code code = aws_lambda_code(s->bundle);
    cleanup(free_p) char *digest = aws_lambda_digest(&code);
    int r = plan_function(t, s, digest, ret, err);
    if (r == 0)
        r = aws_secrets_plan(t, s, ret, err);
    if (r == 0)
        r = aws_stores_plan(t, s, ret, err);
    if (r == 0)
        r = plan_distribution(t, s, ret, err);
    if (r == 0 && !*s->version)
        steps_add(ret, STEP_MAKE, xasprintf("version %s", s->bundle->id),
                  xasprintf("publish the release as a version of %s", t->function),
                  aws_lambda_publish);
    return r;
}

/* "edgectl RELEASE, message (revision)", as aws_lambda.c writes it. */
static void read_description(const json_t *from, struct version *v)
{
    aws_lambda_release(from, v->release);
    const char *text = aws_text(from, "Description");
    if (!*v->release) {
        v->message = *text ? xstrdup(text) : NULL;
        return;
    }
    const char *message = strstr(text, ", ");
    size_t len = strlen(text);
    const char *open = len && text[len - 1] == ')' ? strrchr(text, '(') : NULL;
    if (open && open > text && open[-1] == ' ')
        v->revision = xstrndup(open + 1, (size_t)(text + len - 1 - open - 1));
    else
        open = NULL;
    if (message)
        v->message = xstrndup(message + 2, open && open > message + 2
                                               ? (size_t)(open - 1 - message - 2)
                                               : strlen(message + 2));
}

int aws_versions(struct target *target, struct version_list *ret, struct err *err)
{
    struct aws_target *t = aws_of(target);
    cleanup(json_decref_p) json_t *function = NULL;
    cleanup(json_decref_p) json_t *list = NULL;
    int r = aws_lambda_read(t, NULL, &function, err);
    if (r > 0)
        r = aws_lambda_versions(t, &list, err);
    if (r < 0)
        return r;
    for (size_t i = json_array_size(list); i-- > 0;) {
        const json_t *from = json_array_get(list, i);
        char holds[2][PROVIDER_ID_MAX];
        if (aws_pair_read(aws_text(from, "Description"), holds))
            continue;
        struct version *v = version_list_add(ret);
        int64_t created_s = 0;
        snprintf(v->id, sizeof v->id, "%s", aws_text(from, "Version"));
        v->number = strtoll(v->id, NULL, 10);
        read_description(from, v);
        v->created_ms = aws_time_parse(aws_text(from, "LastModified"), &created_s)
                            ? created_s * 1000 : 0;
        v->deployable = true;
    }
    return 0;
}
