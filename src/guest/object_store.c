/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_object_store: the older names of the KV stores. Other statuses than fastly_kv_store: a
 * missing key is ok with the out handle left alone, a bad key is error. */
#include <stdlib.h>
#include "guest/kv.h"

/* The store and the key of a call: (store, key, key_len, ...). */
static enum hc_status take_place(struct instance *in, const uint64_t *a, const char **ret_store,
                                 char **ret_key)
{
    *ret_store = guest_kv_store(guest_of(in), a[0]);
    if (!*ret_store)
        return HC_BADF;
    TRY(guest_kv_key(in, a[1], a[2], ret_key));
    return *ret_key ? HC_OK : HC_ERROR;
}

int32_t hc_object_store_open(struct instance *in, const uint64_t *a)
{
    return guest_kv_open(in, a);
}

/* --- lookup --- */

static enum hc_status give_value(struct guest *g, uint64_t body_ptr, const struct kv_op *op)
{
    uint8_t *out;
    if (!op->entry)
        return op->result == KV_NOT_FOUND ? HC_OK : HC_INVAL;
    TRY(mem_slot(g->in, body_ptr, 4, &out));
    uint32_t handle = guest_add_body(g, body_ref(op->entry->value));
    if (handle == HANDLE_INVALID)
        return HC_LIMITEXCEEDED;
    put_u32(out, handle);
    return HC_OK;
}

int32_t hc_object_store_lookup(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    const char *store;
    cleanup(free_p) char *key = NULL;
    TRY(take_place(in, a, &store, &key));
    struct kv_op *op = kv_op_lookup(g, store, key);
    int32_t status = (int32_t)give_value(g, a[3], op);
    kv_op_free(op);
    return status;
}

int32_t hc_object_store_lookup_async(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    const char *store;
    cleanup(free_p) char *key = NULL;
    uint8_t *out;
    TRY(take_place(in, a, &store, &key));
    TRY(mem_slot(in, a[3], 4, &out));
    return guest_kv_begin(g, ITEM_KV_LOOKUP, kv_op_lookup(g, store, key), out);
}

int32_t hc_object_store_pending_lookup_wait(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    struct kv_op *op = guest_kv_op(g, a[0], ITEM_KV_LOOKUP);
    if (!op)
        return HC_BADF;
    item_clear(item_any(g, a[0])); /* a lookup is done when it is begun */
    int32_t status = (int32_t)give_value(g, a[1], op);
    kv_op_free(op);
    return status;
}

/* --- insert and delete --- */

/* True when the write behind the handle is over. */
static bool write_now(struct guest *g, uint64_t handle, enum item_kind kind, int32_t *ret_status)
{
    struct kv_op *op = guest_kv_op(g, handle, kind);
    if (!op) {
        *ret_status = HC_BADF;
        return true;
    }
    if (!op->done)
        return false;
    item_clear(item_any(g, handle));
    *ret_status = op->broken                   ? HC_ERROR
                  : op->result == KV_OK        ? HC_OK
                  : op->result == KV_NOT_FOUND ? HC_NONE
                                               : HC_INVAL;
    kv_op_free(op);
    return true;
}

static bool insert_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    return write_now(g, g->wait.n, ITEM_KV_INSERT, ret_result);
}

static bool delete_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    return write_now(g, g->wait.n, ITEM_KV_DELETE, ret_result);
}

/* Begin an insert of (store, key, key_len, body) under a handle of its own. */
static enum hc_status begin_insert(struct instance *in, const uint64_t *a, uint32_t *ret_handle)
{
    struct guest *g = guest_of(in);
    const char *store;
    cleanup(free_p) char *key = NULL;
    uint8_t handle[4];
    TRY(take_place(in, a, &store, &key));
    struct body *source = guest_take_body(g, a[3]);
    if (!source)
        return HC_BADF;
    const struct kv_put put = {.store = store, .key = key};
    TRY(guest_kv_begin(g, ITEM_KV_INSERT, kv_op_insert(g, &put, source), handle));
    *ret_handle = get_u32(handle);
    return HC_OK;
}

int32_t hc_object_store_insert(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    int32_t status;
    uint32_t handle;
    TRY(begin_insert(in, a, &handle));
    if (write_now(g, handle, ITEM_KV_INSERT, &status))
        return status;
    g->wait.n = handle;
    return guest_park(g, a, insert_on);
}

int32_t hc_object_store_insert_async(struct instance *in, const uint64_t *a)
{
    uint8_t *out;
    uint32_t handle;
    TRY(mem_slot(in, a[4], 4, &out));
    TRY(begin_insert(in, a, &handle));
    put_u32(out, handle);
    return HC_OK;
}

int32_t hc_object_store_pending_insert_wait(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    int32_t status;
    if (write_now(g, a[0], ITEM_KV_INSERT, &status))
        return status;
    g->wait.n = (uint32_t)a[0];
    return guest_park(g, a, insert_on);
}

int32_t hc_object_store_delete_async(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    const char *store;
    cleanup(free_p) char *key = NULL;
    uint8_t *out;
    TRY(take_place(in, a, &store, &key));
    TRY(mem_slot(in, a[3], 4, &out));
    return guest_kv_begin(g, ITEM_KV_DELETE, kv_op_delete(g, store, key), out);
}

int32_t hc_object_store_pending_delete_wait(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    int32_t status;
    if (write_now(g, a[0], ITEM_KV_DELETE, &status))
        return status;
    g->wait.n = (uint32_t)a[0];
    return guest_park(g, a, delete_on);
}
