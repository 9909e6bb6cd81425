/* SPDX-License-Identifier: Apache-2.0 */
/* The router pair: two services for the app, the router's guest on the service with the domains,
 * and the config store that it reads the shares from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/embed.h"
#include "base/mem.h"
#include "bundle/archive.h"
#include "bundle/record.h"
#include "provider/fs.h"

static const char embedded[] = "prebuilt/fastly-router.wasm";
static const char comment_mark[] = "edgectl router ";
static const char slot_letters[] = "ab";
/* Where the router goes while it finds no rollout: its store may reach a place later than it does
 * itself. The first release behind a router is in the first slot. */
static const char fallback[] = "stable";
enum { PACKAGE_MAX = 4 << 20 };

/* --- the rollout --- */

char *fs_rollout_store(const struct fs *f)
{
    return xasprintf("%s-edgectl-router", f->t.o.manifest->name);
}

static char letter_of(const json_t *root, const char *key)
{
    const char *text = json_text(root, key);
    return text && strlen(text) == 1 && strchr(slot_letters, *text) ? *text : '\0';
}

int fs_rollout_read(struct fs *f, struct fs_rollout *ret, struct err *err)
{
    *ret = (struct fs_rollout){.stable = 'a', .canary = 'b'};
    cleanup(free_p) char *name = fs_rollout_store(f);
    cleanup(free_p) char *id = NULL;
    int r = fs_store_find(f, STORE_CONFIG, name, &id, err);
    if (r < 0 || !id)
        return r;
    cleanup(json_decref_p) json_t *item = NULL;
    struct fs_call call = fs_start(
        f, "GET", api_path("/resources/stores/config/%s/item/rollout", id), NULL, false);
    r = fs_wait(f, &call, &item, err);
    if (r <= 0)
        return r;
    const char *text = json_text(item, "item_value");
    cleanup(json_decref_p) json_t *root = text ? json_loads(text, 0, NULL) : NULL;
    char stable = letter_of(root, "stable"), canary = letter_of(root, "canary");
    const char *salt = json_text(root, "salt");
    ret->gen = (int)json_integer_value(json_object_get(root, "gen"));
    if (!stable || !canary || stable == canary || !salt)
        return 0;
    ret->stable = stable;
    ret->canary = canary;
    ret->weight_bp = (int)json_integer_value(json_object_get(root, "weight_bp"));
    snprintf(ret->salt, sizeof ret->salt, "%s", salt);
    ret->valid = true;
    return 0;
}

int fs_rollout_write(struct fs *f, const struct fs_rollout *w, struct err *err)
{
    cleanup(free_p) char *name = fs_rollout_store(f);
    cleanup(free_p) char *id = NULL;
    int r = fs_store_find(f, STORE_CONFIG, name, &id, err);
    if (r == 0 && !id)
        r = fs_store_make(f, STORE_CONFIG, name, &id, err);
    if (r < 0)
        return r;
    char stable[2] = {w->stable}, canary[2] = {w->canary};
    cleanup(json_decref_p) json_t *root =
        json_pack("{s:i, s:s, s:s, s:s, s:i, s:s}", "gen", w->gen, "salt", w->salt, "stable",
                  stable, "canary", canary, "weight_bp", w->weight_bp, "force_header",
                  "x-edgectl-canary");
    cleanup(free_p) char *text = json_dumps(root, JSON_COMPACT);
    return fs_do(f, "PUT", api_path("/resources/stores/config/%s/item/rollout", id),
                 api_body_form("item_value", text, (char *)NULL), NULL, err);
}

/* --- slots --- */

char *fs_own_domain(const struct fs_service *s)
{
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    hash_bytes(s->id, strlen(s->id), digest);
    hash_hex(digest, hex);
    /* Names below edgecompute.app are everybody's: the service's id makes this one free. */
    char *name = xasprintf("%.40s-%.8s.edgecompute.app", s->name, hex);
    for (char *p = name; *p; p++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789-.", *p))
            *p = *p >= 'A' && *p <= 'Z' ? (char)(*p | 32) : '-';
    return name;
}

static int share_of(const struct fs_rollout *w, char letter)
{
    return letter == w->canary ? w->weight_bp : SPLIT_WHOLE - w->weight_bp;
}

int fs_slot_free(struct fs *f, int *ret_slot, struct err *err)
{
    struct fs_rollout w;
    int r = fs_rollout_read(f, &w, err);
    if (r < 0)
        return r;
    bool routes = w.valid && fs_router_is_active(f);
    for (int i = 0; i < FS_SLOTS; i++) {
        if (!routes || share_of(&w, slot_letters[i]) == 0) {
            *ret_slot = i;
            return 0;
        }
    }
    r = err_set(err, ERR_DRIFT, "a rollout is under way: both services of %s have traffic",
                f->front.name);
    err_hint(err, "end it first: `edgectl rollout promote --full`, or abort");
    return r;
}

/* --- the router's version --- */

static const struct embed_file *router_wasm(struct err *err)
{
    size_t count;
    const struct embed_file *file = embed_under(embedded, &count);
    if (!count)
        err_set(err, ERR_FAILURE, "this edgectl was built without the router for Fastly (no clang "
                                  "for Wasm was there)");
    return count ? file : NULL;
}

/* What tells one router from another: its code and where it leads, by which backends. */
static char *router_comment(const struct fs *f, const struct embed_file *wasm)
{
    struct hash *h = hash_new();
    hash_add(h, wasm->data, wasm->len);
    hash_add(h, fallback, sizeof fallback);
    for (int i = 0; i < FS_SLOTS; i++)
        hash_add(h, f->slots[i].id, strlen(f->slots[i].id) + 1);
    uint8_t digest[HASH_SIZE];
    char hex[HASH_HEX_SIZE];
    hash_final(h, digest);
    hash_free(h);
    hash_hex(digest, hex);
    return xasprintf("%s%.16s", comment_mark, hex);
}

bool fs_router_is_active(const struct fs *f)
{
    const char *comment = json_text(fs_version(&f->front, f->front.active), "comment");
    return comment && strncmp(comment, comment_mark, sizeof comment_mark - 1) == 0;
}

int fs_router_version(const struct fs *f)
{
    const struct embed_file *wasm = router_wasm(NULL);
    if (!wasm || !f->slots[0].id || !f->slots[1].id)
        return 0;
    cleanup(free_p) char *comment = router_comment(f, wasm);
    int found = 0;
    size_t i;
    json_t *v;
    json_array_foreach(f->front.versions, i, v) {
        const char *its = json_text(v, "comment");
        if (its && strcmp(its, comment) == 0)
            found = (int)json_integer_value(json_object_get(v, "number"));
    }
    cleanup(free_p) char *id = fs_version_id(&f->front, found);
    const char *fact = fact_get(&f->t, "complete", id);
    return found && (fs_is_locked(&f->front, found) || (fact && strcmp(fact, comment) == 0))
               ? found
               : 0;
}

static json_t *slot_backend(const struct fs *f, const char *name, int slot)
{
    cleanup(free_p) char *host = fs_own_domain(&f->slots[slot]);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", name, "address", host, "port",
                     "443", "use_ssl", "1", "override_host", host, "ssl_cert_hostname", host,
                     "ssl_sni_hostname", host);
}

