/* SPDX-License-Identifier: Apache-2.0 */
/* The apps and versions that were deployed to this machine, on disk and in the server. Everything
 * that was acknowledged survives kill -9; what was half made is swept at the next start.
 *
 *     <state>/apps/<app>/app.json                     hosts, versions, split, notes
 *     <state>/apps/<app>/blobs/<sha256>               uploaded, not yet part of a version
 *     <state>/apps/<app>/versions/<id>/edge.yaml      the manifest, self-contained
 *     <state>/apps/<app>/versions/<id>/...            module, files, sealed secrets
 *     <state>/apps/<app>/secrets/                     values by immutable name, sealed
 *
 * A version's secrets are in its own folder, so that whatever is deployed later, it has the values
 * that it was made with. KV data are the app's and in <state>/state.db. Any thread. */
#ifndef EDGECTL_SERVE_SHELF_H
#define EDGECTL_SERVE_SHELF_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "serve/server.h"
#include "wasm/engine.h"

struct core_cache;
struct deployment;
struct kv_db;
struct shelf;

enum { SHELF_KEEP = 100 };          /* versions of an app; older ones go when one is made */

struct shelf_options {
    const char *state_dir;
    struct engine *engine;          /* these three are borrowed, and outlive the shelf */
    struct server *server;
    struct kv_db *kv;
    const char *host;               /* where the server is reached: for backends that are paths */
    const char *ca_pem;
    bool any_host;                  /* a single app answers whatever the host */
};

/* Loads what has traffic, and gives it to the server; the rest follows on another thread.
 * -ERR_DRIFT when another server has the folder: what that is at work on looks like leftovers. */
must_use int shelf_open(const struct shelf_options *options, struct shelf **ret, struct err *err);
/* Before server_stop: loads nothing more for it. Then, after server_stop, shelf_close. NULL is
 * allowed for both. */
void shelf_stop(struct shelf *s);
void shelf_close(struct shelf *s);
/* Versions that have traffic and cannot be served, with why. */
void shelf_broken(struct shelf *s, void (*fn)(void *env, const char *app, const char *version,
                                              int bp, const char *why), void *env);
/* About once a second: for shelf_metrics. */
void shelf_mark(struct shelf *s);

/* Results are new references. A missing app or version is -ERR_USAGE with an empty hint. */

/* [{"name", "hosts"}, ...] */
json_t *shelf_apps(struct shelf *s);
/* {"name", "hosts", "versions": newest first, "split"}; NULL when there is none. */
json_t *shelf_app(struct shelf *s, const char *app);
/* Make it, or change its hosts. -ERR_DRIFT: another app has one of them. */
must_use int shelf_put_app(struct shelf *s, const char *app, const json_t *hosts, struct err *err);
/* With all versions, secrets and KV data. */
must_use int shelf_delete_app(struct shelf *s, const char *app, struct err *err);

/* Folder for uploads of this app, made; the caller frees. */
must_use int shelf_blob_dir(struct shelf *s, const char *app, char **ret, struct err *err);
/* Keep a secret's value under its immutable name. */
must_use int shelf_put_secret(struct shelf *s, const char *app, const char *store, const char *key,
                              const char *digest, const void *value, size_t len, struct err *err);
/* Does it have a value? */
bool shelf_has_secret(struct shelf *s, const char *app, const char *store, const char *key,
                      const char *digest);

/* {"id", "release", "manifest": text, "files": [{"path", "sha256"}], "secrets": [{"store", "key",
 * "digest"}], "message", "revision", "by"}. The same id again gives what is there. Takes as long as
 * compiling the module does. The first version of an app gets all its traffic only by a split. */
must_use int shelf_put_version(struct shelf *s, const char *app, const json_t *spec,
                               json_t **ret_version, struct err *err);
/* -ERR_DRIFT while it has traffic. */
must_use int shelf_delete_version(struct shelf *s, const char *app, const char *id,
                                  struct err *err);
/* {"arms": [{"version", "bp"}], "expect": revision or absent, "by"}. */
must_use int shelf_set_split(struct shelf *s, const char *app, const json_t *want,
                             json_t **ret_split, struct err *err);
must_use int shelf_metrics(struct shelf *s, const char *app, const char *version, int64_t since_ms,
                           json_t **ret, struct err *err);
/* The app's cache, which no other sees; made at the first call, kept until shelf_close. */
struct core_cache *shelf_cache(struct shelf *s, const char *app);
/* Folder of the app's config overrides. NULL when there is no such app; freed by the caller. */
char *shelf_config_dir(struct shelf *s, const char *app);
/* What has most of the traffic, with a reference; NULL when nothing has. */
struct deployment *shelf_stable(struct shelf *s, const char *app);
/* text NULL removes it. */
must_use int shelf_put_note(struct shelf *s, const char *app, const char *key, const char *text,
                            struct err *err);
/* NULL when there is none. */
json_t *shelf_note(struct shelf *s, const char *app, const char *key);

#endif
