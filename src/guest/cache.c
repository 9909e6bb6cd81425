/* SPDX-License-Identifier: Apache-2.0 */
/* fastly_cache: the core cache. Statuses of abi README section 10: nothing found is none (10), an
 * operation that the handle does not allow is badf (3). */
#include "guest/cache.h"

#include <stdlib.h>
#include "base/mem.h"
#include "guest/record.h"

/* --- lookups --- */

enum {
    LOOKUP_REQUEST_HEADERS = 1 << 1,
    LOOKUP_SERVICE_ID = 1 << 2,
    LOOKUP_ALWAYS_RANGE = 1 << 3,
    LOOKUP_KNOWN = (1 << 4) - 2,
};

struct lookup {
    struct cache_key key;
    const struct headers *request;      /* NULL if not given */
    bool always_range;
};

static enum hc_status read_key(struct instance *in, const uint64_t *a, struct cache_key *ret)
{
    uint8_t *bytes;
    TRY(mem_bytes(in, a[0], a[1], &bytes));
    if (a[1] > CORE_CACHE_KEY_MAX)
        return HC_INVAL;
    *ret = (struct cache_key){bytes, a[1]};
    return HC_OK;
}

/* args: key, key_len, options mask, options */
static enum hc_status read_lookup(struct instance *in, const uint64_t *a, struct lookup *ret)
{
    uint32_t handle;
    if (a[2] & ~(uint64_t)LOOKUP_KNOWN)
        return HC_INVAL;
    if (a[2] & LOOKUP_SERVICE_ID)
        return HC_UNSUPPORTED; /* another service's cache */
    *ret = (struct lookup){.always_range = a[2] & LOOKUP_ALWAYS_RANGE};
    if (a[2] & LOOKUP_REQUEST_HEADERS) {
        TRY(record_u32(in, a[3], 0, &handle));
        const struct guest_request *r = table_get(&guest_of(in)->requests, handle);
        if (!r)
            return HC_BADF;
        ret->request = &r->headers;
    }
    return read_key(in, a, &ret->key);
}

/* Put an item into the table; on failure it is freed. */
static enum hc_status add_item(struct guest *g, enum item_kind kind, struct cache_item *ci,
                               uint32_t *ret_handle)
{
    *ret_handle = item_add(g, kind, ci);
    if (*ret_handle != HANDLE_INVALID)
        return HC_OK;
    cache_item_free(ci);
    return HC_LIMITEXCEEDED;
}

int32_t hc_cache_lookup(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    struct lookup l;
    uint8_t *out;
    uint32_t handle;
    TRY(read_lookup(in, a, &l));
    TRY(mem_slot(in, a[4], 4, &out));
    struct cache_object *found = core_cache_lookup(g->app->world->cache, &l.key, l.request);
    struct cache_item *ci = cache_item_found(g, found);
    ci->always_range = l.always_range;
    TRY(add_item(g, ITEM_CACHE, ci, &handle));
    put_u32(out, handle);
    return HC_OK;
}

/* --- transactions --- */

static enum hc_status begin(struct instance *in, const uint64_t *a, uint32_t *ret_handle)
{
    struct guest *g = guest_of(in);
    struct lookup l;
    TRY(read_lookup(in, a, &l));
    struct cache_item *ci = cache_item_transact(g, &l.key, l.request);
    ci->always_range = l.always_range;
    return add_item(g, ITEM_CACHE_BUSY, ci, ret_handle);
}

static int32_t close_item(struct instance *in, uint64_t handle, enum item_kind kind)
{
    struct item *it = item_get(guest_of(in), handle, kind);
    if (!it)
        return HC_BADF;
    cache_item_free(it->ptr);
    item_clear(it);
    return HC_OK;
}

/* Waiting for what this very guest owes would never end: it can't insert or cancel while it waits.
 * Production refuses that at once. */
static bool waits_for_itself(struct guest *g, const struct cache_item *ci)
{
    struct cache_key key = {ci->key, ci->key_len};
    for (uint32_t i = 0; i < g->items.count; i++) {
        const struct item *it = &g->items.list[i];
        const struct cache_item *other = it->ptr;
        if ((it->kind == ITEM_CACHE || it->kind == ITEM_CACHE_BUSY) && other &&
            other->obligation && cache_obligation_holds_up(other->obligation, &key, &ci->request))
            return true;
    }
    return false;
}

