/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/record.h"

enum hc_status record_u32(struct instance *in, uint64_t record, unsigned offset, uint32_t *ret)
{
    uint8_t *at;
    TRY(mem_slot(in, record + offset, 4, &at));
    *ret = get_u32(at);
    return HC_OK;
}

enum hc_status record_u64(struct instance *in, uint64_t record, unsigned offset, uint64_t *ret)
{
    uint8_t *at;
    TRY(mem_slot(in, record + offset, 8, &at));
    *ret = get_u64(at);
    return HC_OK;
}

enum hc_status record_bytes(struct instance *in, uint64_t record, unsigned offset, uint8_t **ret,
                            uint32_t *ret_len)
{
    uint32_t ptr, len;
    TRY(record_u32(in, record, offset, &ptr));
    TRY(record_u32(in, record, offset + 4, &len));
    TRY(mem_bytes(in, ptr, len, ret));
    *ret_len = len;
    return HC_OK;
}
