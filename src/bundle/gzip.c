/* SPDX-License-Identifier: Apache-2.0 */
#include "bundle/gzip.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>
#include <zlib.h>
#include "base/mem.h"

enum { PIECE = 1 << 20, BATCH = 8, WINDOW = 32 << 10, RAW_DEFLATE = -15 };

struct piece {
    const uint8_t *data;        /* the window that comes before it can be read, too */
    size_t len, before;
    bool last;
    uint8_t *packed;
    size_t packed_len;
    uLong crc;
};

struct work {
    struct piece pieces[BATCH];
    size_t count;
    atomic_size_t next;
    int level;
};

struct gzip {
    struct spool_piece *to;
    int level;
    uint8_t *data;              /* the window that comes before, then what is to be packed */
    size_t before, len, cap;    /* bytes of these two, room for both */
    uLong crc, size;
    bool begun;
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
    uv_thread_t threads[BATCH];
    size_t wanted = uv_available_parallelism(), started = 0;
    wanted = wanted < w->count ? wanted : w->count;
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

struct gzip *gzip_new(int level, struct spool_piece *to)
{
    struct gzip *g = xnew(struct gzip);
    g->to = to;
    g->level = level;
    return g;
}

void gzip_free(struct gzip *g)
{
    if (!g)
        return;
    free(g->data);
    free(g);
}

void gzip_free_p(struct gzip **g)
{
    gzip_free(*g);
}

/* Pack what is held; its end is the window of what comes. */
static int pack_all(struct gzip *g, bool last, struct err *err)
{
    /* RFC 1952: deflate, no flags, no time, no hint, Unix */
    static const uint8_t head[] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    struct work w = {.count = g->len ? (g->len + PIECE - 1) / PIECE : 1, .level = g->level};
    const uint8_t *data = g->data ? g->data + g->before : (const uint8_t *)"";
    int r = g->begun ? 0 : spool_add(g->to, head, sizeof head, err);
    g->begun = true;
    for (size_t i = 0; i < w.count; i++) {
        size_t at = i * PIECE, left = g->len - at;
        w.pieces[i] = (struct piece){.data = data + at, .len = left < PIECE ? left : PIECE,
                                     .before = i ? WINDOW : g->before,
                                     .last = last && i + 1 == w.count};
    }
    run_all(&w);
    for (size_t i = 0; i < w.count; i++) {
        struct piece *p = &w.pieces[i];
        if (r == 0)
            r = spool_add(g->to, p->packed, p->packed_len, err);
        g->crc = crc32_combine(g->crc, p->crc, (z_off_t)p->len);
        free(p->packed);
    }
    g->size += g->len;
    if (!last) {
        memmove(g->data, data + g->len - WINDOW, WINDOW);
        g->before = WINDOW;
        g->len = 0;
    }
    return r;
}

/* Room for `len` more bytes, at most a batch. */
static void make_room(struct gzip *g, size_t len)
{
    size_t need = WINDOW + g->len + len, most = WINDOW + (size_t)BATCH * PIECE;
    if (need <= g->cap)
        return;
    size_t cap = g->cap * 2 > need ? g->cap * 2 : need;
    g->cap = cap < most ? cap : most;
    g->data = xrealloc(g->data, g->cap);
}

int gzip_add(struct gzip *g, const void *data, size_t len, struct err *err)
{
    const uint8_t *p = data;
    while (len) {
        size_t left = (size_t)BATCH * PIECE - g->len;
        if (!left) { /* only now it is known that the batch is not the last */
            int r = pack_all(g, false, err);
            if (r < 0)
                return r;
            continue;
        }
        size_t n = len < left ? len : left;
        make_room(g, n);
        memcpy(g->data + g->before + g->len, p, n);
        g->len += n;
        p += n;
        len -= n;
    }
    return 0;
}

int gzip_end(struct gzip *g, struct err *err)
{
    uint8_t tail[8];
    int r = pack_all(g, true, err);
    put_u32(tail, g->crc);
    put_u32(tail + 4, g->size);
    return r < 0 ? r : spool_add(g->to, tail, sizeof tail, err);
}
