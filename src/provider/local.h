/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the files of the local driver only: an edgectl on this machine (`edgectl serve`, or a
 * running `edgectl dev`), over its admin socket. What that answers to: serve/admin.h. */
#ifndef EDGECTL_PROVIDER_LOCAL_H
#define EDGECTL_PROVIDER_LOCAL_H

#include "net/api.h"
#include "provider/local_pack.h"
#include "provider/provider.h"

struct local {
    struct target target;
    char *state_dir, *socket;       /* of the server; NULL: none is running */
    struct api *api;                /* NULL until the first call */
    char *app;                      /* the app's name, as far as a host may have it */
    struct local_pack pack;         /* of the shipment that was planned */
};

static inline struct local *local_of(struct target *t)
{
    return (struct local *)t;
}

/* One call. 1 for an answer, 0 for 404 (unless it comes with an error of its own). *ret_json, if it
 * is wanted, is a new reference or NULL for an empty answer. `body` is taken. */
must_use int local_call(struct local *l, const char *method, const char *path,
                        struct api_body *body, json_t **ret_json, struct err *err);
/* The same for an answer that is bytes. */
must_use int local_call_raw(struct local *l, const char *method, const char *path,
                            const struct headers *headers, struct api_body *body,
                            struct api_response *ret, struct err *err);
/* Connects, unless it is. */
must_use int local_connected(struct local *l, struct err *err);
/* What the server says is wrong, with its code. */
int local_server_error(const struct api_response *r, struct err *err);
/* Send the packed files of the version. */
must_use int local_upload(struct local *l, struct err *err);
/* The app as the server has it: 1 or 0. */
must_use int local_app(struct local *l, json_t **ret, struct err *err);

/* GET a body that comes in pieces, until `data` says that it is enough, the server ends it, or the
 * user interrupts. */
must_use int local_stream(struct local *l, const char *path, api_data_fn *data, void *env,
                          struct err *err);

int local_list(struct target *t, struct store_ref store, const char *prefix, entry_fn *fn,
               void *env, struct err *err);
int local_get(struct target *t, struct store_ref store, const char *key, struct buf *value,
              struct entry *ret, struct err *err);
int local_put(struct target *t, struct store_ref store, const struct entry *entries, size_t count,
              struct err *err);
int local_remove(struct target *t, struct store_ref store, const char *const *keys, size_t count,
                 struct err *err);
int local_purge(struct target *t, const char *key, bool soft, struct err *err);
int local_tail(struct target *t, const char *version, log_fn *fn, void *env, struct err *err);
int local_plan(struct target *t, struct shipment *s, struct steps *ret, struct err *err);
int local_gc(struct target *t, const struct gc_options *o, struct steps *ret, struct err *err);
int local_destroy(struct target *t, struct steps *ret, struct err *err);

#endif