/* True when the transaction under g->wait.n has an answer: it is the cache handle from now on. */
static bool begun(struct guest *g, uint64_t out_ptr, int32_t *ret_status)
{
    struct item *it = item_any(g, g->wait.n);
    uint8_t *out;
    if (!cache_item_ready(it))
        return false;
    it->kind = ITEM_CACHE;
    *ret_status = (int32_t)mem_slot(g->in, out_ptr, 4, &out);
    if (*ret_status == HC_OK)
        put_u32(out, g->wait.n);
    return true;
}

static bool lookup_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    return begun(g, g->wait.args[4], ret_result);
}

int32_t hc_cache_transaction_lookup(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    uint8_t *out;
    int32_t status;
    TRY(mem_slot(in, a[4], 4, &out));
    TRY(begin(in, a, &g->wait.n));
    if (begun(g, a[4], &status))
        return status;
    if (waits_for_itself(g, item_any(g, g->wait.n)->ptr)) {
        close_item(in, g->wait.n, ITEM_CACHE_BUSY);
        return HC_BADF;
    }
    return guest_park(g, a, lookup_on);
}

int32_t hc_cache_transaction_lookup_async(struct instance *in, const uint64_t *a)
{
    uint8_t *out;
    uint32_t handle;
    TRY(mem_slot(in, a[4], 4, &out));
    TRY(begin(in, a, &handle));
    put_u32(out, handle);
    return HC_OK;
}

/* The busy handle hands its transaction on to a new handle, and stays to be closed. */
static bool busy_now(struct guest *g, const uint64_t *a, int32_t *ret_status)
{
    struct item *it = item_get(g, a[0], ITEM_CACHE_BUSY);
    uint8_t *out;
    uint32_t handle;
    *ret_status = HC_BADF;
    if (!it || !it->ptr)
        return true;
    if (!cache_item_ready(it))
        return false;
    *ret_status = (int32_t)mem_slot(g->in, a[1], 4, &out);
    if (*ret_status != HC_OK)
        return true;
    struct cache_item *ci = TAKE(it->ptr);
    *ret_status = (int32_t)add_item(g, ITEM_CACHE, ci, &handle);
    if (*ret_status == HC_OK)
        put_u32(out, handle);
    return true;
}

static bool busy_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    return busy_now(g, g->wait.args, ret_result);
}

int32_t hc_cache_cache_busy_handle_wait(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    int32_t status;
    if (busy_now(g, a, &status))
        return status;
    if (waits_for_itself(g, item_any(g, a[0])->ptr))
        return HC_BADF;
    return guest_park(g, a, busy_on);
}

static struct cache_item *cache_item(struct instance *in, uint64_t handle)
{
    struct item *it = item_get(guest_of(in), handle, ITEM_CACHE);
    return it ? it->ptr : NULL;
}

int32_t hc_cache_transaction_cancel(struct instance *in, const uint64_t *a)
{
    struct cache_item *ci = cache_item(in, a[0]);
    if (!ci || !ci->obligation)
        return HC_BADF;
    cache_obligation_drop(TAKE(ci->obligation));
    return HC_OK;
}

int32_t hc_cache_close_busy(struct instance *in, const uint64_t *a)
{
    return close_item(in, a[0], ITEM_CACHE_BUSY);
}

int32_t hc_cache_close(struct instance *in, const uint64_t *a)
{
    return close_item(in, a[0], ITEM_CACHE);
}

/* --- writes --- */

/* A streaming body for the guest to fill; *ret_source is the other end of it. */
static enum hc_status new_stream(struct guest *g, uint32_t *ret_handle, struct body **ret_source)
{
    *ret_handle = guest_add_body(g, NULL);
    if (*ret_handle == HANDLE_INVALID)
        return HC_LIMITEXCEEDED;
    *ret_source = guest_begin_stream(g, *ret_handle);
    return HC_OK;
}

