/* SPDX-License-Identifier: Apache-2.0 */
/* The JavaScript that carries the hostcalls to other platforms: templates/hosts/, in the binary. */
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/embed.h"
#include "base/mem.h"
#include "bundle/internal.h"

static bool is_script(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && strcmp(dot, ".js") == 0;
}

/* Where a line's comment begins, or its end. One behind code must not have a quote in it, which
 * would be the end of a text with two slashes. */
static const char *comment(const char *from, const char *end)
{
    if (end - from >= 2 && memcmp(from, "//", 2) == 0)
        return from;
    for (const char *p = from; (p = memmem(p, (size_t)(end - p), " // ", 4)); p++) {
        size_t left = (size_t)(end - p);
        if (!memchr(p, '"', left) && !memchr(p, '\'', left) && !memchr(p, '`', left))
            return p;
    }
    return end;
}

/* A host as it is shipped: without comments, indentation and empty lines. They are a fifth of it,
 * and every start of a Worker reads all of it. */
static uint8_t *shipped(const char *text, size_t len, size_t *ret_len)
{
    struct buf out = BUF_INIT(SIZE_MAX);
    const char *end = text + len, *next;
    for (const char *line = text; line < end; line = next) {
        const char *nl = memchr(line, '\n', (size_t)(end - line));
        next = nl ? nl + 1 : end;
        const char *stop = nl ? nl : end;
        while (line < stop && *line == ' ')
            line++;
        stop = comment(line, stop);
        while (stop > line && stop[-1] == ' ')
            stop--;
        if (stop == line)
            continue;
        buf_add(&out, line, (size_t)(stop - line));
        buf_add_char(&out, '\n');
    }
    *ret_len = out.len;
    return (uint8_t *)buf_take(&out);
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
        size_t len;
        uint8_t *script = shipped((const char *)files[i].data, files[i].len, &len);
        part_add(b, xasprintf("%s%s", below, name), "application/javascript+module", script, len);
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
