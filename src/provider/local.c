/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/local.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/kill_point.h"
#include "base/labels.h"
#include "base/mem.h"
#include "bundle/bundle.h"
#include "crypto/ca.h"
#include "provider/common.h"
#include "provider/journal.h"
#include "world/state.h"

enum { TOKEN_MAX = 1024 };

/* --- finding the server --- */

static bool use_server(struct local *l, const char *state_dir)
{
    if (!state_dir || !state_server_answers(state_dir))
        return false;
    l->socket = state_socket_path(state_dir);
    l->state_dir = xstrdup(state_dir);
    return true;
}

static int no_server(struct err *err)
{
    int r = err_set(err, ERR_NETWORK, "no edgectl serves on this machine");
    err_hint(err, "start one in another terminal: edgectl serve");
    return r;
}

static int connect_api(struct local *l, struct err *err)
{
    cleanup(free_p) char *token = NULL;
    size_t len;
    if (!l->socket)
        return no_server(err);
    cleanup(free_p) char *path = xasprintf("%s/" STATE_TOKEN, l->state_dir);
    int r = file_read(path, TOKEN_MAX, &token, &len, err);
    if (r < 0)
        return err_wrap(err, r, "the token of the edgectl that serves");
    struct headers headers = {0};
    cleanup(free_p) char *field = xasprintf("Bearer %s", token);
    headers_add_str(&headers, "authorization", field);
    struct api_options options = {
        .name = "edgectl on this machine", .base = "http://localhost", .unix_socket = l->socket,
        .headers = &headers, .trace = l->target.o.trace, .trace_env = l->target.o.env,
        /* A module may take long to compile. */
        .answer_ms = 600000, .stall_ms = 600000,
    };
    r = api_new(&options, &l->api, err);
    headers_clear(&headers);
    return r;
}

int local_connected(struct local *l, struct err *err)
{
    return l->api ? 0 : connect_api(l, err);
}

/* --- calls --- */

int local_server_error(const struct api_response *r, struct err *err)
{
    cleanup(json_decref_p) json_t *json = json_loadb(r->body, r->len, 0, NULL);
    json_t *e = json_object_get(json, "error");
    const char *code = json_string_value(json_object_get(e, "code"));
    const char *message = json_string_value(json_object_get(e, "message"));
    const char *hint = json_string_value(json_object_get(e, "hint"));
    if (!code || !message)
        return err_set(err, ERR_NETWORK, "the edgectl that serves answered %d", r->status);
    enum err_code c = ERR_FAILURE;
    for (int i = 1; i < ERR_COUNT; i++)
        if (strcmp(err_name((enum err_code)i), code) == 0)
            c = (enum err_code)i;
    err_set(err, c, "%s", message);
    if (hint && *hint)
        err_hint(err, "%s", hint);
    return -(int)c;
}

/* A server that was restarted has a new token, which it writes down soon after it listens. */
static int ask_anew(struct local *l, const struct api_request *request, struct api_response *ret,
                    struct err *err)
{
    int r = 0;
    for (int i = 0; i < 20 && r == 0 && ret->status == 403; i++) {
        struct timespec t = {.tv_nsec = 50000000};
        nanosleep(&t, NULL);
        api_response_clear(ret);
        api_free(l->api);
        l->api = NULL;
        r = connect_api(l, err);
        if (r == 0)
            r = api_do(l->api, request, ret, err);
    }
    return r;
}

int local_call_raw(struct local *l, const char *method, const char *path,
                   const struct headers *headers, struct api_body *body, struct api_response *ret,
                   struct err *err)
{
    struct api_request request = {
        .method = method, .path = path, .headers = headers, .body = body, .repeatable = true,
    };
    bool changes = strcmp(method, "GET") != 0;
    char point[160];
    int r = local_connected(l, err);
    if (r < 0) {
        api_body_free(body);
        return r;
    }
    snprintf(point, sizeof point, "before %s %.120s", method, path);
    if (changes)
        kill_point(point);
    r = api_do(l->api, &request, ret, err);
    if (r == 0 && ret->status == 403 && !body)
        r = ask_anew(l, &request, ret, err);
    memcpy(point, "after ", 6);
    if (changes)
        kill_point(point);
    if (r < 0)
        return r;
    if (ret->status >= 200 && ret->status < 300)
        return 1;
    if (ret->status == 404 && ret->len == 0) {
        api_response_clear(ret);
        return 0;
    }
    r = local_server_error(ret, err);
    api_response_clear(ret);
    return r;
}

