/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of a guest, for the files of src/guest only: statuses, handle tables, guest memory. */
#ifndef EDGECTL_GUEST_SESSION_H
#define EDGECTL_GUEST_SESSION_H

#include <string.h>
#include "base/buf.h"
#include "base/utf8.h"
#include "guest/guest.h"

/* abi README section 3. */
enum hc_status {
    HC_OK, HC_ERROR, HC_INVAL, HC_BADF, HC_BUFLEN, HC_UNSUPPORTED, HC_BADALIGN, HC_HTTPINVALID,
    HC_HTTPUSER, HC_HTTPINCOMPLETE, HC_NONE, HC_HTTPHEADTOOLARGE, HC_HTTPINVALIDSTATUS,
    HC_LIMITEXCEEDED, HC_AGAIN,
};

static const uint32_t HANDLE_INVALID = 0xFFFFFFFE;

/* --- objects behind handles --- */

struct guest_request {
    char *method, *uri;             /* NUL-terminated; uri as set by the guest */
    int version;                    /* enum http_version */
    struct headers headers;
    bool manual_framing, gunzip;
    bool pass;                      /* cache override: pass */
};

struct guest_response {
    int status, version;
    struct headers headers;
    bool manual_framing, close;
    bool show_peer;                 /* peer address may be asked: the request was a pass */
    uint8_t peer[16];
    uint8_t peer_len;
    uint16_t peer_port;
};

void guest_request_free(struct guest_request *r);
struct guest_response *guest_response_new(void);
void guest_response_free(struct guest_response *r);

/* What may stand in the shared table of async items. */
enum item_kind {
    ITEM_NONE,                      /* freed or consumed */
    ITEM_BODY,                      /* struct body, read side */
    ITEM_STREAM,                    /* struct body, write side of a streaming body */
    ITEM_PENDING,                   /* struct pending (send.c) */
    ITEM_KV_LOOKUP, ITEM_KV_INSERT, ITEM_KV_DELETE, ITEM_KV_LIST,   /* struct kv_op (kv.c) */
    ITEM_CACHE, ITEM_CACHE_BUSY,    /* cache.c */
    ITEM_PROMISE,                   /* reuse.c */
};

struct item {
    enum item_kind kind;
    void *ptr;
};

/* Handles count up from 0 and are never given out twice in a sandbox. */
enum { TABLE_MAX = 1 << 20 };

/* Tables are embedded, zeroed, and stay where they are: a few entries need no allocation. */
struct table {
    void **list;                    /* NULL = freed */
    uint32_t count, cap;
    void *first[2];
};

struct item_table {
    struct item *list;
    uint32_t count, cap;
    struct item first[4];
};

struct pending;
struct dynamic_backend;

/* A client request that this sandbox was given, by its handle: what is known of the client can be
 * asked also after the request was sent on. */
struct downstream {
    uint32_t request;
    struct exchange *ex;
};

enum { DOWNSTREAMS_MAX = 16 };

struct guest {
    int refs;                       /* the run, and every call that outlives it */
    struct guest_env *env;
    struct guest_app *app;
    struct instance *in;            /* NULL once it is over */
    struct exchange *ex;            /* the client request in hand; one of `downstreams` */
    struct downstream downstreams[DOWNSTREAMS_MAX];
    unsigned downstream_count;
    bool promised;                  /* the host will answer ex from a pending request */
    struct task run;
    struct timer wall;
    bool over;
    uint64_t id;                    /* number of the sandbox in this process; the trace id */

    struct table requests, responses, endpoints, stores /* dictionaries and configs */, kv_stores,
        secret_stores, secrets, acls;
    struct item_table items;
    uint32_t downstream_request, downstream_body;   /* handles of the request in hand */
    unsigned pending_count;
    /* of the request in hand, for a provider's limits */
    uint64_t subrequests, lookups, kv_operations;
    uint64_t buffered;              /* bytes written to bodies that nobody drains yet, in all */
    struct dynamic_backend *dynamic;    /* list; names live as long as the session */
    struct buf lines[2];            /* of stdout and stderr: what no newline has ended yet */
    int idle_polls;                 /* polls in a row that found nothing */
    struct reuse *reuse_state;      /* reuse.c */

