/* SPDX-License-Identifier: Apache-2.0 */
#include "bundle/archive.h"

#include <stdlib.h>
#include <string.h>
#include "base/mem.h"

enum { FILES_MAX = 25000 };
/* Unpacked; a bundle's own limit while it is made is less. */
static const size_t bytes_max = (size_t)520 << 20;

size_t archive_about(const struct bundle_part *parts, size_t count)
{
    size_t about = 10240;
    for (size_t i = 0; i < count; i++)
        about += parts[i].len + 1024;
    return about;
}

bool archive_name_stays_inside(const char *name)
{
    if (strchr(name, '\\'))
        return false;
    while (*name) {
        size_t len = strcspn(name, "/");
        if (len == 0 || (len == 1 && name[0] == '.') || (len == 2 && memcmp(name, "..", 2) == 0))
            return false;
        name += len;
        if (*name == '/' && *++name == '\0')
            return false;
    }
    return true;
}

int archive_name_check(const struct archive_files *files, const char *name, struct err *err)
{
    if (*name == '\0' || !archive_name_stays_inside(name))
        return err_set(err, ERR_FAILURE, "a file in it has the name '%.200s', which leads "
                                         "elsewhere", name);
    if (files->count == FILES_MAX)
        return err_set(err, ERR_FAILURE, "more than %d files are in it", FILES_MAX);
    return 0;
}

size_t archive_left(const struct archive_files *files)
{
    return bytes_max - files->total;
}

int archive_too_large(struct err *err)
{
    return err_set(err, ERR_FAILURE, "unpacked it is larger than any bundle");
}

void archive_add(struct archive_files *files, const char *name, struct buf *data)
{
    uint8_t digest[HASH_SIZE];
    files->list = xreallocarray(files->list, files->count + 1, sizeof *files->list);
    struct bundle_part *p = &files->list[files->count++];
    *p = (struct bundle_part){.name = xstrdup(name), .len = data->len};
    files->total += p->len;
    p->data = (uint8_t *)buf_take(data);
    hash_bytes(p->data, p->len, digest);
    hash_hex(digest, p->digest);
}

static int by_name(const void *a, const void *b)
{
    const struct bundle_part *left = a, *right = b;
    return strcmp(left->name, right->name);
}

int archive_finish(struct archive_files *files, struct err *err)
{
    if (files->count)
        qsort(files->list, files->count, sizeof *files->list, by_name);
    for (size_t i = 1; i < files->count; i++)
        if (strcmp(files->list[i - 1].name, files->list[i].name) == 0)
            return err_set(err, ERR_FAILURE, "'%.200s' is in it twice", files->list[i].name);
    return 0;
}

const struct bundle_part *archive_find(const struct archive_files *files, const char *name)
{
    struct bundle_part key = {.name = (char *)name};
    return files->count ? bsearch(&key, files->list, files->count, sizeof *files->list, by_name)
                        : NULL;
}

void archive_files_clear(struct archive_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free(files->list[i].name);
        free(files->list[i].data);
    }
    free(files->list);
    *files = (struct archive_files){0};
}
