/* SPDX-License-Identifier: Apache-2.0 */
/* An app behind a router: the answer shows the request as it came, and which of two apps this is (the
 * config store `arm`). */
#include "edge.h"

static void print_headers(const struct edge_request *req, struct edge_response *resp)
{
    static char names[65536], values[65536];
    int64_t next;
    size_t names_len, len;
    if (fastly_http_req_header_names_get(req->handle, names, sizeof(names), 0, &next, &names_len) !=
        EDGE_OK)
        return;
    for (char *name = names; name < names + names_len; name += strlen(name) + 1) {
        if (fastly_http_req_header_values_get(req->handle, name, strlen(name), values,
                                              sizeof(values), 0, &next, &len) != EDGE_OK)
            continue;
        for (char *value = values; value < values + len; value += strlen(value) + 1)
            edge_print(resp, "%s: %s\n", name, value);
    }
}

int main(void)
{
    struct edge_request req = edge_request();
    struct edge_response resp = edge_response_new(200);
    edge_response_set(&resp, "set-cookie", "app=1");
    edge_print(&resp, "%s %s%s%s\n", req.method, req.path, *req.query ? "?" : "", req.query);
    print_headers(&req, &resp);
    edge_print(&resp, "arm: %s\n\n%s", edge_config("arm", "name"), edge_body_text(req.body, NULL));
    edge_send(&resp);
}