static int run_slot(struct target *t, struct step *step, struct err *err)
{
    struct fs *f = fs_of(t);
    int slot = strcmp(step->data, "b") == 0;
    return fs_service_make(f, &f->slots[slot], err);
}

static struct bundle_part part(const char *name, const void *data, size_t len)
{
    return (struct bundle_part){.name = (char *)name, .data = (uint8_t *)data, .len = len};
}

static int make_package(const struct embed_file *wasm, struct spool *sp, struct fs_content *to,
                        char files_hash[FILES_HASH_SIZE], struct err *err)
{
    static const char toml[] = "manifest_version = 3\nname = \"edgectl-router\"\n"
                               "description = \"\"\nauthors = []\nlanguage = \"other\"\n";
    struct bundle_part parts[] = {
        part("edgectl-router/bin/main.wasm", wasm->data, wasm->len),
        part("edgectl-router/fastly.toml", toml, sizeof toml - 1),
    };
    uint8_t *data;
    bundle_files_hash(parts, ARRAY_LEN(parts), NULL, files_hash);
    int r = targz_write(parts, ARRAY_LEN(parts), sp, &data, &to->package_len, err);
    if (r == 0)
        to->package = data;
    return r;
}

static int fill_router(struct fs *f, char *store_id, struct err *err)
{
    const struct embed_file *wasm = router_wasm(err);
    char hash[FILES_HASH_SIZE];
    cleanup(spool_free_p) struct spool *spool = spool_new(NULL, PACKAGE_MAX);
    struct fs_content content = {.package_name = "edgectl-router.tar.gz", .files_hash = hash,
                                 .prune = true, .spool = spool};
    int r = wasm ? make_package(wasm, spool, &content, hash, err) : -ERR_FAILURE;
    if (r < 0)
        return r;
    cleanup(free_p) char *comment = router_comment(f, wasm);
    cleanup(json_decref_p) json_t *backends =
        json_pack("[o, o, o]", slot_backend(f, "a", 0), slot_backend(f, "b", 1),
                  slot_backend(f, fallback, 0));
    const struct manifest_target *mt = f->t.o.manifest->target;
    cleanup(free_p) char *own = mt->domain_count ? NULL : fs_own_domain(&f->front);
    struct fs_link link = {.name = "edgectl", .id = store_id, .kind = STORE_CONFIG};
    struct fs_links links = {&link, 1};
    content.comment = comment;
    content.backends = backends;
    content.links = &links;
    content.domains = own ? &own : mt->domains;
    content.domain_count = own ? 1 : mt->domain_count;
    int number = 0;
    r = fs_draft(f, &f->front, &content, &number, err);
    r = r < 0 ? r : fs_check_end(f, NULL, err);
    spool_drop(spool, (void *)content.package);
    return r < 0 ? r : fs_note_complete(f, &f->front, number, comment, err);
}

/* A draft of the front that is the router: it is activated with the first split, once a release
 * stands behind it. */
static int run_router(struct target *t, struct step *step, struct err *err)
{
    (void)step;
    struct fs *f = fs_of(t);
    cleanup(free_p) char *name = fs_rollout_store(f);
    cleanup(free_p) char *id = NULL;
    int r = fs_read_all(f, err);
    r = r < 0 ? r : fs_store_find(f, STORE_CONFIG, name, &id, err);
    if (r == 0 && !id)
        r = fs_store_make(f, STORE_CONFIG, name, &id, err);
    return r < 0 ? r : fill_router(f, id, err);
}

int fs_plan_router(struct fs *f, struct steps *steps, struct err *err)
{
    if (!router_wasm(err))
        return -ERR_FAILURE;
    for (int i = 0; i < FS_SLOTS; i++) {
        char name[2] = {slot_letters[i]};
        if (!f->slots[i].id)
            steps_add_named(steps, STEP_MAKE, xasprintf("service %s", f->slots[i].name),
                            xasprintf("make the service %s, behind the router", f->slots[i].name),
                            run_slot, name);
    }
    if (!fs_router_version(f))
        steps_add(steps, STEP_CHANGE, xasprintf("router %s", f->front.name),
                  xasprintf("prepare the router on %s: it takes over when traffic is given",
                            f->front.name),
                  run_router);
    return 0;
}
