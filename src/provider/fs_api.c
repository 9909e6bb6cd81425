/* SPDX-License-Identifier: Apache-2.0 */
/* Calls to Fastly. Errors come in four forms; each is read for its words. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/fs.h"

static void add_words(struct buf *words, const char *text)
{
    if (text && *text)
        buf_printf(words, "%s%s", words->len ? ": " : "", text);
}

bool fs_explain(const struct api_response *r, struct buf *words)
{
    cleanup(json_decref_p) json_t *root = json_loadb(r->body, r->len, 0, NULL);
    const char *head = json_text(root, "msg");
    add_words(words, head ? head : json_text(root, "title"));
    add_words(words, json_text(root, "detail"));
    size_t i;
    json_t *e;
    json_array_foreach(json_object_get(root, "errors"), i, e) {
        const char *title = json_text(e, "title");
        add_words(words, title ? title : json_text(e, "code"));
        const char *detail = json_text(e, "detail");
        add_words(words, detail ? detail : json_text(e, "reason"));
    }
    return words->len > 0;
}

struct fs_call fs_start(struct fs *f, const char *method, char *path, struct api_body *body,
                        bool repeatable)
{
    struct fs_call call = {.method = method, .path = path};
    /* A clone is a PUT that makes another one each time. */
    bool once = strcmp(method, "PUT") == 0 && strstr(path, "/clone");
    call.call = api_start(f->api, &(struct api_request){.method = method, .path = path,
                                                         .body = body, .repeatable = repeatable,
                                                         .unrepeatable = once});
    return call;
}

void fs_drop(struct fs_call *call)
{
    api_cancel(call->call);
    free(call->path);
    *call = (struct fs_call){0};
}

static int read_answer(struct fs *f, const struct fs_call *call, const struct api_response *r,
                       json_t **ret, struct err *err)
{
    if (r->status == 404)
        return 0;
    if (r->status < 200 || r->status > 299) {
        int result = api_fail(f->api, call->method, call->path, r, err);
        if (result == -ERR_CREDENTIALS && err)
            err_hint(err, "the token comes from %s; %s", f->token_from, fs_hint_scopes);
        return result;
    }
    if (r->len == 0) {
        *ret = json_object();
        return 1;
    }
    int result = api_json(f->api, call->method, call->path, r, ret, err);
    return result < 0 ? result : 1;
}

int fs_wait(struct fs *f, struct fs_call *call, json_t **ret, struct err *err)
{
    cleanup(api_response_clear) struct api_response r = {0};
    int result = api_wait(TAKE(call->call), &r, err);
    if (result == 0)
        result = read_answer(f, call, &r, ret, err);
    fs_drop(call);
    return target_interrupted(&f->t) && result < 0
               ? err_set(err, ERR_INTERRUPTED, "interrupted")
               : result;
}

int fs_do(struct fs *f, const char *method, char *path, struct api_body *body, json_t **ret,
          struct err *err)
{
    cleanup(free_p) char *what = xstrdup(path);
    struct fs_call call = fs_start(f, method, path, body, false);
    json_t *root = NULL;
    int r = fs_wait(f, &call, &root, err);
    if (r == 0)
        return err_set(err, ERR_FAILURE, "Fastly: %s %s: there is no such thing", method, what);
    if (r > 0 && ret)
        *ret = root;
    else
        json_decref(root);
    return r < 0 ? r : 0;
}
