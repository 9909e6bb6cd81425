/* SPDX-License-Identifier: Apache-2.0 */
/* The function and its versions. Lambda API reference, 2015-03-31. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/clock.h"
#include "base/mem.h"
#include "bundle/bundle.h"
#include "crypto/hash.h"
#include "net/api_body.h"
#include "provider/aws_event.h"
#include "provider/aws_target.h"

#define FUNCTIONS "/2015-03-31/functions"

/* The host's: bundle/node.c. Time is the most that Lambda@Edge gives at origin events (CloudFront
 * Developer Guide, "Restrictions on Lambda@Edge"). */
#define RUNTIME "nodejs24.x"
#define HANDLER "lambda/index.handler"
enum { TIMEOUT_S = 30, MEMORY_MB = 512, READY_LIMIT_S = 300, ROLE_LIMIT_S = 60 };

static const char release_mark[] = "edgectl ";

static int call(struct aws_target *t, const struct api_request *request, json_t **ret,
                struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_LAMBDA, &s, err);
    if (r < 0) {
        api_body_free(request->body);
        return r;
    }
    return aws_call_json(s, request, ret, err);
}

int aws_lambda_read(struct aws_target *t, const char *version, json_t **ret, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_LAMBDA, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = version
        ? api_path(FUNCTIONS "/%s?Qualifier=%s", t->function, version)
        : api_path(FUNCTIONS "/%s", t->function);
    return aws_find_json(s, path, "ResourceNotFoundException", ret, err);
}

/* Until it can be changed, or published: after each of our own changes and before the first. A
 * version: until it can be called. */
static int settle(struct aws_target *t, const char *version, json_t **ret, struct err *err)
{
    struct aws_wait w = {0};
    cleanup(free_p) char *path = version
        ? api_path(FUNCTIONS "/%s/configuration?Qualifier=%s", t->function, version)
        : api_path(FUNCTIONS "/%s/configuration", t->function);
    for (;;) {
        cleanup(json_decref_p) json_t *now = NULL;
        int r = call(t, &(struct api_request){.method = "GET", .path = path}, &now, err);
        if (r < 0)
            return r;
        const char *state = aws_text(now, "State"), *update = aws_text(now, "LastUpdateStatus");
        bool failed = strcmp(state, "Failed") == 0 || strcmp(update, "Failed") == 0;
        if (failed)
            return err_set(err, ERR_FAILURE, "AWS Lambda could not make %s ready: %s: %s",
                           t->function, strcmp(state, "Failed") == 0
                                            ? aws_text(now, "StateReasonCode")
                                            : aws_text(now, "LastUpdateStatusReasonCode"),
                           strcmp(state, "Failed") == 0 ? aws_text(now, "StateReason")
                                                        : aws_text(now, "LastUpdateStatusReason"));
        if (strcmp(state, "Pending") != 0 && strcmp(update, "InProgress") != 0) {
            if (ret)
                *ret = TAKE(now);
            return 0;
        }
        r = aws_wait(t, &w, "the function to be ready", READY_LIMIT_S, err);
        if (r < 0)
            return r;
    }
}

int aws_lambda_versions(struct aws_target *t, json_t **ret, struct err *err)
{
    cleanup(json_decref_p) json_t *all = json_array();
    cleanup(free_p) char *marker = NULL;
    do {
        cleanup(free_p) char *path = marker
            ? api_path(FUNCTIONS "/%s/versions?MaxItems=50&Marker=%s", t->function, marker)
            : api_path(FUNCTIONS "/%s/versions?MaxItems=50", t->function);
        cleanup(json_decref_p) json_t *page = NULL;
        int r = call(t, &(struct api_request){.method = "GET", .path = path}, &page, err);
        if (r < 0)
            return r;
        size_t i;
        json_t *version;
        json_array_foreach(json_object_get(page, "Versions"), i, version) {
            if (strcmp(aws_text(version, "Version"), "$LATEST") != 0)
                json_array_append(all, version);
        }
        free(marker);
        const char *next = aws_text(page, "NextMarker");
        marker = *next ? xstrdup(next) : NULL;
    } while (marker);
    *ret = TAKE(all);
    return 0;
}

