/* SPDX-License-Identifier: Apache-2.0 */
/* A bundle on disk. A folder is made beside its place and exchanged with what was there, in one
 * system call; a file is renamed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/mem.h"
#include "bundle/internal.h"

enum { FILE_MODE = 0644, DIR_MODE = 0755 };

/* --- folders --- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* For cleanup: a folder that is only half made must not stay. */
static void remove_tree_p(char **path)
{
    if (*path)
        remove_tree(*path);
    free(*path);
}

static int fail(const char *path, struct err *err)
{
    int r = err_sys(err, ERR_IO, errno, "cannot write %s", path);
    if (err && err->sys == ENOSPC)
        err_hint(err, "the disk is full: make room, nothing was changed");
    return r;
}

/* The folders of a part below `root`, whatever the umask is. */
static int make_dirs(const char *root, const char *name, struct err *err)
{
    cleanup(free_p) char *path = xasprintf("%s/%s", root, name);
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        if (mkdir(path, DIR_MODE) < 0 ? errno != EEXIST : chmod(path, DIR_MODE) < 0)
            return fail(path, err);
        *slash = '/';
    }
    return 0;
}

static bool write_all(int fd, const struct spool *sp, const uint8_t *data, size_t len)
{
    for (size_t at = 0, n; at < len; at += n) {
        n = spool_slice(len - at);
        if (!file_write_all(fd, data + at, n))
            return false;
        spool_forget(sp, data + at, n);
    }
    return true;
}

static int write_new(const char *path, const struct spool *sp, const void *data, size_t len,
                     struct err *err)
{
    cleanup(close_p) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, FILE_MODE);
    if (fd < 0 || fchmod(fd, FILE_MODE) < 0 || !write_all(fd, sp, data, len) || fsync(fd) < 0)
        return fail(path, err);
    return 0;
}

static int write_part(const struct bundle *b, const char *root, const struct bundle_part *p,
                      struct err *err)
{
    cleanup(free_p) char *path = xasprintf("%s/%s", root, p->name);
    int r = make_dirs(root, p->name, err);
    return r < 0 ? r : write_new(path, b->spool, p->data, p->len, err);
}

static int write_parts(const struct bundle *b, const char *root, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < b->part_count && r == 0; i++)
        r = write_part(b, root, &b->parts[i], err);
    if (r == 0 && b->metadata) {
        cleanup(free_p) char *path = xasprintf("%s/metadata.json", root);
        r = write_new(path, NULL, b->metadata, strlen(b->metadata), err);
    }
    return r;
}

static void sync_dir(const char *path)
{
    cleanup(close_p) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)fsync(fd);
}

/* Put `made` in the place of `path`. What was there is in the place of `made` after that. */
static int exchange(const char *made, const char *path, struct err *err)
{
    if (rename(made, path) == 0)
        return 0; /* nothing was there, or an empty folder */
    if (renameat2(AT_FDCWD, made, AT_FDCWD, path, RENAME_EXCHANGE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return fail(path, err);
    /* A file system that cannot exchange: for a moment neither is there. */
    cleanup(free_p) char *old = xasprintf("%s.old", made);
    if (rename(path, old) < 0)
        return fail(path, err);
    if (rename(made, path) < 0) {
        int r = fail(path, err);
        if (rename(old, path) < 0)
            err_hint(err, "the old bundle is %s", old);
        return r;
    }
    remove_tree(old);
    return 0;
}

static bool is_empty(const char *path)
{
    DIR *dir = opendir(path);
    int count = 0;
    while (dir && count <= 2 && readdir(dir))
        count++; /* "." and ".." are always there */
    if (dir)
        closedir(dir);
    return dir && count <= 2;
}

/* Nothing of the user's is replaced: only an empty folder, or one that has a record beside it. */
static int may_replace(const char *path, const char *record, struct err *err)
{
    struct stat st;
    if (lstat(path, &st) < 0)
        return errno == ENOENT ? 0 : fail(path, err);
    if (S_ISDIR(st.st_mode) && (access(record, F_OK) == 0 || is_empty(path)))
        return 0;
    err_set(err, ERR_IO, "%s is there already and is no bundle", path);
    err_hint(err, "name another place with --out, or remove it");
    return -ERR_IO;
}

static int write_folder(const struct bundle *b, const char *path, const char *record,
                        struct err *err)
{
    int r = may_replace(path, record, err);
    if (r < 0)
        return r;
    cleanup(remove_tree_p) char *made = xasprintf("%s.XXXXXX", path);
    if (!mkdtemp(made)) {
        r = fail(path, err);
        *made = '\0';
        return r;
    }
    if (chmod(made, DIR_MODE) < 0)
        return fail(made, err);
    r = write_parts(b, made, err);
    if (r == 0) {
        sync_dir(made);
        r = exchange(made, path, err);
    }
    return r;
}

static int write_file(const struct bundle *b, const char *path, struct err *err)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        err_set(err, ERR_IO, "%s is a folder", path);
        err_hint(err, "name the file: --out %s/%s", path, b->file);
        return -ERR_IO;
    }
    cleanup(free_p) char *made = xasprintf("%s.XXXXXX", path);
    cleanup(close_p) int fd = mkostemp(made, O_CLOEXEC);
    if (fd < 0)
        return fail(path, err);
    if (write_all(fd, b->spool, b->package.data, b->package.len) && fchmod(fd, FILE_MODE) == 0 &&
        fsync(fd) == 0 && rename(made, path) == 0)
        return 0;
    int r = fail(path, err);
    unlink(made);
    return r;
}

int bundle_write(const struct bundle *b, const char *path, struct err *err)
{
    cleanup(free_p) char *place = xstrdup(path);
    for (size_t len = strlen(place); len > 1 && place[len - 1] == '/'; len--)
        place[len - 1] = '\0';
    cleanup(free_p) char *record = xasprintf("%s.release.json", place);
    cleanup(free_p) char *pending = xasprintf("%s.new", record);
    cleanup(free_p) char *json = json_dumps(b->record, JSON_INDENT(2));
    cleanup(free_p) char *text = xasprintf("%s\n", json);
    int r = file_make_parents(place, err);
    /* first the record, beside its place: a disk that has no room for it has changed nothing */
    if (r == 0)
        r = file_write(pending, text, strlen(text), FILE_MODE, err);
    if (r < 0)
        return r;
    r = b->form == BUNDLE_ARCHIVE ? write_file(b, place, err)
                                  : write_folder(b, place, record, err);
    if (r == 0 && rename(pending, record) < 0)
        r = fail(record, err);
    if (r < 0)
        unlink(pending);
    return r;
}
