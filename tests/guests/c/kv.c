/* SPDX-License-Identifier: Apache-2.0 */
/* The KV store `store` by path: GET /KEY, PUT /KEY. */
#include "edge.h"

int main(void)
{
    struct edge_request req = edge_request();
    const char *key = req.path + 1;
    size_t len = 0;
    if (strcmp(req.method, "PUT") == 0) {
        const char *value = edge_body_text(req.body, &len);
        bool stored = value && edge_kv_put("store", key, value, len, 0) == EDGE_KV_OK;
        edge_respond_text(stored ? 200 : 500, stored ? "stored\n" : "not stored\n");
        return 0;
    }
    const char *value = edge_kv_get("store", key, &len);
    if (value)
        edge_respond(200, "text/plain", value, len);
    else
        edge_respond_text(404, "There is no such key.\n");
}
