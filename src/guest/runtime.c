/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_abi, fastly_compute_runtime, and the gate of fastly_http_cache. */
#include "guest/session.h"

enum { ABI_VERSION = 1, MIB = 1 << 20 };

int32_t hc_abi_init(struct instance *in, const uint64_t *a)
{
    (void)in;
    return a[0] == ABI_VERSION ? HC_OK : HC_ERROR;
}

int32_t hc_compute_runtime_get_vcpu_ms(struct instance *in, const uint64_t *a)
{
    uint8_t *out;
    TRY(mem_slot(in, a[0], 8, &out));
    put_u64(out, (uint64_t)(instance_cpu_ns(in) / 1000000));
    return HC_OK;
}

int32_t hc_compute_runtime_get_heap_mib(struct instance *in, const uint64_t *a)
{
    uint8_t *out;
    size_t len;
    TRY(mem_slot(in, a[0], 4, &out));
    instance_memory(in, &len);
    put_u32(out, (uint32_t)((len + MIB - 1) / MIB));
    return HC_OK;
}

/* Products that a service may have bought; here there are none. */
static int32_t no_product(struct instance *in, const uint64_t *a)
{
    return (int32_t)give_u32(in, a[0], 0);
}

int32_t hc_compute_runtime_has_domain_inspector(struct instance *in, const uint64_t *a)
{
    return no_product(in, a);
}

int32_t hc_compute_runtime_has_image_optimizer(struct instance *in, const uint64_t *a)
{
    return no_product(in, a);
}

int32_t hc_compute_runtime_has_origin_inspector(struct instance *in, const uint64_t *a)
{
    return no_product(in, a);
}

/* Every SDK asks this first; "unsupported" makes it send without the guest-side HTTP cache. */
int32_t hc_http_cache_is_request_cacheable(struct instance *in, const uint64_t *a)
{
    (void)in;
    (void)a;
    return HC_UNSUPPORTED;
}
