/* SPDX-License-Identifier: Apache-2.0 */
/* How secret commands name a secret: "NAME" in the only store (or "secrets"), or "STORE NAME". */
#ifndef EDGECTL_CMD_SECRET_NAME_H
#define EDGECTL_CMD_SECRET_NAME_H

#include "cmd/local_state.h"

struct secret_name {
    const char *store, *key;
};

/* `first` and `second` are the operands, second may be NULL. -ERR_USAGE if the manifest does not
 * declare the store; *ret_name is set all the same. It borrows from them and from the manifest. */
must_use int secret_name_find(const struct local_state *s, const char *first, const char *second,
                              struct secret_name *ret_name, struct err *err);

/* The names that a manifest gives with --target, in place of local_state_open. */
must_use int secret_remote_names(struct cli *cli, struct local_state *ret_state, struct err *err);

#endif
