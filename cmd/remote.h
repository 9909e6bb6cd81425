/* SPDX-License-Identifier: Apache-2.0 */
/* The kv, config and secret commands on a target: with --target they work on what the app has
 * there, without it on the data of this project, which `edgectl dev` uses. Arguments are as those
 * of the commands; formats too. */
#ifndef EDGECTL_CMD_REMOTE_H
#define EDGECTL_CMD_REMOTE_H

#include "cli/cli.h"
#include "cmd/local_state.h"
#include "crypto/secret.h"
#include "provider/provider.h"

/* Keys, one a line, or an array; without a store's name those of all that the manifest declares. */
must_use int remote_list(struct cli *cli, struct store_ref store, const char *prefix,
                         struct err *err);
must_use int remote_get(struct cli *cli, struct store_ref store, const char *key,
                        struct err *err);
must_use int remote_put(struct cli *cli, struct store_ref store, struct entry *entry,
                        struct err *err);
must_use int remote_delete(struct cli *cli, struct store_ref store, const char *const *keys,
                           size_t count, struct err *err);
/* JSON lines. */
must_use int remote_export(struct cli *cli, struct store_ref store, const char *prefix,
                           struct err *err);
must_use int remote_import(struct cli *cli, struct store_ref store, const char *file,
                           struct err *err);

/* What of `to` differs from `from`, and with `sync` make it the same: keys that only `to` has go
 * with `remove`. */
struct remote_compare {
    struct store_ref store;
    const char *from, *to;          /* targets */
    bool sync, remove, dry_run;
};
must_use int remote_compare(struct cli *cli, const struct remote_compare *o, struct err *err);

#endif
