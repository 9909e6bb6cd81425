/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/aws_api.h"

#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "provider/aws_sign.h"
#include "provider/common.h"

enum { CODE_MAX = 200, WORDS_MAX = 2000, BODY_MAX = 16 << 20 };

/* Hosts, signing names and what names them elsewhere: botocore's endpoint rules and service ids. */
static const struct definition {
    const char *title, *signing, *variable, *key;
    const char *host;               /* %s: the region, or the account */
    enum { GLOBAL, REGIONAL, BY_ACCOUNT } place;
    const char *target;             /* X-Amz-Target's first half */
    const char *json_type;
    const char *version;            /* of the form dialect */
} definitions[AWS_SERVICES] = {
    [AWS_LAMBDA] = {"AWS Lambda", "lambda", "AWS_ENDPOINT_URL_LAMBDA", "lambda",
                    "lambda.%s.amazonaws.com", REGIONAL, NULL, NULL, NULL},
    [AWS_CLOUDFRONT] = {"Amazon CloudFront", "cloudfront", "AWS_ENDPOINT_URL_CLOUDFRONT",
                        "cloudfront", "cloudfront.amazonaws.com", GLOBAL, NULL, NULL, NULL},
    [AWS_KVS] = {"CloudFront KeyValueStore", "cloudfront-keyvaluestore",
                 "AWS_ENDPOINT_URL_CLOUDFRONT_KEYVALUESTORE", "cloudfront_keyvaluestore",
                 "%s.cloudfront-kvs.global.api.aws", BY_ACCOUNT, NULL, NULL, NULL},
    [AWS_CLOUDWATCH] = {"Amazon CloudWatch", "monitoring", "AWS_ENDPOINT_URL_CLOUDWATCH",
                        "cloudwatch", "monitoring.%s.amazonaws.com", REGIONAL,
                        "GraniteServiceVersion20100801", "application/x-amz-json-1.0", NULL},
    [AWS_LOGS] = {"CloudWatch Logs", "logs", "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS", "cloudwatch_logs",
                  "logs.%s.amazonaws.com", REGIONAL, "Logs_20140328",
                  "application/x-amz-json-1.1", NULL},
    [AWS_IAM] = {"AWS IAM", "iam", "AWS_ENDPOINT_URL_IAM", "iam", "iam.amazonaws.com", GLOBAL,
                 NULL, NULL, "2010-05-08"},
    [AWS_STS] = {"AWS STS", "sts", "AWS_ENDPOINT_URL_STS", "sts", "sts.%s.amazonaws.com", REGIONAL,
                 NULL, NULL, "2011-06-15"},
    [AWS_SSM] = {"AWS Systems Manager", "ssm", "AWS_ENDPOINT_URL_SSM", "ssm",
                 "ssm.%s.amazonaws.com", REGIONAL, "AmazonSSM", "application/x-amz-json-1.1", NULL},
};

struct aws_service {
    const struct definition *is;
    char *region;
    aws_keys_fn *keys;
    void *keys_env;
    char *hidden;                   /* access key id whose secrets the client hides already */
    struct api *api;
};

void aws_keys_clear(struct aws_keys *k)
{
    free(k->access_key_id);
    secret_unref(k->secret_key);
    secret_unref(k->session_token);
    p256_free(k->p256);
    *k = (struct aws_keys){0};
}

/* --- where --- */

