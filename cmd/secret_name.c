/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/secret_name.h"

#include "cmd/cmd.h"

int secret_name_find(const struct local_state *s, const char *first, const char *second,
                     struct secret_name *ret_name, struct err *err)
{
    const struct manifest *m = s->manifest;
    /* The store that the key `secrets` of an edge.yaml declares. */
    struct secret_name name = {.store = "secrets", .key = first};
    if (second)
        name = (struct secret_name){.store = first, .key = second};
    else if (m->secret_count == 1)
        name.store = m->secrets[0].name;
    *ret_name = name;
    return local_state_declares(s, STORE_SECRET, name.store, err);
}

int secret_remote_names(struct cli *cli, struct local_state *ret_state, struct err *err)
{
    struct local_state s = {.declared = true};
    int r = cmd_load_manifest(cli, &s.manifest, err);
    if (r == 0)
        *ret_state = s;
    return r;
}
