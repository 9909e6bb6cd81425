/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"

static int make_dir(const char *path, struct err *err)
{
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return err_sys(err, ERR_IO, errno, "cannot make the folder %s", path);
    return 0;
}

int file_make_parents(const char *path, struct err *err)
{
    cleanup(free_p) char *copy = xstrdup(path);
    for (char *slash = copy; (slash = strchr(slash + 1, '/'));) {
        *slash = '\0';
        int r = make_dir(copy, err);
        if (r < 0)
            return r;
        *slash = '/';
    }
    return 0;
}

int file_make_dirs(const char *path, struct err *err)
{
    int r = file_make_parents(path, err);
    return r < 0 ? r : make_dir(path, err);
}

int file_read(const char *path, size_t max, char **ret, size_t *ret_len, struct err *err)
{
    cleanup(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return err_sys(err, ERR_IO, errno, "cannot read %s", path);
    if (!S_ISREG(st.st_mode))
        return err_set(err, ERR_IO, "cannot read %s: not a regular file", path);
    if ((uint64_t)st.st_size > max)
        return err_set(err, ERR_IO, "cannot read %s: larger than %zu bytes", path, max);
    size_t len = 0, want = (size_t)st.st_size;
    cleanup(free_p) char *data = xmalloc(want + 1);
    while (len < want) {
        ssize_t n = read(fd, data + len, want - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, ERR_IO, errno, "cannot read %s", path);
        if (n == 0)
            break; /* it was cut meanwhile */
        len += (size_t)n;
    }
    data[len] = '\0';
    *ret_len = len;
    *ret = TAKE(data);
    return 0;
}

bool file_write_all(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len) {
        ssize_t n = write(fd, p, len);
        if (n < 0 && errno != EINTR)
            return false;
        if (n > 0) {
            p += n;
            len -= (size_t)n;
        }
    }
    return true;
}

int file_write(const char *path, const void *data, size_t len, mode_t mode, struct err *err)
{
    cleanup(free_p) char *temp = xasprintf("%s.XXXXXX", path);
    cleanup(close_p) int fd = mkostemp(temp, O_CLOEXEC);
    if (fd < 0)
        return err_sys(err, ERR_IO, errno, "cannot write %s", path);
    if (file_write_all(fd, data, len) && fchmod(fd, mode) == 0 && fsync(fd) == 0 &&
        rename(temp, path) == 0)
        return 0;
    int sys = errno;
    unlink(temp);
    return err_sys(err, ERR_IO, sys, "cannot write %s", path);
}

char *file_cache_dir(const char *name)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *dir = cache && *cache == '/' ? xasprintf("%s/edgectl/%s", cache, name)
                : home && *home == '/' ? xasprintf("%s/.cache/edgectl/%s", home, name)
                                       : NULL;
    if (dir && file_make_dirs(dir, NULL) < 0) {
        free(dir);
        return NULL;
    }
    return dir;
}
