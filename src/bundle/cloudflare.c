/* SPDX-License-Identifier: Apache-2.0 */
/* A Worker: the modules of an upload, and its metadata (`workers/scripts/NAME/versions`). Names
 * of parts, of files and module specifiers are one. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bundle/app.h"

/* The platform's behaviour is that of a date. JSPI needs no flag from this one on. */
static const char compatibility_date[] = "2026-01-01";
static const char main_module[] = "cloudflare/index.js";
/* Its longest CPU time, in ms: limits.cpu_ms. */
enum { CPU_MS_MAX = 300000 };

static void add_binding(json_t *list, const char *name, const char *type, json_t *rest)
{
    json_t *o = json_pack("{s:s, s:s}", "name", name, "type", type);
    json_object_update(o, rest);
    json_decref(rest);
    json_array_append_new(list, o);
}

/* A store is one variable: the text of a JSON object. */
static json_t *config_text(const struct making *mk, const char *store)
{
    cleanup(free_p) char *text = json_stable(json_object_get(mk->config, store));
    return json_string(text);
}

/* Secrets are bound by whoever uploads: their values are not here. A namespace whose id is not
 * known is left out as well, until it has been looked up. */
static json_t *bindings(const struct making *mk)
{
    json_t *list = json_array();
    for (size_t i = 0; i < mk->b->binding_count; i++) {
        const struct bundle_binding *b = &mk->b->bindings[i];
        if (strcmp(b->kind, "kv") == 0 && b->remote)
            add_binding(list, b->name, "kv_namespace",
                        json_pack("{s:s}", "namespace_id", b->remote));
        else if (strcmp(b->kind, "config") == 0)
            add_binding(list, b->name, "plain_text",
                        json_pack("{s:o}", "text", config_text(mk, b->store)));
    }
    add_binding(list, "EDGECTL_VERSION", "version_metadata", json_object());
    return list;
}

char *cloudflare_metadata(const struct making *mk)
{
    json_t *root = json_pack("{s:s, s:o, s:s, s:[]}", "main_module", main_module, "bindings",
                             bindings(mk), "compatibility_date", compatibility_date,
                             "compatibility_flags");
    int64_t cpu = mk->m->limits.cpu_ms;
    if (cpu)
        json_object_set_new(root, "limits", json_pack("{s:I}", "cpu_ms",
                            (json_int_t)(cpu < CPU_MS_MAX ? cpu : CPU_MS_MAX)));
    if (*mk->b->id)
        json_object_set_new(root, "annotations", json_pack("{s:s}", "workers/tag", mk->b->id));
    char *text = json_stable(root);
    json_decref(root);
    return text;
}

int cloudflare_layout(struct making *mk, struct err *err)
{
    static const char *const folders[] = {"cloudflare", "core", NULL};
    int r = host_add(mk->b, folders, "", main_module, err);
    if (r < 0)
        return r;
    if (mk->target->worker) {
        free(mk->b->app);
        mk->b->app = xstrdup(mk->target->worker);
    }
    for (size_t i = 0; i < mk->b->binding_count; i++) {
        const struct bundle_binding *b = &mk->b->bindings[i];
        if (strcmp(b->kind, "kv") == 0 && !b->remote)
            bundle_note(mk->b, "name the namespace's id in targets.NAME.kv to be sure of it",
                        "KV store '%s' has no id: `edgectl deploy` looks for a namespace of that "
                        "name", b->store);
    }
    part_add_guest(mk, "app.wasm");
    part_add_app(mk, "", true);
    return 0;
}
