/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "provider/aws_distribution.h"
#include "provider/aws_target.h"
#include "provider/kv_rest.h"

enum { OWN_NAME_MAX = 64, ROUTER_SPREAD_MS = 30 * 1000 };
enum { WAIT_FIRST_MS = 250, WAIT_MOST_MS = 20 * 1000, SLICE_MS = 100 };

const char *const aws_edge_regions[AWS_EDGE_REGIONS + 1] = {
    "us-east-1", "us-east-2", "us-west-1", "us-west-2", "eu-west-1", "eu-west-2", "eu-central-1",
    "ap-northeast-1", "ap-southeast-1", "ap-southeast-2", "ap-south-1", "sa-east-1", NULL};

const char *aws_text(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

/* --- opening --- */

static const char *variable(void *env, const char *name)
{
    return manifest_getenv(env, name);
}

/* "edgectl-NAME"; a name that would be too long ends with a digest of the whole. */
static char *own_name(const char *function)
{
    char *name = xasprintf("edgectl-%s", function);
    if (strlen(name) > OWN_NAME_MAX) {
        uint8_t digest[HASH_SIZE];
        char hex[HASH_HEX_SIZE];
        hash_bytes(name, strlen(name), digest);
        hash_hex(digest, hex);
        memcpy(name + OWN_NAME_MAX - 9, "-", 1);
        memcpy(name + OWN_NAME_MAX - 8, hex, 8);
        name[OWN_NAME_MAX] = '\0';
    }
    return name;
}

static void on_close(struct target *target)
{
    struct aws_target *t = aws_of(target);
    for (int i = 0; i < AWS_SERVICES; i++)
        aws_service_close(t->services[i]);
    for (int i = 0; i < AWS_EDGE_REGIONS; i++)
        aws_service_close(t->watches[i]);
    kv_rest_close(t->kv);
    free(t->kv_store);
    aws_creds_close(t->creds);
    aws_config_free(t->config);
    free(t->account);
    free(t->arn_of_caller);
    free(t->own);
    target_fini(target);
    free(t);
}

static int on_open(const struct target_options *o, struct target **ret, struct err *err)
{
    const struct manifest_target *m = o->manifest->target;
    if (m && m->region && strcmp(m->region, AWS_EDGE_REGION) != 0) {
        int r = err_set(err, ERR_MANIFEST, "targets.%s.region is %s, but functions at CloudFront's "
                        "edge are administered in " AWS_EDGE_REGION, o->name, m->region);
        err_hint(err, "leave it out");
        return r;
    }
    struct aws_target *t = xnew(struct aws_target);
    target_init(&t->base, &provider_aws, o);
    const struct manifest *manifest = t->base.o.manifest;
    t->env = (struct aws_env){variable, (void *)manifest};
    t->app = manifest->name;
    t->function = manifest_function(manifest);
    t->own = own_name(t->function);
    t->router = m && m->router;
    if (t->router) {
        /* A step is one write, which is everywhere within seconds. */
        t->base.caps.split = SPLIT_ROUTER;
        t->base.caps.min_bp = 1;
        t->base.caps.max_bp = SPLIT_WHOLE - 1;
        t->base.caps.propagation_ms = ROUTER_SPREAD_MS;
        t->base.caps.latency = true;
        t->base.caps.bridge = NULL;
    }
    int r = aws_config_load(&t->env, &t->config, err);
    if (r == 0)
        r = aws_creds_open(&(struct aws_creds_options){.config = t->config, .trace = o->trace,
                                                       .env = o->env}, &t->creds, err);
    if (r < 0) {
        on_close(&t->base);
        return r;
    }
    *ret = &t->base;
    return 0;
}

/* --- what the files share --- */

int aws_pause(struct aws_target *t, int64_t ms, struct err *err)
{
    while (ms > 0 && !target_interrupted(&t->base)) {
        int64_t slice = ms < SLICE_MS ? ms : SLICE_MS;
        clock_sleep_ms(slice);
        ms -= slice;
    }
    return target_interrupted(&t->base) ? err_set(err, ERR_INTERRUPTED, "interrupted") : 0;
}

static int service_options(struct aws_target *t, enum aws_service_id id, const char *region,
                           struct aws_service_options *ret, struct err *err)
{
    *ret = (struct aws_service_options){
        .id = id, .config = t->config, .profile = aws_creds_profile(t->creds), .region = region,
        .keys = aws_creds_keys, .keys_env = t->creds, .trace = t->base.o.trace,
        .env = t->base.o.env};
    return id == AWS_KVS ? aws_account(t, &ret->account, err) : 0;
}

int aws_service_in(struct aws_target *t, enum aws_service_id id, const char *region,
                   struct aws_service **ret, struct err *err)
{
    struct aws_service_options o;
    int r = service_options(t, id, region, &o, err);
    return r < 0 ? r : aws_service_open(&o, ret, err);
}

int aws_service(struct aws_target *t, enum aws_service_id id, struct aws_service **ret,
                struct err *err)
{
    if (target_interrupted(&t->base))
        return err_set(err, ERR_INTERRUPTED, "interrupted");
    int r = t->services[id] ? 0 : aws_service_in(t, id, NULL, &t->services[id], err);
    if (r == 0)
        *ret = t->services[id];
    return r;
}

int aws_watch_in(struct aws_target *t, const char *region, struct aws_service **ret,
                 struct err *err)
{
    int i = 0;
    while (strcmp(aws_edge_regions[i], region) != 0)
        i++;
    if (target_interrupted(&t->base))
        return err_set(err, ERR_INTERRUPTED, "interrupted");
    int r = t->watches[i] ? 0 : aws_service_in(t, AWS_CLOUDWATCH, region, &t->watches[i], err);
    if (r == 0)
        *ret = t->watches[i];
    return r;
}

static int ask_caller(struct aws_target *t, int64_t *ret_skew_ms, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_STS, &s, err);
    if (r < 0)
        return r;
    cleanup(api_response_clear) struct api_response answer = {0};
    r = aws_query_call(s, api_body_form("Action", "GetCallerIdentity", NULL), &answer, err);
    if (r < 0)
        return r;
    if (ret_skew_ms)
        *ret_skew_ms = clock_skew_ms(&answer);
    if (answer.status != 200)
        return aws_fail(s, "POST", "/", &answer, err);
    cleanup(xml_free_p) struct xml *x = NULL;
    r = xml_parse(answer.body, answer.len, &x, err);
    if (r < 0)
        return err_wrap(err, r, "AWS STS");
    const char *account = xml_get(x, "GetCallerIdentityResult/Account");
    const char *arn = xml_get(x, "GetCallerIdentityResult/Arn");
    if (!account || !*account)
        return err_set(err, ERR_NETWORK, "AWS STS answered without an account");
    free(t->account);
    free(t->arn_of_caller);
    t->account = xstrdup(account);
    t->arn_of_caller = xstrdup(arn ? arn : "");
    return 0;
}

