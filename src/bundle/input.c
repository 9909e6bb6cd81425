/* SPDX-License-Identifier: Apache-2.0 */
/* Files that go into a bundle: each is read once, and must not change meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "bundle/internal.h"

/* More than any provider takes, by far. */
static const uint64_t total_max = (uint64_t)512 << 20;

static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int changed(const char *path, struct err *err)
{
    err_set(err, ERR_IO, "%s changed while it was bundled", path);
    err_hint(err, "let the build finish, then bundle again");
    return -ERR_IO;
}

static int read_all(int fd, struct spool_piece *to, size_t len, const char *path, struct err *err)
{
    enum { BLOCK = 256 << 10 };
    cleanup(free_p) uint8_t *block = xmalloc(len < BLOCK ? len + 1 : BLOCK);
    for (size_t done = 0; done < len; ) {
        ssize_t n = read(fd, block, len - done < BLOCK ? len - done : BLOCK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, ERR_IO, errno, "cannot read %s", path);
        if (n == 0)
            return changed(path, err);
        int r = spool_add(to, block, (size_t)n, err);
        if (r < 0)
            return r;
        done += (size_t)n;
    }
    return 0;
}

int input_read(struct inputs *in, const char *path, uint8_t **ret_data, size_t *ret_len,
               struct err *err)
{
    struct stat before, after;
    /* O_NONBLOCK: a FIFO must not stop us before fstat tells what it is */
    cleanup(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return err_sys(err, ERR_IO, errno, "cannot read %s", path);
    if (fstat(fd, &before) < 0)
        return err_sys(err, ERR_IO, errno, "cannot read %s", path);
    if (!S_ISREG(before.st_mode))
        return err_set(err, ERR_IO, "%s is no regular file", path);
    if ((uint64_t)before.st_size > total_max - in->total)
        return err_set(err, ERR_LIMIT, "with %s the bundle is larger than 512 MiB, more than any "
                                       "provider takes", path);
    size_t len = (size_t)before.st_size;
    cleanup(spool_cancel) struct spool_piece piece = {0};
    int r = spool_begin(in->spool, len, &piece, err);
    if (r == 0)
        r = read_all(fd, &piece, len, path, err);
    if (r < 0)
        return r;
    if (fstat(fd, &after) < 0)
        return err_sys(err, ERR_IO, errno, "cannot read %s", path);
    if (!same(&before, &after))
        return changed(path, err);
    r = spool_end(&piece, ret_data, ret_len, err);
    if (r < 0)
        return r;
    in->list = xreallocarray(in->list, in->count + 1, sizeof *in->list);
    in->list[in->count++] = (struct input){.path = xstrdup(path), .st = before};
    in->total += len;
    return 0;
}

int inputs_unchanged(const struct inputs *in, struct err *err)
{
    for (size_t i = 0; i < in->count; i++) {
        struct stat now;
        if (stat(in->list[i].path, &now) < 0 || !same(&in->list[i].st, &now))
            return changed(in->list[i].path, err);
    }
    return 0;
}

void inputs_clear(struct inputs *in)
{
    for (size_t i = 0; i < in->count; i++)
        free(in->list[i].path);
    free(in->list);
    *in = (struct inputs){0};
}
