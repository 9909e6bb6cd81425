/* SPDX-License-Identifier: Apache-2.0 */
/* The execution role. IAM API reference, 2010-05-08. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "base/uri.h"
#include "net/api_body.h"
#include "provider/aws_target.h"

#define POLICY "edgectl"

enum { KNOWN_LIMIT_S = 60 };

/* Lambda@Edge needs both services to be trusted. */
static const char trust[] =
    "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Principal\":{\"Service\":"
    "[\"lambda.amazonaws.com\",\"edgelambda.amazonaws.com\"]},\"Action\":\"sts:AssumeRole\"}]}";

/* An app reads, and where it is KV writes, its KeyValueStores itself. Their ids are only known once
 * they are made, so the right is for those of the account. */
static char *store_statement(const struct manifest *m, const char *account)
{
    bool any = false, write = false;
    for (size_t i = 0; i < m->kv_count; i++)
        write |= aws_kvs_id(manifest_remote_id(m->target, "kv", m->kv[i].name, NULL));
    for (size_t i = 0; i < m->config_count; i++)
        any |= aws_kvs_id(manifest_remote_id(m->target, "config", m->configs[i].name, NULL));
    if (!any && !write)
        return xstrdup("");
    return xasprintf(
        ",{\"Effect\":\"Allow\",\"Action\":[\"cloudfront:DescribeKeyValueStore\","
        "\"cloudfront-keyvaluestore:DescribeKeyValueStore\",\"cloudfront-keyvaluestore:GetKey\","
        "\"cloudfront-keyvaluestore:ListKeys\"%s],\"Resource\":"
        "\"arn:aws:cloudfront::%s:key-value-store/*\"}",
        write ? ",\"cloudfront-keyvaluestore:PutKey\",\"cloudfront-keyvaluestore:DeleteKey\"" : "",
        account);
}

/* Logs in whatever region a copy runs, the app's own parameters, its stores. */
static int rights(struct aws_target *t, char **ret, struct err *err)
{
    const char *account;
    int r = aws_account(t, &account, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *stores = store_statement(t->base.o.manifest, account);
    *ret = xasprintf(
        "{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":"
        "[\"logs:CreateLogGroup\",\"logs:CreateLogStream\",\"logs:PutLogEvents\"],\"Resource\":"
        "\"arn:aws:logs:*:%s:*\"},{\"Effect\":\"Allow\",\"Action\":[\"ssm:GetParameter\","
        "\"ssm:GetParameters\"],\"Resource\":"
        "\"arn:aws:ssm:" AWS_EDGE_REGION ":%s:parameter/edgectl/%s/*\"}%s]}", account, account,
        t->function, stores);
    return 0;
}

/* 1: it answered with XML; 0: with the error `none`, which is as good. Takes `form`. */
static int ask(struct aws_target *t, struct api_body *form, const char *none, struct xml **ret,
               struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_IAM, &s, err);
    if (r < 0) {
        api_body_free(form);
        return r;
    }
    cleanup(api_response_clear) struct api_response answer = {0};
    r = aws_query_call(s, form, &answer, err);
    if (r < 0)
        return r;
    if (aws_error_is(&answer, none))
        return 0;
    if (answer.status != 200)
        return aws_fail(s, "POST", "/", &answer, err);
    r = xml_parse(answer.body, answer.len, ret, err);
    return r < 0 ? err_wrap(err, r, "AWS IAM") : 1;
}

static int read_role(struct aws_target *t, struct xml **ret, struct err *err)
{
    return ask(t, api_body_form("Action", "GetRole", "RoleName", t->own, NULL), "NoSuchEntity",
               ret, err);
}

/* IAM is eventually consistent: what was made a moment ago may be unknown where one asks next. */
static int wait_known(struct aws_target *t, struct aws_wait *w, struct err *err)
{
    cleanup(free_p) char *what = xasprintf("the role %s to be known", t->own);
    return aws_wait(t, w, what, KNOWN_LIMIT_S, err);
}