    /* While parked: what the current hostcall waits for. */
    struct {
        const uint64_t *args;       /* == args_copy */
        uint64_t args_copy[HOST_FN_ARGS_MAX];
        struct timer timer;
        bool timed_out;
        int64_t started_ns, until_ns;   /* of a sleep */
        void *ptr;
        uint32_t n;
    } wait;
};

/* Handles: insert gives HANDLE_INVALID when the table is full. */
uint32_t table_add(struct table *t, void *ptr);
/* NULL if the handle is not valid. */
void *table_get(const struct table *t, uint64_t handle);
/* As table_get, and the handle is invalid after. */
void *table_take(struct table *t, uint64_t handle);
/* Free the table, not what its entries point to. */
void table_clear(struct table *t);
uint32_t item_add(struct guest *g, enum item_kind kind, void *ptr);
struct item *item_get(struct guest *g, uint64_t handle, enum item_kind kind);
/* Any kind but ITEM_NONE. */
struct item *item_any(struct guest *g, uint64_t handle);
void item_clear(struct item *it);
void items_clear(struct item_table *t);

/* A body handle. Behind it is always a held body of the guest's own, so that the guest can write to
 * any body; `source` (may be NULL; takes the reference) is what it starts with, still growing or
 * not. The guest wakes when it becomes readable. */
uint32_t guest_add_body(struct guest *g, struct body *source);
struct body *guest_body(struct guest *g, uint64_t handle);
/* Consume the handle; the caller owns the reference and becomes the reader. NULL if invalid. */
struct body *guest_take_body(struct guest *g, uint64_t handle);
/* The handle lives on as the write side; the returned reference is for the new reader. */
struct body *guest_begin_stream(struct guest *g, uint64_t handle);

uint32_t guest_add_request(struct guest *g, struct guest_request *r);
uint32_t guest_add_response(struct guest *g, struct guest_response *r);

/* Make a client request the one in hand: handles for it and its body. Takes the reference. False
 * when this sandbox has had too many. */
bool guest_accept(struct guest *g, struct exchange *ex);

/* --- waiting --- */

/* Something happened that the guest may wait for. Signature of body_fn. */
void guest_event(void *guest);
/* Keep the arguments and park. */
int32_t guest_park(struct guest *g, const uint64_t *args, instance_resume_fn *resume);
/* As guest_park, with a time limit in ns; g->wait.timed_out tells. */
int32_t guest_park_for(struct guest *g, const uint64_t *args, int64_t ns,
                       instance_resume_fn *resume);
struct guest *guest_ref(struct guest *g);
void guest_unref(struct guest *g);

/* --- guest memory; all give HC_OK, HC_INVAL (outside memory) or HC_BADALIGN --- */

enum hc_status mem_bytes(struct instance *in, uint64_t ptr, uint64_t len, uint8_t **ret);
/* A place to store a value of `size` bytes, aligned to it. */
enum hc_status mem_slot(struct instance *in, uint64_t ptr, unsigned size, uint8_t **ret);

static inline void put_u16(uint8_t *at, uint16_t v)
{
    memcpy(at, &v, sizeof v);
}
static inline void put_u32(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, sizeof v);
}
static inline void put_u64(uint8_t *at, uint64_t v)
{
    memcpy(at, &v, sizeof v);
}
static inline uint32_t get_u32(const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return v;
}
static inline uint64_t get_u64(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return v;
}

#define TRY(expr)                                  \
    do {                                           \
        enum hc_status try_status_ = (expr);       \
        if (try_status_ != HC_OK)                  \
            return (int32_t)try_status_;           \
    } while (0)

/* A 4-byte value out. */
enum hc_status give_u32(struct instance *in, uint64_t ptr, uint32_t v);
/* Single text out (section 5): copied if it fits, else HC_BUFLEN; nwritten is written both ways. */
enum hc_status give_text(struct instance *in, const void *text, size_t len, uint64_t buf,
                         uint64_t buf_len, uint64_t nwritten_ptr);
