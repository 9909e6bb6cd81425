/* SPDX-License-Identifier: Apache-2.0 */
/* One of AWS's services: where it is, how calls are signed, what its errors mean. They speak four
 * dialects (REST with JSON or XML, JSON with a target header, forms answered by XML); all of their
 * errors come down to a code and a message here. */
#ifndef EDGECTL_PROVIDER_AWS_API_H
#define EDGECTL_PROVIDER_AWS_API_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "crypto/p256.h"
#include "crypto/secret.h"
#include "net/api.h"
#include "provider/aws_config.h"
#include "xml/xml.h"

/* Lambda@Edge is administered in one region, and the global services sign for it. */
#define AWS_EDGE_REGION "us-east-1"

enum aws_service_id {
    AWS_LAMBDA, AWS_CLOUDFRONT, AWS_KVS, AWS_CLOUDWATCH, AWS_LOGS, AWS_IAM, AWS_STS, AWS_SSM,
    AWS_SERVICES,
};

/* An access key. */
struct aws_keys {
    char *access_key_id;
    struct secret *secret_key, *session_token;      /* the latter NULL when it has none */
    int64_t expires_s;                              /* 0 = never */
    struct p256 *p256;                              /* derived when it is first needed */
};

void aws_keys_clear(struct aws_keys *k);

/* Valid until the next call. */
typedef int aws_keys_fn(void *env, struct aws_keys **ret, struct err *err);

struct aws_service_options {
    enum aws_service_id id;
    const struct aws_config *config;
    const char *profile;            /* whose endpoint_url and services may name another host */
    const char *region;             /* NULL = AWS_EDGE_REGION; no matter to global services */
    const char *account;            /* AWS_KVS: part of its host */
    aws_keys_fn *keys;              /* NULL: calls are not signed */
    void *keys_env;
    void (*trace)(void *env, const char *line);
    void (*sleep)(void *env, int64_t ms);
    void *env;
};

struct aws_service;

must_use int aws_service_open(const struct aws_service_options *o, struct aws_service **ret,
                              struct err *err);
/* NULL is allowed. */
void aws_service_close(struct aws_service *s);
struct api *aws_service_api(const struct aws_service *s);

/* "ResourceNotFoundException", and its message; false when the answer has neither. */
bool aws_error(const struct api_response *r, struct buf *code, struct buf *message);
bool aws_error_is(const struct api_response *r, const char *code);
/* As api_fail, with the codes that AWS gives: -ERR_CREDENTIALS, -ERR_LIMIT for quotas, -ERR_DRIFT
 * for what was changed meanwhile. */
int aws_fail(const struct aws_service *s, const char *method, const char *path,
             const struct api_response *r, struct err *err);

/* Calls that are good with any 2xx, else aws_fail. XML answers. `etag` (may be NULL) gets the ETag,
 * "" when there is none; ret_xml may be NULL. */
must_use int aws_call_xml(struct aws_service *s, const struct api_request *request,
                          struct xml **ret_xml, struct buf *etag, struct err *err);
/* JSON answers, null for none. */
must_use int aws_call_json(struct aws_service *s, const struct api_request *request,
                           json_t **ret_json, struct err *err);
/* An answer of which only the ETag matters. */
must_use int aws_call_tagged(struct aws_service *s, const struct api_request *request,
                             struct buf *etag, struct err *err);
/* GET of what may not be there: 1 found, 0 when AWS answers 404 with the code `none`. `etag` may be
 * NULL. */
must_use int aws_find_xml(struct aws_service *s, const char *path, const char *none,
                          struct xml **ret_xml, struct buf *etag, struct err *err);
must_use int aws_find_json(struct aws_service *s, const char *path, const char *none,
                           json_t **ret_json, struct err *err);
/* An XML body of a request. */
struct api_body *aws_body_xml(const struct xml *x);
/* The dialect of CloudWatch, Logs and SSM: POST / with X-Amz-Target. Takes `body`. It may be sent
 * twice, so what makes something must have a name. Any status is fine: see ret_response. */
must_use int aws_target_call(struct aws_service *s, const char *operation, json_t *body,
                             struct api_response *ret_response, struct err *err);
/* The same, and any 2xx. */
must_use int aws_target_json(struct aws_service *s, const char *operation, json_t *body,
                             json_t **ret_json, struct err *err);
/* The dialect of IAM and STS: a form with Action and Version; may be sent twice, too. */
must_use int aws_query_call(struct aws_service *s, struct api_body *form,
                            struct api_response *ret_response, struct err *err);
must_use int aws_query_xml(struct aws_service *s, struct api_body *form, struct xml **ret_xml,
                           struct err *err);

#endif
