/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/mem.h"
#include "provider/vc.h"

enum { SLICE_MS = 100, SOON_MS = 200 };

/* Teams have "team_..." or a slug in lower case; a user's id is no team. */
static bool is_team(const char *id)
{
    if (!id || strncmp(id, "user_", 5) == 0)
        return false;
    return strncmp(id, "team_", 5) == 0 || !id[strcspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ")];
}

char *vc_path(const struct vc *v, char *path)
{
    const char *team = v->creds.team;
    bool above = strcmp(path, "/v2/user") == 0 || strncmp(path, "/v2/teams/", 10) == 0;
    if (!is_team(team) || above) /* users and teams are in no team */
        return path;
    cleanup(free_p) char *given = path;
    cleanup(free_p) char *encoded = api_path("%s", team);
    return xasprintf("%s%c%s=%s", path, strchr(path, '?') ? '&' : '?',
                     strncmp(team, "team_", 5) == 0 ? "teamId" : "slug", encoded);
}

/* {"error": {...}}, {"err": {...}} or the error itself. */
static const json_t *error_of(const json_t *body)
{
    const json_t *error = json_object_get(body, "error");
    if (!json_is_object(error))
        error = json_object_get(body, "err");
    return json_is_object(error) ? error : body;
}

char *vc_code(const struct api_response *r)
{
    cleanup(json_decref_p) json_t *body = json_loadb(r->body, r->len, 0, NULL);
    const char *code = json_text(error_of(body), "code");
    return xstrdup(code ? code : "");
}

bool vc_explain(const struct api_response *r, struct buf *words)
{
    cleanup(json_decref_p) json_t *body = json_loadb(r->body, r->len, 0, NULL);
    const json_t *error = error_of(body);
    const char *code = json_text(error, "code"), *message = json_text(error, "message");
    if (!code && !message)
        return false;
    return buf_printf(words, "%s%s%s", code ? code : "", code && message ? ": " : "",
                      message ? message : "");
}

static int as(enum err_code code, struct err *err)
{
    if (err)
        err->code = code;
    return -(int)code;
}

int vc_fail(const struct vc *v, const char *method, const char *path,
            const struct api_response *r, struct err *err)
{
    int result = api_fail(v->api, method, path, r, err);
    cleanup(free_p) char *code = vc_code(r);
    cleanup(json_decref_p) json_t *body = json_loadb(r->body, r->len, 0, NULL);
    if (json_is_true(json_object_get(error_of(body), "saml"))) {
        err_hint(err, "the team asks for single sign-on: run `vercel login` again");
        return as(ERR_CREDENTIALS, err);
    }
    if (result == -ERR_CREDENTIALS)
        err_hint(err, "the token comes from %s; it is wrong, has expired, or does not reach %s%s "
                      "(`edgectl doctor`)", v->creds.from, v->creds.team ? "team " : "that account",
                 v->creds.team ? v->creds.team : "");
    if (r->status == 402 ||
        (r->status != 429 && (strncmp(code, "too_many", 8) == 0 || strstr(code, "rate_limited")))) {
        err_hint(err, "a limit of the Vercel plan: remove what is not needed (`edgectl gc`), or a "
                      "larger plan has it");
        return as(ERR_LIMIT, err);
    }
    if (r->status == 409 || r->status == 412) {
        err_hint(err, "something else is at work on the project; look, then run it again");
        return as(ERR_DRIFT, err);
    }
    return result;
}

static int start(struct vc *v, const char *method, const char *path, json_t *body,
                 bool repeatable, struct api_response *answer, struct err *err)
{
    if (target_interrupted(&v->t)) {
        json_decref(body);
        return err_set(err, ERR_INTERRUPTED, "interrupted");
    }
    struct api_request request = {.method = method, .path = path, .repeatable = repeatable,
                                  .body = body ? api_body_json(body) : NULL};
    v->status = 0;
    int r = api_do(v->api, &request, answer, err);
    if (r == 0)
        v->status = answer->status;
    return r;
}

/* Some answers are empty where others are an object. */
static int read_answer(struct vc *v, const char *method, const char *path,
                       const struct api_response *r, json_t **ret, struct err *err)
{
    if (r->status < 200 || r->status >= 300)
        return vc_fail(v, method, path, r, err);
    if (!ret)
        return 0;
    if (r->len)
        return api_json(v->api, method, path, r, ret, err);
    *ret = json_object();
    return 0;
}

int vc_do(struct vc *v, const char *method, char *path, json_t *body, bool repeatable,
          json_t **ret, struct err *err)
{
    cleanup(free_p) char *whole = vc_path(v, path);
    cleanup(api_response_clear) struct api_response answer = {0};
    int r = start(v, method, whole, body, repeatable, &answer, err);
    return r < 0 ? r : read_answer(v, method, whole, &answer, ret, err);
}

int vc_delete(struct vc *v, char *path, struct err *err)
{
    int r = vc_do(v, "DELETE", path, NULL, true, NULL, err);
    return r < 0 && v->status == 404 ? 0 : r;
}

int vc_find(struct vc *v, char *path, json_t **ret, struct err *err)
{
    cleanup(free_p) char *whole = vc_path(v, path);
    cleanup(api_response_clear) struct api_response answer = {0};
    int r = start(v, "GET", whole, NULL, false, &answer, err);
    if (r < 0 || answer.status == 404)
        return r;
    r = read_answer(v, "GET", whole, &answer, ret, err);
    return r < 0 ? r : 1;
}

/* packages/client/src/utils/get-polling-delay.ts, with a quick look at first. */
static int64_t delay_ms(int64_t elapsed_ms)
{
    if (elapsed_ms < 1000)
        return SOON_MS;
    if (elapsed_ms < 15 * 1000)
        return 1000;
    if (elapsed_ms < 60 * 1000)
        return 5000;
    return elapsed_ms < 300 * 1000 ? 15 * 1000 : 30 * 1000;
}

int vc_pause(struct vc *v, struct vc_wait *w, const char *what, int limit_s, struct err *err)
{
    int64_t now_ns = clock_mono_ns();
    if (!w->began_ns)
        w->began_ns = now_ns;
    int64_t elapsed_ms = (now_ns - w->began_ns) / 1000000;
    if (elapsed_ms / 1000 >= limit_s) {
        int r = err_set(err, ERR_NETWORK, "gave up after %lld minutes of waiting for %s",
                        (long long)elapsed_ms / 60000, what);
        err_hint(err, "Vercel goes on by itself; run it again later");
        return r;
    }
    if (v->t.o.progress)
        v->t.o.progress(v->t.o.env, what, (uint64_t)elapsed_ms / 1000, 0);
    for (int64_t left = delay_ms(elapsed_ms); left > 0 && !target_interrupted(&v->t);
         left -= SLICE_MS)
        clock_sleep_ms(left < SLICE_MS ? left : SLICE_MS);
    return target_interrupted(&v->t)
               ? err_set(err, ERR_INTERRUPTED, "interrupted while waiting for %s", what)
               : 0;
}
