/* SPDX-License-Identifier: Apache-2.0 */
/* Answers with the headers that the query names: /?x-one=1&x-two=2. */
#include "edge.h"

int main(void)
{
    struct edge_request req = edge_request();
    struct edge_response resp = edge_response_new(200);
    char *query = strdup(req.query);
    for (char *pair = strtok(query, "&"); pair; pair = strtok(NULL, "&")) {
        char *value = strchr(pair, '=');
        if (value) {
            *value++ = '\0';
            edge_response_set(&resp, pair, value);
        }
    }
    edge_print(&resp, "done\n");
    edge_send(&resp);
}
