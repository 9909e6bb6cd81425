/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EDGECTL_SERVE_ADMIN_LOGS_H
#define EDGECTL_SERVE_ADMIN_LOGS_H

#include "base/body.h"
#include "base/loop.h"
#include "serve/server.h"

struct admin_logs;

struct admin_logs *admin_logs_new(struct server *server, struct loop *loop);
/* A body that never ends by itself: JSON lines of that app, of one version or (NULL) all. One
 * reference, for the reader. On the loop's thread. */
struct body *admin_logs_listen(struct admin_logs *logs, const char *site, const char *version);
/* Ends all of them. On the loop's thread. */
void admin_logs_end(struct admin_logs *logs);
/* After the server's workers have ended: they may be telling of something. */
void admin_logs_free(struct admin_logs *logs);

#endif
