/* SPDX-License-Identifier: Apache-2.0 */
#include "wasm/image.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/mem.h"

enum { PAGE_BYTES = 65536 };

struct image {
    int fd;
    size_t len;         /* whole pages, from the start of the memory to the last segment's end */
};

static size_t image_length(const struct detached *d)
{
    size_t end = 0;
    for (size_t i = 0; i < d->segment_count; i++) {
        size_t segment_end = (size_t)d->segments[i].offset + d->segments[i].len;
        end = segment_end > end ? segment_end : end;
    }
    return (end + PAGE_BYTES - 1) / PAGE_BYTES * PAGE_BYTES;
}

static bool fill(int fd, size_t len, const struct detached *d)
{
    if (ftruncate(fd, (off_t)len) != 0)
        return false;
    uint8_t *at = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        return false;
    for (size_t i = 0; i < d->segment_count; i++)
        memcpy(at + d->segments[i].offset, d->segments[i].data, d->segments[i].len);
    munmap(at, len);
    return true;
}

struct image *image_new(const struct detached *d)
{
    size_t len = image_length(d);
    if (len == 0)
        return NULL;
    int fd = memfd_create("edgectl guest memory", MFD_CLOEXEC);
    if (fd < 0)
        return NULL;
    if (!fill(fd, len, d)) {
        close(fd);
        return NULL;
    }
    struct image *i = xnew(struct image);
    i->fd = fd;
    i->len = len;
    return i;
}

void image_free(struct image *i)
{
    if (!i)
        return;
    close(i->fd);
    free(i);
}

bool image_map(const struct image *i, uint8_t *memory)
{
    return mmap(memory, i->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, i->fd, 0) !=
           MAP_FAILED;
}

void image_unmap(const struct image *i, uint8_t *memory)
{
    if (mmap(memory, i->len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
             0) == MAP_FAILED)
        abort(); /* the next guest would see this one's memory */
}
