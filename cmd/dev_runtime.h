/* SPDX-License-Identifier: Apache-2.0 */
/* `edgectl dev --runtime`: each version of the app is bundled, and its bundle runs in the
 * platform's own runtime, a child process. Before it stands a small guest of ours in the usual
 * server, so that listening, TLS and the access log are those of every `dev`; behind it another,
 * through which the app reaches this machine's KV and secrets. */
#ifndef EDGECTL_CMD_DEV_RUNTIME_H
#define EDGECTL_CMD_DEV_RUNTIME_H

#include "cmd/dev_log.h"
#include "runtime/runtime.h"
#include "serve/server.h"
#include "world/core_cache.h"

/* Guests that the engine must have room for beside those of the server. */
enum { DEV_RUNTIME_INSTANCES = 65 };

struct dev_runtime;

struct dev_runtime_options {
    enum runtime_kind kind;
    struct loop *loop;
    struct engine *engine;
    struct dev_log *log;
    const char *state_dir;          /* borrowed, as are the two below */
    struct kv_db *kv;
    struct core_cache *cache;
    /* Read the manifest; NULL if it is bad, which has been told then. */
    struct manifest *(*reread)(void *reread_env);
    void *reread_env;
};

/* A new version answers: `app` is what the server is to serve, with a reference. */
typedef void dev_runtime_app_fn(void *env, struct guest_app *app);
typedef void dev_runtime_failed_fn(void *env, int r, const struct err *err);

/* Whether the manifest's target can run there: -ERR_USAGE if not; and whether there is such a
 * runtime: -ERR_BUILD. */
must_use int dev_runtime_new(const struct dev_runtime_options *options, const struct manifest *m,
                             struct dev_runtime **ret, struct err *err);
/* Who is told. Before the first renewal. */
void dev_runtime_bind(struct dev_runtime *d, dev_runtime_app_fn *on_app,
                      dev_runtime_failed_fn *on_failed, void *env);
/* The artifact is new: run that. While one is being started it comes next. */
void dev_runtime_renew(struct dev_runtime *d);
/* Kills the runtime; waits for a bundle that is being made. NULL is allowed. */
void dev_runtime_free(struct dev_runtime *d);

#endif
