/* SPDX-License-Identifier: Apache-2.0 */
/* The folder that a runtime is started on:
 *   app/        the bundle's parts, as a provider gets them
 *   dev/        the stand-in, from templates/hosts/dev/
 *   dev.json    where this machine's stores are, and variables that the provider would set
 *   provider    the provider's name
 *   app/config.capnp, app/dev/   for workerd, whose modules must be below its config */
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/embed.h"
#include "base/file.h"
#include "base/mem.h"
#include "runtime/runtime.h"

enum { CONFIG_MAX = 1 << 20 };

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static int put(const char *dir, const char *name, const void *data, size_t len, mode_t mode,
               struct err *err)
{
    cleanup(free_p) char *path = xasprintf("%s/%s", dir, name);
    int r = file_make_parents(path, err);
    return r < 0 ? r : file_write(path, data, len, mode, err);
}

static int put_parts(const struct bundle *b, const char *dir, struct err *err)
{
    int r = 0;
    for (size_t i = 0; i < b->part_count && r == 0; i++) {
        cleanup(free_p) char *name = xasprintf("app/%s", b->parts[i].name);
        r = put(dir, name, b->parts[i].data, b->parts[i].len, 0644, err);
    }
    return r;
}

static int put_stand_in(const char *dir, const char *below, struct err *err)
{
    static const char from[] = "hosts/dev/";
    size_t count;
    const struct embed_file *files = embed_under(from, &count);
    int r = 0;
    for (size_t i = 0; i < count && r == 0; i++) {
        cleanup(free_p) char *name = xasprintf("%s%s", below, files[i].path + strlen(from));
        r = put(dir, name, files[i].data, files[i].len, 0644, err);
    }
    return r;
}

/* What the upload's metadata binds as text. */
static json_t *variables(const struct bundle *b)
{
    json_t *o = json_object();
    json_t *metadata = b->metadata ? json_loads(b->metadata, 0, NULL) : NULL;
    json_t *binding;
    size_t i;
    json_array_foreach (json_object_get(metadata, "bindings"), i, binding) {
        json_t *text = json_object_get(binding, "text");
        if (text)
            json_object_set(o, json_string_value(json_object_get(binding, "name")), text);
    }
    json_decref(metadata);
    return o;
}

static char *settings(const struct bundle *b, const struct runtime_stores *stores)
{
    json_t *o = json_pack("{s:s, s:s, s:o}", "url", stores->url, "token", stores->token,
                          "variables", variables(b));
    char *text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

/* --- workerd --- */

/* As a string of the configuration. */
static void add_text(struct buf *to, const char *text)
{
    buf_add_char(to, '"');
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c < ' ' || c == '"' || c == '\\')
            buf_printf(to, "\\x%02x", c);
        else
            buf_add_char(to, *p);
    }
    buf_add_char(to, '"');
}

/* What kind of module the upload's media type makes of a part. */
static const char *kind_of(const char *type)
{
    if (strcmp(type, "application/javascript+module") == 0)
        return "esModule";
    if (strcmp(type, "application/wasm") == 0)
        return "wasm";
    return strcmp(type, "text/plain") == 0 ? "text" : "data";
}

/* A module of the Worker, by its file below the config. */
static void add_module(struct buf *to, const char *name, const char *kind)
{
    buf_add_str(to, "    (name = ");
    add_text(to, name);
    buf_printf(to, ", %s = embed ", kind);
    add_text(to, name);
    buf_add_str(to, "),\n");
}

static const char *date_of(const json_t *metadata)
{
    const char *date = json_string_value(json_object_get(metadata, "compatibility_date"));
    return date ? date : "";
}

/* Flags as the upload has them. */
static void add_flags(struct buf *to, const json_t *metadata)
{
    json_t *flag;
    size_t i;
    buf_add_str(to, "  compatibilityFlags = [");
    json_array_foreach (json_object_get(metadata, "compatibility_flags"), i, flag)
        buf_printf(to, "%s\"%s\"", i ? ", " : "", json_string_value(flag));
    buf_add_str(to, "],\n");
}

/* The main module is the stand-in, which hands the app this machine's stores; settings.js is
 * dev.json as a module. */
static int put_workerd(const struct bundle *b, const char *dir, const char *json, struct err *err)
{
    cleanup(buf_clear) struct buf c = BUF_INIT(CONFIG_MAX), s = BUF_INIT(CONFIG_MAX);
    json_t *metadata = json_loads(b->metadata, 0, NULL);
    buf_add_str(&c, "using Workerd = import \"/workerd/workerd.capnp\";\n"
                    "const config :Workerd.Config = (\n"
                    "  services = [\n"
                    "    (name = \"main\", worker = .app),\n"
                    "    (name = \"internet\", network = (allow = [\"public\", \"private\"],\n"
                    "      tlsOptions = (trustBrowserCas = true))),\n"
                    "  ],\n"
                    "  sockets = [(name = \"http\", address = \"127.0.0.1:0\", http = (), "
                    "service = \"main\")],\n"
                    ");\n"
                    "const app :Workerd.Worker = (\n"
                    "  modules = [\n");
    add_module(&c, "dev/worker.js", "esModule");
    add_module(&c, "dev/stores.js", "esModule");
    add_module(&c, "dev/settings.js", "esModule");
    for (size_t i = 0; i < b->part_count; i++)
        add_module(&c, b->parts[i].name, kind_of(b->parts[i].type));
    buf_printf(&c, "  ],\n  compatibilityDate = \"%s\",\n", date_of(metadata));
    add_flags(&c, metadata);
    buf_add_str(&c, ");\n");
    json_decref(metadata);
    buf_printf(&s, "export default %s;\n", json);
    if (c.overflow || s.overflow)
        return err_set(err, ERR_LIMIT, "the app has too many files for workerd's configuration");
    int r = put_stand_in(dir, "app/dev/", err);
    if (r == 0)
        r = put(dir, "app/dev/settings.js", s.data, s.len, 0600, err);
    return r < 0 ? r : put(dir, "app/config.capnp", c.data, c.len, 0600, err);
}

int runtime_write(const struct bundle *b, const struct runtime_stores *stores, const char *dir,
                  struct err *err)
{
    nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    cleanup(free_p) char *json = settings(b, stores);
    const char *provider = manifest_provider_name(b->provider);
    int r = put_parts(b, dir, err);
    if (r == 0)
        r = put_stand_in(dir, "dev/", err);
    if (r == 0)
        r = put(dir, "dev.json", json, strlen(json), 0600, err);
    if (r == 0)
        r = put(dir, "provider", provider, strlen(provider), 0644, err);
    if (r == 0 && b->provider == PROVIDER_CLOUDFLARE)
        r = put_workerd(b, dir, json, err);
    return r;
}