int local_stream(struct local *l, const char *path, api_data_fn *data, void *env, struct err *err)
{
    struct api_request request = {.method = "GET", .path = path, .once = true, .data = data,
                                  .data_env = env};
    struct api_response response = {0};
    int r = local_connected(l, err);
    if (r < 0)
        return r;
    struct api_call *call = api_start(l->api, &request);
    while (!api_is_done(call) && !target_interrupted(&l->target) && api_step(l->api, 200))
        continue;
    if (!api_is_done(call)) {
        api_cancel(call);
        return 0;
    }
    r = api_wait(call, &response, err);
    if (r == 0 && (response.status < 200 || response.status > 299))
        r = local_server_error(&response, err);
    api_response_clear(&response);
    return r;
}

int local_call(struct local *l, const char *method, const char *path, struct api_body *body,
               json_t **ret_json, struct err *err)
{
    struct api_response response = {0};
    if (ret_json)
        *ret_json = NULL;
    int r = local_call_raw(l, method, path, NULL, body, &response, err);
    if (r == 1 && ret_json && response.len) {
        *ret_json = json_loadb(response.body, response.len, 0, NULL);
        if (!*ret_json)
            r = err_set(err, ERR_NETWORK, "the edgectl that serves answered no JSON");
    }
    api_response_clear(&response);
    return r;
}

int local_app(struct local *l, json_t **ret, struct err *err)
{
    cleanup(free_p) char *path = api_path("/v1/apps/%s", l->app);
    return local_call(l, "GET", path, NULL, ret, err);
}

static int need_app(struct local *l, json_t **ret, struct err *err)
{
    int r = local_app(l, ret, err);
    if (r != 0)
        return r;
    r = err_set(err, ERR_USAGE, "app '%s' is not deployed on this machine", l->app);
    err_hint(err, "deploy it: edgectl deploy");
    return r;
}

/* --- life --- */

static void local_close(struct target *t)
{
    struct local *l = local_of(t);
    api_free(l->api);
    local_pack_clear(&l->pack);
    free(l->state_dir);
    free(l->socket);
    free(l->app);
    target_fini(t);
    free(l);
}

