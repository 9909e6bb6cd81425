/* SPDX-License-Identifier: Apache-2.0 */
/* The two platforms whose host runs in Node 24 (in 22 a guest cannot wait for JavaScript): a zip
 * for Lambda@Edge, and the Build Output of Vercel, version 3. And what edgectl itself takes. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bundle/app.h"

static const char json_media[] = "application/json";

int aws_layout(struct making *mk, struct err *err)
{
    static const char *const folders[] = {"lambda", "core", "node", NULL};
    int r = host_add(mk->b, folders, "", "lambda/index.js", err);
    if (r < 0)
        return r;
    if (mk->target->function) {
        free(mk->b->app);
        mk->b->app = xstrdup(mk->target->function);
    }
    /* the function's handler is index.handler; .js files are ES modules by package.json */
    part_add_text(mk->b, "index.js", "application/javascript+module",
                  "export { handler } from \"./lambda/index.js\";\n");
    part_add_text(mk->b, "package.json", json_media, "{\"type\":\"module\"}\n");
    part_add_guest(mk, "app.wasm");
    part_add_app(mk, "", true);
    return 0;
}

/* The platform serves `static` itself; what is not there goes to the function. */
static const char routes[] =
    "{\"routes\":[{\"handle\":\"filesystem\"},{\"dest\":\"/index\",\"src\":\"/(.*)\"}],"
    "\"version\":3}\n";

static char *function_config(const struct making *mk)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:b, s:b, s:i}", "runtime", "nodejs24.x", "handler",
                          "vercel/index.js", "launcherType", "Nodejs", "shouldAddHelpers", 0,
                          "supportsResponseStreaming", 1, "memory", 1024);
    if (mk->m->limits.wall_ms)
        json_object_set_new(o, "maxDuration",
                            json_integer((json_int_t)((mk->m->limits.wall_ms + 999) / 1000)));
    char *text = json_stable(o);
    json_decref(o);
    return text;
}

int vercel_layout(struct making *mk, struct err *err)
{
    static const char folder[] = "functions/index.func/";
    cleanup(free_p) char *wasm = xasprintf("%sapp.wasm", folder);
    cleanup(free_p) char *package = xasprintf("%spackage.json", folder);
    cleanup(free_p) char *config_name = xasprintf("%s.vc-config.json", folder);
    cleanup(free_p) char *config = function_config(mk);
    static const char *const folders[] = {"vercel", "core", "node", NULL};
    int r = host_add(mk->b, folders, folder, "vercel/index.js", err);
    if (r < 0)
        return r;
    if (mk->target->project) {
        free(mk->b->app);
        mk->b->app = xstrdup(mk->target->project);
    }
    part_add_text(mk->b, "config.json", json_media, routes);
    part_add_text(mk->b, config_name, json_media, config);
    part_add_text(mk->b, package, json_media, "{\"type\":\"module\"}\n");
    part_add_wasm(mk, wasm);
    part_add_app(mk, folder, false);
    part_add_assets(mk, "static");
    return 0;
}

int local_layout(struct making *mk, struct err *err)
{
    (void)err;
    part_add_guest(mk, "app.wasm");
    part_add_app(mk, "", true);
    return 0;
}
