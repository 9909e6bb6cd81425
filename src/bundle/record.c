/* SPDX-License-Identifier: Apache-2.0 */
#include "bundle/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/mem.h"
#include "base/version.h"
#include "bundle/internal.h"
#include "crypto/sha512.h"
#include "vcs/vcs.h"

static int by_name(const void *a, const void *b)
{
    const struct bundle_part *const *left = a, *const *right = b;
    return strcmp((*left)->name, (*right)->name);
}

void bundle_files_hash(const struct bundle_part *parts, size_t count, const struct spool *sp,
                       char ret_hex[FILES_HASH_SIZE])
{
    cleanup(free_p) const struct bundle_part **sorted = xcalloc(count, sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &parts[i];
    qsort(sorted, count, sizeof *sorted, by_name);
    struct sha512 *h = sha512_new();
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0, n; at < sorted[i]->len; at += n) {
            n = spool_slice(sorted[i]->len - at);
            sha512_add(h, sorted[i]->data + at, n);
            spool_forget(sp, sorted[i]->data + at, n);
        }
    sha512_hex(h, ret_hex);
}

static json_t *time_json(int64_t ms)
{
    char text[32];
    struct tm tm;
    time_t seconds = (time_t)(ms / 1000);
    gmtime_r(&seconds, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return json_string(text);
}

static json_t *file_json(const char *name_key, const char *name, const char *digest, size_t size)
{
    return json_pack("{s:s, s:s, s:I}", name_key, name, "sha256", digest, "size", (json_int_t)size);
}

static json_t *git_json(const struct making *mk)
{
    struct vcs_state state;
    if (!vcs_state_read(mk->m->dir, &state))
        return json_null();
    return json_pack("{s:s, s:b}", "revision", state.revision, "dirty", state.dirty);
}

static json_t *manifest_json(const struct making *mk)
{
    if (!mk->manifest_text)
        return json_null();
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    const char *slash = strrchr(mk->m->file, '/');
    hash_bytes(mk->manifest_text, mk->manifest_len, digest);
    hash_hex(digest, hex);
    json_t *name = json_string(slash ? slash + 1 : mk->m->file);
    return json_pack("{s:o, s:s}", "file", name ? name : json_string("(not UTF-8)"), "sha256", hex);
}

static json_t *parts_json(const struct bundle *b)
{
    json_t *list = json_array();
    for (size_t i = 0; i < b->part_count; i++) {
        const struct bundle_part *p = &b->parts[i];
        json_t *o = file_json("name", p->name, p->digest, p->len);
        json_object_set_new(o, "type", json_string(p->type));
        json_array_append_new(list, o);
    }
    return list;
}

static json_t *package_json(const struct bundle *b)
{
    json_t *o = file_json("name", b->package.name, b->package.digest, b->package.len);
    if (b->provider == PROVIDER_FASTLY) {
        char hex[FILES_HASH_SIZE];
        bundle_files_hash(b->parts, b->part_count, b->spool, hex);
        json_object_set_new(o, "files_hash", json_string(hex));
    }
    return o;
}

static json_t *secrets_json(const struct bundle *b)
{
    json_t *list = json_array();
    for (size_t i = 0; i < b->binding_count; i++) {
        const struct bundle_binding *s = &b->bindings[i];
        if (strcmp(s->kind, "secret") == 0)
            json_array_append_new(list, json_sprintf("%s/%s@%s", s->store, s->key,
                                                     *s->digest ? s->digest : "unset"));
    }
    return list;
}

static json_t *bindings_json(const struct bundle *b)
{
    json_t *list = json_array();
    for (size_t i = 0; i < b->binding_count; i++) {
        const struct bundle_binding *s = &b->bindings[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s*, s:s, s:s*}", "kind", s->kind,
                                              "store", s->store, "key", s->key, "name", s->name,
                                              "id", s->remote));
    }
    return list;
}

static json_t *imports_json(const struct making *mk)
{
    json_t *list = json_array();
    for (size_t i = 0; i < mk->info.import_count; i++) {
        const struct module_import *imp = &mk->info.imports[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "module", imp->module, "name",
                                              imp->name, "support",
                                              bundle_support_name(import_support(mk, imp))));
    }
    return list;
}

void record_make(struct making *mk)
{
    struct bundle *b = mk->b;
    json_t *o = json_pack(
        "{s:i, s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:o, s:o, s:O, s:o, s:o, s:o}", "format", 1,
        "id", b->id, "app", b->app, "target", mk->target->name, "provider",
        manifest_provider_name(b->provider), "created", time_json(mk->options->created_ms),
        "edgectl", EDGECTL_VERSION, "git", git_json(mk), "wasm",
        json_pack("{s:s, s:I}", "sha256", mk->wasm_digest, "size", (json_int_t)mk->wasm_len),
        "manifest", manifest_json(mk), "parts", parts_json(b), "config", mk->config, "secrets",
        secrets_json(b), "bindings", bindings_json(b), "imports", imports_json(mk));
    if (b->form == BUNDLE_ARCHIVE)
        json_object_set_new(o, "package", package_json(b));
    if (b->metadata)
        json_object_set_new(o, "metadata", json_loads(b->metadata, 0, NULL));
    b->record = o;
}
