/* SPDX-License-Identifier: Apache-2.0 */
/* The state folder: where a project's KV data, secrets and local overrides live. */
#ifndef EDGECTL_WORLD_STATE_H
#define EDGECTL_WORLD_STATE_H

#include <stdbool.h>
#include "base/err.h"

struct manifest;

/* The folder's path, freed by the caller: `override` if given (--state), else ".edgectl" in the
 * project directory, or, for a manifest that is called neither edge.yaml nor fastly.toml,
 * ".edgectl/<its file name>", so that several manifests in one directory do not share state. */
char *state_dir_for(const struct manifest *m, const char *override);

/* The folder of `edgectl serve`, whose apps come from any project: $EDGECTL_LOCAL, else
 * $XDG_STATE_HOME/edgectl or ~/.local/state/edgectl. NULL without a home; freed by the caller. */
char *state_dir_server(void);

/* The admin socket of a server whose state folder this is: in it, or, where that path would be too
 * long for a socket, in /tmp under a name made of the path. The caller frees. */
char *state_socket_path(const char *dir);
/* Whether such a server listens there now, and is this user's: anybody may put a socket into /tmp,
 * to be told the token and the secrets. */
bool state_server_answers(const char *dir);
/* The file in a state folder with the word that opens its admin socket. */
#define STATE_TOKEN "admin.token"

/* Make it, with missing parents and mode 0700; a .gitignore in it keeps it out of commits. No
 * effect if it is there. -ERR_IO. */
must_use int state_dir_make(const char *dir, struct err *err);

#endif
