/* SPDX-License-Identifier: Apache-2.0 */
/* Decoder of request bodies (RFC 9112, sections 6 and 7), one pass over whatever pieces arrive. */
#ifndef EDGECTL_SERVE_HTTP1_CHUNKED_H
#define EDGECTL_SERVE_HTTP1_CHUNKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/headers.h"
#include "serve/http1_request.h"

enum http1_decoder_state {
    HTTP1_DATA,                 /* `left` bytes of data follow */
    HTTP1_DATA_END,             /* the CRLF after a chunk */
    HTTP1_SIZE,                 /* a chunk-size line */
    HTTP1_TRAILERS,
    HTTP1_DONE,
};

struct http1_decoder {
    enum http1_decoder_state state;
    bool chunked;
    uint64_t left;
    size_t extension_bytes;     /* of all chunk-size lines together: bounded */
};

/* For the framing of a request head; HTTP1_NO_BODY is done at once. */
void http1_decoder_init(struct http1_decoder *d, const struct http1_request *req);

/* Decodes as much of data[0..len) as it can, in place: body bytes come to stand at its start.
 * Returns the input bytes used and sets *body_len; what is left over (part of a line) must be
 * given again with more behind it, unless the state is HTTP1_DONE. -1: the framing is broken or
 * too big, *why says how. `trailers` gets the trailer fields that may stand in a trailer. */
ssize_t http1_decode(struct http1_decoder *d, char *data, size_t len, size_t *body_len,
                     struct headers *trailers, const char **why);

#endif
