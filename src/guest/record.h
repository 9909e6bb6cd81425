/* SPDX-License-Identifier: Apache-2.0 */
/* Option records in guest memory (abi README section 6). The records of the SDKs are often shorter
 * than the witx has them: a field is read only when its mask bit is set, and nothing around it. */
#ifndef EDGECTL_GUEST_RECORD_H
#define EDGECTL_GUEST_RECORD_H

#include "guest/session.h"

/* The field at `offset` of the record at address `record`. HC_INVAL, HC_BADALIGN. */
enum hc_status record_u32(struct instance *in, uint64_t record, unsigned offset, uint32_t *ret);
enum hc_status record_u64(struct instance *in, uint64_t record, unsigned offset, uint64_t *ret);
/* What a pointer at `offset`, with its length behind it, names: borrowed from guest memory. */
enum hc_status record_bytes(struct instance *in, uint64_t record, unsigned offset, uint8_t **ret,
                            uint32_t *ret_len);

#endif
