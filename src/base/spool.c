/* SPDX-License-Identifier: Apache-2.0 */
#include "base/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/mem.h"

/* The grain is a whole number of pages, whatever their size is. */
enum { SLICE = 1 << 20, GRAIN = 64 << 10, MEMORY_FIRST = 4096 };
/* Linux may map all of a large folio of the page cache for one byte that is read. */
enum { FOLIO_MAX = 2 << 20 };
/* Address space only. */
static const size_t file_max = (size_t)4 << 30;

struct spool {
    char *dir;
    size_t memory;              /* bytes that may still be kept there */
    int fd;                     /* -1: there is no file yet */
    uint8_t *map;               /* all that the file can become */
    uint64_t end;               /* of the file, at a grain */
};

struct spool *spool_new(const char *dir, size_t memory)
{
    struct spool *sp = xnew(struct spool);
    sp->dir = dir ? xstrdup(dir) : NULL;
    sp->memory = memory;
    sp->fd = -1;
    return sp;
}

void spool_free(struct spool *sp)
{
    if (!sp)
        return;
    if (sp->map)
        munmap(sp->map, file_max);
    close_p(&sp->fd);
    free(sp->dir);
    free(sp);
}

void spool_free_p(struct spool **sp)
{
    spool_free(*sp);
}

/* --- the file --- */

/* Not every file system can make a file without a name. */
static int open_nameless(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
        return fd;
    cleanup(free_p) char *path = xasprintf("%s/.edgectl-XXXXXX", dir);
    fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0)
        unlink(path);
    return fd;
}

static int open_file(struct spool *sp, struct err *err)
{
    const char *temporary = getenv("TMPDIR");
    temporary = temporary && *temporary ? temporary : "/tmp";
    sp->fd = sp->dir ? open_nameless(sp->dir) : -1;
    if (sp->fd < 0)
        sp->fd = open_nameless(temporary);
    if (sp->fd < 0)
        return err_sys(err, ERR_IO, errno, "cannot make a temporary file in %s", temporary);
    sp->map = mmap(NULL, file_max, PROT_READ, MAP_SHARED | MAP_NORESERVE, sp->fd, 0);
    if (sp->map != MAP_FAILED)
        return 0;
    sp->map = NULL;
    int r = err_sys(err, ERR_IO, errno, "cannot map a temporary file");
    close_p(&sp->fd);
    sp->fd = -1;
    return r;
}

static int write_at(struct spool *sp, uint64_t at, const void *data, size_t len, struct err *err)
{
    const char *p = data;
    while (len) {
        ssize_t n = pwrite(sp->fd, p, len, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int r = err_sys(err, ERR_IO, n < 0 ? errno : ENOSPC, "cannot write a temporary file");
            err_hint(err, "make room in the state folder or in TMPDIR");
            return r;
        }
        p += n;
        at += (size_t)n;
        len -= (size_t)n;
    }
    return 0;
}

/* --- a piece --- */

int spool_begin(struct spool *sp, size_t about, struct spool_piece *piece, struct err *err)
{
    *piece = (struct spool_piece){.spool = sp, .start = sp->end};
    if (about < sp->memory) {
        piece->cap = about + 1 > MEMORY_FIRST ? about + 1 : MEMORY_FIRST;
        piece->memory = xmalloc(piece->cap);
        return 0;
    }
    return sp->fd >= 0 ? 0 : open_file(sp, err);
}

int spool_add(struct spool_piece *p, const void *data, size_t len, struct err *err)
{
    if (len >= file_max - p->at || p->start + p->at + len >= file_max)
        return err_set(err, ERR_LIMIT, "the bundle is larger than any provider takes");
    size_t end = p->at + len;
    if (!p->memory) {
        int r = write_at(p->spool, p->start + p->at, data, len, err);
        if (r < 0)
            return r;
    } else {
        if (end >= p->cap) {
            p->cap = end + 1 > p->cap + p->cap / 2 ? end + 1 : p->cap + p->cap / 2;
            p->memory = xrealloc(p->memory, p->cap);
        }
        if (len)
            memcpy(p->memory + p->at, data, len);
    }
    p->at = end;
    p->len = end > p->len ? end : p->len;
    return 0;
}

int spool_end(struct spool_piece *p, uint8_t **ret_data, size_t *ret_len, struct err *err)
{
    struct spool *sp = p->spool;
    p->at = p->len;
    if (p->memory) {
        p->memory[p->len] = 0;
        sp->memory -= p->len < sp->memory ? p->len : sp->memory;
        *ret_data = TAKE(p->memory);
    } else {
        int r = write_at(sp, p->start + p->len, "", 1, err);
        if (r < 0)
            return r;
        *ret_data = sp->map + p->start;
        sp->end = (p->start + p->len + GRAIN) / GRAIN * GRAIN;
    }
    *ret_len = p->len;
    return 0;
}

void spool_cancel(struct spool_piece *p)
{
    free(TAKE(p->memory));
}

/* --- what is there --- */

static bool in_file(const struct spool *sp, const void *data)
{
    const uint8_t *p = data;
    return sp && sp->map && p >= sp->map && p < sp->map + file_max;
}

void spool_drop(struct spool *sp, void *data)
{
    if (!in_file(sp, data))
        free(data);
}

size_t spool_slice(size_t left)
{
    return left < SLICE ? left : SLICE;
}

void spool_forget(const struct spool *sp, const void *data, size_t len)
{
    if (!len || !in_file(sp, data))
        return;
    size_t at = (size_t)((const uint8_t *)data - sp->map);
    size_t from = at / FOLIO_MAX * FOLIO_MAX;
    size_t to = (at + len + FOLIO_MAX - 1) / FOLIO_MAX * FOLIO_MAX;
    madvise(sp->map + from, to - from, MADV_DONTNEED);
}
