/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/aws_router.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/embed.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "net/api_body.h"
#include "provider/aws_distribution.h"

#define FUNCTIONS "/2020-05-31/function"
#define KEY "rollout"

static const char source[] = "routers/cloudfront.js";
static const char *const events[] = {"viewer-request", "viewer-response"};

enum { ETAG_MAX = 256, VALUE_MAX = 4096 };

/* --- the rollout --- */

void aws_rollout_clear(struct aws_rollout *w)
{
    free(w->store_arn);
    buf_clear(&w->etag);
    *w = (struct aws_rollout){0};
}

static bool take(const json_t *root, const char *key, char *to, size_t size)
{
    const char *text = aws_text(root, key);
    return *text && (size_t)snprintf(to, size, "%s", text) < size;
}

/* What the function would take, see rollout() there. */
static void parse(const char *text, struct aws_rollout *w)
{
    cleanup(json_decref_p) json_t *root = json_loads(text, 0, NULL);
    const json_t *weight = json_object_get(root, "weight_bp");
    w->gen = (int)json_integer_value(json_object_get(root, "gen"));
    w->weight_bp = (int)json_integer_value(weight);
    w->valid = take(root, "stable", w->stable, sizeof w->stable) &&
               take(root, "canary", w->canary, sizeof w->canary) &&
               take(root, "salt", w->salt, sizeof w->salt) && json_is_integer(weight) &&
               w->weight_bp >= 0 && w->weight_bp <= SPLIT_WHOLE;
}

int aws_rollout_read(struct aws_target *t, struct aws_rollout *ret, struct err *err)
{
    *ret = (struct aws_rollout){.etag = BUF_INIT(ETAG_MAX)};
    int r = aws_kvs_find(t, t->own, &ret->store_arn, err);
    if (r <= 0)
        return r;
    cleanup(buf_clear) struct buf text = BUF_INIT(VALUE_MAX);
    /* First the version of the store: a write on top of it is refused if what comes next is new. */
    r = aws_kvs_etag(t, ret->store_arn, &ret->etag, err);
    if (r == 0)
        r = aws_kvs_get(t, ret->store_arn, KEY, &text, err);
    if (r > 0)
        parse(buf_str(&text), ret);
    return r < 0 ? r : 0;
}

/* Visitors are dealt anew for another pair, and stay where they are within a rollout. */
static void salt_of(const struct aws_target *t, const char *stable, const char *canary,
                    char ret[65])
{
    cleanup(free_p) char *text = xasprintf("%s/%s/%s", t->app, stable, canary);
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    hash_bytes(text, strlen(text), digest);
    hash_hex(digest, hex);
    snprintf(ret, 65, "%.8s", hex);
}

static bool is_so(const struct aws_rollout *w, const char *stable, const char *canary, int bp)
{
    return w->valid && w->weight_bp == bp && strcmp(w->stable, stable) == 0 &&
           strcmp(w->canary, canary) == 0;
}

int aws_rollout_write(struct aws_target *t, struct aws_rollout *w, const char *stable,
                      const char *canary, int weight_bp, struct err *err)
{
    if (!w->store_arn) {
        int r = err_set(err, ERR_DRIFT, "the router's KeyValueStore %s has gone", t->own);
        err_hint(err, "deploy again: edgectl deploy --target %s --no-traffic", t->base.o.name);
        return r;
    }
    if (is_so(w, stable, canary, weight_bp))
        return 0;
    char salt[65];
    salt_of(t, stable, canary, salt);
    cleanup(json_decref_p) json_t *root = json_pack(
        "{s:i, s:s, s:s, s:s, s:i, s:s}", "gen", w->gen + 1, "salt", salt, "stable", stable,
        "canary", canary, "weight_bp", weight_bp, "force_header", "x-edgectl-canary");
    cleanup(free_p) char *text = json_dumps(root, JSON_COMPACT);
    struct err failure = {0};
    int r = aws_kvs_put_on(t, w->store_arn, KEY, text, &w->etag, &failure);
    if (r == 0) {
        parse(text, w);
        return 0;
    }
    /* A try whose answer was lost has made it so. */
    struct aws_rollout now;
    bool done = r == -ERR_DRIFT && aws_rollout_read(t, &now, NULL) == 0;
    if (done) {
        aws_rollout_clear(w);
        *w = now;
        if (is_so(w, stable, canary, weight_bp))
            return 0;
    }
    if (err)
        *err = failure;
    return r;
}

/* --- the function --- */

