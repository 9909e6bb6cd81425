/* SPDX-License-Identifier: Apache-2.0 */
/* Versions on the shelf: made and deleted. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/mem.h"
#include "crypto/hash.h"
#include "serve/shelf_internal.h"
#include "world/secrets.h"

/* --- folders --- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    remove(path);
    return 0;
}

void shelf_remove_tree(const char *path)
{
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static int sync_dir(const char *path, struct err *err)
{
    cleanup(close_p) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return err_sys(err, ERR_IO, errno, "cannot write the folder %s", path);
    return 0;
}

static char *version_dir(const char *app_dir, const char *id)
{
    return xasprintf("%s/versions/%s", app_dir, id);
}

int shelf_blob_dir(struct shelf *s, const char *app, char **ret, struct err *err)
{
    uv_mutex_lock(&s->lock);
    struct shelf_app *a = shelf_find(s, app);
    char *dir = a ? xasprintf("%s/blobs", a->dir) : NULL;
    uv_mutex_unlock(&s->lock);
    if (!dir)
        return shelf_no_app(app, err);
    int r = file_make_dirs(dir, err);
    if (r < 0)
        free(dir);
    else
        *ret = dir;
    return r;
}

/* --- secrets --- */

/* The name of one value: another value is another name. */
static char *secret_name(const char *key, const char *digest)
{
    return xasprintf("%s.%.32s", key, digest);
}

static char *secret_dir(struct shelf *s, const char *app)
{
    return xasprintf("%s/apps/%s/secrets", s->o.state_dir, app);
}

static int make_secret_dir(struct shelf *s, const char *app, char **ret, struct err *err)
{
    if (!shelf_name_good(app))
        return shelf_no_app(app, err);
    cleanup(free_p) char *dir = secret_dir(s, app);
    int r = file_make_dirs(dir, err);
    if (r == 0)
        *ret = TAKE(dir);
    return r;
}

int shelf_put_secret(struct shelf *s, const char *app, const char *store, const char *key,
                     const char *digest, const void *value, size_t len, struct err *err)
{
    cleanup(free_p) char *dir = NULL;
    cleanup(free_p) char *name = secret_name(key, digest);
    int r = make_secret_dir(s, app, &dir, err);
    if (r < 0)
        return r;
    cleanup(secret_unref_p) struct secret *secret = secret_new(value, len);
    return secrets_put(dir, store, name, secret, err);
}

/* Reads the values that are kept for an app. */
static int open_secrets(struct shelf *s, const char *app, struct secrets **ret, struct err *err)
{
    cleanup(free_p) char *dir = secret_dir(s, app);
    cleanup(manifest_unref_p) struct manifest *none = manifest_for_module("app.wasm");
    return secrets_open(none, dir, ret, err);
}

static struct secret *find_secret(struct secrets *from, const char *store, const char *key,
                                  const char *digest)
{
    cleanup(free_p) char *name = secret_name(key, digest);
    return secrets_lookup(from, store, strlen(store), name, strlen(name));
}

bool shelf_has_secret(struct shelf *s, const char *app, const char *store, const char *key,
                      const char *digest)
{
    cleanup(secrets_close_p) struct secrets *from = NULL;
    if (!shelf_name_good(app) || open_secrets(s, app, &from, NULL) < 0)
        return false;
    cleanup(secret_unref_p) struct secret *value = find_secret(from, store, key, digest);
    return value != NULL;
}

static int copy_secrets(struct shelf *s, const char *app, const json_t *list, const char *dir,
                        struct err *err)
{
    cleanup(secrets_close_p) struct secrets *from = NULL;
    int r = json_array_size(list) ? open_secrets(s, app, &from, err) : 0;
    size_t i;
    json_t *item;
    json_array_foreach((json_t *)list, i, item) {
        const char *store = json_string_value(json_object_get(item, "store"));
        const char *key = json_string_value(json_object_get(item, "key"));
        const char *digest = json_string_value(json_object_get(item, "digest"));
        if (r < 0)
            return r;
        if (!store || !key || !digest)
            return err_set(err, ERR_USAGE, "a secret needs store, key and digest");
        cleanup(secret_unref_p) struct secret *value = find_secret(from, store, key, digest);
        r = value ? secrets_put(dir, store, key, value, err)
                  : err_set(err, ERR_USAGE, "secret '%s' of store '%s' was not uploaded", key,
                            store);
    }
    return r;
}

