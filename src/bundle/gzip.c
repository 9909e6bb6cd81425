/* SPDX-License-Identifier: Apache-2.0 */
#include "bundle/gzip.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <uv.h>
#include <zlib.h>
#include "base/mem.h"

enum { PIECE = 1 << 20, WINDOW = 32 << 10, THREADS_MAX = 16, RAW_DEFLATE = -15 };

struct piece {
    const uint8_t *data;        /* the window that comes before it can be read, too */
    size_t len, before;
    bool last;
    uint8_t *packed;
    size_t packed_len;
    uLong crc;
};

struct work {
    struct piece *pieces;
    size_t count;
    atomic_size_t next;
    int level;
};

static void pack(struct piece *p, int level)
{
    z_stream z = {0};
    if (deflateInit2(&z, level, Z_DEFLATED, RAW_DEFLATE, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort(); /* out of memory */
    if (p->before)
        deflateSetDictionary(&z, p->data - p->before, (uInt)p->before);
    size_t cap = deflateBound(&z, (uLong)p->len) + 16;
    p->packed = xmalloc(cap);
    z.next_in = (uint8_t *)p->data;
    z.avail_in = (uInt)p->len;
    z.next_out = p->packed;
    z.avail_out = (uInt)cap;
    /* a flush ends at a byte, where the next piece goes on */
    int r = deflate(&z, p->last ? Z_FINISH : Z_SYNC_FLUSH);
    if (r != (p->last ? Z_STREAM_END : Z_OK) || z.avail_in)
        abort(); /* the bound is one */
    p->packed_len = cap - z.avail_out;
    p->crc = crc32_z(0, p->data, p->len);
    deflateEnd(&z);
}

static void run(void *env)
{
    struct work *w = env;
    for (size_t i; (i = atomic_fetch_add(&w->next, 1)) < w->count;)
        pack(&w->pieces[i], w->level);
}

/* This thread works, too: where no other can be started it does everything. */
static void run_all(struct work *w)
{
    uv_thread_t threads[THREADS_MAX];
    size_t wanted = uv_available_parallelism(), started = 0;
    wanted = wanted < w->count ? wanted : w->count;
    wanted = wanted < THREADS_MAX ? wanted : THREADS_MAX;
    while (started + 1 < wanted && uv_thread_create(&threads[started], run, w) == 0)
        started++;
    run(w);
    while (started)
        uv_thread_join(&threads[--started]);
}

static void put_u32(uint8_t *to, uLong value)
{
    for (int i = 0; i < 4; i++)
        to[i] = (uint8_t)(value >> 8 * i);
}

bool gzip_bytes(const uint8_t *data, size_t len, int level, struct buf *out)
{
    /* RFC 1952: deflate, no flags, no time, no hint, Unix */
    static const uint8_t head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    struct work w = {.count = len ? (len + PIECE - 1) / PIECE : 1, .level = level};
    uint8_t tail[8];
    uLong crc = 0;
    w.pieces = xcalloc(w.count, sizeof *w.pieces);
    for (size_t i = 0; i < w.count; i++) {
        size_t at = i * PIECE;
        bool last = i + 1 == w.count;
        w.pieces[i] = (struct piece){.data = data + at, .len = last ? len - at : PIECE,
                                     .before = i ? WINDOW : 0, .last = last};
    }
    run_all(&w);
    buf_add(out, head, sizeof head);
    for (size_t i = 0; i < w.count; i++) {
        struct piece *p = &w.pieces[i];
        buf_add(out, p->packed, p->packed_len);
        crc = crc32_combine(crc, p->crc, (z_off_t)p->len);
        free(p->packed);
    }
    put_u32(tail, crc);
    put_u32(tail + 4, (uLong)len);
    buf_add(out, tail, sizeof tail);
    free(w.pieces);
    return !out->overflow;
}
