/* SPDX-License-Identifier: Apache-2.0 */
#include "guest/stores.h"

#include <stdlib.h>
#include "crypto/secret.h"
#include "world/config.h"

uint32_t table_share(struct table *t, void *ptr)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (t->list[i] == ptr)
            return i;
    return table_add(t, ptr);
}

uint32_t guest_add_text(struct guest *g, const void *text, size_t len)
{
    uint32_t handle = guest_add_body(g, NULL);
    if (handle != HANDLE_INVALID)
        body_write(guest_body(g, handle), text, len);
    return handle;
}

bool name_is(const char *name, const uint8_t *text, size_t len)
{
    return strlen(name) == len && memcmp(name, text, len) == 0;
}

void guest_drop_stores(struct guest *g)
{
    for (uint32_t i = 0; i < g->stores.count; i++)
        config_close(g->stores.list[i]);
    for (uint32_t i = 0; i < g->secrets.count; i++)
        secret_unref(g->secrets.list[i]);
    table_clear(&g->stores);
    table_clear(&g->secrets);
    /* These point into the app's manifest. */
    table_clear(&g->kv_stores);
    table_clear(&g->secret_stores);
    table_clear(&g->acls);
}
