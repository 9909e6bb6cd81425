/* SPDX-License-Identifier: Apache-2.0 */
/* Stand-ins until redirect.c is there: this file goes with it. */
#include "guest/session.h"

#define LATER(name)                                                          \
    __attribute__((weak)) int32_t name(struct instance *in, const uint64_t *a) \
    {                                                                        \
        (void)in;                                                            \
        (void)a;                                                             \
        return HC_UNSUPPORTED;                                               \
    }
LATER(hc_http_req_redirect_to_websocket_proxy)
LATER(hc_http_req_redirect_to_websocket_proxy_v2)
