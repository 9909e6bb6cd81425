/* SPDX-License-Identifier: Apache-2.0 */
/* The JavaScript that carries the hostcalls to other platforms: templates/hosts/, in the binary. */
#include <stdlib.h>
#include <string.h>
#include "base/embed.h"
#include "base/mem.h"
#include "bundle/internal.h"

static bool is_script(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && strcmp(dot, ".js") == 0;
}

/* The scripts of one folder of hosts/; `main` (NULL: none) becomes the first part of all. */
static bool add_folder(struct bundle *b, const char *folder, const char *below, const char *main)
{
    cleanup(free_p) char *prefix = xasprintf("hosts/%s/", folder);
    size_t count, first = b->part_count;
    const struct embed_file *files = embed_under(prefix, &count);
    for (size_t i = 0; i < count; i++) {
        const char *name = files[i].path + strlen("hosts/");
        if (!is_script(name))
            continue;
        part_add(b, xasprintf("%s%s", below, name), "application/javascript+module",
                 xmemdup(files[i].data, files[i].len + 1), files[i].len);
        if (main && strcmp(name, main) == 0) {
            struct bundle_part swap = b->parts[0];
            b->parts[0] = b->parts[b->part_count - 1];
            b->parts[b->part_count - 1] = swap;
        }
    }
    return b->part_count > first;
}

int host_add(struct bundle *b, const char *const *folders, const char *below, const char *main,
             struct err *err)
{
    for (; *folders; folders++)
        if (!add_folder(b, *folders, below, main))
            return err_set(err, ERR_FAILURE,
                           "this edgectl has no host for %s: it was built without "
                           "templates/hosts/%s",
                           manifest_provider_name(b->provider), *folders);
    return 0;
}
