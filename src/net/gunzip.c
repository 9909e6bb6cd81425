/* SPDX-License-Identifier: Apache-2.0 */
#include "net/gunzip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include "base/body.h"
#include "base/mem.h"

enum { OUT_CHUNK = 32 * 1024, GZIP_WINDOW = 16 + MAX_WBITS, MAGIC_1 = 0x1f };

enum gunzip_state { AT_START, IN_MEMBER, BETWEEN, PADDING };

struct gunzip {
    z_stream z;
    enum gunzip_state state;
    bool held;              /* the body was full: output may be left inside zlib */
    uint8_t *kept;          /* input not looked at yet */
    size_t kept_len, kept_used;
};

struct gunzip *gunzip_new(void)
{
    struct gunzip *g = xnew(struct gunzip);
    if (inflateInit2(&g->z, GZIP_WINDOW) != Z_OK)
        abort(); /* out of memory */
    return g;
}

void gunzip_free(struct gunzip *g)
{
    if (!g)
        return;
    inflateEnd(&g->z);
    free(g->kept);
    free(g);
}

/* One inflate call's worth of output. */
static bool inflate_some(struct gunzip *g, struct body *to)
{
    uint8_t *out = xmalloc(OUT_CHUNK);
    g->z.next_out = out;
    g->z.avail_out = OUT_CHUNK;
    int r = inflate(&g->z, Z_NO_FLUSH);
    size_t n = OUT_CHUNK - g->z.avail_out;
    if (n > OUT_CHUNK / 2) {
        body_write_take(to, out, n);
    } else {
        body_write(to, out, n);
        free(out);
    }
    if (r == Z_STREAM_END)
        g->state = BETWEEN;
    /* Z_BUF_ERROR: all input is used and no output was left. */
    return r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR;
}

/* Uses z.next_in until it is empty or the body is full. */
static bool run(struct gunzip *g, struct body *to)
{
    bool output_left = g->held;
    g->held = false;
    while (g->z.avail_in > 0 || output_left) {
        if (body_full(to)) {
            g->held = true;
            return true;
        }
        if (g->state == PADDING) {
            g->z.avail_in = 0;
            return true;
        }
        if (g->state == BETWEEN) {
            /* Bytes that start no further member are padding: gzip(1) ignores them, too. */
            if (g->z.avail_in == 0)
                return true;
            g->state = *g->z.next_in == MAGIC_1 ? IN_MEMBER : PADDING;
            inflateReset(&g->z);
            output_left = false;
            continue;
        }
        g->state = IN_MEMBER;
        if (!inflate_some(g, to))
            return false;
        output_left = g->state == IN_MEMBER && g->z.avail_out == 0;
    }
    return true;
}

static void keep(struct gunzip *g, const uint8_t *data, size_t len)
{
    uint8_t *all = xmalloc(g->kept_len - g->kept_used + len + 1);
    size_t old = g->kept_len - g->kept_used;
    if (old)
        memcpy(all, g->kept + g->kept_used, old);
    memcpy(all + old, data, len);
    free(g->kept);
    g->kept = all;
    g->kept_len = old + len;
    g->kept_used = 0;
}

bool gunzip_write(struct gunzip *g, struct body *to, const void *data, size_t len)
{
    if (gunzip_pending(g)) {
        keep(g, data, len);
        return gunzip_resume(g, to);
    }
    g->z.next_in = (Bytef *)data;
    g->z.avail_in = (uInt)len;
    bool ok = run(g, to);
    if (ok && g->z.avail_in > 0)
        keep(g, g->z.next_in, g->z.avail_in);
    return ok;
}

bool gunzip_resume(struct gunzip *g, struct body *to)
{
    g->z.next_in = g->kept + g->kept_used;
    g->z.avail_in = (uInt)(g->kept_len - g->kept_used);
    bool ok = run(g, to);
    g->kept_used = g->kept_len - g->z.avail_in;
    return ok;
}

bool gunzip_pending(const struct gunzip *g)
{
    return g->held || g->kept_used < g->kept_len;
}

bool gunzip_complete(const struct gunzip *g)
{
    return g->state != IN_MEMBER;
}
