/* SPDX-License-Identifier: Apache-2.0 */
/* Fetches its own path from the backend named by ?backend= (default: bad) and tells, as text, what
 * it got: the status, or the error's tag; then the body, or that it was cut. */
#include "check.h"

static const char *tag_name(uint32_t tag)
{
    switch (tag) {
    case EDGE_SEND_CONNECTION_REFUSED: return "connection refused";
    case EDGE_SEND_CONNECTION_TERMINATED: return "connection terminated";
    case EDGE_SEND_CONNECTION_TIMEOUT: return "connection timeout";
    case EDGE_SEND_HTTP_INCOMPLETE_RESPONSE: return "incomplete response";
    case EDGE_SEND_HTTP_RESPONSE_HEADER_SECTION_TOO_LARGE: return "header section too large";
    case EDGE_SEND_HTTP_RESPONSE_TIMEOUT: return "response timeout";
    case EDGE_SEND_HTTP_RESPONSE_STATUS_INVALID: return "status invalid";
    case EDGE_SEND_HTTP_PROTOCOL_ERROR: return "protocol error";
    default: return "another error";
    }
}

int main(void)
{
    struct edge_request req = edge_request();
    const char *backend = edge_query(&req, "backend");
    backend = backend ? backend : "bad";
    char url[512];
    uint32_t send, resp, answer;
    uint16_t status = 0;
    snprintf(url, sizeof(url), "http://bad.example%s", req.path);
    fastly_http_req_new(&send);
    fastly_http_req_uri_set(send, url, strlen(url));
    struct edge_send_error_detail detail = {0};
    uint32_t r = fastly_http_req_send_v2(send, body_of(""), backend, strlen(backend), &detail,
                                         &resp, &answer);
    struct edge_response out = edge_response_new(200);
    if (r != EDGE_OK) {
        edge_print(&out, "send: status %u, %s", r, tag_name(detail.tag));
    } else {
        fastly_http_resp_status_get(resp, &status);
        char *text = edge_body_text(answer, NULL);
        edge_print(&out, "answer: %u, %s", status, text ? text : "(cut)");
    }
    edge_send(&out);
}
