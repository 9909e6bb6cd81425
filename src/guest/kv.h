/* SPDX-License-Identifier: Apache-2.0 */
/* KV operations of a guest: what stands behind the pending handles of fastly_kv_store and of the
 * older fastly_object_store. */
#ifndef EDGECTL_GUEST_KV_H
#define EDGECTL_GUEST_KV_H

#include "base/buf.h"
#include "guest/stores.h"
#include "world/kv.h"

struct kv_op {
    struct guest *g;                /* to wake; NULL once nobody waits any more */
    bool done;
    bool writing;                   /* the store will call back */
    bool broken;                    /* the body with the value was cut short */
    enum kv_result result;          /* when done */
    struct kv_entry *entry;         /* of a lookup that found something */
    char *page;                     /* of a list: JSON */
    /* An insert: */
    struct kv_put put;
    struct body *source;            /* still being read */
    struct buf value;
};

/* Begin an operation; the result is owned by the item table. Store names are borrowed from the
 * app's manifest, keys are valid and copied. */
struct kv_op *kv_op_lookup(struct guest *g, const char *store, const char *key);
struct kv_op *kv_op_delete(struct guest *g, const char *store, const char *key);
/* Store, key, mode, metadata, ttl and generation come from `put`. Takes the reference to `source`,
 * which may still be growing; nothing is stored unless it ends well. */
struct kv_op *kv_op_insert(struct guest *g, const struct kv_put *put, struct body *source);

struct kv_list {
    const char *store;
    const char *prefix;             /* NULL = any */
    const char *cursor;             /* base64 as handed out, NULL = from the start */
    uint32_t limit;
};
struct kv_op *kv_op_list(struct guest *g, const struct kv_list *list);

/* The operation is over and its handle gone; `op` may be NULL. */
void kv_op_free(struct kv_op *op);

/* The answer to a list as guests get it: {"data":[...],"meta":{...}}; freed by the caller. */
char *kv_page_json(const struct kv_list *list, const struct kv_page *page);
/* The key behind a cursor, freed by the caller; NULL when it is none that kv_page_json made. */
char *kv_cursor_key(const char *cursor);

/* --- used by both modules --- */

/* args: name, name_len, handle out. HC_INVAL: no such store. */
int32_t guest_kv_open(struct instance *in, const uint64_t *a);
/* The name of the store behind a handle, NULL if invalid. */
const char *guest_kv_store(struct guest *g, uint64_t handle);
/* The key at (ptr, len): HC_INVAL outside memory; *ret is NULL when it breaks the rules. */
enum hc_status guest_kv_key(struct instance *in, uint64_t ptr, uint64_t len, char **ret);
/* Put an operation into the item table and store its handle; at HC_LIMITEXCEEDED it is freed. */
enum hc_status guest_kv_begin(struct guest *g, enum item_kind kind, struct kv_op *op,
                              uint8_t *handle_out);
/* The operation behind a handle, NULL if invalid. */
struct kv_op *guest_kv_op(struct guest *g, uint64_t handle, enum item_kind kind);

#endif