int aws_router_arn(struct aws_target *t, char **ret, struct err *err)
{
    const char *account;
    int r = aws_account(t, &account, err);
    if (r == 0)
        *ret = xasprintf("arn:aws:cloudfront::%s:function/%s", account, t->own);
    return r;
}

static const struct embed_file *code(struct err *err)
{
    size_t count;
    const struct embed_file *file = embed_under(source, &count);
    if (!count)
        err_set(err, ERR_FAILURE, "this edgectl was built without %s", source);
    return count ? file : NULL;
}

/* 1: there is a stage of it, with its ETag; 0: not. *ret_same: it is what we would make. */
static int look(struct aws_target *t, const char *stage, const char *store, bool *ret_same,
                struct buf *etag, struct err *err)
{
    struct aws_service *s;
    const struct embed_file *file = code(err);
    int r = file ? aws_service(t, AWS_CLOUDFRONT, &s, err) : -ERR_FAILURE;
    if (r < 0)
        return r;
    cleanup(free_p) char *about = api_path(FUNCTIONS "/%s/describe?Stage=%s", t->own, stage);
    cleanup(xml_free_p) struct xml *x = NULL;
    r = aws_find_xml(s, about, "NoSuchFunctionExists", &x, etag, err);
    if (r <= 0)
        return r;
    const char *has = xml_get(x, "FunctionConfig/KeyValueStoreAssociations/Items/"
                                 "KeyValueStoreAssociation/KeyValueStoreARN");
    cleanup(free_p) char *path = api_path(FUNCTIONS "/%s?Stage=%s", t->own, stage);
    cleanup(api_response_clear) struct api_response answer = {0};
    r = api_do(aws_service_api(s), &(struct api_request){.method = "GET", .path = path}, &answer,
               err);
    if (r < 0)
        return r;
    if (answer.status != 200)
        return aws_fail(s, "GET", path, &answer, err);
    *ret_same = has && store && strcmp(has, store) == 0 && answer.len == file->len &&
                memcmp(answer.body, file->data, file->len) == 0;
    return 1;
}

/* Takes nothing; the root of a request that makes or changes it. */
static struct xml *request(const struct aws_target *t, const char *root_name, const char *store,
                           const struct embed_file *file)
{
    struct xml *root = xml_new(root_name);
    bool make = strcmp(root_name, "CreateFunctionRequest") == 0;
    xml_set_attribute(root, "xmlns", AWS_CLOUDFRONT_NS);
    if (make)
        xml_add(root, "Name", t->own);
    struct xml *config = xml_add(root, "FunctionConfig", NULL);
    cleanup(free_p) char *comment = xasprintf("edgectl: router of %.80s", t->app);
    xml_add(config, "Comment", comment);
    xml_add(config, "Runtime", "cloudfront-js-2.0");
    struct xml *stores = xml_add(config, "KeyValueStoreAssociations", NULL);
    xml_add(stores, "Quantity", "1");
    xml_add(xml_add(xml_add(stores, "Items", NULL), "KeyValueStoreAssociation", NULL),
            "KeyValueStoreARN", store);
    cleanup(free_p) char *text = base64_encode(file->data, file->len);
    xml_add(root, "FunctionCode", text);
    if (make)
        aws_add_tag(t, xml_add(root, "Tags", NULL));
    return root;
}

static int make_function(struct aws_target *t, const char *store, struct buf *etag, struct err *err)
{
    struct aws_service *s;
    const struct embed_file *file = code(err);
    int r = file ? aws_service(t, AWS_CLOUDFRONT, &s, err) : -ERR_FAILURE;
    if (r < 0)
        return r;
    cleanup(xml_free_p) struct xml *root = request(t, "CreateFunctionRequest", store, file);
    cleanup(api_response_clear) struct api_response answer = {0};
    r = api_do(aws_service_api(s),
               &(struct api_request){.method = "POST", .path = FUNCTIONS, .repeatable = true,
                                     .body = aws_body_xml(root)}, &answer, err);
    if (r < 0)
        return r;
    /* There is one of a name: when an answer was lost, the next try is told so. */
    if (answer.status != 201 && !aws_error_is(&answer, "FunctionAlreadyExists"))
        return aws_fail(s, "POST", FUNCTIONS, &answer, err);
    bool same = false;
    r = look(t, "DEVELOPMENT", store, &same, etag, err);
    if (r > 0 && same)
        return 0;
    return r < 0 ? r : err_set(err, ERR_DRIFT, "somebody else has made a CloudFront Function %s "
                                               "meanwhile", t->own);
}

