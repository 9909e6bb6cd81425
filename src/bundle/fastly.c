/* SPDX-License-Identifier: Apache-2.0 */
/* A Compute package: what `fastly compute pack` makes, in one folder named after the app. */
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "bundle/app.h"

enum { MANIFEST_MAX = 64 * 1024 };

static void toml_text(struct buf *out, const char *key, const char *text)
{
    buf_printf(out, "%s = \"", key);
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (*p == '"' || *p == '\\')
            buf_printf(out, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f)
            buf_printf(out, "\\u%04x", *p);
        else
            buf_add_char(out, (char)*p);
    }
    buf_add_str(out, "\"\n");
}

static const char *language(const struct module_info *info)
{
    static const struct {
        const char *producer, *language;
    } rules[] = {{"js-compute", "javascript"}, {"Go cmd/compile", "go"}, {"rustc", "rust"}};
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        for (size_t p = 0; p < info->producer_count; p++)
            if (strstr(info->producers[p].name, rules[i].producer))
                return rules[i].language;
    return "other";
}

/* Only what the platform reads: the local part of a fastly.toml may hold secrets. */
static char *manifest_text(const struct making *mk)
{
    struct buf out = BUF_INIT(MANIFEST_MAX);
    buf_add_str(&out, "manifest_version = 3\n");
    toml_text(&out, "name", mk->m->name);
    toml_text(&out, "description", "");
    buf_add_str(&out, "authors = []\n");
    toml_text(&out, "language", language(&mk->info));
    if (mk->target->service)
        toml_text(&out, "service_id", mk->target->service);
    return buf_take(&out);
}

int fastly_layout(struct making *mk, struct err *err)
{
    (void)err;
    const char *folder = mk->b->app;
    cleanup(free_p) char *wasm = xasprintf("%s/bin/main.wasm", folder);
    cleanup(free_p) char *toml = xasprintf("%s/fastly.toml", folder);
    cleanup(free_p) char *assets = xasprintf("%s/assets", folder);
    cleanup(free_p) char *text = manifest_text(mk);
    part_add_wasm(mk, wasm);
    part_add_text(mk->b, toml, "application/toml", text);
    if (mk->assets.count)
        bundle_note(mk->b, "put them into a KV store, or let a backend serve them",
                    "Compute serves no files: the package carries the %zu assets, but only "
                    "`edgectl dev` answers for them", mk->assets.count);
    part_add_assets(mk, assets);
    return 0;
}
