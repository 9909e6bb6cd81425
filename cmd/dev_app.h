/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps the server of `edgectl dev` on the newest good version of the app: builds, loads off the
 * loop, swaps, and compiles the whole module in the background when only its shared code was at
 * hand. */
#ifndef EDGECTL_CMD_DEV_APP_H
#define EDGECTL_CMD_DEV_APP_H

#include "base/loop.h"
#include "cmd/dev_log.h"
#include "cmd/dev_runtime.h"
#include "serve/server.h"
#include "world/core_cache.h"

struct dev_app;

struct dev_app_options {
    struct loop *loop;
    struct engine *engine;
    struct server *server;
    struct dev_log *log;
    const char *state_dir;          /* borrowed, as are the two below */
    struct kv_db *kv;
    struct core_cache *cache;
    bool watch;
    struct dev_runtime *runtime;    /* serves the app instead of our own engine; NULL: none does */
    /* Read the manifest again after a change; NULL if it is bad, which has been told then. */
    struct manifest *(*reread)(void *env);
    /* The first version is served: once. */
    void (*ready)(void *env);
    /* Nothing can be served and nothing will change that: the error was not told yet. */
    void (*hopeless)(void *env, int r, const struct err *err);
    void *env;
};

/* Takes a reference to the manifest. Begins at once; callbacks come from the loop. */
struct dev_app *dev_app_new(const struct dev_app_options *options, struct manifest *m);
/* A load is under way, which dev_app_free would wait for. */
bool dev_app_loading(const struct dev_app *a);
/* Kills a build or a background compilation; waits for a load that runs. NULL is allowed. */
void dev_app_free(struct dev_app *a);

#endif
