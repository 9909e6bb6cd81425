/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_async_io: waiting for any of several things (abi README sections 4 and 8). */
#include "guest/session.h"

static const uint32_t TIMED_OUT = 0xFFFFFFFF;

enum { SELECT_MAX = 1 << 16 };

static bool body_ready(struct body *b)
{
    const uint8_t *data;
    size_t len;
    return body_peek(b, &data, &len) != BODY_WAIT;
}

/* Would a wait for it return at once? */
static bool is_ready(struct item *it)
{
    switch (it->kind) {
    case ITEM_NONE:
        return false;
    case ITEM_BODY:
        return body_ready(it->ptr);
    case ITEM_STREAM:
        return !body_full(it->ptr);
    case ITEM_PENDING:
        return pending_ready(it->ptr);
    case ITEM_KV_LOOKUP:
    case ITEM_KV_INSERT:
    case ITEM_KV_DELETE:
    case ITEM_KV_LIST:
        return kv_op_ready(it->ptr);
    case ITEM_CACHE:
    case ITEM_CACHE_BUSY:
        return cache_item_ready(it);
    case ITEM_PROMISE:
        return promise_ready(it->ptr);
    }
    return false;
}

/* Index of the first ready item, or TIMED_OUT when none is. */
static enum hc_status first_ready(struct instance *in, const uint64_t *a, uint32_t *ret_index)
{
    struct guest *g = guest_of(in);
    uint8_t *list;
    *ret_index = TIMED_OUT;
    if (a[1] > SELECT_MAX)
        return HC_INVAL;
    if (a[0] % 4)
        return HC_BADALIGN;
    TRY(mem_bytes(in, a[0], a[1] * 4, &list));
    for (uint32_t i = 0; i < a[1]; i++) {
        struct item *it = item_any(g, get_u32(list + (size_t)i * 4));
        if (!it)
            return HC_BADF;
        /* Later ones are looked at too: a bad handle is an error wherever it stands. */
        if (*ret_index == TIMED_OUT && is_ready(it))
            *ret_index = i;
    }
    return HC_OK;
}

static bool select_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    const uint64_t *a = g->wait.args;
    uint32_t index;
    uint8_t *out;
    *ret_result = (int32_t)first_ready(in, a, &index);
    if (*ret_result == HC_OK && index == TIMED_OUT && !g->wait.timed_out)
        return false;
    timer_stop(&g->wait.timer);
    if (*ret_result == HC_OK)
        *ret_result = (int32_t)mem_slot(in, a[3], 4, &out);
    if (*ret_result == HC_OK)
        put_u32(out, index);
    return true;
}

int32_t hc_async_io_select(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    uint32_t index;
    uint8_t *out;
    TRY(mem_slot(in, a[3], 4, &out));
    if (a[1] == 0 && a[2] == 0)
        return HC_INVAL;
    TRY(first_ready(in, a, &index));
    if (index != TIMED_OUT) {
        put_u32(out, index);
        return HC_OK;
    }
    if (a[2])
        return guest_park_for(g, a, (int64_t)a[2] * 1000000, select_on);
    return guest_park(g, a, select_on);
}

int32_t hc_async_io_is_ready(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    struct item *it = item_any(g, a[0]);
    uint8_t *out;
    if (!it)
        return HC_BADF;
    TRY(mem_slot(in, a[1], 4, &out));
    put_u32(out, is_ready(it));
    return HC_OK;
}