/* Variables beat the profile, one service's setting beats that for all. */
static const char *base_override(const struct aws_service_options *o, const struct definition *is,
                                 const char **ret_from)
{
    const struct aws_env *env = aws_config_env(o->config);
    const char *names[] = {is->variable, "AWS_ENDPOINT_URL"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *url = aws_env_get(env, names[i]);
        if (url) {
            *ret_from = names[i];
            return url;
        }
    }
    const char *off = aws_env_get(env, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    if (off && strcasecmp(off, "true") == 0)
        return NULL;
    *ret_from = "endpoint_url in the AWS profile";
    const char *services = aws_config_get(o->config, o->profile, "services", NULL);
    cleanup(free_p) char *key = xasprintf("%s.endpoint_url", is->key);
    const char *url = services ? aws_config_section(o->config, "services", services, key) : NULL;
    return url ? url : aws_config_get(o->config, o->profile, "endpoint_url", NULL);
}

/* --- signing --- */

static int sign(void *env, const struct api_signable *r, struct headers *add, struct err *err)
{
    struct aws_service *s = env;
    struct aws_keys *keys;
    int code = s->keys(s->keys_env, &keys, err);
    if (code < 0)
        return code;
    if (!s->hidden || strcmp(s->hidden, keys->access_key_id) != 0) {
        api_hide(s->api, secret_expose(keys->secret_key), secret_len(keys->secret_key));
        if (keys->session_token)
            api_hide(s->api, secret_expose(keys->session_token), secret_len(keys->session_token));
        free(s->hidden);
        s->hidden = xstrdup(keys->access_key_id);
    }
    bool v4a = s->is->place == BY_ACCOUNT;
    if (v4a && !keys->p256)
        keys->p256 = aws_sign_derive(keys->access_key_id, keys->secret_key);
    struct aws_signer signer = {
        .algorithm = v4a ? AWS_V4A : AWS_V4, .service = s->is->signing,
        .region = v4a ? "*" : s->region, .access_key_id = keys->access_key_id,
        .secret_key = keys->secret_key, .session_token = keys->session_token, .key = keys->p256};
    struct aws_message message = {
        .method = r->method, .host = r->host, .path = r->path, .query = r->query,
        .headers = r->headers, .body_sha256 = r->body_sha256,
        .time_s = clock_wall_ns() / 1000000000};
    aws_sign(&signer, &message, add);
    return 0;
}

/* --- errors --- */

/* "com.amazonaws.x#NotFound:http://..." is NotFound. */
static void add_code(struct buf *to, const char *text)
{
    const char *hash = strchr(text, '#');
    text = hash ? hash + 1 : text;
    buf_add(to, text, strcspn(text, ":"));
}

static bool error_in_xml(const struct api_response *r, struct buf *code, struct buf *message)
{
    cleanup(xml_free_p) struct xml *x = NULL;
    if (xml_parse(r->body, r->len, &x, NULL) < 0)
        return false;
    const char *its_code = xml_get(x, "Error/Code"), *words = xml_get(x, "Error/Message");
    if (its_code)
        add_code(code, its_code);
    if (words)
        buf_add_str(message, words);
    return its_code || words;
}

static void error_in_json(const struct api_response *r, struct buf *code, struct buf *message)
{
    json_t *body = json_loadb(r->body, r->len, 0, NULL);
    static const char *const code_keys[] = {"__type", "code"};
    static const char *const word_keys[] = {"message", "Message", "errorMessage"};
    for (size_t i = 0; i < ARRAY_LEN(code_keys) && !code->len; i++) {
        const char *text = json_string_value(json_object_get(body, code_keys[i]));
        if (text)
            add_code(code, text);
    }
    for (size_t i = 0; i < ARRAY_LEN(word_keys) && !message->len; i++) {
        const char *text = json_string_value(json_object_get(body, word_keys[i]));
        if (text)
            buf_add_str(message, text);
    }
    json_decref(body);
}

bool aws_error(const struct api_response *r, struct buf *code, struct buf *message)
{
    const char *type = headers_get(&r->headers, "x-amzn-errortype");
    if (type)
        add_code(code, type);
    const char *first = r->body + strspn(r->body, " \t\r\n");
    if (*first == '<')
        error_in_xml(r, code, message);
    else
        error_in_json(r, code, message);
    return code->len || message->len;
}

static char *error_code(const struct api_response *r)
{
    struct buf code = BUF_INIT(CODE_MAX);
    cleanup(buf_clear) struct buf message = BUF_INIT(WORDS_MAX);
    aws_error(r, &code, &message);
    return buf_take(&code);
}

bool aws_error_is(const struct api_response *r, const char *code)
{
    cleanup(free_p) char *its = error_code(r);
    return strcmp(its, code) == 0;
}

static bool is_one_of(const char *code, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(code, list[i]) == 0)
            return true;
    }
    return false;
}

