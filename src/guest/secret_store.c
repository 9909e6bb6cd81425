/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_secret_store. Values stay in locked memory until a guest asks for the plaintext. */
#include "guest/stores.h"
#include "world/secrets.h"

/* A secret takes pages of its own: what one sandbox may hold. */
enum { SECRETS_MAX = 1024 };

int32_t hc_secret_store_open(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    const struct manifest *m = g->app->manifest;
    uint8_t *name, *out;
    TRY(mem_bytes(in, a[0], a[1], &name));
    TRY(mem_slot(in, a[2], 4, &out));
    for (size_t i = 0; i < m->secret_count; i++) {
        if (!name_is(m->secrets[i].name, name, a[1]))
            continue;
        uint32_t handle = table_share(&g->secret_stores, &m->secrets[i]);
        if (handle == HANDLE_INVALID)
            return HC_LIMITEXCEEDED;
        put_u32(out, handle);
        return HC_OK;
    }
    return HC_NONE;
}

/* Takes the reference to `s`. */
static enum hc_status give_handle(struct guest *g, struct secret *s, uint8_t *out)
{
    uint32_t handle = g->secrets.count < SECRETS_MAX ? table_add(&g->secrets, s) : HANDLE_INVALID;
    if (handle == HANDLE_INVALID) {
        secret_unref(s);
        return HC_LIMITEXCEEDED;
    }
    put_u32(out, handle);
    return HC_OK;
}

int32_t hc_secret_store_get(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    const struct manifest_store *store = table_get(&g->secret_stores, a[0]);
    uint8_t *key, *out;
    if (!store)
        return HC_BADF;
    TRY(mem_bytes(in, a[1], a[2], &key));
    TRY(mem_slot(in, a[3], 4, &out));
    struct secret *s = secrets_lookup(g->app->world->secrets, store->name, strlen(store->name),
                                      (const char *)key, a[2]);
    return s ? (int32_t)give_handle(g, s, out) : HC_NONE;
}

int32_t hc_secret_store_plaintext(struct instance *in, const uint64_t *a)
{
    const struct secret *s = table_get(&guest_of(in)->secrets, a[0]);
    if (!s)
        return HC_BADF;
    return (int32_t)give_text(in, secret_expose(s), secret_len(s), a[1], a[2], a[3]);
}

int32_t hc_secret_store_from_bytes(struct instance *in, const uint64_t *a)
{
    uint8_t *bytes, *out;
    TRY(mem_bytes(in, a[0], a[1], &bytes));
    TRY(mem_slot(in, a[2], 4, &out));
    if (a[1] > SECRET_MAX)
        return HC_INVAL;
    return (int32_t)give_handle(guest_of(in), secret_new(bytes, a[1]), out);
}

const char *guest_secret(struct guest *g, uint64_t handle, size_t *ret_len)
{
    const struct secret *s = table_get(&g->secrets, handle);
    if (!s)
        return NULL;
    *ret_len = secret_len(s);
    return (const char *)secret_expose(s);
}
