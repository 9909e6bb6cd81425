/* SPDX-License-Identifier: Apache-2.0 */
/* Cloudflare Workers. The app is a worker, a release is one of its versions, a split is a
 * deployment; the inside is told in cf.h. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/cf.h"

enum { ACCOUNTS_PAGE = 50 };

static const char *const base_variables[] = {"CLOUDFLARE_API_BASE_URL", "CF_API_BASE_URL", NULL};

static const char *default_base(const struct target_options *o)
{
    const char *region = target_variable(o, "CLOUDFLARE_COMPLIANCE_REGION");
    bool fed = region && strcmp(region, "fedramp_high") == 0;
    return fed ? "https://api.fed.cloudflare.com/client/v4"
               : "https://api.cloudflare.com/client/v4";
}

static void cf_close(struct target *t)
{
    struct cf *c = cf_of(t);
    api_free(c->api);
    cf_creds_clear(&c->creds);
    for (size_t i = 0; i < c->namespace_count; i++) {
        free(c->namespaces[i].store);
        free(c->namespaces[i].id);
    }
    free(c->namespaces);
    free(c->account);
    free(c->script);
    free(c->subdomain);
    json_decref(c->deployments);
    json_decref(c->zones);
    target_fini(t);
    free(c);
}

static int cf_open(const struct target_options *o, struct target **ret, struct err *err)
{
    struct cf *c = xnew(struct cf);
    target_init(&c->t, &provider_cloudflare, o);
    const struct manifest_target *mt = o->manifest->target;
    c->script = xstrdup(mt && mt->worker ? mt->worker : o->manifest->name);
    int r = cf_creds_find(o, &c->creds, err);
    if (r == 0) {
        struct api_options options = {.name = "Cloudflare", .headers = &c->creds.headers,
                                      .explain = cf_explain, .hint_credentials = cf_hint_scopes,
                                      .ca_from = "NODE_EXTRA_CA_CERTS"};
        options.base = base_from_variables(o, base_variables, default_base(o),
                                           &options.base_from);
        api_options_for(o, &options);
        r = api_new(&options, &c->api, err);
    }
    if (r < 0)
        cf_close(&c->t);
    else
        *ret = &c->t;
    return r;
}

/* --- who we are --- */

static int verify(struct cf *c, const char *path, struct identity *ret, struct err *err)
{
    cleanup(api_response_clear) struct api_response r = {0};
    int result = api_do(c->api, &(struct api_request){.method = "GET", .path = path}, &r, err);
    if (result < 0)
        return result;
    ret->skew_ms = clock_skew_ms(&r);
    if (r.status != 200)
        return api_fail(c->api, "GET", path, &r, err);
    cleanup(json_decref_p) json_t *root = NULL;
    result = api_json(c->api, "GET", path, &r, &root, err);
    const json_t *token = json_object_get(root, "result");
    const char *status = json_text(token, "status");
    ret->expires_ms = time_ms_from_iso(json_text(token, "expires_on"));
    if (result == 0 && status && strcmp(status, "active") != 0) {
        result = err_set(err, ERR_CREDENTIALS, "the token in %s is %s", c->creds.from, status);
        err_hint(err, "make a new one at https://dash.cloudflare.com/profile/api-tokens");
    }
    return result;
}

static int cf_whoami(struct target *t, struct identity *ret, struct err *err)
{
    struct cf *c = cf_of(t);
    ret->from = xstrdup(c->creds.from);
    const char *bearer = headers_get(&c->creds.headers, "authorization");
    /* Tokens of an account, unlike those of a user, are known to the account only. */
    int r = bearer ? verify(c, "/user/tokens/verify", ret, err) : 0;
    if (r == -ERR_CREDENTIALS || r == -ERR_FAILURE) {
        struct err why = err ? *err : (struct err){0};
        int known = cf_account(c, &(struct err){0});
        cleanup(free_p) char *path = known == 0 ? cf_account_path(c, "/tokens/verify") : NULL;
        r = path ? verify(c, path, ret, err) : r;
        if (r < 0 && err)
            *err = why;
    }
    if (r < 0)
        return r;
    cleanup(json_decref_p) json_t *root = NULL;
    r = cf_account(c, err);
    r = r < 0 ? r : cf_do(c, "GET", xstrdup("/accounts?per_page=50"), NULL, &root, err);
    if (r < 0)
        return r;
    ret->account = xstrdup(c->account);
    size_t i;
    json_t *a;
    json_array_foreach(json_object_get(root, "result"), i, a)
        if (json_text(a, "id") && strcmp(json_text(a, "id"), c->account) == 0)
            ret->account_name = json_text_copy(a, "name");
    /* The list is a page. */
    if (!ret->account_name && json_array_size(json_object_get(root, "result")) >= ACCOUNTS_PAGE) {
        cleanup(json_decref_p) json_t *one = NULL;
        r = cf_do(c, "GET", cf_account_path(c, ""), NULL, &one, err);
        if (r < 0)
            return r;
        ret->account_name = json_text_copy(json_object_get(one, "result"), "name");
    }
    if (!ret->account_name) {
        r = err_set(err, ERR_CREDENTIALS, "account %s is not one that the credentials in %s reach",
                    c->account, c->creds.from);
        err_hint(err, "check `account` of the target and CLOUDFLARE_ACCOUNT_ID");
    }
    return r;
}

static const char *const variables[] = {
    "CLOUDFLARE_API_TOKEN", "CLOUDFLARE_API_KEY", "CLOUDFLARE_EMAIL", "CLOUDFLARE_ACCOUNT_ID",
    "CLOUDFLARE_API_BASE_URL", "CLOUDFLARE_COMPLIANCE_REGION", NULL,
};

const struct provider provider_cloudflare = {
    .name = "cloudflare", .title = "Cloudflare Workers",
    .caps = {.split = SPLIT_ANY, .min_bp = 1, .max_bp = 9999, .step_bp = 1, .sticky = STICKY_KEY,
             .upload_without_traffic = true, .probe = true, .preview = true, .versions = true,
             .metrics = true, .errors_are_exceptions = true, .kv = true, .config = true,
             .secrets = true, .logs = true, .purge = true, .notes = true,
             .propagation_ms = 10 * 1000, .metric_lag_ms = 5 * 60 * 1000},
    .variables = variables,
    .open = cf_open, .close = cf_close, .whoami = cf_whoami, .plan = cf_plan,
    .versions = cf_versions, .get_split = cf_get_split, .set_split = cf_set_split,
    .probe = cf_probe, .metrics = cf_metrics, .tail = cf_tail, .purge = cf_purge, .list = cf_list,
    .get = cf_get, .get_many = cf_get_many, .put = cf_put, .remove = cf_remove,
    .put_note = cf_put_note, .get_note = cf_get_note, .gc = cf_gc, .destroy = cf_destroy,
};
