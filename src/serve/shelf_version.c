/* SPDX-License-Identifier: Apache-2.0 */
/* From a version's folder to something that takes requests. */
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/mem.h"
#include "serve/shelf_internal.h"
#include "world/world.h"

enum { MODULE_MAX = 1 << 30 };

static int read_manifest(const char *dir, struct manifest **ret, struct err *err)
{
    struct manifest_problems problems;
    int r = manifest_load(dir, "edge.yaml", NULL, ret, &problems);
    for (size_t i = 0; r < 0 && i < problems.count; i++) {
        if (problems.list[i].code == ERR_NONE)
            continue;
        if (err)
            *err = problems.list[i];
        break;
    }
    manifest_problems_clear(&problems);
    return r;
}

/* Its KV stores are the app's own in a database that all apps share. Seeds are for the version's
 * first time only: later they would put back what the app has written since. */
static void settle_stores(struct manifest *m, const char *app, bool fresh)
{
    for (size_t i = 0; i < m->kv_count; i++) {
        struct manifest_kv *kv = &m->kv[i];
        free(kv->stored_as);
        kv->stored_as = xasprintf("%s/%s", app, kv->name);
        if (!fresh)
            manifest_kv_forget_seed(kv);
    }
}

int shelf_load_version(struct shelf *s, const char *app, const char *id, const char *dir,
                       bool fresh, struct deployment **ret, struct err *err)
{
    const struct shelf_options *o = &s->o;
    cleanup(free_p) char *path = xasprintf("%s/app.wasm", dir);
    cleanup(free_p) char *config = xasprintf("%s/apps/%s/config", o->state_dir, app);
    struct world_dirs dirs = {.config = config, .secrets = dir};
    cleanup(free_p) char *bytes = NULL;
    size_t len;
    struct manifest *m = NULL;
    struct module *module = NULL;
    struct world *world = NULL;
    int r = file_read(path, MODULE_MAX, &bytes, &len, err);
    if (r == 0)
        r = read_manifest(dir, &m, err);
    if (r < 0)
        return r;
    settle_stores(m, app, fresh);
    manifest_serve_at(m, o->host, server_port(o->server), o->ca_pem);
    struct module_report report;
    r = module_load(o->engine, path, TAKE(bytes), len, &module, &report, err);
    if (r == 0)
        r = world_open(m, &dirs, o->kv, shelf_cache(s, app), &world, err);
    if (r < 0) {
        module_unref(module);
        manifest_unref(m);
        return r;
    }
    *ret = deployment_new(app, id, guest_app_new(module, m, world), server_workers(o->server));
    return 0;
}
