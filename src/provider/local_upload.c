/* SPDX-License-Identifier: Apache-2.0 */
/* The files of a version, some at a time. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "provider/common.h"
#include "provider/local.h"

/* It is quicker to send what is smaller than to ask whether it is there. */
enum { UPLOADS_AT_ONCE = 4, ASKED_FROM = 1 << 20 };

struct upload {
    struct api_call *call;          /* NULL: it was there, or is done */
    struct transfer transfer;
};

static int start(struct local *l, const struct local_file *f, struct transfers *all,
                 struct upload *u, struct err *err)
{
    cleanup(free_p) char *path = api_path("/v1/apps/%s/blobs/%s", l->app, f->sha256);
    int r = f->len >= ASKED_FROM ? local_call(l, "GET", path, NULL, NULL, err) : 0;
    if (r != 0) {
        all->total -= r > 0 ? f->len : 0;
        return r < 0 ? r : 0;
    }
    cleanup(api_body_free_p) struct api_body *body = api_body_new("application/octet-stream");
    r = f->from ? api_body_add_file(body, f->from, err) : 0;
    if (!f->from)
        api_body_add_borrowed(body, f->data, f->len);
    if (r < 0)
        return r;
    u->transfer.all = all;
    struct api_request request = {.method = "PUT", .path = path, .body = TAKE(body),
                                  .repeatable = true, .progress = transfer_progress,
                                  .progress_env = &u->transfer};
    u->call = api_start(l->api, &request);
    return 0;
}

static int finish(struct upload *u, struct err *err)
{
    cleanup(api_response_clear) struct api_response answer = {0};
    if (!u->call)
        return 0;
    int r = api_wait(TAKE(u->call), &answer, err);
    if (r == 0 && (answer.status < 200 || answer.status > 299))
        r = local_server_error(&answer, err);
    return r;
}

static uint64_t total_of(const struct local_pack *p)
{
    uint64_t total = 0;
    for (size_t i = 0; i < p->count; i++)
        total += p->files[i].len;
    return total;
}

int local_upload(struct local *l, struct err *err)
{
    const struct local_pack *p = &l->pack;
    size_t started = 0, done = 0;
    int r = local_connected(l, err);
    struct upload *uploads = xcalloc(p->count + 1, sizeof *uploads);
    struct transfers all = {.target = &l->target, .total = total_of(p)};
    while (r == 0 && done < p->count) {
        for (; r == 0 && started < p->count && started < done + UPLOADS_AT_ONCE; started++)
            r = start(l, &p->files[started], &all, &uploads[started], err);
        if (r == 0)
            r = finish(&uploads[done++], err);
        if (r == 0 && target_interrupted(&l->target))
            r = err_set(err, ERR_INTERRUPTED, "interrupted");
    }
    for (size_t i = 0; i < started; i++)
        api_cancel(uploads[i].call);
    free(uploads);
    return r;
}
