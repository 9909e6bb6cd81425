/* SPDX-License-Identifier: Apache-2.0 */
/* What `edgectl dev --runtime` serves: passes each request on to the platform's own runtime, which is
 * the backend `runtime`, with what that cannot see by itself: who the client is. */
#include <arpa/inet.h>

#include "edge.h"

#define CLIENT "x-edgectl-dev-client"
#define SCHEME "x-edgectl-dev-scheme"

int main(void)
{
    struct edge_request req = edge_request();
    char ip[16], text[INET6_ADDRSTRLEN];
    uint32_t len = 0;
    bool known = fastly_http_downstream_downstream_client_ip_addr(req.handle, ip, &len) == EDGE_OK &&
                 inet_ntop(len == 16 ? AF_INET6 : AF_INET, ip, text, sizeof(text));
    edge_request_set(&req, CLIENT, known ? text : NULL);
    edge_request_set(&req, SCHEME, strncmp(req.url, "https:", 6) == 0 ? "https" : "http");
    fastly_http_req_cache_override_set(req.handle, EDGE_OVERRIDE_PASS, 0, 0);
    struct edge_response resp = edge_fetch(&req, "runtime");
    if (resp.status)
        edge_send(&resp);
    else
        edge_respond_text(502, "The runtime does not answer; the terminal says more.\n");
}
