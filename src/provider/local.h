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
    const char *app;
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
/* The app as the server has it: 1 or 0. */
must_use int local_app(struct local *l, json_t **ret, struct err *err);

int local_plan(struct target *t, struct shipment *s, struct steps *ret, struct err *err);
int local_gc(struct target *t, const struct gc_options *o, struct steps *ret, struct err *err);
int local_destroy(struct target *t, struct steps *ret, struct err *err);

#endif