/* --- which version is which release --- */

void aws_lambda_release(const json_t *version, char ret[PROVIDER_ID_MAX])
{
    const char *text = aws_text(version, "Description");
    *ret = '\0';
    if (strncmp(text, release_mark, strlen(release_mark)) != 0)
        return;
    text += strlen(release_mark);
    snprintf(ret, PROVIDER_ID_MAX, "%.*s", (int)strcspn(text, " ,"), text);
}

const char *aws_lambda_find(const json_t *versions, const char *release, const char *code_sha256)
{
    size_t i;
    const json_t *version;
    const char *same_code = NULL;
    json_array_foreach(versions, i, version) {
        char its[PROVIDER_ID_MAX];
        aws_lambda_release(version, its);
        if (*its && strcmp(its, release) == 0)
            return aws_text(version, "Version");
        /* Publishing code that is the newest version already makes no other: that one is it. */
        if (code_sha256 && strcmp(aws_text(version, "CodeSha256"), code_sha256) == 0)
            same_code = aws_text(version, "Version");
    }
    return same_code;
}

struct aws_code aws_lambda_code(const struct bundle *b)
{
    return (struct aws_code){b->package.data, b->package.len, b->spool};
}

char *aws_lambda_digest(const struct aws_code *code)
{
    uint8_t digest[HASH_SIZE];
    hash_spooled(code->spool, code->data, code->len, digest);
    return base64_encode(digest, sizeof digest);
}

/* "edgectl RELEASE, message (revision)": 256 bytes at most. */
static char *description(const struct shipment *s)
{
    cleanup(free_p) char *text = xasprintf(
        "%s%s%s%s%s%s%s", release_mark, s->bundle->id, s->message ? ", " : "",
        s->message ? s->message : "", s->revision ? " (" : "", s->revision ? s->revision : "",
        s->revision ? ")" : "");
    size_t len = strlen(text);
    while (len > 256 || (len < strlen(text) && ((unsigned char)text[len] & 0xc0) == 0x80))
        len--;
    return xstrndup(text, len);
}

/* --- changes --- */

/* `fields` as JSON with the artifact in base64 as `ZipFile`, within "Code" when that is asked for.
 * Takes `fields`. */
static struct api_body *code_body(json_t *fields, bool nested, const struct aws_code *code)
{
    struct api_body *body = api_body_new("application/json");
    cleanup(free_p) char *head = json_dumps(fields, JSON_COMPACT);
    json_decref(fields);
    head[strlen(head) - 1] = '\0';
    cleanup(free_p) char *open = xasprintf("%s%s\"ZipFile\":\"", head[1] ? "," : "",
                                           nested ? "\"Code\":{" : "");
    const char *close = nested ? "\"}}" : "\"}";
    api_body_add(body, head, strlen(head));
    api_body_add(body, open, strlen(open));
    api_body_add_base64(body, code->data, code->len);
    api_body_spool(body, code->spool);
    api_body_add(body, close, strlen(close));
    return body;
}

static int create_once(struct aws_target *t, const char *role, struct api_response *answer,
                       struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_LAMBDA, &s, err);
    if (r < 0)
        return r;
    json_t *fields = json_pack(
        "{s:s, s:s, s:s, s:s, s:i, s:i, s:b, s:[s], s:{s:s}}", "FunctionName", t->function,
        "Runtime", RUNTIME, "Role", role, "Handler", HANDLER, "Timeout", TIMEOUT_S, "MemorySize",
        MEMORY_MB, "Publish", 0, "Architectures", "x86_64", "Tags", AWS_TAG, t->app);
    struct api_request request = {.method = "POST", .path = FUNCTIONS, .repeatable = true,
                                  .progress = upload_progress, .progress_env = &t->base};
    const struct aws_code code = aws_lambda_code(t->base.shipment->bundle);
    request.body = code_body(fields, true, &code);
    return api_do(aws_service_api(s), &request, answer, err);
}

