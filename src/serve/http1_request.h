/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1 request heads: from bytes to an exchange, and what they say about the message that
 * follows. Strict where leniency lets two parsers see two messages (RFC 9112, sections 2.2, 3,
 * 5, 6 and 11.2); pure functions, no connection. */
#ifndef EDGECTL_SERVE_HTTP1_REQUEST_H
#define EDGECTL_SERVE_HTTP1_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "serve/exchange.h"

enum {
    HTTP1_MAX_HEADERS = 100,            /* lines; more: 431 (abi README section 8) */
    HTTP1_MAX_TARGET = 65534,           /* bytes; more: 414 */
    HTTP1_MAX_METHOD = 8192,            /* more: 501 */
    HTTP1_MAX_HEAD = 512 << 10,         /* a whole head; more: 431 */
    HTTP1_MAX_LINE = 128 << 10,         /* one header's name and value; more: 431 */
};

enum http1_framing { HTTP1_NO_BODY, HTTP1_LENGTH, HTTP1_CHUNKED };

struct http1_request {
    enum http1_framing framing;
    uint64_t length;                    /* with HTTP1_LENGTH; not 0 */
    bool keep_alive;                    /* the client lets the connection live on */
    bool expect_continue;
    bool head_only;                     /* HEAD: the answer has no body */
};

/* Why a request was refused: a status for the client and a line of text. */
struct http1_refusal {
    int status;
    const char *why;
};

/* A complete head at the start of `data`: fills a fresh exchange (method, uri, version, headers)
 * and *req and returns the bytes used. 0: more bytes are needed. -1: refused, see *no; the
 * exchange is unusable then. `scheme` is "http" or "https"; `authority` stands in when an HTTP/1.0
 * client names no host.
 *
 * The URI is absolute. Bytes from 0x80 up in the target are percent-encoded, a fragment is cut
 * off, and `OPTIONS *` has the path "/ *" without the space. */
ssize_t http1_read_head(const char *data, size_t len, const char *scheme, const char *authority,
                        struct exchange *ex, struct http1_request *req, struct http1_refusal *no);

/* True if `data` holds the empty line that ends a head. `from` is where to begin to look: what a
 * former call has searched need not be searched again. */
bool http1_head_ends(const char *data, size_t len, size_t from);

/* For a head that is incomplete: is it past a limit already? Fills *no and returns true. */
bool http1_head_too_long(const char *data, size_t len, struct http1_refusal *no);

#endif
