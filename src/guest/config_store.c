/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_config_store and the older fastly_dictionary: two names of the same stores and handles. */
#include "guest/limits.h"
#include "guest/stores.h"
#include "world/config.h"

/* Each open sees the store as it is then; its handle keeps that state. */
int32_t hc_config_store_open(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    uint8_t *name, *out;
    TRY(mem_bytes(in, a[0], a[1], &name));
    TRY(mem_slot(in, a[2], 4, &out));
    struct config *config = config_open(g->app->world->configs, (const char *)name, a[1]);
    if (!config)
        return HC_BADF;
    uint32_t handle = table_add(&g->stores, config);
    if (handle == HANDLE_INVALID) {
        config_close(config);
        return HC_LIMITEXCEEDED;
    }
    put_u32(out, handle);
    return HC_OK;
}

int32_t hc_config_store_get(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    const struct config *config = table_get(&g->stores, a[0]);
    const char *value;
    size_t len;
    uint8_t *key;
    if (!config)
        return HC_BADF;
    TRY(mem_bytes(in, a[1], a[2], &key));
    if (!guest_limits_count(g, LIMIT_LOOKUPS, &g->lookups))
        return HC_LIMITEXCEEDED;
    if (!config_get(config, (const char *)key, a[2], &value, &len))
        return HC_NONE;
    return (int32_t)give_text(in, value, len, a[3], a[4], a[5]);
}

int32_t hc_dictionary_open(struct instance *in, const uint64_t *a)
{
    return hc_config_store_open(in, a);
}

int32_t hc_dictionary_get(struct instance *in, const uint64_t *a)
{
    return hc_config_store_get(in, a);
}
