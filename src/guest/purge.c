/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_purge: by surrogate key, of the core cache. */
#include <inttypes.h>
#include <stdio.h>
#include "base/clock.h"
#include "guest/record.h"
#include "world/core_cache.h"

enum { PURGE_SOFT = 1 << 0, PURGE_RET_BUF = 1 << 1, PURGE_KNOWN = 3 };

/* The answer of the purge API: a status and the purge's id. */
static enum hc_status give_answer(struct instance *in, uint64_t options)
{
    char json[80];
    uint32_t buf, len, nwritten;
    TRY(record_u32(in, options, 0, &buf));
    TRY(record_u32(in, options, 4, &len));
    TRY(record_u32(in, options, 8, &nwritten));
    int n = snprintf(json, sizeof json, "{\"status\":\"ok\",\"id\":\"%016" PRIx64 "\"}",
                     random_u64());
    return give_text(in, json, (size_t)n, buf, len, nwritten);
}

int32_t hc_purge_purge_surrogate_key(struct instance *in, const uint64_t *a)
{
    uint8_t *key;
    TRY(mem_bytes(in, a[0], a[1], &key));
    if (!cache_surrogate_valid((const char *)key, a[1]) || a[2] & ~(uint64_t)PURGE_KNOWN)
        return HC_INVAL;
    if (a[2] & PURGE_RET_BUF)
        TRY(give_answer(in, a[3])); /* first: with too small a buffer nothing is purged */
    core_cache_purge(guest_of(in)->app->world->cache, (const char *)key, a[1], a[2] & PURGE_SOFT);
    return HC_OK;
}
