/* SPDX-License-Identifier: Apache-2.0 */
/* Hands its client over to a backend; tests/serve/websocket.bats looks from outside. */
#include "check.h"

/* A request of the guest's own making goes to the backend. */
static void with_request(const char *backend)
{
    uint32_t req;
    fastly_http_req_new(&req);
    fastly_http_req_uri_set(req, LIT("http://ignored.example/made?by=guest"));
    fastly_http_req_header_insert(req, LIT("x-made"), LIT("yes"));
    fastly_http_req_header_insert(req, LIT("sec-websocket-key"), LIT("not this one"));
    uint32_t status = fastly_http_req_redirect_to_websocket_proxy_v2(req, backend, strlen(backend));
    uint32_t again = fastly_http_req_redirect_to_websocket_proxy(LIT("ws"));
    uint32_t bad = fastly_http_req_redirect_to_websocket_proxy_v2(4242, LIT("ws"));
    uint32_t late = fastly_http_resp_send_downstream(0, 0, 0);
    edge_log("handover", "made %u %u %u %d", status, again, bad, late != EDGE_OK);
}

static void after_answer(void)
{
    edge_respond_text(200, "answered");
    edge_log("handover", "late %u", fastly_http_req_redirect_to_websocket_proxy(LIT("ws")));
}

int main(void)
{
    struct edge_request req = edge_request();
    const char *p = req.path + 1;
    if (strncmp(p, "made", 4) == 0)
        with_request("ws");
    else if (strcmp(p, "unknown") == 0)
        fastly_http_req_redirect_to_websocket_proxy(LIT("nobody"));
    else if (strcmp(p, "refused") == 0)
        fastly_http_req_redirect_to_websocket_proxy(LIT("refused"));
    else if (strcmp(p, "late") == 0)
        after_answer();
    else if (strcmp(p, "grip") == 0)
        edge_log("handover", "grip %u", fastly_http_req_redirect_to_grip_proxy(LIT("ws")));
    else if (fastly_http_req_redirect_to_websocket_proxy(LIT("ws")) == EDGE_OK)
        edge_log("handover", "closed %u", fastly_http_body_close(req.body)); /* as SDKs do */
    return 0;
}
