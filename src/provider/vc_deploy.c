/* SPDX-License-Identifier: Apache-2.0 */
/* A release as a deployment: files by their SHA-1, of which only those go out that Vercel does not
 * have, then the list of them. A deployment for production is made without the project's domains,
 * so that it has no traffic until it is promoted. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/hex.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "provider/vc.h"

#define META "edgectlRelease"

enum { PAGE = 100, PAGES_MAX = 20, UPLOADS_AT_ONCE = 8, ROUNDS_MAX = 5, TRIES = 3 };
enum { READY_LIMIT_S = 45 * 60 };

const char *vc_deployment_id(const json_t *deployment)
{
    const char *id = json_text(deployment, "uid");
    if (!id)
        id = json_text(deployment, "id");
    return id ? id : "";
}

int vc_deployments(struct vc *v, const char *target, json_t **ret, struct err *err)
{
    cleanup(json_decref_p) json_t *all = json_array();
    json_int_t until = 0;
    for (int page = 0; page < PAGES_MAX; page++) {
        cleanup(free_p) char *limits = until ? xasprintf("&until=%lld", (long long)until)
                                             : xstrdup("");
        cleanup(free_p) char *base = api_path("/v6/deployments?projectId=%s", v->project_id);
        cleanup(json_decref_p) json_t *answer = NULL;
        int r = vc_do(v, "GET", xasprintf("%s&limit=%d%s%s%s", base, PAGE, limits,
                                          target ? "&target=" : "", target ? target : ""), NULL,
                      true, &answer, err);
        if (r < 0)
            return r;
        json_array_extend(all, json_object_get(answer, "deployments"));
        until = json_integer_value(json_object_get(json_object_get(answer, "pagination"), "next"));
        if (!until)
            break;
    }
    *ret = TAKE(all);
    return 0;
}

static const char *state_of(const json_t *deployment)
{
    const char *state = json_text(deployment, "readyState");
    if (!state)
        state = json_text(deployment, "state");
    return state ? state : "";
}

static bool has_failed(const json_t *deployment)
{
    const char *state = state_of(deployment);
    return strcmp(state, "ERROR") == 0 || strcmp(state, "CANCELED") == 0 ||
           strcmp(state, "DELETED") == 0;
}

int vc_deployment_find(struct vc *v, const char *release, const char *target, json_t **ret,
                       struct err *err)
{
    cleanup(json_decref_p) json_t *all = NULL;
    int r = vc_deployments(v, target, &all, err);
    size_t i;
    json_t *one;
    if (r < 0)
        return r;
    json_array_foreach(all, i, one) {
        const char *its = json_text(json_object_get(one, "meta"), META);
        const char *where = json_text(one, "target");
        if (!its || strcmp(its, release) != 0 || has_failed(one) || (!target && where))
            continue;
        *ret = json_incref(one);
        return 1;
    }
    return 0;
}

/* --- files --- */

enum { FILE_MODE = 0100644 };

static json_t *file_list(const struct bundle *b)
{
    json_t *files = json_array();
    for (size_t i = 0; i < b->part_count; i++) {
        uint8_t digest[HASH_SHA1_SIZE];
        char hex[2 * HASH_SHA1_SIZE + 1];
        hash_sha1(b->spool, b->parts[i].data, b->parts[i].len, digest);
        hex_encode(digest, sizeof digest, hex);
        cleanup(free_p) char *name = xasprintf(".vercel/output/%s", b->parts[i].name);
        json_array_append_new(files, json_pack("{s:s, s:s, s:I, s:i}", "file", name, "sha", hex,
                                               "size", (json_int_t)b->parts[i].len, "mode",
                                               FILE_MODE));
    }
    return files;
}

static const struct bundle_part *part_by_sha(const struct bundle *b, const json_t *files,
                                             const char *sha)
{
    size_t i;
    const json_t *file;
    json_array_foreach(files, i, file) {
        if (strcmp(json_string_value(json_object_get(file, "sha")), sha) == 0)
            return &b->parts[i];
    }
    return NULL;
}

struct upload {
    struct api_call *call;
    char *path;
    struct transfer transfer;
};

