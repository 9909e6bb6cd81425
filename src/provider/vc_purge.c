/* SPDX-License-Identifier: Apache-2.0 */
/* Forgetting what Vercel has cached: by a cache tag (the response header Vercel-Cache-Tag), or all
 * of it. Paths and bodies as Vercel's CLI (`vercel cache`) has them. */
#include <string.h>
#include "base/mem.h"
#include "provider/vc.h"

static int purge_tag(struct vc *v, const char *key, bool soft, struct err *err)
{
    char *path = soft ? api_path("/v1/edge-cache/invalidate-by-tags?projectIdOrName=%s",
                                 v->project_id)
                      : api_path("/v1/edge-cache/dangerously-delete-by-tags?projectIdOrName=%s",
                                 v->project_id);
    return vc_do(v, "POST", path, json_pack("{s:s}", "tags", key), true, NULL, err);
}

/* Two caches: of answers, and of data that functions keep. */
static int purge_all(struct vc *v, struct err *err)
{
    int r = vc_do(v, "POST",
                  api_path("/v1/edge-cache/purge-all?projectIdOrName=%s", v->project_id), NULL,
                  true, NULL, err);
    return r < 0 ? r
                 : vc_do(v, "DELETE",
                         api_path("/v1/data-cache/purge-all?projectIdOrName=%s", v->project_id),
                         NULL, true, NULL, err);
}

int vc_purge(struct target *target, const char *key, bool soft, struct err *err)
{
    struct vc *v = vc_of(target);
    if (!key && soft) {
        int r = err_set(err, ERR_USAGE, "Vercel marks as stale only by a tag");
        err_hint(err, "name the key, as the app gives it in Vercel-Cache-Tag; or leave out --soft");
        return r;
    }
    int r = vc_need_project(v, err);
    if (r < 0)
        return r;
    return key ? purge_tag(v, key, soft, err) : purge_all(v, err);
}
