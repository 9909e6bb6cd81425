/* SPDX-License-Identifier: Apache-2.0 */
#include "store/stamp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/mem.h"

enum { FILE_SIZE = 4096 };

struct stamp {
    _Atomic uint64_t *counters;     /* mapped */
};

int stamp_open(const char *path, struct stamp **ret_stamp, struct err *err)
{
    cleanup(close_p) int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_sys(err, ERR_IO, errno, "cannot open %s", path);
    /* Real blocks, or a full disk would show as a signal at the first write. */
    int failed = posix_fallocate(fd, 0, FILE_SIZE);
    if (failed)
        return err_sys(err, ERR_IO, failed, "cannot write %s", path);
    void *map = mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return err_sys(err, ERR_IO, errno, "cannot map %s", path);
    struct stamp *s = xnew(struct stamp);
    s->counters = map;
    *ret_stamp = s;
    return 0;
}

void stamp_close(struct stamp *s)
{
    if (!s)
        return;
    munmap((void *)s->counters, FILE_SIZE);
    free(s);
}

uint64_t stamp_read(const struct stamp *s, enum stamp_kind kind)
{
    return atomic_load_explicit(&s->counters[kind], memory_order_acquire);
}

void stamp_bump(struct stamp *s, enum stamp_kind kind)
{
    atomic_fetch_add_explicit(&s->counters[kind], 1, memory_order_release);
}
