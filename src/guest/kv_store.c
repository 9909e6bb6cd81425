/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_kv_store. A call starts an operation and gives a pending handle; the outcome comes from
 * the matching wait, as a kv_error with status 0 (abi README section 10). */
#include <stdlib.h>
#include "base/clock.h"
#include "base/mem.h"
#include "guest/kv.h"
#include "guest/limits.h"
#include "guest/record.h"

enum {
    INSERT_BACKGROUND_FETCH = 1 << 1,
    INSERT_METADATA = 1 << 3,
    INSERT_TTL = 1 << 4,
    INSERT_IF_GENERATION = 1 << 5,
    INSERT_KNOWN = INSERT_BACKGROUND_FETCH | INSERT_METADATA | INSERT_TTL | INSERT_IF_GENERATION,
    LIST_CURSOR = 1 << 1,
    LIST_LIMIT = 1 << 2,
    LIST_PREFIX = 1 << 3,
    LIST_KNOWN = LIST_CURSOR | LIST_LIMIT | LIST_PREFIX,
    LIST_LIMIT_DEFAULT = 1000,
    LIST_MODE_MAX = 1,
};

/* --- shared with the old form --- */

int32_t guest_kv_open(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    const struct manifest *m = g->app->manifest;
    uint8_t *name, *out;
    TRY(mem_bytes(in, a[0], a[1], &name));
    TRY(mem_slot(in, a[2], 4, &out));
    for (size_t i = 0; i < m->kv_count; i++) {
        struct manifest_kv *kv = &m->kv[i];
        if (!name_is(kv->name, name, a[1]))
            continue;
        uint32_t handle = table_share(&g->kv_stores, kv);
        if (handle == HANDLE_INVALID)
            return HC_LIMITEXCEEDED;
        put_u32(out, handle);
        return HC_OK;
    }
    return HC_INVAL;
}

const char *guest_kv_store(struct guest *g, uint64_t handle)
{
    const struct manifest_kv *kv = table_get(&g->kv_stores, handle);
    return !kv ? NULL : kv->stored_as ? kv->stored_as : kv->name;
}

enum hc_status guest_kv_key(struct instance *in, uint64_t ptr, uint64_t len, char **ret)
{
    struct guest *g = guest_of(in);
    uint8_t *at;
    TRY(mem_bytes(in, ptr, len, &at));
    if (!guest_limits_count(g, LIMIT_KV_OPERATIONS, &g->kv_operations))
        return HC_LIMITEXCEEDED;
    bool valid = kv_key_valid((const char *)at, len) &&
                 len <= guest_limit(g, LIMIT_KV_KEY, KV_KEY_MAX);
    *ret = valid ? xstrndup((const char *)at, len) : NULL;
    return HC_OK;
}

enum hc_status guest_kv_begin(struct guest *g, enum item_kind kind, struct kv_op *op,
                              uint8_t *handle_out)
{
    uint32_t handle = item_add(g, kind, op);
    if (handle == HANDLE_INVALID) {
        kv_op_free(op);
        return HC_LIMITEXCEEDED;
    }
    put_u32(handle_out, handle);
    return HC_OK;
}

struct kv_op *guest_kv_op(struct guest *g, uint64_t handle, enum item_kind kind)
{
    struct item *it = item_get(g, handle, kind);
    return it ? it->ptr : NULL;
}

/* --- starting --- */

int32_t hc_kv_store_open(struct instance *in, const uint64_t *a)
{
    return guest_kv_open(in, a);
}

/* What lookup and delete have in common. args: store, key, key_len, mask, config, handle out; the
 * config has no fields yet. */
static int32_t start(struct instance *in, const uint64_t *a, enum item_kind kind,
                     struct kv_op *(*begin)(struct guest *, const char *, const char *))
{
    struct guest *g = guest_of(in);
    const char *store = guest_kv_store(g, a[0]);
    cleanup(free_p) char *key = NULL;
    uint8_t *out;
    if (!store)
        return HC_BADF;
    TRY(guest_kv_key(in, a[1], a[2], &key));
    TRY(mem_slot(in, a[5], 4, &out));
    if (!key || a[3])
        return HC_INVAL;
    return guest_kv_begin(g, kind, begin(g, store, key), out);
}

int32_t hc_kv_store_lookup(struct instance *in, const uint64_t *a)
{
    return start(in, a, ITEM_KV_LOOKUP, kv_op_lookup);
}

int32_t hc_kv_store_delete(struct instance *in, const uint64_t *a)
{
    return start(in, a, ITEM_KV_DELETE, kv_op_delete);
}

