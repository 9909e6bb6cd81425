/* SPDX-License-Identifier: Apache-2.0 */
/* What hostcalls read from and write to a guest's memory. Every pointer and length is the guest's
 * word, and checked. */
#include <stdlib.h>
#include "base/mem.h"
#include "guest/session.h"

enum hc_status mem_bytes(struct instance *in, uint64_t ptr, uint64_t len, uint8_t **ret)
{
    size_t size;
    uint8_t *base = instance_memory(in, &size);
    if (ptr > size || len > size - ptr)
        return HC_INVAL;
    *ret = base + ptr;
    return HC_OK;
}

enum hc_status mem_slot(struct instance *in, uint64_t ptr, unsigned size, uint8_t **ret)
{
    if (ptr % size)
        return HC_BADALIGN;
    return mem_bytes(in, ptr, size, ret);
}

enum hc_status give_u32(struct instance *in, uint64_t ptr, uint32_t v)
{
    uint8_t *out;
    TRY(mem_slot(in, ptr, 4, &out));
    put_u32(out, v);
    return HC_OK;
}

enum hc_status give_text(struct instance *in, const void *text, size_t len, uint64_t buf,
                         uint64_t buf_len, uint64_t nwritten_ptr)
{
    uint8_t *to, *nwritten;
    TRY(mem_slot(in, nwritten_ptr, 4, &nwritten));
    if (len > buf_len) {
        put_u32(nwritten, (uint32_t)len);
        return HC_BUFLEN;
    }
    TRY(mem_bytes(in, buf, len, &to));
    if (len)
        memcpy(to, text, len);
    put_u32(nwritten, (uint32_t)len);
    return HC_OK;
}

enum hc_status take_text(struct instance *in, uint64_t ptr, uint64_t len, char **ret)
{
    uint8_t *at;
    TRY(mem_bytes(in, ptr, len, &at));
    if (!utf8_valid(at, len))
        return HC_ERROR;
    *ret = xstrndup((const char *)at, len);
    return HC_OK;
}

enum hc_status give_multi(struct instance *in, const struct multi_out *out, multi_next_fn *next,
                          const void *list)
{
    uint8_t *ending, *nwritten, *to;
    TRY(mem_slot(in, out->ending_ptr, 8, &ending));
    TRY(mem_slot(in, out->nwritten_ptr, 4, &nwritten));
    TRY(mem_bytes(in, out->buf, out->buf_len, &to));
    size_t used = 0;
    uint64_t i = (uint32_t)out->cursor;
    const char *text;
    size_t len;
    for (; next(list, i, &text, &len); i++) {
        if (len + 1 > out->buf_len - used) {
            if (used) {
                put_u64(ending, i);
                put_u32(nwritten, (uint32_t)used);
                return HC_OK;
            }
            put_u64(ending, (uint64_t)-1);
            put_u32(nwritten, (uint32_t)len + 1);
            return HC_BUFLEN;
        }
        memcpy(to + used, text, len);
        to[used + len] = '\0';
        used += len + 1;
    }
    put_u64(ending, (uint64_t)-1);
    put_u32(nwritten, (uint32_t)used);
    return HC_OK;
}
