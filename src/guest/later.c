/* SPDX-License-Identifier: Apache-2.0 */
/* Stand-ins until reuse.c is there: this file goes with it. */
#include "guest/session.h"

#define LATER(name)                                                          \
    __attribute__((weak)) int32_t name(struct instance *in, const uint64_t *a) \
    {                                                                        \
        (void)in;                                                            \
        (void)a;                                                             \
        return HC_UNSUPPORTED;                                               \
    }
LATER(hc_http_downstream_next_request)
LATER(hc_http_downstream_next_request_wait)
LATER(hc_http_downstream_next_request_abandon)
LATER(hc_http_req_redirect_to_websocket_proxy)
LATER(hc_http_req_redirect_to_websocket_proxy_v2)

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

__attribute__((weak)) void guest_drop_reuse(struct guest *g)
{
    (void)g;
}
