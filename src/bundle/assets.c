/* SPDX-License-Identifier: Apache-2.0 */
/* The manifest's static files. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/media.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "bundle/archive.h"
#include "bundle/internal.h"

enum { DEPTH_MAX = 64, FILES_MAX = 20000 };

struct walk {
    const char *root;           /* of the project, without links */
    struct inputs *inputs;
    struct assets *assets;
    struct stat above[DEPTH_MAX];   /* the folders that we are in */
    size_t depth;
    struct err *err;
};

static void free_names(struct dirent ***names)
{
    for (struct dirent **n = *names; n && *n; n++)
        free(*n);
    free(*names);
}

static int visible(const struct dirent *e)
{
    return !media_hidden(e->d_name);
}

static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* Names in byte order, whatever the locale and the file system's order; ends with NULL. */
static int list(const char *dir, struct dirent ***ret_names, struct err *err)
{
    int n = scandir(dir, ret_names, visible, by_bytes);
    if (n < 0)
        return err_sys(err, ERR_IO, errno, "cannot read the folder %s", dir);
    *ret_names = xreallocarray(*ret_names, (size_t)n + 1, sizeof **ret_names);
    (*ret_names)[n] = NULL;
    return 0;
}

/* The path without links, if it is in the project. */
static int resolve(struct walk *w, const char *path, char **ret_real)
{
    cleanup(free_p) char *real = realpath(path, NULL);
    size_t len = strlen(w->root);
    if (!real && errno == ELOOP)
        return err_set(w->err, ERR_IO, "%s is a loop of symbolic links", path);
    if (!real)
        return err_sys(w->err, ERR_IO, errno, "cannot read %s", path);
    if (strcmp(w->root, "/") != 0 && (strncmp(real, w->root, len) != 0 ||
                                      (real[len] != '/' && real[len] != '\0'))) {
        err_set(w->err, ERR_IO, "the asset %s is outside of the project: it is %s", path, real);
        err_hint(w->err, "only files below %s are shipped; copy it there", w->root);
        return -ERR_IO;
    }
    *ret_real = TAKE(real);
    return 0;
}

static int walk_dir(struct walk *w, const char *path, const char *url);

static int add_file(struct walk *w, const char *path, const char *url)
{
    struct asset a = {0};
    if (w->assets->count == FILES_MAX)
        return err_set(w->err, ERR_LIMIT, "more than %d assets", FILES_MAX);
    int r = input_read(w->inputs, path, &a.data, &a.len, w->err);
    if (r < 0)
        return r;
    uint8_t digest[HASH_SIZE];
    hash_spooled(w->inputs->spool, a.data, a.len, digest);
    hash_hex(digest, a.digest);
    a.url = xstrdup(url);
    a.path = xstrdup(path);
    w->assets->list = xreallocarray(w->assets->list, w->assets->count + 1,
                                    sizeof *w->assets->list);
    w->assets->list[w->assets->count++] = a;
    return 0;
}

static int walk_entry(struct walk *w, const char *path, const char *url)
{
    cleanup(free_p) char *real = NULL;
    struct stat st;
    int r = resolve(w, path, &real);
    if (r < 0)
        return r;
    if (stat(real, &st) < 0)
        return err_sys(w->err, ERR_IO, errno, "cannot read %s", path);
    if (!S_ISDIR(st.st_mode))
        return add_file(w, path, url);
    for (size_t i = 0; i < w->depth; i++)
        if (w->above[i].st_dev == st.st_dev && w->above[i].st_ino == st.st_ino)
            return err_set(w->err, ERR_IO, "%s leads back to a folder that it is in: the symbolic "
                                           "links are a loop", path);
    if (w->depth == DEPTH_MAX)
        return err_set(w->err, ERR_LIMIT, "%s is more than %d folders deep", path, DEPTH_MAX);
    w->above[w->depth++] = st;
    r = walk_dir(w, path, url);
    w->depth--;
    return r;
}

static int walk_dir(struct walk *w, const char *path, const char *url)
{
    cleanup(free_names) struct dirent **names = NULL;
    int r = list(path, &names, w->err);
    for (size_t i = 0; r == 0 && names[i]; i++) {
        cleanup(free_p) char *below = xasprintf("%s/%s", path, names[i]->d_name);
        cleanup(free_p) char *below_url = xasprintf("%s/%s", url, names[i]->d_name);
        r = walk_entry(w, below, below_url);
    }
    return r;
}

static int by_url(const void *a, const void *b)
{
    const struct asset *left = a, *right = b;
    return strcmp(left->url, right->url);
}

/* A longer prefix wins, as in `edgectl dev`: what a shorter one has there is never served. */
static void drop_shadowed(const struct manifest *m, struct spool *sp, struct assets *a, size_t from,
                          const char *url)
{
    size_t kept = from;
    for (size_t i = from; i < a->count; i++) {
        bool shadowed = false;
        for (size_t s = 0; s < m->static_count && !shadowed; s++) {
            size_t len = strlen(m->statics[s].path);
            while (len && m->statics[s].path[len - 1] == '/')
                len--;
            shadowed = len > strlen(url) && strncmp(a->list[i].url, m->statics[s].path, len) == 0 &&
                       a->list[i].url[len] == '/';
        }
        if (!shadowed) {
            a->list[kept++] = a->list[i];
            continue;
        }
        free(a->list[i].url);
        free(a->list[i].path);
        spool_drop(sp, a->list[i].data);
    }
    a->count = kept;
}

int assets_read(const struct manifest *m, struct inputs *in, struct assets *ret, struct err *err)
{
    cleanup(free_p) char *root = realpath(m->dir, NULL);
    struct walk w = {.root = root, .inputs = in, .assets = ret, .err = err};
    if (!root)
        return err_sys(err, ERR_IO, errno, "cannot read the folder %s", m->dir);
    for (size_t i = 0; i < m->static_count; i++) {
        cleanup(free_p) char *url = xstrdup(m->statics[i].path);
        for (size_t len = strlen(url); len && url[len - 1] == '/'; len--)
            url[len - 1] = '\0';
        size_t from = ret->count;
        int r = walk_entry(&w, m->statics[i].dir, url);
        if (r < 0)
            return r;
        drop_shadowed(m, in->spool, ret, from, url);
    }
    if (ret->count)
        qsort(ret->list, ret->count, sizeof *ret->list, by_url);
    for (size_t i = 0; i < ret->count; i++)
        if (!archive_name_stays_inside(ret->list[i].url + 1) ||
            !utf8_valid(ret->list[i].url, strlen(ret->list[i].url)))
            return err_set(err, ERR_MANIFEST, "%s has the URL %s, which cannot be asked for",
                           ret->list[i].path, ret->list[i].url);
    for (size_t i = 1; i < ret->count; i++)
        if (strcmp(ret->list[i - 1].url, ret->list[i].url) == 0)
            return err_set(err, ERR_MANIFEST, "%s and %s have the same URL, %s",
                           ret->list[i - 1].path, ret->list[i].path, ret->list[i].url);
    return 0;
}

void assets_clear(struct assets *a, struct spool *sp)
{
    for (size_t i = 0; i < a->count; i++) {
        free(a->list[i].url);
        free(a->list[i].path);
        spool_drop(sp, a->list[i].data);
    }
    free(a->list);
    *a = (struct assets){0};
}