static enum hc_status read_insert_config(struct instance *in, uint64_t mask, uint64_t config,
                                         struct kv_put *put)
{
    uint32_t mode, len, ttl;
    uint8_t *metadata;
    if (mask & ~(uint64_t)INSERT_KNOWN)
        return HC_INVAL;
    TRY(record_u32(in, config, 0, &mode));
    if (mode > KV_PREPEND)
        return HC_INVAL;
    put->mode = (enum kv_mode)mode;
    if (mask & INSERT_METADATA) {
        TRY(record_bytes(in, config, 8, &metadata, &len));
        if (len == 0 || len > guest_limit(guest_of(in), LIMIT_KV_METADATA, KV_METADATA_MAX) ||
             !utf8_valid(metadata, len))
            return HC_INVAL;
        put->metadata = metadata;
        put->metadata_len = len;
    }
    if (mask & INSERT_TTL) {
        TRY(record_u32(in, config, 16, &ttl));
        if (ttl)
            put->ttl_s = ttl;
        else
            put->expires_ms = clock_wall_ns() / 1000000; /* gone at once */
    }
    if (mask & INSERT_IF_GENERATION) {
        TRY(record_u64(in, config, 24, &put->if_generation));
        put->has_generation = true;
    }
    return HC_OK;
}

int32_t hc_kv_store_insert(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    const char *store = guest_kv_store(g, a[0]);
    cleanup(free_p) char *key = NULL;
    uint8_t *out;
    if (!store)
        return HC_BADF;
    TRY(guest_kv_key(in, a[1], a[2], &key));
    if (!key)
        return HC_INVAL;
    struct body *source = guest_take_body(g, a[3]);
    if (!source)
        return HC_BADF;
    struct kv_put put = {.store = store, .key = key};
    enum hc_status status = read_insert_config(in, a[4], a[5], &put);
    if (status == HC_OK)
        status = mem_slot(in, a[6], 4, &out);
    if (status != HC_OK) {
        body_stop(source);
        body_unref(source);
        return (int32_t)status;
    }
    return guest_kv_begin(g, ITEM_KV_INSERT, kv_op_insert(g, &put, source), out);
}

/* A text of the list config that must not be empty; *ret is a copy the caller frees. */
static enum hc_status list_text(struct instance *in, uint64_t config, unsigned offset, char **ret)
{
    uint8_t *text;
    uint32_t len;
    TRY(record_bytes(in, config, offset, &text, &len));
    if (len == 0 || !utf8_valid(text, len) || memchr(text, '\0', len))
        return HC_INVAL;
    *ret = xstrndup((const char *)text, len);
    return HC_OK;
}

int32_t hc_kv_store_list(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    cleanup(free_p) char *cursor = NULL, *prefix = NULL;
    struct kv_list list = {.store = guest_kv_store(g, a[0]), .limit = LIST_LIMIT_DEFAULT};
    uint32_t mode;
    uint8_t *out;
    if (!list.store)
        return HC_BADF;
    if (a[1] & ~(uint64_t)LIST_KNOWN)
        return HC_INVAL;
    TRY(record_u32(in, a[2], 0, &mode));
    if (mode > LIST_MODE_MAX)
        return HC_INVAL;
    if (a[1] & LIST_CURSOR)
        TRY(list_text(in, a[2], 4, &cursor));
    if (a[1] & LIST_LIMIT)
        TRY(record_u32(in, a[2], 12, &list.limit));
    if (a[1] & LIST_PREFIX)
        TRY(list_text(in, a[2], 16, &prefix));
    TRY(mem_slot(in, a[3], 4, &out));
    if (!guest_limits_count(g, LIMIT_KV_OPERATIONS, &g->kv_operations))
        return HC_LIMITEXCEEDED;
    list.cursor = cursor;
    list.prefix = prefix;
    return guest_kv_begin(g, ITEM_KV_LIST, kv_op_list(g, &list), out);
}

/* --- waiting --- */

/* args of the lookup waits: handle, body out, metadata buffer, its size, nwritten, generation out,
 * error out */
struct lookup_outs {
    const uint64_t *a;
    unsigned generation_size;
};

