/* SPDX-License-Identifier: Apache-2.0 */
#include "template/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"

struct folder {
    char *path;         /* where it shall be */
    char *stage;        /* directory beside it; "new" below it becomes the folder */
    char *made;         /* stage/new */
    char *scratch;      /* stage/scratch */
    int fd;             /* of `made` */
    bool exists;        /* `path` is a directory already; someone may be working in it */
    size_t count, bytes;
};

static bool part_ok(const char *part, size_t len)
{
    if (len == 0 || (len == 1 && part[0] == '.') || (len == 2 && memcmp(part, "..", 2) == 0))
        return false;
    /* Written into a project, these would configure git, hooks included. */
    return !(len == 4 && strncasecmp(part, ".git", 4) == 0);
}

bool folder_path_ok(const char *path)
{
    for (const char *p = path;; p++) {
        size_t len = strcspn(p, "/");
        if (!part_ok(p, len))
            return false;
        p += len;
        if (!*p)
            return true;
    }
}

/* ".." only in front, no more of them than there are directories above: then whatever links the
 * rest passes through, it can only go down. */
bool folder_link_ok(const char *path, const char *target)
{
    size_t depth = 0;
    for (const char *p = path; *p; p++)
        depth += *p == '/';
    if (*target == '/' || !*target)
        return false;
    bool down = false;
    for (const char *p = target; *p;) {
        size_t len = strcspn(p, "/");
        if (len == 2 && memcmp(p, "..", 2) == 0) {
            if (down || depth == 0)
                return false;
            depth--;
        } else if (len > 0 && !(len == 1 && *p == '.')) {
            if (!part_ok(p, len))
                return false;
            down = true;
        }
        p += len;
        p += strspn(p, "/");
    }
    return true;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* 1 = something is in it, 0 = empty or not there. */
static int has_content(const char *path, struct err *err)
{
    DIR *dir = opendir(path);
    if (!dir)
        return errno == ENOENT ? 0 : err_sys(err, ERR_IO, errno, "cannot look into '%s'", path);
    int found = 0;
    for (struct dirent *e; !found && (e = readdir(dir));)
        found = strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(dir);
    return found;
}

static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return xstrdup(".");
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

/* The path without slashes at its end, and with "." (and the like) as what it stands for. */
static char *plain_path(const char *path)
{
    char *real = realpath(path, NULL);
    if (real)
        return real;
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        len--;
    return xstrndup(path, len);
}

static int make_stage(struct folder *f, struct err *err)
{
    cleanup(free_p) char *parent = parent_of(f->path);
    f->stage = xasprintf("%s/.edgectl-XXXXXX", strcmp(parent, "/") == 0 ? "" : parent);
    if (!mkdtemp(f->stage)) {
        int r = err_sys(err, ERR_IO, errno, "cannot make a folder in '%s'", parent);
        free(f->stage);
        f->stage = NULL;
        return r;
    }
    f->made = xasprintf("%s/new", f->stage);
    f->scratch = xasprintf("%s/scratch", f->stage);
    if (mkdir(f->made, 0777) < 0)
        return err_sys(err, ERR_IO, errno, "cannot make '%s'", f->made);
    f->fd = open(f->made, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return f->fd < 0 ? err_sys(err, ERR_IO, errno, "cannot open '%s'", f->made) : 0;
}

int folder_open(const char *path, bool force, struct folder **ret_folder, struct err *err)
{
    int content = has_content(path, err);
    if (content < 0)
        return content;
    if (content && !force) {
        int r = err_set(err, ERR_USAGE, "'%s' is there already and not empty", path);
        err_hint(err, "choose another name, or --force to write over files of the same name");
        return r;
    }
    cleanup(folder_close_p) struct folder *f = xnew(struct folder);
    f->fd = -1;
    f->path = plain_path(path);
    f->exists = access(f->path, F_OK) == 0;
    int r = make_stage(f, err);
    if (r < 0)
        return r;
    *ret_folder = TAKE(f);
    return 0;
}

static int count_file(struct folder *f, size_t len, struct err *err)
{
    if (f->count >= FOLDER_FILES_MAX)
        return err_set(err, ERR_LIMIT, "the template has more than %d files", FOLDER_FILES_MAX);
    if (len > FOLDER_BYTES_MAX - f->bytes)
        return err_set(err, ERR_LIMIT, "the template has more than %d MiB", FOLDER_BYTES_MAX >> 20);
    f->count++;
    f->bytes += len;
    return 0;
}

/* Open the directory that is to hold `path`, making what lacks. Never through a link: a tree may
 * hold a link and a directory of one name. */
static int open_parent(struct folder *f, const char *path, const char **ret_name, struct err *err)
{
    int at = dup(f->fd);
    const char *p = path;
    for (const char *slash; at >= 0 && (slash = strchr(p, '/')); p = slash + 1) {
        cleanup(free_p) char *part = xstrndup(p, (size_t)(slash - p));
        int next = -1;
        if (mkdirat(at, part, 0777) == 0 || errno == EEXIST)
            next = openat(at, part, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int sys = errno;
        close(at);
        errno = sys;
        at = next;
    }
    *ret_name = p;
    return at >= 0 ? at : err_sys(err, ERR_IO, errno, "cannot make the directory of '%s'", path);
}

static int check_path(const char *path, struct err *err)
{
    return folder_path_ok(path)
               ? 0
               : err_set(err, ERR_USAGE, "the template has a path that is not allowed: '%s'", path);
}

static int write_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, data, len);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

int folder_put(struct folder *f, const char *path, const void *data, size_t len, unsigned mode,
               struct err *err)
{
    int r = check_path(path, err);
    if (r == 0)
        r = count_file(f, len, err);
    if (r < 0)
        return r;
    const char *name;
    cleanup(close_p) int dir = open_parent(f, path, &name, err);
    if (dir < 0)
        return dir;
    cleanup(close_p) int fd =
        openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0 && errno == EEXIST)
        return err_set(err, ERR_USAGE, "the template has '%s' twice", path);
    if (fd < 0 || write_all(fd, data, len) < 0)
        return err_sys(err, ERR_IO, errno, "cannot write '%s'", path);
    return 0;
}

int folder_link(struct folder *f, const char *path, const char *target, struct err *err)
{
    int r = check_path(path, err);
    if (r == 0)
        r = count_file(f, 0, err);
    if (r < 0)
        return r;
    if (!folder_link_ok(path, target))
        return err_set(err, ERR_USAGE, "the template has a link that leaves it: '%s' -> '%s'", path,
                       target);
    const char *name;
    cleanup(close_p) int dir = open_parent(f, path, &name, err);
    if (dir < 0)
        return dir;
    if (symlinkat(target, dir, name) < 0)
        return err_sys(err, ERR_IO, errno, "cannot make the link '%s'", path);
    return 0;
}

const char *folder_scratch(const struct folder *f) { return f->scratch; }

size_t folder_count(const struct folder *f) { return f->count; }

/* Move what is in `from` into `to`, directory by directory. */
static int merge(const char *from, const char *to, struct err *err)
{
    DIR *dir = opendir(from);
    if (!dir)
        return err_sys(err, ERR_IO, errno, "cannot read '%s'", from);
    int r = 0;
    for (struct dirent *e; r == 0 && (e = readdir(dir));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        cleanup(free_p) char *source = xasprintf("%s/%s", from, e->d_name);
        cleanup(free_p) char *target = xasprintf("%s/%s", to, e->d_name);
        struct stat st;
        if (lstat(source, &st) == 0 && S_ISDIR(st.st_mode) && lstat(target, &st) == 0 &&
            S_ISDIR(st.st_mode))
            r = merge(source, target, err);
        else if (rename(source, target) < 0)
            r = err_sys(err, ERR_IO, errno, "cannot put '%s' in its place", target);
    }
    closedir(dir);
    return r;
}

int folder_commit(struct folder *f, struct err *err)
{
    if (f->exists)
        return merge(f->made, f->path, err);
    if (rename(f->made, f->path) < 0)
        return err_sys(err, ERR_IO, errno, "cannot make '%s'", f->path);
    return 0;
}

void folder_close(struct folder *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    if (f->stage)
        remove_tree(f->stage);
    free(f->path);
    free(f->stage);
    free(f->made);
    free(f->scratch);
    free(f);
}

void folder_close_p(struct folder **f) { folder_close(*f); }