int aws_lambda_make(struct target *target, struct step *step, struct err *err)
{
    (void)step;
    struct aws_target *t = aws_of(target);
    cleanup(free_p) char *role = NULL;
    int r = aws_role_arn(t, &role, err);
    struct aws_wait w = {0};
    while (r == 0) {
        cleanup(api_response_clear) struct api_response answer = {0};
        r = create_once(t, role, &answer, err);
        if (r < 0)
            return r;
        /* Its name is taken: by the first try, whose answer was lost, as it was free before. */
        if (answer.status == 201 || aws_error_is(&answer, "ResourceConflictException"))
            return settle(t, NULL, NULL, err);
        /* A role that was made a moment ago is not known everywhere yet. */
        if (answer.status != 400 || !strstr(answer.body, "cannot be assumed"))
            return aws_fail(t->services[AWS_LAMBDA], "POST", FUNCTIONS, &answer, err);
        r = aws_wait(t, &w, "the new role to be known to Lambda", ROLE_LIMIT_S, err);
    }
    return r;
}

int aws_lambda_adopt(struct target *target, struct step *step, struct err *err)
{
    (void)step;
    struct aws_target *t = aws_of(target);
    cleanup(free_p) char *arn = NULL;
    int r = aws_function_arn(t, &arn, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = api_path("/2017-03-31/tags/%s", arn);
    cleanup(json_decref_p) json_t *answer = NULL;
    return call(t, &(struct api_request){
                       .method = "POST", .path = path, .repeatable = true,
                       .body = api_body_json(json_pack("{s:{s:s}}", "Tags", AWS_TAG, t->app))},
                &answer, err);
}

/* Settings that Lambda@Edge or the artifact need otherwise. */
static int configure(struct aws_target *t, const json_t *now, struct err *err)
{
    json_t *change = json_object();
    if (strcmp(aws_text(now, "Handler"), HANDLER) != 0)
        json_object_set_new(change, "Handler", json_string(HANDLER));
    if (strcmp(aws_text(now, "Runtime"), RUNTIME) != 0)
        json_object_set_new(change, "Runtime", json_string(RUNTIME));
    if (json_integer_value(json_object_get(now, "Timeout")) != TIMEOUT_S)
        json_object_set_new(change, "Timeout", json_integer(TIMEOUT_S));
    if (json_integer_value(json_object_get(now, "MemorySize")) < MEMORY_MB)
        json_object_set_new(change, "MemorySize", json_integer(MEMORY_MB));
    if (!json_object_size(change)) {
        json_decref(change);
        return 0;
    }
    cleanup(free_p) char *path = api_path(FUNCTIONS "/%s/configuration", t->function);
    cleanup(json_decref_p) json_t *answer = NULL;
    int r = call(t, &(struct api_request){.method = "PUT", .path = path,
                                          .body = api_body_json(change)}, &answer, err);
    return r < 0 ? r : settle(t, NULL, NULL, err);
}

static int upload(struct aws_target *t, const json_t *now, const struct aws_code *code,
                  const char *digest, struct err *err)
{
    if (strcmp(aws_text(now, "CodeSha256"), digest) == 0)
        return 0;
    cleanup(free_p) char *path = api_path(FUNCTIONS "/%s/code", t->function);
    struct api_request request = {.method = "PUT", .path = path, .progress = upload_progress,
                                  .progress_env = &t->base};
    /* RevisionId: an upload of somebody else in between is refused, not overwritten. */
    json_t *fields = json_pack("{s:s*}", "RevisionId",
                               json_string_value(json_object_get(now, "RevisionId")));
    request.body = code_body(fields, false, code);
    cleanup(json_decref_p) json_t *answer = NULL;
    int r = call(t, &request, &answer, err);
    if (r != -ERR_DRIFT)
        return r < 0 ? r : settle(t, NULL, NULL, err);
    /* When an answer was lost, the second try meets what the first one has done. */
    cleanup(json_decref_p) json_t *then = NULL;
    struct err failure;
    if (settle(t, NULL, &then, &failure) < 0)
        return r;
    return strcmp(aws_text(then, "CodeSha256"), digest) == 0 ? 0 : r;
}

int aws_lambda_publish_as(struct aws_target *t, const struct aws_code *code, const char *text,
                          char ret[PROVIDER_ID_MAX], struct err *err)
{
    cleanup(free_p) char *digest = aws_lambda_digest(code);
    cleanup(json_decref_p) json_t *now = NULL;
    int r = settle(t, NULL, &now, err);
    if (r == 0)
        r = upload(t, now, code, digest, err);
    if (r == 0)
        r = configure(t, now, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = api_path(FUNCTIONS "/%s/versions", t->function);
    cleanup(json_decref_p) json_t *version = NULL;
    /* With the digest it publishes what was uploaded here, or nothing. */
    r = call(t, &(struct api_request){
                    .method = "POST", .path = path, .repeatable = true,
                    .body = api_body_json(json_pack("{s:s, s:s}", "CodeSha256", digest,
                                                    "Description", text))},
             &version, err);
    if (r < 0)
        return r;
    const char *number = aws_text(version, "Version");
    if (!*number || strlen(number) >= PROVIDER_ID_MAX)
        return err_set(err, ERR_NETWORK, "AWS Lambda published %s without saying which version",
                       t->function);
    snprintf(ret, PROVIDER_ID_MAX, "%s", number);
    /* CloudFront takes none that is not ready. */
    return settle(t, ret, NULL, err);
}

int aws_lambda_publish(struct target *target, struct step *step, struct err *err)
{
    (void)step;
    struct shipment *s = target->shipment;
    const struct aws_code code = aws_lambda_code(s->bundle);
    cleanup(free_p) char *text = description(s);
    return aws_lambda_publish_as(aws_of(target), &code, text, s->version, err);
}

int aws_lambda_delete(struct aws_target *t, const char *version, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_LAMBDA, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = version
        ? api_path(FUNCTIONS "/%s?Qualifier=%s", t->function, version)
        : api_path(FUNCTIONS "/%s", t->function);
    cleanup(api_response_clear) struct api_response answer = {0};
    r = api_do(aws_service_api(s), &(struct api_request){.method = "DELETE", .path = path},
               &answer, err);
    if (r < 0)
        return r;
    if (answer.status == 204 || aws_error_is(&answer, "ResourceNotFoundException"))
        return 1;
    if (strstr(answer.body, "replicated function"))
        return 0;
    return aws_fail(s, "DELETE", path, &answer, err);
}

/* --- a request to a version that has no traffic --- */

static int invoke(struct aws_target *t, const struct probe *p, json_t **ret, struct err *err)
{
    cleanup(free_p) char *path = api_path(FUNCTIONS "/%s/invocations?Qualifier=%s", t->function,
                                          p->version);
    cleanup(headers_clear) struct headers headers = {0};
    headers_add_str(&headers, "X-Amz-Invocation-Type", "RequestResponse");
    struct api_request request = {.method = "POST", .path = path, .headers = &headers,
                                  .body = api_body_json(aws_event_new(p)), .once = true};
    return call(t, &request, ret, err);
}

/* It is a call of AWS's own API: what that says is no matter of time: nobody asks again. */
int aws_lambda_probe(struct target *target, const struct probe *p, struct probe_result *ret,
                     struct err *err)
{
    *ret = (struct probe_result){0};
    int64_t began_ns = clock_mono_ns();
    cleanup(json_decref_p) json_t *answer = NULL;
    int r = invoke(aws_of(target), p, &answer, err);
    if (r < 0) {
        err_hint(err, "--no-probe deploys without calling the version (lambda:InvokeFunction)");
        return err_wrap(err, r, "calling version %s", p->version);
    }
    ret->took_us = (clock_mono_ns() - began_ns) / 1000;
    /* It was called by its number, so whatever answered is that version. */
    snprintf(ret->version, sizeof ret->version, "%s", p->version);
    ret->verified = true;
    ret->status = aws_event_status(answer, ret->why, sizeof ret->why);
    if (ret->why[0] && target->o.note)
        target->o.note(target->o.env, ret->why);
    return 0;
}