/* --- files --- */

/* Relative, and never out of the folder. */
static bool path_good(const char *path)
{
    if (!*path || *path == '/' || strlen(path) > 1024)
        return false;
    for (const char *p = path; *p;) {
        size_t len = strcspn(p, "/");
        if (len == 0 || (len == 1 && p[0] == '.') || (len == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        p += len;
        if (*p == '/' && !p[1])
            return false;
        p += *p == '/';
    }
    return true;
}

static int place_files(const char *app_dir, const json_t *files, const char *dir, struct err *err)
{
    size_t i;
    json_t *file;
    json_array_foreach((json_t *)files, i, file) {
        const char *path = json_string_value(json_object_get(file, "path"));
        const char *digest = json_string_value(json_object_get(file, "sha256"));
        if (!path || !path_good(path) || !hex_is(digest, HASH_HEX_SIZE - 1))
            return err_set(err, ERR_USAGE, "file '%.100s' has no good path or digest",
                           path ? path : "");
        cleanup(free_p) char *from = xasprintf("%s/blobs/%s", app_dir, digest);
        cleanup(free_p) char *to = xasprintf("%s/%s", dir, path);
        int r = file_make_parents(to, err);
        if (r < 0)
            return r;
        if (link(from, to) < 0)
            return err_sys(err, errno == ENOENT ? ERR_USAGE : ERR_IO, errno,
                           "file '%.100s' was not uploaded (%.12s)", path, digest);
    }
    return 0;
}

/* Uploads are links to what versions have, and cost nothing but their names; one that is in a
 * version may be meant for another that is just being made. So it is age that they go by. */
static void drop_old_blobs(const char *app_dir)
{
    enum { BLOB_AGE_S = 3600 };
    cleanup(free_p) char *dir = xasprintf("%s/blobs", app_dir);
    time_t now = (time_t)(clock_wall_ns() / 1000000000);
    DIR *d = opendir(dir);
    const struct dirent *e;
    while (d && (e = readdir(d))) {
        struct stat st;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            now - st.st_mtime > BLOB_AGE_S)
            unlinkat(dirfd(d), e->d_name, 0);
    }
    if (d)
        closedir(d);
}

/* --- a version --- */

struct shelf_version *shelf_add_version(struct shelf_app *a, json_t *spec)
{
    const char *id = json_string_value(json_object_get(spec, "id"));
    a->versions = xreallocarray(a->versions, a->count + 1, sizeof *a->versions);
    struct shelf_version *v = &a->versions[a->count++];
    *v = (struct shelf_version){.id = xstrdup(id ? id : ""), .spec = json_incref(spec)};
    return v;
}

void shelf_sweep(struct shelf_app *a)
{
    cleanup(free_p) char *dir = xasprintf("%s/versions", a->dir);
    cleanup(free_p) char *blobs = xasprintf("%s/blobs", a->dir);
    shelf_remove_tree(blobs);
    DIR *d = opendir(dir);
    const struct dirent *e;
    while (d && (e = readdir(d))) {
        bool dots = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0;
        cleanup(free_p) char *path = xasprintf("%s/%s", dir, e->d_name);
        if (!dots && !shelf_find_version(a, e->d_name))
            shelf_remove_tree(path);
    }
    if (d)
        closedir(d);
}

static struct shelf_version take_version(struct shelf_app *a, size_t i)
{
    struct shelf_version v = a->versions[i];
    memmove(&a->versions[i], &a->versions[i + 1], (a->count - i - 1) * sizeof v);
    a->count--;
    return v;
}

static void copy_text(json_t *to, const json_t *from, const char *key)
{
    const char *text = json_string_value(json_object_get(from, key));
    if (text)
        json_object_set_new(to, key, json_string(text));
}

/* What is kept of a version besides its folder. */
static json_t *kept_spec(const json_t *spec, int64_t number)
{
    json_t *kept = json_pack("{sI sI}", "number", (json_int_t)number, "created_ms",
                             (json_int_t)(clock_wall_ns() / 1000000));
    static const char *const keys[] = {"id", "release", "message", "revision", "by"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        copy_text(kept, spec, keys[i]);
    json_object_set(kept, "secrets", json_object_get(spec, "secrets"));
    return kept;
}

/* The oldest leave the list, but those with traffic and the last, which is new: to `gone`. */
static size_t prune(struct shelf_app *a, struct shelf_version *gone)
{
    size_t n = 0;
    for (size_t i = 0; a->count > SHELF_KEEP && i + 1 < a->count;) {
        if (shelf_in_split(a, a->versions[i].id))
            i++;
        else
            gone[n++] = take_version(a, i);
    }
    return n;
}

static void put_back(struct shelf_app *a, const struct shelf_version *list, size_t count)
{
    memcpy(a->versions, list, count * sizeof *list);
    a->count = count;
}

/* It can be served: into app.json. What cannot be written has not happened. */
static int commit(struct shelf *s, struct shelf_app *a, const json_t *spec, struct deployment *d,
                  json_t **ret, struct err *err)
{
    cleanup(json_decref_p) json_t *kept = kept_spec(spec, a->next_number++);
    size_t count = a->count;
    cleanup(free_p) struct shelf_version *before = xcalloc(count + 1, sizeof *before);
    cleanup(free_p) struct shelf_version *gone = xcalloc(count + 1, sizeof *gone);
    if (count)
        memcpy(before, a->versions, count * sizeof *before);
    struct shelf_version *v = shelf_add_version(a, kept);
    v->deployment = deployment_ref(d);
    struct shelf_version made = *v;
    size_t gone_count = prune(a, gone);
    int r = shelf_save(a, err);
    if (r < 0) {
        put_back(a, before, count);
        shelf_version_clear(&made);
        return r;
    }
    for (size_t i = 0; i < gone_count; i++) {
        cleanup(free_p) char *dir = version_dir(a->dir, gone[i].id);
        shelf_remove_tree(dir);
        shelf_version_clear(&gone[i]);
    }
    shelf_publish(s);
    *ret = shelf_version_json(a, shelf_find_version(a, made.id));
    return 0;
}

/* All of its files, synced, at `dir`. What is there already was left by a killed server. */
static int make_folder(struct shelf *s, const char *app, const char *app_dir, const char *dir,
                       const json_t *spec, struct err *err)
{
    const char *manifest = json_string_value(json_object_get(spec, "manifest"));
    cleanup(free_p) char *yaml = xasprintf("%s/edge.yaml", dir);
    cleanup(free_p) char *parent = xasprintf("%s/versions", app_dir);
    if (!manifest)
        return err_set(err, ERR_USAGE, "a version needs its manifest");
    shelf_remove_tree(dir);
    int r = file_make_dirs(dir, err);
    if (r == 0)
        r = file_write(yaml, manifest, strlen(manifest), 0600, err);
    if (r == 0)
        r = place_files(app_dir, json_object_get(spec, "files"), dir, err);
    if (r == 0)
        r = copy_secrets(s, app, json_object_get(spec, "secrets"), dir, err);
    if (r == 0)
        r = sync_dir(dir, err);
    return r < 0 ? r : sync_dir(parent, err);
}

/* Until app.json names it, the folder is nothing: a start sweeps it. */
static int make_version(struct shelf *s, const char *app, const char *app_dir, const json_t *spec,
                        json_t **ret, struct err *err)
{
    const char *id = json_string_value(json_object_get(spec, "id"));
    cleanup(free_p) char *dir = version_dir(app_dir, id);
    struct deployment *d = NULL;
    int r = make_folder(s, app, app_dir, dir, spec, err);
    if (r == 0)
        r = shelf_load_version(s, app, id, dir, true, &d, err);
    if (r == 0) {
        uv_mutex_lock(&s->lock);
        struct shelf_app *a = shelf_find(s, app);
        r = a ? commit(s, a, spec, d, ret, err) : shelf_no_app(app, err);
        uv_mutex_unlock(&s->lock);
    }
    deployment_unref(d);
    if (r < 0)
        shelf_remove_tree(dir);
    drop_old_blobs(app_dir);
    return r;
}

/* --- one call at a time for each --- */

static bool is_made(struct shelf *s, const char *name)
{
    for (size_t i = 0; i < s->making_count; i++)
        if (strcmp(s->making[i], name) == 0)
            return true;
    return false;
}

static void begin_making(struct shelf *s, const char *name)
{
    s->making = xreallocarray(s->making, s->making_count + 1, sizeof *s->making);
    s->making[s->making_count++] = xstrdup(name);
}

static void end_making(struct shelf *s, const char *name)
{
    uv_mutex_lock(&s->lock);
    for (size_t i = 0; i < s->making_count; i++) {
        if (strcmp(s->making[i], name) != 0)
            continue;
        free(s->making[i]);
        s->making[i] = s->making[--s->making_count];
        break;
    }
    uv_cond_broadcast(&s->made);
    uv_mutex_unlock(&s->lock);
}

/* 1: it is there, and told of; 0: it is this call's to make; or an error. */
static int claim(struct shelf *s, const char *app, const char *id, const char *name,
                 json_t **ret_version, char **ret_dir, struct err *err)
{
    struct shelf_app *a = shelf_find(s, app);
    struct shelf_version *v = a ? shelf_find_version(a, id) : NULL;
    if (!a)
        return shelf_no_app(app, err);
    if (v) {
        *ret_version = shelf_version_json(a, v);
        return 1;
    }
    begin_making(s, name);
    *ret_dir = xstrdup(a->dir);
    return 0;
}

int shelf_put_version(struct shelf *s, const char *app, const json_t *spec, json_t **ret_version,
                      struct err *err)
{
    const char *id = json_string_value(json_object_get(spec, "id"));
    if (!id || !shelf_name_good(id))
        return err_set(err, ERR_USAGE, "'%.100s' is no name for a version", id ? id : "");
    cleanup(free_p) char *name = xasprintf("%s/%s", app, id);
    cleanup(free_p) char *dir = NULL;
    uv_mutex_lock(&s->lock);
    while (is_made(s, name)) /* its client may have been killed, and this be the next run */
        uv_cond_wait(&s->made, &s->lock);
    int r = claim(s, app, id, name, ret_version, &dir, err);
    uv_mutex_unlock(&s->lock);
    if (r != 0)
        return r < 0 ? r : 0;
    r = make_version(s, app, dir, spec, ret_version, err);
    end_making(s, name);
    return r;
}

static int delete_version(struct shelf *s, struct shelf_app *a, const char *id, struct err *err)
{
    struct shelf_version *v = shelf_find_version(a, id);
    if (!v)
        return shelf_no_version(a->name, id, err);
    if (shelf_in_split(a, id)) {
        int r = err_set(err, ERR_DRIFT, "version '%s' is in the split", id);
        err_hint(err, "give its traffic to another version first");
        return r;
    }
    cleanup(free_p) char *dir = version_dir(a->dir, id);
    size_t at = (size_t)(v - a->versions);
    struct shelf_version gone = take_version(a, at);
    int r = shelf_save(a, err);
    if (r < 0) { /* what is on disk still has it */
        memmove(&a->versions[at + 1], &a->versions[at], (a->count - at) * sizeof gone);
        a->versions[at] = gone;
        a->count++;
        return r;
    }
    shelf_version_clear(&gone);
    shelf_publish(s);
    shelf_remove_tree(dir);
    return 0;
}

int shelf_delete_version(struct shelf *s, const char *app, const char *id, struct err *err)
{
    uv_mutex_lock(&s->lock);
    struct shelf_app *a = shelf_find(s, app);
    int r = a ? delete_version(s, a, id, err) : shelf_no_app(app, err);
    uv_mutex_unlock(&s->lock);
    return r;
}