/* Names of a fastly.toml may have any character. */
static char *host_label(const char *name)
{
    char *label = xstrndup(name, strnlen(name, 63));
    for (char *p = label; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-_.", *p))
            *p = '-';
    if (label[0] == '.' || label[0] == '-')
        label[0] = 'x';
    return label;
}

/* `edgectl serve` before a running `edgectl dev`: who has both develops with one and deploys to the
 * other. */
static int local_open(const struct target_options *o, struct target **ret, struct err *err)
{
    (void)err;
    struct local *l = xnew(struct local);
    cleanup(free_p) char *server = state_dir_server();
    target_init(&l->target, &provider_local, o);
    l->app = host_label(o->manifest->name);
    if (!use_server(l, server))
        use_server(l, o->state_dir);
    *ret = &l->target;
    return 0;
}

static int local_whoami(struct target *t, struct identity *ret, struct err *err)
{
    struct local *l = local_of(t);
    cleanup(json_decref_p) json_t *self = NULL;
    int r = local_call(l, "GET", "/v1", NULL, &self, err);
    if (r < 0)
        return r;
    *ret = (struct identity){
        .account = xasprintf("edgectl %s", json_string_value(json_object_get(self, "kind"))),
        .account_name = xstrdup(json_string_value(json_object_get(self, "url"))),
        .from = xasprintf("%s/" STATE_TOKEN, l->state_dir),
    };
    return 0;
}

/* --- versions and traffic --- */

static void set_text(char *to, const json_t *from, const char *key)
{
    const char *text = json_string_value(json_object_get(from, key));
    snprintf(to, PROVIDER_ID_MAX, "%s", text ? text : "");
}

static int local_versions(struct target *t, struct version_list *ret, struct err *err)
{
    cleanup(json_decref_p) json_t *app = NULL;
    int r = need_app(local_of(t), &app, err);
    size_t i;
    json_t *item;
    if (r < 0)
        return r;
    json_array_foreach(json_object_get(app, "versions"), i, item) {
        struct version *v = version_list_add(ret);
        set_text(v->id, item, "id");
        set_text(v->release, item, "release");
        v->number = json_integer_value(json_object_get(item, "number"));
        v->created_ms = json_integer_value(json_object_get(item, "created_ms"));
        v->message = json_text_copy(item, "message");
        v->revision = json_text_copy(item, "revision");
        v->by = json_text_copy(item, "by");
        v->deployable = !json_object_get(item, "problem");
    }
    return 0;
}

static void read_split(const json_t *json, struct split *ret)
{
    size_t i;
    json_t *arm;
    *ret = (struct split){.settled = true};
    json_array_foreach(json_object_get(json, "arms"), i, arm) {
        if (ret->count == SPLIT_ARMS)
            break;
        struct split_arm *a = &ret->arms[ret->count++];
        set_text(a->version, arm, "version");
        a->bp = (int)json_integer_value(json_object_get(arm, "bp"));
    }
    set_text(ret->revision, json, "revision");
    ret->by = json_text_copy(json, "by");
    ret->changed_ms = json_integer_value(json_object_get(json, "changed_ms"));
}

static int local_get_split(struct target *t, struct split *ret, struct err *err)
{
    cleanup(json_decref_p) json_t *app = NULL;
    int r = need_app(local_of(t), &app, err);
    if (r > 0)
        read_split(json_object_get(app, "split"), ret);
    return r < 0 ? r : 0;
}

static int local_set_split(struct target *t, const struct split *want, const char *expect,
                           struct err *err)
{
    struct local *l = local_of(t);
    cleanup(free_p) char *path = api_path("/v1/apps/%s/split", l->app);
    cleanup(free_p) char *by = user_at_host();
    json_t *arms = json_array();
    for (int i = 0; i < want->count; i++)
        json_array_append_new(arms, json_pack("{ss si}", "version", want->arms[i].version, "bp",
                                              want->arms[i].bp));
    json_t *body = json_pack("{so ss* ss}", "arms", arms, "expect", expect, "by", by);
    int r = local_call(l, "PUT", path, api_body_json(body), NULL, err);
    return r < 0 ? r : 0;
}

static int local_metrics(struct target *t, const char *version, int64_t since_ms,
                         struct metrics *ret, struct err *err)
{
    struct local *l = local_of(t);
    char since[32];
    snprintf(since, sizeof since, "%lld", (long long)since_ms);
    cleanup(free_p) char *path = api_path("/v1/apps/%s/metrics?version=%s&since=%s", l->app,
                                          version, since);
    cleanup(json_decref_p) json_t *json = NULL;
    int r = local_call(l, "GET", path, NULL, &json, err);
    if (r < 0)
        return r;
    json_t *latency = json_object_get(json, "latency");
    *ret = (struct metrics){
        .from_ms = json_integer_value(json_object_get(json, "from_ms")),
        .until_ms = json_integer_value(json_object_get(json, "until_ms")),
        .requests = (uint64_t)json_integer_value(json_object_get(json, "requests")),
        .errors = (uint64_t)json_integer_value(json_object_get(json, "errors")),
        .traps = (uint64_t)json_integer_value(json_object_get(json, "traps")),
        .sampled = 1,
        .has_latency = json_array_size(latency) == LATENCY_BUCKETS,
        .p50_us = -1,
        .p99_us = -1,
    };
    for (size_t i = 0; ret->has_latency && i < LATENCY_BUCKETS; i++)
        ret->latency[i] = (uint64_t)json_integer_value(json_array_get(latency, i));
    return 0;
}

/* --- a request to one version --- */

/* "http://127.0.0.1:7676" of the server, and the host under which the app is reached there. */
static int where(struct local *l, char **ret_url, char **ret_host, struct err *err)
{
    cleanup(json_decref_p) json_t *self = NULL;
    int r = local_call(l, "GET", "/v1", NULL, &self, err);
    if (r < 0)
        return r;
    *ret_url = json_text_copy(self, "url");
    *ret_host = xasprintf("%s.localhost", l->app);
    return *ret_url ? 0 : err_set(err, ERR_NETWORK, "the edgectl that serves has no address");
}

/* `edgectl serve --tls` has its certificate from this user's own authority. */
static int open_authority(const char *url, struct ca **ret, struct err *err)
{
    cleanup(free_p) char *dir = strncmp(url, "https:", 6) == 0 ? ca_default_dir() : NULL;
    return dir ? ca_open(dir, ret, err) : 0;
}

static int ask(const char *url, const struct ca *ca, const struct probe *p, const char *host,
               struct probe_result *ret, struct err *err)
{
    struct headers headers = {0};
    struct api *api = NULL;
    struct api_response response = {0};
    struct err why = {0};
    int64_t timeout = p->timeout_ms ? p->timeout_ms : 10000;
    struct api_options options = {
        .name = "the app", .base = url, .connect_ms = timeout, .answer_ms = timeout,
        .stall_ms = timeout, .ca_file = ca ? ca_cert_path(ca) : NULL,
    };
    int r = api_new(&options, &api, err);
    if (r < 0)
        return r;
    headers_add_str(&headers, "host", host);
    headers_add_str(&headers, LABEL_VERSION, p->version);
    int64_t began = clock_mono_ns();
    struct api_request request = {
        .method = "GET", .path = p->path ? p->path : "/", .headers = &headers, .once = true,
    };
    r = api_do(api, &request, &response, &why);
    ret->took_us = (clock_mono_ns() - began) / 1000;
    if (r < 0) {
        snprintf(ret->why, sizeof ret->why, "%.250s", why.msg);
    } else {
        const char *label = headers_get(&response.headers, LABEL_VERSION);
        ret->status = response.status;
        snprintf(ret->version, sizeof ret->version, "%s", label ? label : "");
        ret->verified = label && strcmp(label, p->version) == 0;
    }
    api_response_clear(&response);
    headers_clear(&headers);
    api_free(api);
    return 0;
}

static int local_probe(struct target *t, const struct probe *p, struct probe_result *ret,
                       struct err *err)
{
    cleanup(free_p) char *url = NULL;
    cleanup(free_p) char *host = NULL;
    *ret = (struct probe_result){0};
    struct ca *ca = NULL;
    int r = where(local_of(t), &url, &host, err);
    if (r == 0)
        r = open_authority(url, &ca, err);
    if (r == 0)
        r = ask(url, ca, p, p->host ? p->host : host, ret, err);
    ca_close(ca);
    return r;
}

/* --- notes --- */

static int local_put_note(struct target *t, const char *key, const char *text, struct err *err)
{
    struct local *l = local_of(t);
    cleanup(free_p) char *path = api_path("/v1/apps/%s/notes/%s", l->app, key);
    struct api_body *body = text ? api_body_text("text/plain", text, strlen(text)) : NULL;
    int r = local_call(l, text ? "PUT" : "DELETE", path, body, NULL, err);
    return r < 0 ? r : 0;
}

static int local_get_note(struct target *t, const char *key, struct buf *text, struct err *err)
{
    struct local *l = local_of(t);
    cleanup(free_p) char *path = api_path("/v1/apps/%s/notes/%s", l->app, key);
    struct api_response response = {0};
    int r = local_call_raw(l, "GET", path, NULL, NULL, &response, err);
    if (r > 0 && !buf_add(text, response.body, response.len))
        r = err_set(err, ERR_LIMIT, "the note is larger than %zu bytes", text->max);
    api_response_clear(&response);
    return r;
}

static const char *const variables[] = {"EDGECTL_LOCAL", NULL};

const struct provider provider_local = {
    .name = "local",
    .title = "edgectl serve",
    .caps = {
        .split = SPLIT_ANY, .min_bp = 1, .max_bp = 9999, .step_bp = 1, .sticky = STICKY_CLIENT,
        .upload_without_traffic = true, .probe = true, .preview = true, .versions = true,
        .metrics = true, .latency = true, .kv = true, .config = true, .secrets = true,
        .config_live = true, .logs = true, .purge = true, .notes = true, .cas = true,
    },
    .variables = variables,
    .open = local_open,
    .close = local_close,
    .whoami = local_whoami,
    .plan = local_plan,
    .versions = local_versions,
    .get_split = local_get_split,
    .set_split = local_set_split,
    .probe = local_probe,
    .metrics = local_metrics,
    .tail = local_tail,
    .purge = local_purge,
    .list = local_list,
    .get = local_get,
    .put = local_put,
    .remove = local_remove,
    .put_note = local_put_note,
    .get_note = local_get_note,
    .gc = local_gc,
    .destroy = local_destroy,
};