/* Text in: UTF-8, without NUL; *ret is a copy the caller frees. HC_ERROR when it is not UTF-8. */
enum hc_status take_text(struct instance *in, uint64_t ptr, uint64_t len, char **ret);

/* Multi-value out (section 5). `next` gives item i, or false past the end. */
struct multi_out {
    uint64_t buf, buf_len, cursor, ending_ptr, nwritten_ptr;
};
typedef bool multi_next_fn(const void *list, size_t i, const char **ret, size_t *ret_len);
enum hc_status give_multi(struct instance *in, const struct multi_out *out, multi_next_fn *next,
                          const void *list);

/* --- headers of requests, responses and trailers (headers_io.c) --- */
enum hc_status headers_names_out(struct instance *in, const struct headers *h,
                                 const struct multi_out *out);
enum hc_status headers_values_out(struct instance *in, const struct headers *h, uint64_t name,
                                  uint64_t name_len, const struct multi_out *out);
/* args: name, name_len, value buffer, its size, nwritten. */
enum hc_status headers_value_out(struct instance *in, const struct headers *h, const uint64_t *a);
/* args: name, name_len, value(s), its length. */
enum hc_status headers_insert_in(struct instance *in, struct headers *h, const uint64_t *a);
enum hc_status headers_append_in(struct instance *in, struct headers *h, const uint64_t *a);
enum hc_status headers_values_in(struct instance *in, struct headers *h, const uint64_t *a);
/* args: name, name_len. */
enum hc_status headers_remove_in(struct instance *in, struct headers *h, const uint64_t *a);
/* A checked name or value from guest memory, borrowed from it. */
enum hc_status header_name_in(struct instance *in, uint64_t ptr, uint64_t len, const char **ret);
enum hc_status header_value_in(struct instance *in, uint64_t ptr, uint64_t len, const char **ret);

/* --- backends (backend.c) --- */

/* A backend by name, static or dynamic; NULL if unknown. Borrowed from app or guest. */
const struct manifest_backend *guest_backend(struct guest *g, const char *name, size_t len);
/* Make a dynamic backend like `b`, whose strings are copied. The name must be new. */
enum hc_status guest_add_backend(struct guest *g, const struct manifest_backend *b);

/* Plaintext behind a secret handle (secret_store.c), borrowed; NULL if the handle is not valid. */
const char *guest_secret(struct guest *g, uint64_t handle, size_t *ret_len);

/* --- used across files --- */
static inline struct guest *guest_of(struct instance *in)
{
    return instance_user(in);
}
/* Free what the session holds of one kind (guest.c calls these at the end). */
void guest_drop_backends(struct guest *g);
void guest_drop_reuse(struct guest *g);
/* Another client request has been accepted: CPU and wall time begin anew. */
void guest_renew_limits(struct guest *g);
/* Handles of config, KV and secret stores, secrets and ACLs. */
void guest_drop_stores(struct guest *g);
/* Items when the session ends, or when their handle is closed. */
void pending_drop(struct guest *g, struct pending *p);
void kv_op_drop(struct guest *g, void *op);
void cache_item_drop(struct guest *g, struct item *it);
void promise_drop(struct guest *g, void *promise);
/* Would a wait for it return at once? */
bool pending_ready(struct pending *p);
bool kv_op_ready(void *op);
bool cache_item_ready(struct item *it);
bool promise_ready(void *promise);
void guest_note_unsupported(struct guest *g, const char *module, const char *name);
/* Log what the guest's last output without a newline was (wasi.c). */
void guest_flush_lines(struct guest *g);
void guest_log(struct guest *g, const char *endpoint, const void *text, size_t len);

/* Every hostcall by its name in hostcalls.def. */
#define HOSTCALL(module, name, params, how, fn, hosts, aliases) \
    int32_t fn(struct instance *in, const uint64_t *a);
#define WASI(name, params, how, hosts) \
    int32_t wasi_##name(struct instance *in, const uint64_t *a);
#include "guest/hostcalls.def"
#undef HOSTCALL
#undef WASI

#endif