int32_t hc_cache_insert(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    cleanup(cache_options_clear) struct cache_options o = {0};
    struct cache_key key;
    struct body *source;
    uint32_t handle;
    uint8_t *out;
    TRY(read_key(in, a, &key));
    TRY(cache_options_read(in, a[2], a[3], true, &o));
    TRY(mem_slot(in, a[4], 4, &out));
    TRY(new_stream(g, &handle, &source));
    core_cache_insert(g->app->world->cache, &key, o.request, &o.write, source);
    put_u32(out, handle);
    return HC_OK;
}

/* args: handle, mask, options. Meets the obligation; the caller owns *ret_object. */
static enum hc_status insert(struct instance *in, const uint64_t *a, uint32_t *ret_body,
                             struct cache_object **ret_object)
{
    cleanup(cache_options_clear) struct cache_options o = {0};
    struct body *source;
    TRY(cache_options_read(in, a[1], a[2], false, &o));
    struct cache_item *ci = cache_item(in, a[0]);
    if (!ci || !ci->obligation)
        return HC_BADF;
    TRY(new_stream(guest_of(in), ret_body, &source));
    *ret_object = cache_obligation_insert(TAKE(ci->obligation), &o.write, source);
    return HC_OK;
}

int32_t hc_cache_transaction_insert(struct instance *in, const uint64_t *a)
{
    struct cache_object *object;
    uint32_t body;
    uint8_t *out;
    TRY(mem_slot(in, a[3], 4, &out));
    TRY(insert(in, a, &body, &object));
    cache_object_unref(object);
    put_u32(out, body);
    return HC_OK;
}

int32_t hc_cache_transaction_insert_and_stream_back(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    struct cache_object *object;
    uint32_t body, back;
    uint8_t *body_out, *back_out;
    TRY(mem_slot(in, a[3], 4, &body_out));
    TRY(mem_slot(in, a[4], 4, &back_out));
    const struct cache_item *ci = cache_item(in, a[0]);
    bool always_range = ci && ci->always_range;
    TRY(insert(in, a, &body, &object));
    struct cache_item *found = cache_item_found(g, object);
    found->always_range = always_range;
    TRY(add_item(g, ITEM_CACHE, found, &back));
    put_u32(body_out, body);
    put_u32(back_out, back);
    return HC_OK;
}

int32_t hc_cache_transaction_update(struct instance *in, const uint64_t *a)
{
    cleanup(cache_options_clear) struct cache_options o = {0};
    TRY(cache_options_read(in, a[1], a[2], false, &o));
    struct cache_item *ci = cache_item(in, a[0]);
    if (!ci || !ci->obligation || !cache_obligation_update(ci->obligation, &o.write))
        return HC_BADF;
    ci->obligation = NULL;
    return HC_OK;
}

/* --- what was found --- */

enum { STATE_FOUND = 1, STATE_USABLE = 2, STATE_STALE = 4, STATE_MUST_INSERT_OR_UPDATE = 8 };

int32_t hc_cache_get_state(struct instance *in, const uint64_t *a)
{
    const struct cache_item *ci = cache_item(in, a[0]);
    uint8_t *out;
    uint32_t state = 0;
    if (!ci)
        return HC_BADF;
    TRY(mem_slot(in, a[1], 4, &out));
    struct cache_info info = {0};
    if (ci->found)
        cache_object_info(ci->found, &info);
    if (info.usable)
        state |= STATE_FOUND | STATE_USABLE | (info.fresh ? 0 : STATE_STALE);
    if (ci->obligation)
        state |= STATE_MUST_INSERT_OR_UPDATE;
    put_u32(out, state);
    return HC_OK;
}

static enum hc_status found_info(struct instance *in, uint64_t handle, struct cache_info *ret)
{
    const struct cache_item *ci = cache_item(in, handle);
    if (!ci)
        return HC_BADF;
    if (!ci->found)
        return HC_NONE;
    cache_object_info(ci->found, ret);
    return HC_OK;
}

static int32_t give_u64(struct instance *in, uint64_t ptr, uint64_t value)
{
    uint8_t *out;
    TRY(mem_slot(in, ptr, 8, &out));
    put_u64(out, value);
    return HC_OK;
}

