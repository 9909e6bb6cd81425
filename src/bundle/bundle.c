/* SPDX-License-Identifier: Apache-2.0 */
#include "bundle/bundle.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/version.h"
#include "bundle/app.h"
#include "bundle/archive.h"
#include "bundle/scan.h"
#include "wasm/reset.h"
#include "wasm/wat.h"

/* Most apps are smaller than this, and need no file. */
enum { IN_MEMORY = 4 << 20 };

/* --- parts --- */

static void part_set(const struct bundle *b, struct bundle_part *p, char *name, const char *type,
                     uint8_t *data, size_t len)
{
    uint8_t digest[HASH_SIZE];
    *p = (struct bundle_part){.name = name, .type = type, .data = data, .len = len};
    hash_spooled(b->spool, data, len, digest);
    hash_hex(digest, p->digest);
}

static struct bundle_part *part_new(struct bundle *b)
{
    b->parts = xreallocarray(b->parts, b->part_count + 1, sizeof *b->parts);
    return &b->parts[b->part_count++];
}

void part_add(struct bundle *b, char *name, const char *type, uint8_t *data, size_t len)
{
    part_set(b, part_new(b), name, type, data, len);
}

/* One whose digest is known. */
static void part_add_known(struct bundle *b, char *name, const char *type, uint8_t *data,
                           size_t len, const char *digest)
{
    struct bundle_part *p = part_new(b);
    *p = (struct bundle_part){.name = name, .type = type, .data = data, .len = len};
    memcpy(p->digest, digest, sizeof p->digest);
}

void part_add_text(struct bundle *b, const char *name, const char *type, const char *text)
{
    part_add(b, xstrdup(name), type, (uint8_t *)xstrdup(text), strlen(text));
}

void part_add_wasm(struct making *mk, const char *name)
{
    part_add_known(mk->b, xstrdup(name), "application/wasm", TAKE(mk->wasm), mk->wasm_len,
                   mk->wasm_digest);
}

void part_add_guest(struct making *mk, const char *name)
{
    const char *why_not;
    size_t len;
    uint8_t *made = reset_module(mk->wasm, mk->wasm_len, &len, &why_not);
    if (!made) {
        part_add_wasm(mk, name);
        return;
    }
    part_add(mk->b, xstrdup(name), "application/wasm", made, len);
    spool_drop(mk->b->spool, TAKE(mk->wasm));
}

void part_add_assets(struct making *mk, const char *folder)
{
    for (size_t i = 0; i < mk->assets.count; i++) {
        struct asset *a = &mk->assets.list[i];
        part_add_known(mk->b, xasprintf("%s%s", folder, a->url), "application/octet-stream",
                       TAKE(a->data), a->len, a->digest);
    }
}

static const char js_type[] = "application/javascript+module";

void part_add_app(struct making *mk, const char *folder, bool assets)
{
    cleanup(free_p) char *name = xasprintf("%sbindings.js", folder);
    cleanup(free_p) char *text = app_module(mk, assets);
    mk->app_part = mk->b->part_count;
    mk->has_app_part = true;
    mk->app_has_assets = assets;
    part_add_text(mk->b, name, js_type, text);
    if (assets) {
        cleanup(free_p) char *below = xasprintf("%sassets", folder);
        part_add_assets(mk, below);
    }
}

const struct bundle_part *bundle_part(const struct bundle *b, const char *name)
{
    for (size_t i = 0; i < b->part_count; i++)
        if (strcmp(b->parts[i].name, name) == 0)
            return &b->parts[i];
    return NULL;
}

void bundle_note(struct bundle *b, const char *hint, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    b->notes = xreallocarray(b->notes, b->note_count + 1, sizeof *b->notes);
    struct err *note = &b->notes[b->note_count++];
    *note = (struct err){.code = ERR_NONE};
    snprintf(note->msg, sizeof note->msg, "%s", text);
    snprintf(note->hint, sizeof note->hint, "%s", hint ? hint : "");
}

char *json_stable(const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
    if (!text)
        abort(); /* out of memory: the tree was made here */
    return text;
}

/* --- the inputs --- */

static const char *const support_names[] = {"native", "host", "missing", "unknown"};

const char *bundle_support_name(enum bundle_support support)
{
    return support_names[support];
}

static int read_wasm(struct making *mk, struct err *err)
{
    const char *path = mk->m->build.artifact;
    int r = input_read(&mk->inputs, path, &mk->wasm, &mk->wasm_len, err);
    if (r < 0) {
        if (r == -ERR_IO)
            err_hint(err, "build it first, or correct the path of the artifact");
        return r;
    }
    if (module_format(mk->wasm, mk->wasm_len) == MODULE_TEXT) {
        uint8_t *text = TAKE(mk->wasm);
        r = wat_to_module(path, (const char *)text, mk->wasm_len, &mk->wasm, &mk->wasm_len, err);
        spool_drop(mk->b->spool, text);
        if (r < 0)
            return r;
    }
    if (module_format(mk->wasm, mk->wasm_len) != MODULE_CORE)
        return module_format_error(mk->wasm, mk->wasm_len, path, err);
    r = module_info_read(mk->wasm, mk->wasm_len, &mk->info, err);
    if (r < 0)
        return err_wrap(err, r, "%s", path);
    struct err problems[MODULE_PROBLEMS_MAX];
    if (module_info_problems(&mk->info, problems) > 0) {
        if (err)
            *err = problems[0];
        return err_wrap(err, -(int)problems[0].code, "%s", path);
    }
    uint8_t digest[HASH_SIZE];
    hash_spooled(mk->b->spool, mk->wasm, mk->wasm_len, digest);
    hash_hex(digest, mk->wasm_digest);
    return 0;
}