/* botocore's retry rules, throttling and transient errors, and what IAM and SSM say while another
 * change of the same thing is under way; IAM's LimitExceeded is a quota. */
static bool is_transient(const struct api_response *r)
{
    static const char *const codes[] = {
        "Throttling", "ThrottlingException", "ThrottledException", "RequestThrottledException",
        "TooManyRequestsException", "ProvisionedThroughputExceededException",
        "TransactionInProgressException", "RequestLimitExceeded", "BandwidthLimitExceeded",
        "RequestThrottled", "SlowDown", "PriorRequestNotComplete", "EC2ThrottledException",
        "RequestTimeout", "RequestTimeoutException", "TooManyUpdates", "ConcurrentModification",
        "EntityTemporarilyUnmodifiable"};
    cleanup(free_p) char *code = error_code(r);
    return is_one_of(code, codes, ARRAY_LEN(codes));
}

static bool explain(const struct api_response *r, struct buf *words)
{
    cleanup(buf_clear) struct buf code = BUF_INIT(CODE_MAX);
    cleanup(buf_clear) struct buf message = BUF_INIT(WORDS_MAX);
    if (!aws_error(r, &code, &message))
        return false;
    buf_printf(words, "%s%s%s", buf_str(&code), code.len && message.len ? ": " : "",
               buf_str(&message));
    return true;
}

static const char *const stale_keys[] = {
    "ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException",
    "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure", "RequestExpired",
    "MissingAuthenticationToken", "MissingAuthenticationTokenException", "IncompleteSignature",
    "RequestTimeTooSkewed", "InvalidIdentityToken", "InvalidToken"};
static const char *const refused[] = {"AccessDenied", "AccessDeniedException",
                                      "UnauthorizedOperation", "OptInRequired"};
static const char *const quotas[] = {
    "LimitExceeded", "LimitExceededException", "CodeStorageExceededException",
    "ServiceQuotaExceededException", "RequestEntityTooLargeException", "ParameterLimitExceeded",
    "EntitySizeLimitExceeded", "FunctionSizeLimitExceeded"};
static const char *const moved[] = {
    "PreconditionFailed", "PreconditionFailedException", "InvalidIfMatchVersion",
    "ConflictException"};

/* The clock is the usual reason why a signature is not valid, and the answer says the time. */
static void hint_clock(const struct api_response *r, struct err *err)
{
    long long off = (long long)(-clock_skew_ms(r) / 1000);
    if (off > 240 || off < -240)
        err_hint(err, "this machine's clock is %lld s %s AWS's: set it, then run it again",
                 off > 0 ? off : -off, off > 0 ? "ahead of" : "behind");
}

int aws_fail(const struct aws_service *s, const char *method, const char *path,
             const struct api_response *r, struct err *err)
{
    int result = api_fail(s->api, method, path, r, err);
    cleanup(free_p) char *code = error_code(r);
    enum err_code as = ERR_NONE;
    if (is_one_of(code, stale_keys, ARRAY_LEN(stale_keys))) {
        as = ERR_CREDENTIALS;
        err_hint(err, "the keys are wrong or have expired: `edgectl doctor` says where they come "
                      "from");
        hint_clock(r, err);
    } else if (is_one_of(code, refused, ARRAY_LEN(refused))) {
        as = ERR_CREDENTIALS;
        err_hint(err, "the keys are good but may not do this: have an administrator allow the "
                      "action that AWS names");
    } else if (is_one_of(code, moved, ARRAY_LEN(moved))) {
        as = ERR_DRIFT;
        err_hint(err, "it was changed meanwhile by somebody else; look, then run it again");
    } else if (is_one_of(code, quotas, ARRAY_LEN(quotas)) || strncmp(code, "TooMany", 7) == 0) {
        as = ERR_LIMIT;
        err_hint(err, "a quota of the account is reached: remove what is not needed (`edgectl gc`) "
                      "or have it raised in the Service Quotas console");
    }
    if (as == ERR_NONE)
        return result;
    if (err)
        err->code = as;
    return -(int)as;
}

