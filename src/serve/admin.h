/* SPDX-License-Identifier: Apache-2.0 */
/* The admin socket of a running `edgectl serve` or `edgectl dev`: HTTP/1 and JSON over a Unix
 * socket, for the provider `local`. Only processes of this user (SO_PEERCRED) that can read the
 * token file (mode 0600) are listened to. Where both are: world/state.h.
 *
 *     GET    /v1                                     who is here: url, pid, version, apps
 *     GET    /v1/apps/A                              hosts, versions, split
 *     PUT    /v1/apps/A                              {"hosts": [...]}: make it, or change it
 *     DELETE /v1/apps/A
 *     GET    /v1/apps/A/blobs/SHA256                 is it here?
 *     PUT    /v1/apps/A/blobs/SHA256                 a file's bytes
 *     GET    /v1/apps/A/secrets/STORE/KEY/DIGEST     is it here?
 *     PUT    /v1/apps/A/secrets/STORE/KEY/DIGEST     a secret's bytes
 *     POST   /v1/apps/A/versions                     see shelf_put_version
 *     DELETE /v1/apps/A/versions/ID
 *     PUT    /v1/apps/A/split                        see shelf_set_split
 *     GET    /v1/apps/A/metrics?version=ID&since=MS
 *     GET    /v1/apps/A/logs?version=ID              JSON lines, for as long as one listens
 *     POST   /v1/apps/A/purge                        {"key": text or absent, "soft": bool}
 *     GET PUT DELETE /v1/apps/A/notes/KEY
 *     GET    /v1/apps/A/kv/STORE?prefix=P&after=K    {"keys": [...], "more": bool}
 *     POST   /v1/apps/A/kv/STORE                     records of world/kv_record.h, one a line
 *     GET DELETE /v1/apps/A/kv/STORE/KEY             a record
 *     GET    /v1/apps/A/config/STORE                 {KEY: {"value", "override": bool}}
 *     PUT DELETE /v1/apps/A/config/STORE/KEY         text, which overrides that of every version
 *
 * Failures are {"error": {"code", "message", "hint"}} with the codes of base/err.def. */
#ifndef EDGECTL_SERVE_ADMIN_H
#define EDGECTL_SERVE_ADMIN_H

#include "base/err.h"
#include "serve/shelf.h"

struct admin;

struct admin_options {
    const char *state_dir;
    const char *kind;               /* "serve" or "dev" */
    struct shelf *shelf;            /* these are borrowed, and outlive it */
    struct server *server;
    struct kv_db *kv;
};


/* Makes the token and the socket, and answers on a thread of its own. -ERR_DRIFT: another server
 * answers on that socket. */
must_use int admin_start(const struct admin_options *options, struct admin **ret, struct err *err);
/* Answers nobody any more; then, after server_stop, admin_close. NULL is allowed for both. */
void admin_stop(struct admin *a);
void admin_close(struct admin *a);

#endif
