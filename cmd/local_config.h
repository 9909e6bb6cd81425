/* SPDX-License-Identifier: Apache-2.0 */
/* What the config commands share: the stores as guests see them, and the local overrides. */
#ifndef EDGECTL_CMD_LOCAL_CONFIG_H
#define EDGECTL_CMD_LOCAL_CONFIG_H

#include "cmd/local_state.h"
#include "world/config.h"
#include "world/overrides.h"

struct local_config {
    struct local_state state;
    struct configs *configs;
    struct overrides *overrides;
};

must_use int local_config_open(struct cli *cli, struct local_config *ret_config, struct err *err);
void local_config_close(struct local_config *c);
/* A store as the app sees it; the caller closes it. -ERR_USAGE if it is not declared. */
must_use int local_config_store(struct local_config *c, const char *name,
                                struct config **ret_store, struct err *err);

#endif