static void upload_start(struct vc *v, const struct bundle_part *part, const char *sha,
                         struct transfers *all, struct upload *u)
{
    *u = (struct upload){.path = vc_path(v, xstrdup("/v2/files")), .transfer = {.all = all}};
    char size[32];
    snprintf(size, sizeof size, "%zu", part->len);
    cleanup(headers_clear) struct headers headers = {0};
    headers_add_str(&headers, "x-vercel-digest", sha);
    headers_add_str(&headers, "x-now-digest", sha);
    headers_add_str(&headers, "x-now-size", size);
    struct api_body *body = api_body_new("application/octet-stream");
    api_body_add_borrowed(body, part->data, part->len);
    api_body_spool(body, v->t.shipment->bundle->spool);
    /* Named by its content: sending it twice does no harm. */
    struct api_request request = {.method = "POST", .path = u->path, .headers = &headers,
                                  .body = body, .repeatable = true, .progress = transfer_progress,
                                  .progress_env = &u->transfer};
    u->call = api_start(v->api, &request);
}

static int upload_wait(struct vc *v, struct upload *u, struct err *err)
{
    cleanup(api_response_clear) struct api_response answer = {0};
    int r = api_wait(u->call, &answer, err);
    u->call = NULL;
    if (r == 0 && (answer.status < 200 || answer.status >= 300))
        r = vc_fail(v, "POST", u->path, &answer, err);
    return r;
}

/* Some at a time, in the order in which they were asked for. */
static int upload_all(struct vc *v, const struct bundle *b, const json_t *files,
                      const json_t *missing, struct err *err)
{
    size_t count = json_array_size(missing), started = 0, done = 0;
    struct upload *uploads = xcalloc(count + 1, sizeof *uploads);
    struct transfers all = {.target = &v->t};
    int r = 0;
    for (size_t i = 0; i < count; i++) {
        const char *sha = json_string_value(json_array_get(missing, i));
        const struct bundle_part *part = sha ? part_by_sha(b, files, sha) : NULL;
        all.total += part ? part->len : 0;
        if (!part)
            r = err_set(err, ERR_NETWORK, "Vercel asks for a file that is not in the release: %s",
                        sha ? sha : "?");
    }
    while (r == 0 && done < count) {
        while (started < count && started < done + UPLOADS_AT_ONCE) {
            const char *sha = json_string_value(json_array_get(missing, started));
            upload_start(v, part_by_sha(b, files, sha), sha, &all, &uploads[started]);
            started++;
        }
        r = upload_wait(v, &uploads[done++], err);
        if (r == 0 && target_interrupted(&v->t))
            r = err_set(err, ERR_INTERRUPTED, "interrupted");
    }
    for (size_t i = 0; i < started; i++) {
        if (uploads[i].call)
            api_cancel(uploads[i].call);
        free(uploads[i].path);
    }
    free(uploads);
    return r;
}

/* --- the deployment --- */

static json_t *deployment_body(const struct vc *v, const json_t *files)
{
    const struct shipment *s = v->t.shipment;
    json_t *body = json_pack(
        "{s:s, s:s, s:i, s:s, s:{}, s:{s:{}}, s:{s:s, s:s*, s:s*}, s:{s:b}, s:O}", "name",
        v->project_name, "project", v->project_id, "version", 2, "source", "cli", "env", "build",
        "env", "meta", META, s->bundle->id, "edgectlMessage", s->message, "edgectlRevision",
        s->revision, "projectSettings", "sourceFilesOutsideRootDirectory", 1, "files", files);
    if (!s->preview) {
        json_object_set_new(body, "target", json_string("production"));
        json_object_set_new(body, "autoAssignCustomDomains", json_false());
    }
    return body;
}

/* 0 with the deployment, 1 with the files that are missing. */
static int create_once(struct vc *v, const json_t *files, json_t **ret, struct err *err)
{
    cleanup(free_p) char *path =
        vc_path(v, xstrdup("/v13/deployments?skipAutoDetectionConfirmation=1&prebuilt=1"));
    cleanup(api_response_clear) struct api_response answer = {0};
    struct api_request request = {.method = "POST", .path = path,
                                  .body = api_body_json(deployment_body(v, files))};
    int r = api_do(v->api, &request, &answer, err);
    if (r < 0)
        return r;
    if (answer.status >= 200 && answer.status < 300)
        return api_json(v->api, "POST", path, &answer, ret, err);
    cleanup(free_p) char *code = vc_code(&answer);
    cleanup(json_decref_p) json_t *body = NULL;
    /* Half a list of files is no refusal. */
    r = answer.status == 400 ? api_json(v->api, "POST", path, &answer, &body, err) : 0;
    if (r < 0 || strcmp(code, "missing_files") != 0)
        return r < 0 ? r : vc_fail(v, "POST", path, &answer, err);
    *ret = json_incref(json_object_get(json_object_get(body, "error"), "missing"));
    if (json_is_array(*ret) && json_array_size(*ret))
        return 1;
    json_decref(TAKE(*ret));
    return err_set(err, ERR_NETWORK, "Vercel misses files, but does not say which");
}

