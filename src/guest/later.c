/* SPDX-License-Identifier: Apache-2.0 */
/* Stand-ins until cache.c, purge.c, shielding.c and reuse.c are there: this file goes with them. */
#include "guest/session.h"

#define LATER(name)                                                          \
    __attribute__((weak)) int32_t name(struct instance *in, const uint64_t *a) \
    {                                                                        \
        (void)in;                                                            \
        (void)a;                                                             \
        return HC_UNSUPPORTED;                                               \
    }
LATER(hc_cache_cache_busy_handle_wait)
LATER(hc_cache_close)
LATER(hc_cache_close_busy)
LATER(hc_cache_get_age_ns)
LATER(hc_cache_get_body)
LATER(hc_cache_get_hits)
LATER(hc_cache_get_length)
LATER(hc_cache_get_max_age_ns)
LATER(hc_cache_get_stale_while_revalidate_ns)
LATER(hc_cache_get_state)
LATER(hc_cache_get_user_metadata)
LATER(hc_cache_insert)
LATER(hc_cache_lookup)
LATER(hc_cache_transaction_cancel)
LATER(hc_cache_transaction_insert)
LATER(hc_cache_transaction_insert_and_stream_back)
LATER(hc_cache_transaction_lookup)
LATER(hc_cache_transaction_lookup_async)
LATER(hc_cache_transaction_update)
LATER(hc_http_downstream_next_request)
LATER(hc_http_downstream_next_request_abandon)
LATER(hc_http_downstream_next_request_wait)
LATER(hc_http_req_redirect_to_websocket_proxy)
LATER(hc_http_req_redirect_to_websocket_proxy_v2)
LATER(hc_purge_purge_surrogate_key)
LATER(hc_shielding_backend_for_shield)
LATER(hc_shielding_shield_info)

__attribute__((weak)) void cache_item_drop(struct guest *g, struct item *it)
{
    (void)g;
    (void)it;
}

__attribute__((weak)) bool cache_item_ready(struct item *it)
{
    (void)it;
    return true;
}

__attribute__((weak)) void promise_drop(struct guest *g, void *promise)
{
    (void)g;
    (void)promise;
}

__attribute__((weak)) bool promise_ready(void *promise)
{
    (void)promise;
    return true;
}