/* --- opening --- */

int aws_service_open(const struct aws_service_options *o, struct aws_service **ret,
                     struct err *err)
{
    const struct definition *is = &definitions[o->id];
    struct aws_service *s = xnew(struct aws_service);
    s->is = is;
    s->region = xstrdup(o->region && is->place == REGIONAL ? o->region : AWS_EDGE_REGION);
    s->keys = o->keys;
    s->keys_env = o->keys_env;
    cleanup(free_p) char *host = is->place == GLOBAL
        ? xstrdup(is->host)
        : xasprintf(is->host, is->place == REGIONAL ? s->region : o->account);
    cleanup(free_p) char *standard = xasprintf("https://%s", host);
    const char *from = NULL, *base = base_override(o, is, &from);
    struct api_options options = {
        .name = is->title, .base = base ? base : standard, .base_from = base ? from : NULL,
        .ca_from = "AWS_CA_BUNDLE", .sign = o->keys ? sign : NULL, .sign_env = s,
        .explain = explain, .transient = is_transient,
        .hint_credentials = "`edgectl doctor` says which AWS keys are used, and from where",
        .trace = o->trace, .trace_env = o->env, .sleep = o->sleep, .sleep_env = o->env};
    int r = api_new(&options, &s->api, err);
    if (r < 0) {
        aws_service_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

void aws_service_close(struct aws_service *s)
{
    if (!s)
        return;
    api_free(s->api);
    free(s->hidden);
    free(s->region);
    free(s);
}

struct api *aws_service_api(const struct aws_service *s)
{
    return s->api;
}

/* --- calls --- */

static bool is_good(const struct api_response *r)
{
    return r->status >= 200 && r->status < 300;
}

static int read_xml(const struct aws_service *s, const char *method, const char *path,
                    const struct api_response *r, struct xml **ret_xml, struct err *err)
{
    int code = xml_parse(r->body, r->len, ret_xml, err);
    if (code < 0) {
        err_wrap(err, code, "%s: %s %s: %d", s->is->title, method, path, r->status);
        err_hint(err, "something between here and AWS may have answered in its place");
    }
    return code;
}

/* `etag` may be NULL. */
static void take_etag(const struct api_response *r, struct buf *etag)
{
    /* UpdateFunction's model spells it ETtag. */
    const char *tag = headers_get(&r->headers, "etag");
    if (!tag)
        tag = headers_get(&r->headers, "ettag");
    if (etag) {
        buf_reset(etag);
        buf_add_str(etag, tag ? tag : "");
    }
}

/* A good answer, for the caller to read and to clear. */
static int call(struct aws_service *s, const struct api_request *request, struct api_response *ret,
                struct buf *etag, struct err *err)
{
    int r = api_do(s->api, request, ret, err);
    if (r < 0)
        return r;
    if (!is_good(ret))
        return aws_fail(s, request->method, request->path, ret, err);
    take_etag(ret, etag);
    return 0;
}

int aws_call_xml(struct aws_service *s, const struct api_request *request, struct xml **ret_xml,
                 struct buf *etag, struct err *err)
{
    cleanup(api_response_clear) struct api_response r = {0};
    int code = call(s, request, &r, etag, err);
    return code == 0 && ret_xml
               ? read_xml(s, request->method, request->path, &r, ret_xml, err) : code;
}

static int read_json(const struct aws_service *s, const char *method, const char *path,
                     const struct api_response *r, json_t **ret_json, struct err *err)
{
    if (!is_good(r))
        return aws_fail(s, method, path, r, err);
    if (r->len)
        return api_json(s->api, method, path, r, ret_json, err);
    *ret_json = json_null();
    return 0;
}

int aws_call_json(struct aws_service *s, const struct api_request *request, json_t **ret_json,
                  struct err *err)
{
    cleanup(api_response_clear) struct api_response r = {0};
    int code = api_do(s->api, request, &r, err);
    return code < 0 ? code : read_json(s, request->method, request->path, &r, ret_json, err);
}

int aws_call_tagged(struct aws_service *s, const struct api_request *request, struct buf *etag,
                    struct err *err)
{
    cleanup(api_response_clear) struct api_response r = {0};
    return call(s, request, &r, etag, err);
}

/* 1: it is there, and read; 0: it is not. */
static int find(struct aws_service *s, const char *path, const char *none, struct api_response *r,
                struct err *err)
{
    int code = api_do(s->api, &(struct api_request){.method = "GET", .path = path}, r, err);
    if (code < 0)
        return code;
    if (r->status == 404 && aws_error_is(r, none))
        return 0;
    return is_good(r) ? 1 : aws_fail(s, "GET", path, r, err);
}

int aws_find_xml(struct aws_service *s, const char *path, const char *none, struct xml **ret_xml,
                 struct buf *etag, struct err *err)
{
    cleanup(api_response_clear) struct api_response r = {0};
    int code = find(s, path, none, &r, err);
    if (code <= 0)
        return code;
    take_etag(&r, etag);
    code = read_xml(s, "GET", path, &r, ret_xml, err);
    return code < 0 ? code : 1;
}

int aws_find_json(struct aws_service *s, const char *path, const char *none, json_t **ret_json,
                  struct err *err)
{
    cleanup(api_response_clear) struct api_response r = {0};
    int code = find(s, path, none, &r, err);
    if (code <= 0)
        return code;
    code = read_json(s, "GET", path, &r, ret_json, err);
    return code < 0 ? code : 1;
}

struct api_body *aws_body_xml(const struct xml *x)
{
    cleanup(buf_clear) struct buf text = BUF_INIT(BODY_MAX);
    xml_write(x, &text);
    return api_body_text("application/xml", text.data, text.len);
}

int aws_target_call(struct aws_service *s, const char *operation, json_t *body,
                    struct api_response *ret_response, struct err *err)
{
    cleanup(headers_clear) struct headers headers = {0};
    cleanup(free_p) char *target = xasprintf("%s.%s", s->is->target, operation);
    headers_add_str(&headers, "X-Amz-Target", target);
    struct api_request request = {.method = "POST", .path = "/", .headers = &headers,
                                  .body = api_body_json(body), .content_type = s->is->json_type,
                                  .repeatable = true};
    int code = api_do(s->api, &request, ret_response, err);
    return code < 0 ? err_wrap(err, code, "%s", operation) : 0;
}

int aws_target_json(struct aws_service *s, const char *operation, json_t *body, json_t **ret_json,
                    struct err *err)
{
    cleanup(api_response_clear) struct api_response r = {0};
    int code = aws_target_call(s, operation, body, &r, err);
    return code < 0 ? code : read_json(s, "POST", operation, &r, ret_json, err);
}

int aws_query_call(struct aws_service *s, struct api_body *form, struct api_response *ret_response,
                   struct err *err)
{
    cleanup(free_p) char *version = xasprintf("&Version=%s", s->is->version);
    api_body_add(form, version, strlen(version));
    struct api_request request = {.method = "POST", .path = "/", .body = form,
                                  .repeatable = true};
    return api_do(s->api, &request, ret_response, err);
}

int aws_query_xml(struct aws_service *s, struct api_body *form, struct xml **ret_xml,
                  struct err *err)
{
    cleanup(api_response_clear) struct api_response r = {0};
    int code = aws_query_call(s, form, &r, err);
    if (code < 0)
        return code;
    if (!is_good(&r))
        return aws_fail(s, "POST", "/", &r, err);
    return ret_xml ? read_xml(s, "POST", "/", &r, ret_xml, err) : 0;
}
