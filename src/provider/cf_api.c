/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to Cloudflare: the envelope {success, errors, result}, and what is absent rather than
 * wrong. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/cf.h"

/* Codes of things that are not there: worker, service, environment, namespace, key, version. */
static const int absent_codes[] = {10007, 10090, 10092, 10013, 10009, 10051};

static void add_error(struct buf *words, const json_t *error)
{
    const char *text = json_text(error, "message");
    const json_t *code = json_object_get(error, "code");
    buf_printf(words, "%s%s", words->len ? "; " : "", text ? text : "no message");
    if (json_is_integer(code))
        buf_printf(words, " (code %lld)", (long long)json_integer_value(code));
    size_t i;
    json_t *deeper;
    json_array_foreach(json_object_get(error, "error_chain"), i, deeper)
        add_error(words, deeper);
}

bool cf_explain(const struct api_response *r, struct buf *words)
{
    cleanup(json_decref_p) json_t *root = json_loadb(r->body, r->len, 0, NULL);
    size_t i;
    json_t *error;
    json_array_foreach(json_object_get(root, "errors"), i, error)
        add_error(words, error);
    if (!words->len && json_text(root, "error"))
        buf_add_str(words, json_text(root, "error"));
    return words->len > 0;
}

int cf_code(const struct err *err)
{
    const char *at = strstr(err->msg, "(code ");
    return at ? (int)strtol(at + 6, NULL, 10) : 0;
}

struct cf_call cf_start(struct cf *c, const char *method, char *path, struct api_body *body,
                        bool repeatable)
{
    struct cf_call call = {.method = method, .path = path};
    call.call = api_start(c->api, &(struct api_request){.method = method, .path = path,
                                                         .body = body, .repeatable = repeatable});
    return call;
}

void cf_drop(struct cf_call *call)
{
    api_cancel(call->call);
    free(call->path);
    *call = (struct cf_call){0};
}

static bool is_absent(const json_t *root)
{
    json_t *errors = json_object_get(root, "errors");
    json_int_t code = json_integer_value(json_object_get(json_array_get(errors, 0), "code"));
    for (size_t i = 0; i < ARRAY_LEN(absent_codes); i++)
        if (code == absent_codes[i])
            return true;
    return false;
}

/* A refusal, with the exit status that its code asks for. */
static int refused(struct cf *c, const struct cf_call *call, const struct api_response *r,
                   struct err *err)
{
    int result = api_fail(c->api, call->method, call->path, r, err);
    if (!err)
        return result;
    switch (cf_code(err)) {
    case 10000: /* authentication */
    case 9109:
        err->code = ERR_CREDENTIALS;
        err_hint(err, "the credentials come from %s; %s", c->creds.from, cf_hint_scopes);
        return -ERR_CREDENTIALS;
    case 10027: /* script too large */
    case 10037: /* as many Workers as the plan has */
    case 10048: /* KV: today's share of the free plan */
        err->code = ERR_LIMIT;
        return -ERR_LIMIT;
    default:
        return result;
    }
}

static int read_answer(struct cf *c, const struct cf_call *call, const struct api_response *r,
                       json_t **ret, struct err *err)
{
    bool good = r->status >= 200 && r->status < 300;
    if (good && r->len == 0) {
        *ret = json_object();
        return 1;
    }
    cleanup(json_decref_p) json_t *root = json_loadb(r->body, r->len, JSON_ALLOW_NUL, NULL);
    const char *type = headers_get(&r->headers, "content-type");
    if (!root && (good || (type && strncmp(type, "application/json", 16) == 0))) {
        int result = api_json(c->api, call->method, call->path, r, ret, err);
        return result < 0 ? result : 1;
    }
    json_t *success = json_object_get(root, "success");
    if (root && (good || r->status == 404) && !json_is_true(success) && is_absent(root))
        return 0;
    if (!good || (root && json_is_false(success)))
        return refused(c, call, r, err);
    *ret = TAKE(root);
    return 1;
}

int cf_wait(struct cf *c, struct cf_call *call, json_t **ret, struct err *err)
{
    cleanup(api_response_clear) struct api_response r = {0};
    int result = api_wait(TAKE(call->call), &r, err);
    if (result == 0)
        result = read_answer(c, call, &r, ret, err);
    cf_drop(call);
    return target_interrupted(&c->t) && result < 0
               ? err_set(err, ERR_INTERRUPTED, "interrupted")
               : result;
}

int cf_do(struct cf *c, const char *method, char *path, struct api_body *body, json_t **ret,
          struct err *err)
{
    cleanup(free_p) char *what = xstrdup(path);
    struct cf_call call = cf_start(c, method, path, body, false);
    json_t *root = NULL;
    int r = cf_wait(c, &call, &root, err);
    if (r == 0)
        return err_set(err, ERR_FAILURE, "Cloudflare: %s %s: there is no such thing", method, what);
    if (r > 0 && ret)
        *ret = root;
    else
        json_decref(root);
    return r < 0 ? r : 0;
}

/* --- account --- */

static int use_account(struct cf *c, const char *id, const char *from, struct err *err)
{
    for (const char *p = id; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
            return err_set(err, ERR_CREDENTIALS, "%s: '%s' is not an account id", from, id);
    c->account = xstrdup(id);
    return 0;
}

static int several(const json_t *list, struct err *err)
{
    struct buf names = BUF_INIT(300);
    size_t i;
    json_t *a;
    json_array_foreach(list, i, a)
        buf_printf(&names, "%s%s (%s)", i ? ", " : "", json_text(a, "id"), json_text(a, "name"));
    int r = err_set(err, ERR_CREDENTIALS, "these credentials reach %zu accounts: %s",
                    json_array_size(list), buf_str(&names));
    err_hint(err, "say which: `account` of the target, or CLOUDFLARE_ACCOUNT_ID");
    buf_clear(&names);
    return r;
}

int cf_account(struct cf *c, struct err *err)
{
    const struct manifest_target *mt = c->t.o.manifest->target;
    if (c->account)
        return 0;
    if (mt && mt->account)
        return use_account(c, mt->account, "account of the target", err);
    const char *variable = target_variable(&c->t.o, "CLOUDFLARE_ACCOUNT_ID");
    if (variable)
        return use_account(c, variable, "CLOUDFLARE_ACCOUNT_ID", err);
    const char *fact = fact_get(&c->t, "account", c->creds.from);
    if (fact)
        return use_account(c, fact, "the journal", err);
    cleanup(json_decref_p) json_t *root = NULL;
    int r = cf_do(c, "GET", xstrdup("/accounts?per_page=50"), NULL, &root, err);
    if (r < 0)
        return r;
    json_t *list = json_object_get(root, "result");
    const char *id = json_text(json_array_get(list, 0), "id");
    if (json_array_size(list) > 1)
        return several(list, err);
    if (!id) {
        r = err_set(err, ERR_CREDENTIALS, "the credentials in %s reach no account", c->creds.from);
        err_hint(err, "%s", cf_hint_scopes);
        return r;
    }
    return use_account(c, id, "Cloudflare", err);
}

char *cf_account_path(const struct cf *c, const char *rest)
{
    cleanup(free_p) char *head = api_path("/accounts/%s", c->account);
    return xasprintf("%s%s", head, rest);
}

char *cf_script_path(const struct cf *c, const char *rest)
{
    cleanup(free_p) char *head = api_path("/accounts/%s/workers/scripts/%s", c->account, c->script);
    return xasprintf("%s%s", head, rest);
}