int aws_role_arn(struct aws_target *t, char **ret, struct err *err)
{
    const struct manifest_target *m = t->base.o.manifest->target;
    if (m && m->role) {
        *ret = xstrdup(m->role);
        return 0;
    }
    struct aws_wait w = {0};
    int r = 0;
    while (r == 0) {
        cleanup(xml_free_p) struct xml *x = NULL;
        r = read_role(t, &x, err);
        const char *arn = r > 0 ? xml_get(x, "GetRoleResult/Role/Arn") : NULL;
        if (arn)
            *ret = xstrdup(arn);
        else if (r >= 0)
            r = wait_known(t, &w, err);
    }
    return r < 0 ? r : 0;
}

/* 1: the role's policy is what it should be, 0: it is another, or none. */
static int has_policy(struct aws_target *t, const char *wanted, struct err *err)
{
    cleanup(xml_free_p) struct xml *x = NULL;
    int r = ask(t, api_body_form("Action", "GetRolePolicy", "RoleName", t->own, "PolicyName",
                                 POLICY, NULL), "NoSuchEntity", &x, err);
    if (r <= 0)
        return r;
    /* Documents come back percent-encoded. */
    const char *coded = xml_get(x, "GetRolePolicyResult/PolicyDocument");
    cleanup(free_p) char *text = xstrdup(coded ? coded : "");
    cleanup(json_decref_p) json_t *has = uri_decode(text) ? json_loads(text, 0, NULL) : NULL;
    cleanup(json_decref_p) json_t *should = json_loads(wanted, 0, NULL);
    return has && json_equal(has, should);
}

int aws_role_ready(struct aws_target *t, bool *ret_exists, struct err *err)
{
    const struct manifest_target *m = t->base.o.manifest->target;
    *ret_exists = true;
    if (m && m->role)
        return 1;
    cleanup(xml_free_p) struct xml *x = NULL;
    cleanup(free_p) char *document = NULL;
    int r = read_role(t, &x, err);
    *ret_exists = r > 0;
    if (r <= 0)
        return r;
    r = rights(t, &document, err);
    return r < 0 ? r : has_policy(t, document, err);
}

int aws_role_make(struct target *target, struct step *step, struct err *err)
{
    (void)step;
    struct aws_target *t = aws_of(target);
    cleanup(xml_free_p) struct xml *x = NULL;
    int r = read_role(t, &x, err);
    if (r == 0)
        r = ask(t, api_body_form("Action", "CreateRole", "RoleName", t->own,
                                 "AssumeRolePolicyDocument", trust, "Description",
                                 "Runs an edge app that edgectl ships", "Tags.member.1.Key",
                                 AWS_TAG, "Tags.member.1.Value", t->app, NULL),
                "EntityAlreadyExists", &x, err);
    cleanup(free_p) char *document = NULL;
    if (r >= 0)
        r = rights(t, &document, err);
    struct aws_wait w = {0};
    while (r >= 0) {
        cleanup(xml_free_p) struct xml *done = NULL;
        r = ask(t, api_body_form("Action", "PutRolePolicy", "RoleName", t->own, "PolicyName",
                                 POLICY, "PolicyDocument", document, NULL), "NoSuchEntity", &done,
                err);
        if (r > 0)
            return 0;
        r = r < 0 ? r : wait_known(t, &w, err);
    }
    return r;
}

/* What is gone already, after an answer that was lost, is as good. */
int aws_role_delete(struct target *target, struct step *step, struct err *err)
{
    (void)step;
    struct aws_target *t = aws_of(target);
    cleanup(xml_free_p) struct xml *policy = NULL;
    cleanup(xml_free_p) struct xml *role = NULL;
    int r = ask(t, api_body_form("Action", "DeleteRolePolicy", "RoleName", t->own, "PolicyName",
                                 POLICY, NULL), "NoSuchEntity", &policy, err);
    if (r >= 0)
        r = ask(t, api_body_form("Action", "DeleteRole", "RoleName", t->own, NULL), "NoSuchEntity",
                &role, err);
    return r < 0 ? r : 0;
}