enum bundle_support import_support(const struct making *mk, const struct module_import *imp)
{
    if (imp->kind != MODULE_FUNC || !imp->signature)
        return SUPPORT_UNKNOWN;
    cleanup(free_p) char *letters = module_signature_letters(imp->signature);
    return mk->options->support(mk->target->provider, imp->module, imp->name, letters);
}

static int check_imports(const struct making *mk, struct err *err)
{
    for (size_t i = 0; i < mk->info.import_count; i++) {
        const struct module_import *imp = &mk->info.imports[i];
        if (import_support(mk, imp) != SUPPORT_UNKNOWN)
            continue;
        err_set(err, ERR_BUILD, "%s imports %s.%s, which no edge host has in this form",
                mk->m->build.artifact, imp->module, imp->name);
        err_hint(err, "see all of them with: edgectl build %s", mk->m->build.artifact);
        return -ERR_BUILD;
    }
    return 0;
}

static int read_manifest(struct making *mk, struct err *err)
{
    if (!mk->m->file)
        return 0;
    return input_read(&mk->inputs, mk->m->file, &mk->manifest_text, &mk->manifest_len, err);
}

/* --- secrets --- */

/* A value in app.wat would be one in the module: what is shipped is looked at, and named by where
 * it comes from. */
static int scan_inputs(const struct making *mk, const struct scan *scan, struct err *err)
{
    const struct spool *sp = mk->b->spool;
    int r = scan_bytes(scan, sp, mk->wasm, mk->wasm_len, mk->m->build.artifact, err);
    for (size_t i = 0; i < mk->assets.count && r == 0; i++)
        r = scan_bytes(scan, sp, mk->assets.list[i].data, mk->assets.list[i].len,
                       mk->assets.list[i].path, err);
    if (r < 0)
        return r;
    cleanup(free_p) char *config = json_stable(mk->config);
    cleanup(free_p) char *app = app_module(mk, false);
    r = scan_bytes(scan, NULL, (const uint8_t *)config, strlen(config), "the config stores", err);
    return r < 0 ? r : scan_bytes(scan, NULL, (const uint8_t *)app, strlen(app),
                                  "what the host is told about the app", err);
}

static int check_secrets(struct making *mk, struct err *err)
{
    const struct bundle_options *o = mk->options;
    cleanup(scan_free_p) struct scan *scan = scan_new(o->secrets, o->secret_count);
    for (size_t i = 0; i < o->secret_count; i++)
        if (o->secrets[i].value && secret_len(o->secrets[i].value) < SCAN_VALUE_MIN)
            bundle_note(mk->b, "a longer one is harder to guess, too",
                        "the secret '%s' is too short to be looked for in what is shipped",
                        o->secrets[i].key);
    return scan_inputs(mk, scan, err);
}

/* --- the whole --- */

typedef int layout_fn(struct making *mk, struct err *err);

static const struct {
    enum bundle_form form;
    const char *suffix;         /* of the file or folder on disk */
    layout_fn *layout;
} forms[PROVIDER_COUNT] = {
    [PROVIDER_LOCAL] = {BUNDLE_TREE, "", local_layout},
    [PROVIDER_CLOUDFLARE] = {BUNDLE_MODULES, "", cloudflare_layout},
    [PROVIDER_FASTLY] = {BUNDLE_ARCHIVE, ".tar.gz", fastly_layout},
    [PROVIDER_AWS] = {BUNDLE_ARCHIVE, ".zip", aws_layout},
    [PROVIDER_VERCEL] = {BUNDLE_TREE, "", vercel_layout},
};

static int by_name(const void *a, const void *b)
{
    const struct bundle_part *left = a, *right = b;
    return strcmp(left->name, right->name);
}

/* The main module is the first part that a layout adds. */
static void sort_parts(struct bundle *b)
{
    size_t first = b->form == BUNDLE_MODULES ? 1 : 0;
    qsort(b->parts + first, b->part_count - first, sizeof *b->parts, by_name);
}

static void add_text(struct hash *h, const char *text)
{
    hash_add(h, text ? text : "", text ? strlen(text) + 1 : 1);
}

/* Everything that decides how the app behaves: not where or when it was made, nor how the parts are
 * packed. Parts are hashed before the id is in any of them. */
