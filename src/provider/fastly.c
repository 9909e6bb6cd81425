/* SPDX-License-Identifier: Apache-2.0 */
/* Fastly Compute; the inside is told in fs.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/fs.h"

static const char *const base_variables[] = {"FASTLY_API_ENDPOINT", "FASTLY_API_URL", NULL};

static void fs_close(struct target *t)
{
    struct fs *f = fs_of(t);
    fs_check_clear(&f->check);
    for (size_t i = 0; i < ARRAY_LEN(f->early); i++)
        fs_drop(&f->early[i]);
    api_free(f->api);
    for (size_t i = 0; i < f->headers.count; i++)
        explicit_bzero(f->headers.list[i].value, f->headers.list[i].value_len);
    headers_clear(&f->headers);
    free(f->token_from);
    fs_links_clear(&f->links);
    json_decref(f->owned);
    json_decref(f->staging);
    fs_service_clear(&f->front);
    for (int i = 0; i < FS_SLOTS; i++)
        fs_service_clear(&f->slots[i]);
    target_fini(t);
    free(f);
}

/* The service that the target names, or FASTLY_SERVICE_ID, else the one of the app's name. */
static void name_services(struct fs *f)
{
    const struct manifest *m = f->t.o.manifest;
    const char *id = m->target ? m->target->service : NULL;
    id = id ? id : target_variable(&f->t.o, "FASTLY_SERVICE_ID");
    f->front.id = id ? xstrdup(id) : NULL;
    f->front.name = xstrdup(m->name);
    for (int i = 0; i < FS_SLOTS; i++)
        f->slots[i].name = xasprintf("%s-%c", m->name, 'a' + i);
}

static int fs_open(const struct target_options *o, struct target **ret, struct err *err)
{
    struct fs *f = xnew(struct fs);
    target_init(&f->t, &provider_fastly, o);
    f->router = o->manifest->target && o->manifest->target->router;
    if (f->router)
        f->t.caps.split = SPLIT_ROUTER;
    name_services(f);
    int r = fs_creds_find(o, &f->headers, &f->token_from, err);
    if (r == 0) {
        struct api_options options = {.name = "Fastly", .headers = &f->headers,
                                      .explain = fs_explain, .hint_credentials = fs_hint_scopes};
        options.base = base_from_variables(o, base_variables, "https://api.fastly.com",
                                           &options.base_from);
        api_options_for(o, &options);
        r = api_new(&options, &f->api, err);
    }
    if (r < 0)
        fs_close(&f->t);
    else
        *ret = &f->t;
    return r;
}

/* --- who we are --- */

static void read_scopes(const char *text, struct identity *ret)
{
    while (text && *(text += strspn(text, " "))) {
        size_t len = strcspn(text, " ");
        ret->scopes = xreallocarray(ret->scopes, ret->scope_count + 1, sizeof *ret->scopes);
        ret->scopes[ret->scope_count++] = xstrndup(text, len);
        text += len;
    }
}

/* `global` is everything; the others are for reading, and for purges. */
static const char *lacking(const struct identity *id)
{
    bool purges = false;
    for (size_t i = 0; i < id->scope_count; i++) {
        if (strcmp(id->scopes[i], "global") == 0)
            return NULL;
        purges |= strncmp(id->scopes[i], "purge_", 6) == 0;
    }
    return id->scope_count == 0 ? NULL
           : purges             ? "it can purge, but not deploy: that takes the scope global"
                                : "it can only read: to deploy takes the scope global";
}

static int fs_whoami(struct target *t, struct identity *ret, struct err *err)
{
    struct fs *f = fs_of(t);
    static const char path[] = "/tokens/self";
    cleanup(api_response_clear) struct api_response r = {0};
    ret->from = xstrdup(f->token_from);
    int result = api_do(f->api, &(struct api_request){.method = "GET", .path = path}, &r, err);
    if (result < 0)
        return result;
    if (r.status != 200) {
        result = api_fail(f->api, "GET", path, &r, err);
        if (result == -ERR_CREDENTIALS)
            err_hint(err, "the token comes from %s; %s", f->token_from, fs_hint_scopes);
        return result;
    }
    cleanup(json_decref_p) json_t *root = NULL;
    result = api_json(f->api, "GET", path, &r, &root, err);
    if (result < 0)
        return result;
    ret->account = json_text_copy(root, "customer_id");
    ret->user = json_text_copy(root, "user_id");
    ret->expires_ms = time_ms_from_iso(json_text(root, "expires_at"));
    ret->skew_ms = clock_skew_ms(&r);
    read_scopes(json_text(root, "scope"), ret);
    ret->lacks = lacking(ret);
    return 0;
}

static const char *const variables[] = {
    "FASTLY_API_TOKEN", "FASTLY_API_KEY", "FASTLY_SERVICE_ID", "FASTLY_API_ENDPOINT",
    "FASTLY_API_URL", "FASTLY_PROFILE", NULL,
};

const struct provider provider_fastly = {
    .name = "fastly", .title = "Fastly Compute",
    .caps = {.split = SPLIT_NONE, .min_bp = 1, .max_bp = 9999, .step_bp = 1,
             .sticky = STICKY_CLIENT, .upload_without_traffic = true, .probe = true,
             .versions = true, .metrics = true, .kv = true, .config = true, .secrets = true,
             .config_live = true, .secrets_live = true, .logs = true, .purge = true,
             .preview = true, .notes = true,
             .bridge = "only on the staging network: `router: true` in the target would share "
                       "traffic",
             .propagation_ms = 10 * 1000, .metric_lag_ms = 3 * 60 * 1000},
    .variables = variables,
    .open = fs_open, .close = fs_close, .prepare = fs_prepare, .whoami = fs_whoami,
    .plan = fs_plan,
    .versions = fs_versions, .get_split = fs_get_split, .set_split = fs_set_split,
    .probe = fs_probe, .metrics = fs_metrics, .tail = fs_tail, .purge = fs_purge, .list = fs_list,
    .get = fs_get, .put = fs_put, .remove = fs_remove, .put_note = fs_put_note,
    .get_note = fs_get_note, .gc = fs_gc, .destroy = fs_destroy,
};
