/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by shelf.c and shelf_make.c only. */
#ifndef EDGECTL_SERVE_SHELF_INTERNAL_H
#define EDGECTL_SERVE_SHELF_INTERNAL_H

#include <stdatomic.h>
#include <uv.h>
#include "serve/shelf.h"
#include "serve/site.h"

enum { SHELF_APP_MAX = 16 << 20 };

struct shelf_version {
    char *id;
    json_t *spec;                   /* what is kept of it in app.json */
    struct deployment *deployment;  /* NULL: not loaded yet, or it cannot be */
    char *problem;                  /* why not */
};

struct shelf_arm {
    char *version;
    int bp;
};

struct shelf_app {
    char *name, *dir;
    json_t *hosts, *notes;
    int64_t next_number;
    struct shelf_version *versions; /* oldest first */
    size_t count;
    struct shelf_arm arms[SITE_ARMS];
    int arm_count;
    int64_t revision, changed_ms;   /* of the split */
    char *changed_by;
};

struct shelf_cache {
    char *app;
    struct core_cache *cache;
};

struct shelf {
    struct shelf_options o;
    int folder;                     /* <state>/apps, locked: it has one server; or -1 */
    uv_mutex_t lock;                /* of all below */
    struct shelf_cache *caches;
    size_t cache_count;
    struct shelf_app **apps;
    size_t count;
    uv_cond_t made;                 /* one of the next is done */
    char **making;                  /* "app/id" of versions that calls are at work on */
    size_t making_count;
    uv_thread_t loader;             /* loads what has no traffic */
    bool loading;
    atomic_bool stopping;
};

bool shelf_name_good(const char *name);
struct shelf_app *shelf_find(struct shelf *s, const char *app);
struct shelf_version *shelf_find_version(struct shelf_app *a, const char *id);
int shelf_no_app(const char *app, struct err *err);
int shelf_no_version(const char *app, const char *id, struct err *err);
bool shelf_in_split(const struct shelf_app *a, const char *id);
json_t *shelf_version_json(const struct shelf_app *a, const struct shelf_version *v);
void shelf_version_clear(struct shelf_version *v);
/* Durable when it returns 0. */
must_use int shelf_save(const struct shelf_app *a, struct err *err);
/* Give the server what stands here now. */
void shelf_publish(struct shelf *s);

/* In shelf_version.c: from a folder to something that takes requests. `fresh`: it was just made, so
 * that its KV seeds are applied. Without the lock: it may compile. */
must_use int shelf_load_version(struct shelf *s, const char *app, const char *id, const char *dir,
                                bool fresh, struct deployment **ret, struct err *err);

/* In shelf_make.c: */
/* Delete uploads, and version folders that app.json does not name: left by a killed server. */
void shelf_sweep(struct shelf_app *a);
/* At the end; takes a reference to spec. */
struct shelf_version *shelf_add_version(struct shelf_app *a, json_t *spec);
/* In shelf_load.c: */
/* Loads the versions with traffic, publishes, and starts a thread for the rest. */
void shelf_load_start(struct shelf *s);
void shelf_load_stop(struct shelf *s);
/* Delete what its KV stores hold. */
must_use int shelf_forget_kv(struct shelf *s, const char *app, struct err *err);
/* As far as it can be. */
void shelf_remove_tree(const char *path);

#endif
