/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_http_body. A handle is either a body that the guest reads and fills, or, once it was sent
 * with streaming, the write side of one. */
#include <stdlib.h>
#include "base/mem.h"
#include "guest/session.h"

/* What a sandbox may write in all to bodies that it has not begun to stream: a guard for this
 * machine's memory, far above what an edge would allow. */
static const uint64_t BUFFERED_MAX = (uint64_t)1 << 30;

enum { END_BACK, END_FRONT };

static struct body *stream(struct guest *g, uint64_t handle)
{
    struct item *it = item_get(g, handle, ITEM_STREAM);
    return it ? it->ptr : NULL;
}

int32_t hc_http_body_new(struct instance *in, const uint64_t *a)
{
    uint8_t *out;
    TRY(mem_slot(in, a[0], 4, &out));
    uint32_t handle = guest_add_body(guest_of(in), NULL);
    if (handle == HANDLE_INVALID)
        return HC_LIMITEXCEEDED;
    put_u32(out, handle);
    return HC_OK;
}

/* --- reading --- */

static int32_t read_now(struct instance *in, const uint64_t *a, bool *ret_wait)
{
    struct body *b = guest_body(guest_of(in), a[0]);
    uint8_t *to, *out;
    if (!b)
        return HC_BADF;
    TRY(mem_bytes(in, a[1], a[2], &to));
    TRY(mem_slot(in, a[3], 4, &out));
    size_t len = 0;
    if (a[2]) {
        enum body_read r = body_read(b, to, a[2], &len);
        if (r == BODY_ERROR)
            return HC_ERROR;
        *ret_wait = r == BODY_WAIT;
        if (r != BODY_DATA)
            len = 0;
    }
    if (!*ret_wait)
        put_u32(out, (uint32_t)len);
    return HC_OK;
}

static bool read_on(struct instance *in, int32_t *ret_result)
{
    bool wait = false;
    *ret_result = read_now(in, guest_of(in)->wait.args, &wait);
    return !wait;
}

int32_t hc_http_body_read(struct instance *in, const uint64_t *a)
{
    bool wait = false;
    int32_t status = read_now(in, a, &wait);
    return wait ? guest_park(guest_of(in), a, read_on) : status;
}

/* --- writing --- */

/* A writer that is ahead of its reader waits (*ret_wait) before its bytes are taken: one that finds
 * room never does. */
static enum hc_status write_now(struct instance *in, const uint64_t *a, bool *ret_wait)
{
    struct guest *g = guest_of(in);
    struct item *it = item_any(g, a[0]);
    uint8_t *data, *out;
    if (!it || (it->kind != ITEM_BODY && it->kind != ITEM_STREAM))
        return HC_BADF;
    struct body *b = it->ptr;
    TRY(mem_bytes(in, a[1], a[2], &data));
    TRY(mem_slot(in, a[4], 4, &out));
    if (a[3] > END_FRONT)
        return HC_INVAL;
    if (it->kind == ITEM_STREAM) {
        if (a[3] == END_FRONT)
            return HC_BADF;
        if (body_reader_gone(b))
            return HC_ERROR;
        *ret_wait = body_full(b);
        if (*ret_wait)
            return HC_OK;
    } else {
        if (a[2] > BUFFERED_MAX - g->buffered)
            return HC_LIMITEXCEEDED;
        g->buffered += a[2];
    }
    if (a[3] == END_FRONT)
        body_write_front(b, data, a[2]);
    else
        body_write(b, data, a[2]);
    put_u32(out, (uint32_t)a[2]);
    return HC_OK;
}

static bool write_on(struct instance *in, int32_t *ret_result)
{
    bool wait = false;
    *ret_result = write_now(in, guest_of(in)->wait.args, &wait);
    return !wait;
}

int32_t hc_http_body_write(struct instance *in, const uint64_t *a)
{
    bool wait = false;
    int32_t status = write_now(in, a, &wait);
    return wait ? guest_park(guest_of(in), a, write_on) : status;
}