static int change_function(struct aws_target *t, const char *store, struct buf *etag,
                           struct err *err)
{
    struct aws_service *s;
    const struct embed_file *file = code(err);
    int r = file ? aws_service(t, AWS_CLOUDFRONT, &s, err) : -ERR_FAILURE;
    if (r < 0)
        return r;
    cleanup(xml_free_p) struct xml *root = request(t, "UpdateFunctionRequest", store, file);
    cleanup(free_p) char *path = api_path(FUNCTIONS "/%s", t->own);
    cleanup(headers_clear) struct headers headers = {0};
    headers_add_str(&headers, "If-Match", buf_str(etag));
    struct err failure = {0};
    r = aws_call_xml(s, &(struct api_request){.method = "PUT", .path = path, .headers = &headers,
                                              .body = aws_body_xml(root)}, NULL, etag, &failure);
    bool same = false;
    /* A try whose answer was lost has changed it. Not every answer has the new ETag. */
    if (r == -ERR_DRIFT || (r == 0 && !etag->len)) {
        buf_reset(etag);
        int looked = look(t, "DEVELOPMENT", store, &same, etag, err);
        if (looked < 0)
            return looked;
        r = same ? 0 : r;
    }
    if (r < 0 && err)
        *err = failure;
    return r;
}

static int publish(struct aws_target *t, const struct buf *etag, struct err *err)
{
    struct aws_service *s;
    int r = aws_service(t, AWS_CLOUDFRONT, &s, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *path = api_path(FUNCTIONS "/%s/publish", t->own);
    cleanup(headers_clear) struct headers headers = {0};
    headers_add_str(&headers, "If-Match", buf_str(etag));
    return aws_call_xml(s, &(struct api_request){.method = "POST", .path = path,
                                                 .headers = &headers, .repeatable = true},
                        NULL, NULL, err);
}

static int run_function(struct target *target, struct step *step, struct err *err)
{
    (void)step;
    struct aws_target *t = aws_of(target);
    cleanup(free_p) char *store = NULL;
    cleanup(buf_clear) struct buf etag = BUF_INIT(ETAG_MAX);
    bool same = false;
    int r = aws_kvs_find(t, t->own, &store, err);
    if (r == 0)
        r = err_set(err, ERR_DRIFT, "the KeyValueStore %s has gone", t->own);
    if (r > 0)
        r = look(t, "DEVELOPMENT", store, &same, &etag, err);
    if (r < 0)
        return r;
    if (r == 0)
        r = make_function(t, store, &etag, err);
    else
        r = same ? 0 : change_function(t, store, &etag, err);
    return r < 0 ? r : publish(t, &etag, err);
}

static int run_store(struct target *target, struct step *step, struct err *err)
{
    (void)step;
    struct aws_target *t = aws_of(target);
    cleanup(free_p) char *arn = NULL;
    cleanup(free_p) char *comment = xasprintf("edgectl: router of %.80s", t->app);
    return aws_kvs_make(t, t->own, comment, &arn, err);
}

/* --- at a distribution --- */

struct attaching {
    const char *arn;
    const char *other;              /* what stands in its way */
};

static bool is_in_the_way(struct xml *behaviour, void *env)
{
    struct attaching *a = env;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        const char *edge = aws_behaviour_edge_function(behaviour, events[i]);
        const char *lambda = aws_behaviour_function(behaviour, events[i]);
        if (edge && strcmp(edge, a->arn) != 0)
            a->other = edge;
        else if (lambda)
            a->other = lambda;
    }
    return a->other != NULL;
}

static bool lacks_it(struct xml *behaviour, void *env)
{
    const struct attaching *a = env;
    bool lacks = false;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        const char *has = aws_behaviour_edge_function(behaviour, events[i]);
        lacks |= !has || strcmp(has, a->arn) != 0;
    }
    return lacks;
}

static bool attach(struct xml *behaviour, void *env)
{
    bool changed = false;
    for (size_t i = 0; i < ARRAY_LEN(events); i++)
        changed |= aws_behaviour_set_edge_function(behaviour, events[i], env);
    return changed;
}

static bool detach(struct xml *behaviour, void *env)
{
    bool changed = false;
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        const char *has = aws_behaviour_edge_function(behaviour, events[i]);
        if (has && strcmp(has, env) == 0)
            changed |= aws_behaviour_set_edge_function(behaviour, events[i], NULL);
    }
    return changed;
}

bool aws_router_put(struct xml *config, const char *arn, const struct aws_policies *p)
{
    bool changed = aws_distribution_guests(config, attach, (void *)arn);
    return aws_policies_apply(config, p) || changed;
}

bool aws_router_detach(struct xml *config, const char *arn)
{
    return aws_distribution_guests(config, detach, (void *)arn);
}

