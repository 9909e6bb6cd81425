/* SPDX-License-Identifier: Apache-2.0 */
/* A request without a wire: gives an exchange to a handler and collects what it answers. For tests
 * and for whatever else asks an app a question inside this process. */
#ifndef EDGECTL_SERVE_LOOPBACK_H
#define EDGECTL_SERVE_LOOPBACK_H

#include "base/buf.h"
#include "serve/exchange.h"

struct loopback;

struct loopback_request {
    const char *method;                 /* NULL: GET */
    const char *uri;                    /* absolute */
    const struct headers *headers;      /* copied; NULL: none. A Host is added if it is missing */
    struct body *body;                  /* takes the caller's reference; NULL: empty. May still be
                                         * written to while the handler runs */
    struct exchange_addr client;        /* zero: 127.0.0.1 */
    struct exchange_tls *tls;           /* NULL: plain. Its count, if it has one, goes up */
    size_t max_body;                    /* of the answer, bytes; 0: 64 MiB. A longer one is cut */
};

struct loopback_interim {
    int status;
    struct headers headers;
};

struct loopback_answer {
    int status;                         /* 0 until the head is there */
    struct headers headers, trailers;
    bool close, manual_framing;         /* as in struct response_head */
    struct buf body;                    /* what has come so far */
    struct loopback_interim *interims;
    size_t interim_count;
    bool complete;                      /* all is there */
    bool cut;                           /* the handler broke it off, or it was too long */
};

/* Calls handler->begin before it returns. `done` (may be NULL) is called once, on the loop, when
 * the answer is complete or cut; it may free the loopback. */
struct loopback *loopback_start(struct loop *loop, const struct exchange_handler *handler,
                                const struct loopback_request *request, loop_fn *done, void *env);
/* Valid until loopback_free, growing until it is complete or cut. */
const struct loopback_answer *loopback_answer(const struct loopback *l);
/* The client goes away, unless the answer is complete. From the loop, not from inside an exchange_
 * function. `done` is not called. */
void loopback_hang_up(struct loopback *l);
/* Hangs up if need be. */
void loopback_free(struct loopback *l);

#endif
