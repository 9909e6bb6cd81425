/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1 response heads: how the body will be delimited (RFC 9112, section 6.3), and the bytes.
 * Nothing that a guest puts into a header can end a line or begin another message. */
#ifndef EDGECTL_SERVE_HTTP1_RESPONSE_H
#define EDGECTL_SERVE_HTTP1_RESPONSE_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "serve/exchange.h"

enum http1_delivery {
    HTTP1_COUNTED,          /* Content-Length */
    HTTP1_IN_CHUNKS,        /* Transfer-Encoding: chunked, with trailers */
    HTTP1_UNTIL_CLOSE,      /* HTTP/1.0 client, length unknown; raw bytes after 101 */
};

struct http1_plan {
    enum http1_delivery delivery;
    uint64_t length;        /* with HTTP1_COUNTED */
    bool bodiless;          /* HEAD, 204, 304: no body, whatever the headers say */
    bool manual;            /* the handler's own framing headers go out */
    bool close;             /* the connection ends after this answer */
};

/* Decides from what is known now. `keep_alive`: what the client and the connection allow. */
struct http1_plan http1_plan_response(const struct response_head *head, const struct body *body,
                                      int version, bool head_only, bool keep_alive);

/* Append the final head, up to its empty line. `date` is added unless the headers have one. Lines
 * that cannot be sent (a name that is no token, a control character in the value) are left out. */
void http1_put_head(struct buf *out, const struct response_head *head,
                    const struct http1_plan *plan, int version, const char *date);
/* Append a 1xx head. `headers` may be NULL. */
void http1_put_interim(struct buf *out, int status, const struct headers *headers);
/* Append a 101 head (RFC 9110, 15.2.2), with Upgrade and Connection. */
void http1_put_switch(struct buf *out, const struct headers *headers);
/* Append the last chunk and the trailer section. */
void http1_put_trailers(struct buf *out, const struct headers *trailers);

/* "Sun, 06 Nov 1994 08:49:37 GMT"; needs 30 bytes. `wall_s`: seconds since 1970. */
void http1_format_date(char *to, int64_t wall_s);

#endif
