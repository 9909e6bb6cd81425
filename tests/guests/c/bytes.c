/* SPDX-License-Identifier: Apache-2.0 */
/* Header values that are not ASCII, and lines of one name: x-in comes back as hexadecimal digits;
 * without it the body is empty. */
#include "edge.h"

static void add(uint32_t resp, const char *name, const char *value)
{
    fastly_http_resp_header_append(resp, name, strlen(name), value, strlen(value));
}

int main(void)
{
    struct edge_request req = edge_request();
    const char *in = edge_header(&req, "x-in");
    struct edge_response resp = edge_response_new(200);
    add(resp.handle, "x-out", "caf\xc3\xa9");
    add(resp.handle, "set-cookie", "a=1");
    add(resp.handle, "set-cookie", "b=2");
    for (; in && *in; in++)
        edge_print(&resp, "%02x ", (unsigned char)*in);
    edge_send(&resp);
}