static int create(struct vc *v, json_t **ret, struct err *err)
{
    const struct bundle *b = v->t.shipment->bundle;
    cleanup(json_decref_p) json_t *files = file_list(b);
    cleanup(json_decref_p) json_t *asked = NULL;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        cleanup(json_decref_p) json_t *answer = NULL;
        int r = create_once(v, files, &answer, err);
        if (r == 0)
            *ret = TAKE(answer);
        if (r <= 0)
            return r;
        if (asked && json_equal(asked, answer))
            break;
        r = upload_all(v, b, files, answer, err);
        if (r < 0)
            return r;
        json_decref(asked);
        asked = TAKE(answer);
    }
    int r = err_set(err, ERR_NETWORK, "Vercel goes on asking for files that it was sent");
    err_hint(err, "run it again later; vercel-status.com may know of a fault");
    return r;
}

static int wait_ready(struct vc *v, const char *id, json_t **ret, struct err *err)
{
    struct vc_wait w = {0};
    for (;;) {
        cleanup(json_decref_p) json_t *now = NULL;
        int r = vc_do(v, "GET", api_path("/v13/deployments/%s", id), NULL, true, &now, err);
        if (r < 0)
            return r;
        if (has_failed(now)) {
            const char *why = json_text(now, "errorMessage"), *code = json_text(now, "errorCode");
            r = err_set(err, ERR_FAILURE, "Vercel could not deploy %s: %s: %s", id,
                        code ? code : state_of(now), why ? why : "no reason given");
            const char *inspector = json_text(now, "inspectorUrl");
            err_hint(err, "its log: %s", inspector ? inspector : "vercel inspect --logs");
            return r;
        }
        if (strcmp(state_of(now), "READY") == 0) {
            *ret = TAKE(now);
            return 0;
        }
        r = vc_pause(v, &w, "the deployment to be ready", READY_LIMIT_S, err);
        if (r < 0)
            return r;
    }
}

void vc_note_urls(const struct vc *v, struct shipment *s, const json_t *deployment)
{
    const struct manifest_target *m = v->t.o.manifest->target;
    const char *url = json_text(deployment, "url");
    free(s->url);
    free(s->preview_url);
    s->url = m && m->domain_count ? xasprintf("https://%s/", m->domains[0])
                                  : xasprintf("https://%s.vercel.app/", v->project_name);
    s->preview_url = url ? xasprintf("https://%s/", url) : NULL;
}

/* Making one twice would leave two: after a call that may have been done it is looked for first. */
static int find_or_create(struct vc *v, json_t **ret, struct err *err)
{
    const struct shipment *s = v->t.shipment;
    struct vc_wait w = {0};
    for (int i = 0; i < TRIES; i++) {
        int r = vc_deployment_find(v, s->bundle->id, s->preview ? NULL : "production", ret, err);
        if (r != 0)
            return r < 0 ? r : 0;
        r = create(v, ret, err);
        if (r != -ERR_NETWORK || i + 1 == TRIES)
            return r;
        r = vc_pause(v, &w, "Vercel", READY_LIMIT_S, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int vc_deploy(struct target *target, struct step *step, struct err *err)
{
    (void)step;
    struct vc *v = vc_of(target);
    struct shipment *s = target->shipment;
    cleanup(json_decref_p) json_t *deployment = NULL;
    cleanup(json_decref_p) json_t *ready = NULL;
    int r = vc_need_project(v, err);
    if (r == 0)
        r = find_or_create(v, &deployment, err);
    if (r < 0)
        return r;
    const char *id = vc_deployment_id(deployment);
    if (!*id || strlen(id) >= sizeof s->version)
        return err_set(err, ERR_NETWORK, "Vercel made a deployment without an id");
    r = wait_ready(v, id, &ready, err);
    if (r < 0)
        return r;
    snprintf(s->version, sizeof s->version, "%s", id);
    vc_note_urls(v, s, ready);
    return 0;
}
