/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_acl: access control lists of the manifest. */
#include <stdlib.h>
#include <jansson.h>
#include "guest/stores.h"

/* enum acl_error of the ABI. */
enum { ACL_OK = 1, ACL_NO_CONTENT = 2 };

int32_t hc_acl_open(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    const struct manifest *m = g->app->manifest;
    uint8_t *name, *out;
    TRY(mem_bytes(in, a[0], a[1], &name));
    TRY(mem_slot(in, a[2], 4, &out));
    for (size_t i = 0; i < m->acl_count; i++) {
        if (!name_is(m->acls[i].name, name, a[1]))
            continue;
        uint32_t handle = table_share(&g->acls, &m->acls[i]);
        if (handle == HANDLE_INVALID)
            return HC_LIMITEXCEEDED;
        put_u32(out, handle);
        return HC_OK;
    }
    return HC_NONE;
}

/* Indented as the reference emulator has it: apps that pass the body on give the same bytes. */
static char *entry_json(const char *prefix, const char *action)
{
    json_t *entry = json_pack("{s:s,s:s}", "prefix", prefix, "action", action);
    char *text = json_dumps(entry, JSON_INDENT(2));
    json_decref(entry);
    return text;
}

int32_t hc_acl_lookup(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    const struct manifest_acl *acl = table_get(&g->acls, a[0]);
    const char *prefix, *action;
    uint8_t *octets, *body_out, *error_out;
    if (!acl)
        return HC_BADF;
    TRY(mem_bytes(in, a[1], a[2], &octets));
    if (a[2] != 4 && a[2] != 16)
        return HC_INVAL;
    TRY(mem_slot(in, a[4], 4, &error_out));
    if (!acl_lookup(acl->acl, octets, a[2], &prefix, &action)) {
        put_u32(error_out, ACL_NO_CONTENT);
        return HC_OK;
    }
    TRY(mem_slot(in, a[3], 4, &body_out));
    cleanup(free_p) char *json = entry_json(prefix, action);
    uint32_t handle = guest_add_text(g, json, strlen(json));
    if (handle == HANDLE_INVALID)
        return HC_LIMITEXCEEDED;
    put_u32(body_out, handle);
    put_u32(error_out, ACL_OK);
    return HC_OK;
}
