/* SPDX-License-Identifier: Apache-2.0 */
/* The sending half of an http1: what the handler answers, on its way to the transport. Internal to
 * http1.c and http1_answer.c. */
#ifndef EDGECTL_SERVE_HTTP1_ANSWER_H
#define EDGECTL_SERVE_HTTP1_ANSWER_H

#include "serve/http1.h"

extern const struct exchange_wire http1_wire;

/* Sends as much as the transport takes, and sets `broken` or `blocked`. Calls nobody but the
 * transport and the body's writer. */
void http1_flush(struct http1 *h);
/* Nobody will get the rest of the answer. */
void http1_drop_answer(struct http1 *h);
/* 100 (Continue), if the client waits for it. `env` is the http1: a body_fn. */
void http1_send_continue(void *env);
/* A whole answer of our own into `out`, after which the connection ends. */
void http1_put_refusal(struct http1 *h, int status, const char *why);

/* In http1.c: */
/* Take the next step soon. `env` is the http1: a body_fn, for callbacks from which nothing else may
 * be done. */
void http1_schedule(void *env);
/* Receive no more of the request body. With `failure` (static) its reader sees it broken. */
void http1_drop_upload(struct http1 *h, const char *failure);

#endif