int aws_account(struct aws_target *t, const char **ret, struct err *err)
{
    int r = t->account ? 0 : ask_caller(t, NULL, err);
    if (r == 0)
        *ret = t->account;
    return r;
}

int aws_function_arn(struct aws_target *t, char **ret, struct err *err)
{
    const char *account;
    int r = aws_account(t, &account, err);
    if (r == 0)
        *ret = xasprintf("arn:aws:lambda:" AWS_EDGE_REGION ":%s:function:%s", account,
                         t->function);
    return r;
}

int aws_wait(struct aws_target *t, struct aws_wait *w, const char *what, int limit_s,
             struct err *err)
{
    int64_t now_ns = clock_mono_ns();
    if (!w->began_ns) {
        w->began_ns = now_ns;
        w->delay_ms = WAIT_FIRST_MS;
    }
    int64_t waited_s = (now_ns - w->began_ns) / 1000000000;
    if (waited_s >= limit_s) {
        int r = err_set(err, ERR_NETWORK, "gave up after %lld minutes of waiting for %s",
                        (long long)waited_s / 60, what);
        err_hint(err, "AWS goes on by itself; run it again later");
        return r;
    }
    if (t->base.o.progress)
        t->base.o.progress(t->base.o.env, what, (uint64_t)waited_s, 0);
    int r = aws_pause(t, w->delay_ms, err);
    if (r < 0)
        return err_wrap(err, r, "waiting for %s", what);
    w->delay_ms = w->delay_ms * 3 / 2 < WAIT_MOST_MS ? w->delay_ms * 3 / 2 : WAIT_MOST_MS;
    return 0;
}

static int on_whoami(struct target *target, struct identity *ret, struct err *err)
{
    struct aws_target *t = aws_of(target);
    struct aws_keys *keys;
    int64_t skew_ms = 0;
    int r = ask_caller(t, &skew_ms, err);
    if (r == 0)
        r = aws_creds_keys(t->creds, &keys, err);
    if (r < 0)
        return r;
    *ret = (struct identity){.account = xstrdup(t->account), .user = xstrdup(t->arn_of_caller),
                             .from = xstrdup(aws_creds_from(t->creds)),
                             .expires_ms = keys->expires_s * 1000, .skew_ms = skew_ms};
    return 0;
}

static const char *const variables[] = {
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
    "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN", "AWS_ROLE_SESSION_NAME", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_CA_BUNDLE",
    NULL};

const struct provider provider_aws = {
    .name = "aws", .title = "AWS Lambda@Edge", .variables = variables,
    /* A distribution's change takes minutes to be everywhere; CloudWatch is some minutes late. */
    .caps = {.split = SPLIT_CAPPED, .min_bp = 100, .max_bp = 1500, .step_bp = 1,
             .bridge = "CloudFront by itself gives 1 to 15 % or all; `router: true` in the target "
                       "would give any share",
             .sticky = STICKY_CLIENT, .upload_without_traffic = true, .probe = true,
             .versions = true, .metrics = true, .kv = true, .config = true, .config_live = true,
             .secrets = true, .logs = true, .purge = true, .notes = true, .cas = true,
             .propagation_ms = 5 * 60 * 1000, .metric_lag_ms = 5 * 60 * 1000},
    .open = on_open, .close = on_close, .whoami = on_whoami, .plan = aws_plan,
    .versions = aws_versions, .get_split = aws_get_split, .set_split = aws_set_split,
    .probe = aws_lambda_probe, .metrics = aws_metrics, .tail = aws_tail, .purge = aws_purge,
    .list = aws_list, .get = aws_get, .put = aws_put, .remove = aws_remove,
    .put_note = aws_put_note, .get_note = aws_get_note, .gc = aws_gc, .destroy = aws_destroy,
};