int32_t hc_cache_get_user_metadata(struct instance *in, const uint64_t *a)
{
    struct cache_info info;
    TRY(found_info(in, a[0], &info));
    return (int32_t)give_text(in, info.metadata, info.metadata_len, a[1], a[2], a[3]);
}

int32_t hc_cache_get_length(struct instance *in, const uint64_t *a)
{
    const struct cache_item *ci = cache_item(in, a[0]);
    if (!ci)
        return HC_BADF;
    return ci->has_length ? give_u64(in, a[1], ci->length) : HC_NONE;
}

int32_t hc_cache_get_max_age_ns(struct instance *in, const uint64_t *a)
{
    struct cache_info info;
    TRY(found_info(in, a[0], &info));
    return give_u64(in, a[1], info.max_age_ns);
}

int32_t hc_cache_get_stale_while_revalidate_ns(struct instance *in, const uint64_t *a)
{
    struct cache_info info;
    TRY(found_info(in, a[0], &info));
    return give_u64(in, a[1], info.stale_while_revalidate_ns);
}

int32_t hc_cache_get_age_ns(struct instance *in, const uint64_t *a)
{
    struct cache_info info;
    TRY(found_info(in, a[0], &info));
    return give_u64(in, a[1], info.age_ns);
}

int32_t hc_cache_get_hits(struct instance *in, const uint64_t *a)
{
    struct cache_info info;
    TRY(found_info(in, a[0], &info));
    return give_u64(in, a[1], info.hits);
}

/* --- its body --- */

enum { BODY_FROM = 1 << 1, BODY_TO = 1 << 2, BODY_KNOWN = BODY_FROM | BODY_TO };

static enum hc_status read_range(struct instance *in, const uint64_t *a, struct cache_range *ret)
{
    if (a[1] & ~(uint64_t)BODY_KNOWN)
        return HC_INVAL;
    *ret = (struct cache_range){.has_from = a[1] & BODY_FROM, .has_to = a[1] & BODY_TO};
    if (ret->has_from)
        TRY(record_u64(in, a[2], 0, &ret->from));
    if (ret->has_to)
        TRY(record_u64(in, a[2], 8, &ret->to));
    return HC_OK;
}

static void more_to_read(void *env)
{
    struct cache_item *ci = env;
    guest_event(ci->g);
}

/* args: handle, mask, options, body out. False while too little of the object is there. */
static bool body_now(struct guest *g, const uint64_t *a, int32_t *ret_status)
{
    struct cache_item *ci = cache_item(g->in, a[0]);
    struct cache_range range;
    struct body *body;
    uint8_t *out;
    *ret_status = !ci ? HC_BADF : !ci->found ? HC_NONE : (int32_t)read_range(g->in, a, &range);
    if (*ret_status == HC_OK)
        *ret_status = (int32_t)mem_slot(g->in, a[3], 4, &out);
    if (*ret_status == HC_OK && guest_body(g, ci->body))
        *ret_status = HC_BADF; /* one at a time */
    if (*ret_status != HC_OK)
        return true;
    cache_watch_close(TAKE(ci->watch));
    range.always = ci->always_range;
    struct cache_notify notify = {g->env->loop, more_to_read, ci};
    switch (cache_object_read(ci->found, &range, &notify, &body, &ci->watch)) {
    case CACHE_READ_WAIT:
        return false;
    case CACHE_READ_ERROR:
        *ret_status = HC_ERROR;
        return true;
    case CACHE_READ_OK:
        break;
    }
    ci->body = guest_add_body(g, body);
    *ret_status = ci->body == HANDLE_INVALID ? HC_LIMITEXCEEDED : HC_OK;
    if (*ret_status == HC_OK)
        put_u32(out, ci->body);
    return true;
}

static bool body_on(struct instance *in, int32_t *ret_result)
{
    struct guest *g = guest_of(in);
    return body_now(g, g->wait.args, ret_result);
}

int32_t hc_cache_get_body(struct instance *in, const uint64_t *a)
{
    struct guest *g = guest_of(in);
    int32_t status;
    return body_now(g, a, &status) ? status : guest_park(g, a, body_on);
}