static bool drained(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    struct body *b = stream(g, g->wait.args[0]);
    *ret_result = b ? HC_OK : HC_BADF;
    return !b || !body_full(b);
}

int32_t hc_http_body_append(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    struct item *to = item_any(g, a[0]);
    if (!to || (to->kind != ITEM_BODY && to->kind != ITEM_STREAM) || a[0] == a[1] ||
        !guest_body(g, a[1]))
        return HC_BADF;
    struct body *dest = to->ptr;
    struct body *src = guest_take_body(g, a[1]);
    if (to->kind == ITEM_STREAM && body_reader_gone(dest)) {
        body_stop(src);
        body_unref(src);
        return HC_ERROR;
    }
    body_append(dest, src);
    return to->kind == ITEM_STREAM && body_full(dest) ? guest_park(g, a, drained) : HC_OK;
}

/* --- the end --- */

int32_t hc_http_body_close(struct instance *in, const uint64_t *a)
{
    struct item *it = item_any(guest_of(in), a[0]);
    if (!it || (it->kind != ITEM_BODY && it->kind != ITEM_STREAM))
        return HC_BADF;
    struct body *b = it->ptr;
    if (it->kind == ITEM_STREAM) {
        body_on_drain(b, NULL, NULL);
        body_end(b);
    } else {
        body_stop(b);
    }
    item_clear(it);
    body_unref(b);
    return HC_OK;
}

int32_t hc_http_body_abandon(struct instance *in, const uint64_t *a)
{
    struct item *it = item_any(guest_of(in), a[0]);
    if (!it || (it->kind != ITEM_BODY && it->kind != ITEM_STREAM))
        return HC_BADF;
    struct body *b = it->ptr;
    if (it->kind == ITEM_STREAM) {
        body_on_drain(b, NULL, NULL);
        body_fail(b, "abandoned by the guest");
    } else {
        body_stop(b);
    }
    item_clear(it);
    body_unref(b);
    return HC_OK;
}

int32_t hc_http_body_known_length(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    uint8_t *out;
    if (stream(g, a[0]))
        return HC_NONE;
    struct body *b = guest_body(g, a[0]);
    if (!b)
        return HC_BADF;
    TRY(mem_slot(in, a[1], 8, &out));
    int64_t len = body_known_length(b);
    if (len < 0)
        return HC_NONE;
    put_u64(out, (uint64_t)len);
    return HC_OK;
}

/* --- trailers --- */

int32_t hc_http_body_trailer_append(struct instance *in, const uint64_t *a)
{
    struct item *it = item_any(guest_of(in), a[0]);
    if (!it || (it->kind != ITEM_BODY && it->kind != ITEM_STREAM))
        return HC_BADF;
    return headers_append_in(in, body_trailers(it->ptr), a + 1);
}

/* The trailers of a body that was read to its end. */
static enum hc_status read_trailers(struct guest *g, uint64_t handle, struct headers **ret)
{
    if (stream(g, handle))
        return HC_INVAL;
    struct body *b = guest_body(g, handle);
    if (!b)
        return HC_BADF;
    if (!body_end_read(b))
        return HC_AGAIN;
    *ret = body_trailers(b);
    return HC_OK;
}

int32_t hc_http_body_trailer_names_get(struct instance *in, const uint64_t *a)
{
    struct headers *h = NULL;
    TRY(read_trailers(guest_of(in), a[0], &h));
    return headers_names_out(in, h, &(struct multi_out){a[1], a[2], a[3], a[4], a[5]});
}

int32_t hc_http_body_trailer_value_get(struct instance *in, const uint64_t *a)
{
    struct headers *h = NULL;
    TRY(read_trailers(guest_of(in), a[0], &h));
    return headers_value_out(in, h, a + 1);
}

int32_t hc_http_body_trailer_values_get(struct instance *in, const uint64_t *a)
{
    struct headers *h = NULL;
    TRY(read_trailers(guest_of(in), a[0], &h));
    return headers_values_out(in, h, a[1], a[2], &(struct multi_out){a[3], a[4], a[5], a[6], a[7]});
}