int aws_router_check(const struct aws_distribution *d, const char *arn, struct err *err)
{
    struct attaching a = {arn, NULL};
    if (!aws_distribution_guests(d->config, is_in_the_way, &a))
        return 0;
    int r = err_set(err, ERR_DRIFT, "the router cannot be at the viewer's events of the "
                    "distribution %s: %s is there", d->id, a.other);
    err_hint(err, "take it away, or `router` out of the target (CloudFront shares up to 15 %%)");
    return r;
}

struct put {
    const char *arn;
    struct aws_policies policies;
};

static int edit_put(struct xml *config, void *env, struct err *err)
{
    (void)err;
    const struct put *p = env;
    return aws_router_put(config, p->arn, &p->policies);
}

int aws_router_attach(struct aws_target *t, const char *distribution, struct err *err)
{
    cleanup(free_p) char *arn = NULL;
    cleanup(aws_distribution_clear) struct aws_distribution d = {0};
    int r = aws_router_arn(t, &arn, err);
    if (r == 0)
        r = aws_distribution_read(t, distribution, &d, err);
    if (r <= 0)
        return r;
    struct put put = {.arn = arn};
    r = aws_policies_make(t, d.config, &put.policies, err);
    if (r == 0)
        r = aws_distribution_edit(t, distribution, edit_put, &put, err);
    aws_policies_clear(&put.policies);
    return r;
}

static int run_attach(struct target *target, struct step *step, struct err *err)
{
    return aws_router_attach(aws_of(target), step->data, err);
}

int aws_router_plan(struct aws_target *t, const struct aws_distribution *d, struct steps *to,
                    struct err *err)
{
    cleanup(free_p) char *arn = NULL;
    cleanup(free_p) char *function = NULL;
    cleanup(free_p) char *store = NULL;
    cleanup(buf_clear) struct buf etag = BUF_INIT(ETAG_MAX);
    bool same = false;
    int r = aws_router_arn(t, &arn, err);
    if (r == 0)
        r = aws_function_arn(t, &function, err);
    if (r == 0 && d)
        r = aws_router_check(d, arn, err);
    if (r == 0)
        r = aws_kvs_find(t, t->own, &store, err);
    if (r < 0)
        return r;
    if (r == 0)
        steps_add(to, STEP_MAKE, xstrdup("router-store"),
                  xasprintf("make the CloudFront KeyValueStore %s, for the router's shares",
                            t->own), run_store);
    r = look(t, "LIVE", store, &same, &etag, err);
    if (r < 0)
        return r;
    if (r == 0 || !same)
        steps_add(to, r == 0 ? STEP_MAKE : STEP_CHANGE, xstrdup("router"),
                  xasprintf("%s the CloudFront Function %s, the router in front of two versions",
                            r == 0 ? "make" : "change", t->own), run_function);
    /* A distribution without a release yet gets it with the first one. */
    const char *guest = d ? aws_distribution_function(d->config, AWS_GUEST_EVENT) : NULL;
    struct attaching a = {arn, NULL};
    if (!guest || !aws_version_of(guest, function) ||
        !aws_distribution_guests(d->config, lacks_it, &a))
        return 0;
    steps_add_named(to, STEP_CHANGE, xasprintf("router at %s", d->id),
                    xasprintf("put the router in front of the app at the "
                              "distribution %s", d->id), run_attach, d->id);
    return 0;
}

/* --- taking it away --- */

int aws_router_exists(struct aws_target *t, struct err *err)
{
    cleanup(buf_clear) struct buf etag = BUF_INIT(ETAG_MAX);
    bool same;
    int r = look(t, "DEVELOPMENT", NULL, &same, &etag, err);
    return r != 0 ? r : aws_kvs_owned(t, t->own, err);
}

int aws_router_delete(struct target *target, struct step *step, struct err *err)
{
    (void)step;
    struct aws_target *t = aws_of(target);
    cleanup(buf_clear) struct buf etag = BUF_INIT(ETAG_MAX);
    bool same;
    int r = look(t, "DEVELOPMENT", NULL, &same, &etag, err);
    cleanup(free_p) char *path = api_path(FUNCTIONS "/%s", t->own);
    if (r > 0)
        r = aws_delete_tagged(t, path, &etag, err);
    if (r == 0)
        r = aws_kvs_delete(t, t->own, err);
    struct aws_policies back = {0};
    if (r == 0)
        r = aws_policies_back(t, &back, err);
    if (r == 0)
        r = aws_policies_delete(t, &back, err);
    aws_policies_clear(&back);
    return r;
}
