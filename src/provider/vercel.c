/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/kv_rest.h"
#include "provider/vc.h"

static void on_close(struct target *target)
{
    struct vc *v = vc_of(target);
    api_free(v->api);
    vc_creds_clear(&v->creds);
    free(v->project_id);
    free(v->project_name);
    json_decref(v->project);
    kv_rest_close(v->kv);
    free(v->kv_store);
    target_fini(target);
    free(v);
}

static int open_api(struct vc *v, struct err *err)
{
    static const char *const bases[] = {"EDGECTL_VERCEL_API", NULL};
    struct api_options options = {
        .name = "Vercel", .explain = vc_explain,
        .hint_credentials = "the token is wrong, has expired or does not reach that team "
                            "(`edgectl doctor`)"};
    options.base = base_from_variables(&v->t.o, bases, "https://api.vercel.com",
                                       &options.base_from);
    api_options_for(&v->t.o, &options);
    cleanup(headers_clear) struct headers headers = {0};
    static const char kind[] = "Bearer ";
    size_t len = secret_len(v->creds.token);
    cleanup(free_p) char *bearer = xcalloc(1, sizeof kind + len);
    memcpy(bearer, kind, strlen(kind));
    memcpy(bearer + strlen(kind), secret_expose(v->creds.token), len);
    headers_add_str(&headers, "authorization", bearer);
    options.headers = &headers;
    int r = api_new(&options, &v->api, err);
    if (r == 0)
        api_hide(v->api, secret_expose(v->creds.token), len);
    secret_wipe(bearer, strlen(bearer));
    secret_wipe(headers.list[0].value, headers.list[0].value_len);
    return r;
}

static int on_open(const struct target_options *o, struct target **ret, struct err *err)
{
    struct vc *v = xnew(struct vc);
    target_init(&v->t, &provider_vercel, o);
    int r = vc_creds_find(&v->t.o, &v->creds, err);
    if (r == 0)
        r = open_api(v, err);
    if (r < 0) {
        on_close(&v->t);
        return r;
    }
    *ret = &v->t;
    return 0;
}

static int on_whoami(struct target *target, struct identity *ret, struct err *err)
{
    struct vc *v = vc_of(target);
    cleanup(json_decref_p) json_t *answer = NULL;
    cleanup(json_decref_p) json_t *team = NULL;
    int r = vc_do(v, "GET", xstrdup("/v2/user"), NULL, true, &answer, err);
    cleanup(free_p) char *scoped = vc_path(v, xstrdup(""));
    if (r == 0 && *scoped)
        r = vc_do(v, "GET", api_path("/v2/teams/%s", v->creds.team), NULL, true, &team, err);
    if (r < 0)
        return r;
    const json_t *user = json_object_get(answer, "user");
    *ret = (struct identity){
        .account = json_text_copy(team ? team : user, "id"),
        .account_name = json_text_copy(team ? team : user, team ? "slug" : "username"),
        .user = json_text_copy(user, "username"), .from = xstrdup(v->creds.from)};
    return 0;
}

static const char *const variables[] = {"VERCEL_TOKEN", "VERCEL_ORG_ID", "VERCEL_PROJECT_ID",
                                        "VERCEL_TEAM_ID", "VERCEL_AUTOMATION_BYPASS_SECRET",
                                        "EDGECTL_VERCEL_API", NULL};

const struct provider provider_vercel = {
    .name = "vercel", .title = "Vercel", .variables = variables,
    .caps = {.split = SPLIT_STAGED, .min_bp = 100, .max_bp = 9900, .step_bp = 100,
             .sticky = STICKY_CLIENT, .upload_without_traffic = true, .probe = true,
             .preview = true, .versions = true, .metrics = true, .kv = true, .config = true,
             .secrets = true, .config_live = true, .logs = true, .purge = true, .notes = true,
             .propagation_ms = 10 * 1000, .metric_lag_ms = 2 * 60 * 1000},
    .open = on_open, .close = on_close, .whoami = on_whoami, .plan = vc_plan,
    .versions = vc_versions, .get_split = vc_get_split, .set_split = vc_set_split,
    .set_stages = vc_set_stages, .probe = vc_probe, .metrics = vc_metrics, .tail = vc_tail,
    .purge = vc_purge, .list = vc_list, .get = vc_get, .get_many = vc_get_many, .put = vc_put,
    .remove = vc_remove, .put_note = vc_put_note, .get_note = vc_get_note, .gc = vc_gc,
    .destroy = vc_destroy,
};
