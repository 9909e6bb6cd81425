/* SPDX-License-Identifier: Apache-2.0 */
/* One guest at work on a client request: its handles, what it waits for, and how it ends. The
 * hostcalls (one file per ABI module) work on this. Everything happens on one loop's thread. */
#ifndef EDGECTL_GUEST_GUEST_H
#define EDGECTL_GUEST_GUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/body.h"
#include "base/headers.h"
#include "base/loop.h"
#include "bundle/limits.h"
#include "manifest/manifest.h"
#include "net/client.h"
#include "serve/exchange.h"
#include "wasm/engine.h"
#include "world/world.h"

/* A version of the project's app: code and manifest, immutable, shared by all threads. */
struct guest_app {
    atomic_int refs;
    struct module *module;
    struct manifest *manifest;
    struct world *world;
};

/* Takes over the caller's references. */
struct guest_app *guest_app_new(struct module *module, struct manifest *manifest,
                                struct world *world);
struct guest_app *guest_app_ref(struct guest_app *app);
void guest_app_unref(struct guest_app *app);

struct guest;
struct guest_env;
struct pending;

/* Ways to reach those who watch. All are called on the loop's thread; `text` has a length, not a
 * NUL. */
struct guest_watch {
    /* A message on a log endpoint, or a line of stdout / stderr. */
    void (*log)(void *env, struct guest *g, const char *endpoint, const char *text, size_t len);
    /* The guest called something that is not emulated; once per name and process. */
    void (*unsupported)(void *env, const char *module, const char *name);
    /* The guest is over; the outcome says how. Called once, before it is freed. */
    void (*ended)(void *env, struct guest *g, const struct instance_outcome *outcome);
    /* It has answered guest_exchange(g), and does nothing more for that one: it waits for another
     * client request. The outcome is what it used for this one. May be NULL, as `taken`. */
    void (*waiting)(void *env, struct guest *g, const struct instance_outcome *so_far);
    /* After `waiting`: it has taken another client request, guest_exchange(g) from now on. */
    void (*taken)(void *env, struct guest *g);
    void *env;
};

/* The guests of a loop that wait for a further client request. Zero-initialise, then set `again`,
 * `changed` and env. */
struct guest_reuse {
    /* A guest ended, or gave up, before it took the request that it was given: start another guest
     * for it. Takes the reference. */
    void (*again)(void *env, struct exchange *ex);
    /* Some wait now, or none does any more. May be NULL. */
    void (*changed)(void *env, bool any);
    void *env;
    struct promise *waiting;        /* reuse.c */
};

/* Give a client request to a guest of this app that waits for one. NULL if none does, else that
 * guest, and the caller's reference to the exchange is taken: watch.taken follows, or r->again. */
struct guest *guest_reuse_offer(struct guest_reuse *r, struct guest_app *app, struct exchange *ex);
/* guest_kill all that wait. */
void guest_reuse_close(struct guest_reuse *r);

/* What a loop's thread lends to its guests. */
struct guest_env {
    struct loop *loop;
    struct net_client *net;
    struct world_view view;         /* this thread's handles on the world */
    struct guest_watch watch;
    int64_t cpu_limit_ns, wall_limit_ns;    /* when the manifest has none; 0 = none */
    enum limit_profile limits;      /* a provider's, which hold as well; guest/limits.h */
    struct guest_reuse *reuse;      /* NULL: no guest gets a second client request */
    struct pending *under_way;      /* send.c: what was sent to backends */
};

/* When all guests are over: cancel what they have sent and nobody waits for any more. Before
 * net_client_free. */
void guest_env_cancel(struct guest_env *env);

/* Start a guest on an exchange (takes the caller's reference to it). Never fails: what goes wrong
 * becomes an answer and an outcome. */
struct guest *guest_start(struct guest_env *env, struct guest_app *app, struct exchange *ex);
/* End it at shutdown: its client is cut off. */
void guest_kill(struct guest *g);

/* For log lines. */
struct exchange *guest_exchange(struct guest *g);

#endif