/* Section 2: the body handle is written before a metadata buffer is found too small. */
static enum hc_status give_entry(struct guest *g, struct kv_entry *e, const struct lookup_outs *o)
{
    struct instance *in = g->in;
    const uint64_t *a = o->a;
    uint8_t *body_out, *generation_out, *error_out;
    TRY(mem_slot(in, a[1], 4, &body_out));
    uint32_t body = guest_add_body(g, body_ref(e->value));
    if (body == HANDLE_INVALID)
        return HC_LIMITEXCEEDED;
    put_u32(body_out, body);
    TRY(give_text(in, e->metadata, e->metadata_len, a[2], a[3], a[4]));
    TRY(mem_slot(in, a[5], o->generation_size, &generation_out));
    TRY(mem_slot(in, a[6], 4, &error_out));
    /* The first version of this call had no generations yet: its out value is always 0. */
    if (o->generation_size == 8)
        put_u64(generation_out, e->generation);
    else
        put_u32(generation_out, 0);
    put_u32(error_out, KV_OK);
    return HC_OK;
}

static enum hc_status give_result(struct instance *in, uint64_t error_ptr, enum kv_result result)
{
    uint8_t *out;
    TRY(mem_slot(in, error_ptr, 4, &out));
    put_u32(out, (uint32_t)result);
    return HC_OK;
}

/* True when there is a result: *ret_status. */
static bool lookup_now(struct guest *g, const struct lookup_outs *o, int32_t *ret_status)
{
    struct kv_op *op = guest_kv_op(g, o->a[0], ITEM_KV_LOOKUP);
    if (!op) {
        *ret_status = HC_BADF;
        return true;
    }
    if (!op->done)
        return false;
    item_clear(item_any(g, o->a[0]));
    *ret_status = (int32_t)(op->entry ? give_entry(g, op->entry, o)
                                      : give_result(g->in, o->a[6], op->result));
    kv_op_free(op);
    return true;
}

static bool lookup_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    return lookup_now(g, &(struct lookup_outs){g->wait.args, 4}, ret_result);
}

static bool lookup_v2_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    return lookup_now(g, &(struct lookup_outs){g->wait.args, 8}, ret_result);
}

int32_t hc_kv_store_lookup_wait(struct instance *in, const uint64_t *a)
{
    int32_t status;
    bool done = lookup_now(guest_of(in), &(struct lookup_outs){a, 4}, &status);
    return done ? status : guest_park(guest_of(in), a, lookup_on);
}

int32_t hc_kv_store_lookup_wait_v2(struct instance *in, const uint64_t *a)
{
    int32_t status;
    bool done = lookup_now(guest_of(in), &(struct lookup_outs){a, 8}, &status);
    return done ? status : guest_park(guest_of(in), a, lookup_v2_on);
}

/* Inserts and deletes. args: handle, error out. */
static bool write_now(struct guest *g, const uint64_t *a, enum item_kind kind, int32_t *ret_status)
{
    struct kv_op *op = guest_kv_op(g, a[0], kind);
    if (!op) {
        *ret_status = HC_BADF;
        return true;
    }
    if (!op->done)
        return false;
    item_clear(item_any(g, a[0]));
    *ret_status = (int32_t)(op->broken ? HC_ERROR : give_result(g->in, a[1], op->result));
    kv_op_free(op);
    return true;
}

static bool insert_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    return write_now(g, g->wait.args, ITEM_KV_INSERT, ret_result);
}

static bool delete_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    return write_now(g, g->wait.args, ITEM_KV_DELETE, ret_result);
}

int32_t hc_kv_store_insert_wait(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    int32_t status;
    return write_now(g, a, ITEM_KV_INSERT, &status) ? status : guest_park(g, a, insert_on);
}

int32_t hc_kv_store_delete_wait(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    int32_t status;
    return write_now(g, a, ITEM_KV_DELETE, &status) ? status : guest_park(g, a, delete_on);
}

static enum hc_status give_page(struct guest *g, const uint64_t *a, const char *page)
{
    uint8_t *body_out, *error_out;
    TRY(mem_slot(g->in, a[1], 4, &body_out));
    TRY(mem_slot(g->in, a[2], 4, &error_out));
    uint32_t handle = guest_add_text(g, page, strlen(page));
    if (handle == HANDLE_INVALID)
        return HC_LIMITEXCEEDED;
    put_u32(body_out, handle);
    put_u32(error_out, KV_OK);
    return HC_OK;
}

/* Lists are ready when they are made. args: handle, body out, error out. */
int32_t hc_kv_store_list_wait(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    struct kv_op *op = guest_kv_op(g, a[0], ITEM_KV_LIST);
    if (!op)
        return HC_BADF;
    item_clear(item_any(g, a[0]));
    int32_t status = (int32_t)(op->page ? give_page(g, a, op->page)
                                        : give_result(in, a[2], op->result));
    kv_op_free(op);
    return status;
}
