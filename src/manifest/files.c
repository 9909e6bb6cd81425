/* SPDX-License-Identifier: Apache-2.0 */
/* Paths and files of a manifest. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "manifest/load.h"

char *load_path(const struct manifest *m, const char *path)
{
    if (path[0] == '/')
        return xstrdup(path);
    while (path[0] == '.' && path[1] == '/')
        path += 2 + strspn(path + 2, "/");
    if (strcmp(path, ".") == 0 || path[0] == '\0')
        return xstrdup(m->dir);
    char *beside = xasprintf("%s/%s", strcmp(m->dir, "/") == 0 ? "" : m->dir, path);
    if (m->kind != MANIFEST_FASTLY || access(beside, F_OK) == 0 || access(path, F_OK) != 0)
        return beside;
    char *here = realpath(path, NULL);
    if (!here)
        return beside;
    free(beside);
    return here;
}

/* Reads to the end into `out`; its maximum bounds the file. */
static int read_all(int fd, const char *path, struct buf *out, struct err *err)
{
    for (;;) {
        size_t room = out->max - out->len < 65536 ? out->max - out->len + 1 : 65536;
        char block[65536];
        ssize_t n = read(fd, block, room < sizeof block ? room : sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, ERR_IO, errno, "reading '%s'", path);
        if (n == 0)
            return 0;
        if (!buf_add(out, block, (size_t)n))
            return err_set(err, ERR_LIMIT, "'%s' is larger than %zu bytes", path, out->max);
    }
}

static int read_file(const char *path, struct buf *out, struct err *err)
{
    cleanup(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return err_sys(err, ERR_IO, errno, "opening '%s'", path);
    return read_all(fd, path, out, err);
}

int load_file(const char *path, size_t max, char **ret_data, size_t *ret_len, struct err *err)
{
    cleanup(buf_clear) struct buf out = BUF_INIT(max);
    int r = read_file(path, &out, err);
    if (r < 0)
        return r;
    *ret_len = out.len;
    *ret_data = buf_take(&out);
    return 0;
}

int manifest_source_read(const struct manifest *m, const struct manifest_source *source,
                         struct buf *out, struct err *err)
{
    if (source->file)
        return read_file(source->file, out, err);
    const char *text = source->text;
    size_t len = source->text_len;
    if (source->env) {
        text = manifest_getenv(m, source->env);
        if (!text && m->kind == MANIFEST_FASTLY)
            text = "";
        len = text ? strlen(text) : 0;
        if (!text) {
            int r = err_set(err, ERR_MANIFEST, "environment variable %s is not set", source->env);
            err_hint(err, "set it, or put it in .env beside the manifest");
            return r;
        }
    }
    if (!text)
        return err_set(err, ERR_MANIFEST, "no value is given in the manifest");
    if (!buf_add(out, text, len))
        return err_set(err, ERR_LIMIT, "the value is larger than %zu bytes", out->max);
    return 0;
}

void load_depends(struct manifest *m, const char *path)
{
    for (size_t i = 0; i < m->file_count; i++) {
        if (strcmp(m->files[i], path) == 0)
            return;
    }
    m->files = xreallocarray(m->files, m->file_count + 1, sizeof *m->files);
    m->files[m->file_count++] = xstrdup(path);
}

/* The only *.wasm in a directory; NULL when there is none, or more than one. */
static char *only_wasm(const char *dir)
{
    cleanup(free_p) char *found = NULL;
    DIR *d = opendir(dir);
    if (!d)
        return NULL;
    size_t count = 0;
    for (struct dirent *e; (e = readdir(d));) {
        size_t len = strlen(e->d_name);
        if (len <= 5 || e->d_name[0] == '.' || strcmp(e->d_name + len - 5, ".wasm") != 0)
            continue;
        free(found);
        found = xasprintf("%s/%s", dir, e->d_name);
        count++;
    }
    closedir(d);
    return count == 1 ? TAKE(found) : NULL;
}

/* bin/main.wasm is where the Fastly tools put it; a folder with one module means that one. */
static char *default_artifact(const struct manifest *m)
{
    cleanup(free_p) char *bin = xasprintf("%s/bin", m->dir);
    cleanup(free_p) char *main_wasm = xasprintf("%s/main.wasm", bin);
    if (access(main_wasm, F_OK) != 0 && !m->build.command) {
        char *only = only_wasm(m->dir);
        if (!only)
            only = only_wasm(bin);
        if (only)
            return only;
    }
    return TAKE(main_wasm);
}

void load_build_defaults(struct manifest *m)
{
    if (!m->build.artifact)
        m->build.artifact = default_artifact(m);
    if (!m->build.dir)
        m->build.dir = xstrdup(m->dir);
    if (m->build.watch_count == 0) {
        m->build.watch = xreallocarray(NULL, 1, sizeof *m->build.watch);
        m->build.watch[m->build.watch_count++] = xstrdup(m->dir);
    }
}
