/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/local_config.h"

#include <string.h>

int local_config_open(struct cli *cli, struct local_config *ret_config, struct err *err)
{
    struct local_config c = {0};
    int r = local_state_open(cli, &c.state, err);
    if (r == 0)
        r = configs_open(c.state.manifest, c.state.dir, &c.configs, err);
    if (r == 0)
        r = overrides_open(c.state.dir, &c.overrides, err);
    if (r < 0)
        local_config_close(&c);
    else
        *ret_config = c;
    return r;
}

void local_config_close(struct local_config *c)
{
    overrides_close(c->overrides);
    configs_close(c->configs);
    local_state_clear(&c->state);
}

int local_config_store(struct local_config *c, const char *name, struct config **ret_store,
                       struct err *err)
{
    *ret_store = config_open(c->configs, name, strlen(name));
    if (*ret_store)
        return 0;
    int r = local_state_declares(&c->state, STORE_CONFIG, name, err);
    return r < 0 ? r : err_set(err, ERR_USAGE, "there is no config store '%.256s'", name);
}