static void make_id(struct making *mk)
{
    struct bundle *b = mk->b;
    cleanup(free_p) char *metadata =
        b->form == BUNDLE_MODULES ? cloudflare_metadata(mk) : NULL;
    cleanup(free_p) char *app = app_module(mk, false);
    uint8_t digest[HASH_SIZE];
    struct hash *h = hash_new();
    add_text(h, "edgectl release 1");
    add_text(h, EDGECTL_VERSION);
    add_text(h, app);
    add_text(h, metadata);
    for (size_t i = 0; i < b->part_count; i++) {
        add_text(h, b->parts[i].name);
        add_text(h, b->parts[i].digest);
    }
    for (size_t i = 0; i < b->binding_count; i++) {
        add_text(h, b->bindings[i].kind);
        add_text(h, b->bindings[i].store);
        add_text(h, b->bindings[i].key);
        add_text(h, b->bindings[i].digest);
    }
    hash_final(h, digest);
    hash_free(h);
    hash_hex(digest, b->id);
}

static void write_bindings_again(struct making *mk)
{
    if (!mk->has_app_part)
        return;
    struct bundle_part *p = &mk->b->parts[mk->app_part];
    free(p->data);
    char *text = app_module(mk, mk->app_has_assets);
    part_set(mk->b, p, p->name, p->type, (uint8_t *)text, strlen(text));
}

static int pack(struct bundle *b, struct err *err)
{
    bool zip = b->provider == PROVIDER_AWS;
    uint8_t *data;
    size_t len;
    int r = zip ? zip_write(b->parts, b->part_count, b->spool, &data, &len, err)
                : targz_write(b->parts, b->part_count, b->spool, &data, &len, err);
    if (r == 0)
        part_set(b, &b->package, xstrdup(b->file), zip ? "application/zip" : "application/gzip",
                 data, len);
    return r;
}

static int make(struct making *mk, struct err *err)
{
    struct bundle *b = mk->b;
    int r = read_manifest(mk, err);
    if (r == 0)
        r = read_wasm(mk, err);
    if (r == 0)
        r = check_imports(mk, err);
    if (r == 0)
        r = check_module_limits(mk, err);
    if (r == 0)
        r = assets_read(mk->m, &mk->inputs, &mk->assets, err);
    if (r == 0)
        r = app_bind(mk, err);
    if (r == 0)
        r = check_secrets(mk, err);
    if (r == 0)
        r = check_store_limits(mk, err);
    if (r == 0)
        r = forms[b->provider].layout(mk, err);
    if (r == 0)
        r = inputs_unchanged(&mk->inputs, err);
    if (r < 0)
        return r;
    make_id(mk);
    write_bindings_again(mk);
    if (b->form == BUNDLE_MODULES)
        b->metadata = cloudflare_metadata(mk);
    sort_parts(b);
    if (b->form == BUNDLE_ARCHIVE)
        r = pack(b, err);
    if (r == 0)
        r = check_size_limits(mk, err);
    if (r == 0)
        record_make(mk);
    return r;
}

/* A name for files and folders, as Fastly's CLI makes one for its packages: what separates words
 * becomes a dash, what else is no letter or digit is dropped. */
static char *plain_name(const char *name)
{
    char *to = xmalloc(strlen(name) + sizeof "app"), *p = to;
    for (; *name; name++) {
        char c = strchr("./ &_=+:-", *name) ? '-' : *name;
        if (c == '-' ? p > to && p[-1] != '-' : isalnum((unsigned char)c))
            *p++ = c;
    }
    if (p == to)
        p = mempcpy(to, "app", 3);
    *p = '\0';
    return to;
}

int bundle_make(const struct bundle_options *options, struct bundle **ret_bundle, struct err *err)
{
    const struct manifest *m = options->manifest;
    cleanup(bundle_free_p) struct bundle *b = xnew(struct bundle);
    struct making mk = {.options = options, .m = m, .target = m->target, .b = b};
    b->spool = mk.inputs.spool = spool_new(options->spool_dir, IN_MEMORY);
    b->provider = m->target->provider;
    b->form = forms[b->provider].form;
    b->app = plain_name(m->name);
    b->file = xasprintf("%s%s", b->app, forms[b->provider].suffix);
    int r = make(&mk, err);
    spool_drop(b->spool, mk.wasm);
    spool_drop(b->spool, mk.manifest_text);
    json_decref(mk.config);
    module_info_clear(&mk.info);
    assets_clear(&mk.assets, b->spool);
    inputs_clear(&mk.inputs);
    if (r == 0)
        *ret_bundle = TAKE(b);
    return r;
}

void bundle_free(struct bundle *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->part_count; i++) {
        free(b->parts[i].name);
        spool_drop(b->spool, b->parts[i].data);
    }
    for (size_t i = 0; i < b->binding_count; i++) {
        free(b->bindings[i].store);
        free(b->bindings[i].key);
        free(b->bindings[i].name);
        free(b->bindings[i].remote);
    }
    free(b->parts);
    free(b->bindings);
    free(b->package.name);
    spool_drop(b->spool, b->package.data);
    spool_free(b->spool);
    free(b->metadata);
    free(b->app);
    free(b->file);
    free(b->notes);
    json_decref(b->record);
    free(b);
}

void bundle_free_p(struct bundle **b)
{
    bundle_free(*b);
}
