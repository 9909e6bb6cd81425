/* SPDX-License-Identifier: Apache-2.0 */
/* What the admin socket does, request by request. On threads of the pool: the shelf has locks. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/version.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "serve/admin_internal.h"

static int not_allowed(struct admin_call *c, struct err *err)
{
    return err_set(err, ERR_USAGE, "%s is not for this address", c->ex->method);
}

static int show_self(struct admin_call *c)
{
    const struct admin *a = c->admin;
    c->json = json_pack("{ss ss ss si sI so}", "edgectl", EDGECTL_VERSION, "kind", a->o.kind, "url",
                        server_url(a->o.server), "pid", (int)getpid(), "started_ms",
                        (json_int_t)a->started_ms, "apps", shelf_apps(a->o.shelf));
    return 0;
}

static int missing(struct admin_call *c)
{
    c->status = 404;
    return 0;
}

static int on_app(struct admin_call *c, struct err *err)
{
    struct shelf *shelf = c->admin->o.shelf;
    const char *app = c->parts[1];
    if (admin_is(c, "DELETE"))
        return shelf_delete_app(shelf, app, err);
    if (admin_is(c, "PUT")) {
        cleanup(json_decref_p) json_t *json = NULL;
        int r = admin_json(c, &json, err);
        if (r == 0 && !json_is_array(json_object_get(json, "hosts")))
            r = err_set(err, ERR_USAGE, "hosts are missing");
        if (r == 0)
            r = shelf_put_app(shelf, app, json_object_get(json, "hosts"), err);
        if (r < 0)
            return r;
    } else if (!admin_is(c, "GET")) {
        return not_allowed(c, err);
    }
    c->json = shelf_app(shelf, app);
    return c->json ? 0 : missing(c);
}

/* --- blobs --- */

static int digest_of(int fd, char hex[HASH_HEX_SIZE], struct err *err)
{
    cleanup(hash_free_p) struct hash *h = hash_new();
    uint8_t digest[HASH_SIZE];
    cleanup(free_p) char *block = xmalloc(1 << 20);
    off_t at = 0;
    ssize_t n;
    while ((n = pread(fd, block, 1 << 20, at)) > 0) {
        hash_add(h, block, (size_t)n);
        at += n;
    }
    if (n < 0)
        return err_sys(err, ERR_IO, errno, "cannot read the upload");
    hash_final(h, digest);
    hash_hex(digest, hex);
    return 0;
}

static int on_blob(struct admin_call *c, struct err *err)
{
    cleanup(free_p) char *dir = NULL;
    char hex[HASH_HEX_SIZE];
    const char *want = c->parts[3];
    int r = shelf_blob_dir(c->admin->o.shelf, c->parts[1], &dir, err);
    if (r < 0)
        return r;
    if (!hex_is(want, HASH_HEX_SIZE - 1))
        return err_set(err, ERR_USAGE, "'%.80s' is no SHA-256", want);
    cleanup(free_p) char *path = xasprintf("%s/%s", dir, want);
    if (admin_is(c, "GET")) /* whoever asks is going to need it: it is as good as new */
        return utimensat(AT_FDCWD, path, NULL, 0) == 0 ? 0 : missing(c);
    if (c->fd < 0)
        return not_allowed(c, err);
    r = digest_of(c->fd, hex, err);
    if (r < 0)
        return r;
    if (strcmp(hex, want) != 0)
        return err_set(err, ERR_USAGE, "the upload has another digest: %.12s", hex);
    if (fdatasync(c->fd) < 0 || rename(c->file, path) < 0)
        return err_sys(err, ERR_IO, errno, "cannot keep the upload");
    close(c->fd);
    c->fd = -1;
    c->status = 201;
    return 0;
}

/* --- versions and traffic --- */

static int on_versions(struct admin_call *c, struct err *err)
{
    struct shelf *shelf = c->admin->o.shelf;
    if (c->part_count == 4 && admin_is(c, "DELETE"))
        return shelf_delete_version(shelf, c->parts[1], c->parts[3], err);
    if (c->part_count != 3 || !admin_is(c, "POST"))
        return not_allowed(c, err);
    cleanup(json_decref_p) json_t *spec = NULL;
    int r = admin_json(c, &spec, err);
    return r < 0 ? r : shelf_put_version(shelf, c->parts[1], spec, &c->json, err);
}

static int on_split(struct admin_call *c, struct err *err)
{
    cleanup(json_decref_p) json_t *want = NULL;
    if (!admin_is(c, "PUT"))
        return not_allowed(c, err);
    int r = admin_json(c, &want, err);
    return r < 0 ? r : shelf_set_split(c->admin->o.shelf, c->parts[1], want, &c->json, err);
}

static int on_metrics(struct admin_call *c, struct err *err)
{
    cleanup(free_p) char *version = admin_query(c, "version");
    cleanup(free_p) char *since = admin_query(c, "since");
    if (!version)
        return err_set(err, ERR_USAGE, "of which version?");
    return shelf_metrics(c->admin->o.shelf, c->parts[1], version,
                         since ? strtoll(since, NULL, 10) : 0, &c->json, err);
}

static int on_secret(struct admin_call *c, struct err *err)
{
    struct shelf *shelf = c->admin->o.shelf;
    char **p = c->parts;
    if (admin_is(c, "GET"))
        return shelf_has_secret(shelf, p[1], p[3], p[4], p[5]) ? 0 : missing(c);
    if (!admin_is(c, "PUT"))
        return not_allowed(c, err);
    int r = shelf_put_secret(shelf, p[1], p[3], p[4], p[5], buf_str(&c->body), c->body.len, err);
    secret_wipe(c->body.data, c->body.len);
    return r;
}

static int on_note(struct admin_call *c, struct err *err)
{
    struct shelf *shelf = c->admin->o.shelf;
    if (admin_is(c, "GET")) {
        cleanup(json_decref_p) json_t *note = shelf_note(shelf, c->parts[1], c->parts[3]);
        if (!note)
            return missing(c);
        buf_add_str(&c->out, json_string_value(note));
        return 0;
    }
    if (admin_is(c, "DELETE"))
        return shelf_put_note(shelf, c->parts[1], c->parts[3], NULL, err);
    return admin_is(c, "PUT")
               ? shelf_put_note(shelf, c->parts[1], c->parts[3], buf_str(&c->body), err)
               : not_allowed(c, err);
}

int admin_handle(struct admin_call *c, struct err *err)
{
    static const struct {
        const char *name;
        int min, max;               /* parts of the address */
        int (*fn)(struct admin_call *c, struct err *err);
    } below_app[] = {
        {"blobs", 4, 4, on_blob},
        {"versions", 3, 4, on_versions},
        {"split", 3, 3, on_split},
        {"metrics", 3, 3, on_metrics},
        {"secrets", 6, 6, on_secret},
        {"notes", 4, 4, on_note},
    };
    if (c->part_count == 0)
        return admin_is(c, "GET") ? show_self(c) : not_allowed(c, err);
    if (strcmp(c->parts[0], "apps") == 0 && c->part_count == 2)
        return on_app(c, err);
    for (size_t i = 0; strcmp(c->parts[0], "apps") == 0 && i < ARRAY_LEN(below_app); i++)
        if (c->part_count >= below_app[i].min && c->part_count <= below_app[i].max &&
            strcmp(c->parts[2], below_app[i].name) == 0)
            return below_app[i].fn(c, err);
    if (strcmp(c->parts[0], "apps") == 0 && c->part_count >= 3)
        return admin_handle_data(c, err);
    return err_set(err, ERR_USAGE, "there is no such address");
}
