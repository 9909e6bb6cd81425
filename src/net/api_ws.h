/* SPDX-License-Identifier: Apache-2.0 */
/* A WebSocket to a provider (RFC 6455), for live logs: libcurl makes the connection (proxy and TLS
 * as for calls), the frames are libwslay's. */
#ifndef EDGECTL_NET_API_WS_H
#define EDGECTL_NET_API_WS_H

#include "net/api.h"

struct api_ws;

/* `url`: wss, or ws to this machine; the client's own headers do not go with it. `protocol`: the
 * subprotocol asked for, which the server must accept; NULL = none. Messages of more than max bytes
 * end the connection. -ERR_NETWORK. */
must_use int api_ws_open(struct api *api, const char *url, const char *protocol, size_t max,
                         struct api_ws **ret, struct err *err);
/* NULL is allowed. Says goodbye, without waiting for an answer. */
void api_ws_close(struct api_ws *ws);
/* One text message. */
must_use int api_ws_send(struct api_ws *ws, const char *text, size_t len, struct err *err);
/* The next message replaces what is in `message`: 1. Nothing within max_ms: 0. -ERR_NETWORK when
 * the connection has ended, or was silent for two pings (10 s each). */
must_use int api_ws_next(struct api_ws *ws, int64_t max_ms, struct buf *message, struct err *err);

#endif
