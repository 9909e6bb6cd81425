/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/local_pack.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/mem.h"

enum { MANIFEST_MAX = 8 << 20, FILES_MAX = 20000 };

/* The folder that paths of the packed manifest are below: it does not exist, only what is written
 * relative to it is kept. */
#define ROOT "/packed"

/* --- files --- */

static int digest_file(const char *path, size_t *ret_len, char hex[HASH_HEX_SIZE],
                       struct err *err)
{
    cleanup(close_p) int fd = open(path, O_RDONLY | O_CLOEXEC);
    cleanup(hash_free_p) struct hash *h = hash_new();
    cleanup(free_p) char *block = xmalloc(1 << 16);
    uint8_t digest[HASH_SIZE];
    ssize_t n;
    if (fd < 0)
        return err_sys(err, ERR_IO, errno, "cannot read %s", path);
    *ret_len = 0;
    while ((n = read(fd, block, 1 << 16)) > 0) {
        hash_add(h, block, (size_t)n);
        *ret_len += (size_t)n;
    }
    if (n < 0)
        return err_sys(err, ERR_IO, errno, "cannot read %s", path);
    hash_final(h, digest);
    hash_hex(digest, hex);
    return 0;
}

static struct local_file *add(struct local_pack *p, char *path)
{
    p->files = xreallocarray(p->files, p->count + 1, sizeof *p->files);
    p->files[p->count] = (struct local_file){.path = path};
    return &p->files[p->count++];
}

/* The path as the packed manifest has it, for the caller to free. */
static char *packed(const char *path)
{
    return xasprintf(ROOT "/%s", path);
}

/* `path` is taken. */
static int add_file(struct local_pack *p, char *path, const char *from, struct err *err)
{
    if (p->count >= FILES_MAX) {
        free(path);
        return err_set(err, ERR_LIMIT, "the app has more than %d files", FILES_MAX);
    }
    struct local_file *f = add(p, path);
    f->from = xstrdup(from);
    return digest_file(from, &f->len, f->sha256, err);
}

/* `path` and `data` are taken. */
static void add_data(struct local_pack *p, char *path, char *data, size_t len)
{
    uint8_t digest[HASH_SIZE];
    struct local_file *f = add(p, path);
    f->data = data;
    f->len = len;
    hash_bytes(data, len, digest);
    hash_hex(digest, f->sha256);
}

void local_pack_clear(struct local_pack *p)
{
    for (size_t i = 0; i < p->count; i++) {
        free(p->files[i].path);
        free(p->files[i].from);
        free(p->files[i].data);
    }
    free(p->files);
    buf_clear(&p->manifest);
    *p = (struct local_pack){0};
}

/* --- folders of static files --- */

/* nftw has no argument for its function. One packing at a time: see local_pack_make. */
static struct {
    struct local_pack *pack;
    const char *root;
    size_t index;
    int r;
    struct err *err;
} walk;

static int visit(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    const char *below = path + strlen(walk.root);
    if (at->level > 0 && path[at->base] == '.')
        return type == FTW_D ? FTW_SKIP_SUBTREE : FTW_CONTINUE; /* never served */
    if (type == FTW_SL) {
        cleanup(free_p) char *real = realpath(path, NULL);
        size_t len = strlen(walk.root);
        struct stat to;
        if (!real || strncmp(real, walk.root, len) != 0 || real[len] != '/' ||
            stat(real, &to) < 0 || !S_ISREG(to.st_mode))
            return FTW_CONTINUE;
    } else if (type != FTW_F || !S_ISREG(st->st_mode)) {
        return FTW_CONTINUE;
    }
    walk.r = add_file(walk.pack, xasprintf("files/static-%zu%s", walk.index, below), path,
                      walk.err);
    return walk.r < 0 ? FTW_STOP : FTW_CONTINUE;
}

static int pack_static(struct local_pack *p, size_t index, const char *dir, struct err *err)
{
    cleanup(free_p) char *root = realpath(dir, NULL);
    if (!root)
        return err_sys(err, ERR_IO, errno, "cannot read %s", dir);
    walk.pack = p;
    walk.root = root;
    walk.index = index;
    walk.r = 0;
    walk.err = err;
    if (nftw(root, visit, 32, FTW_PHYS | FTW_ACTIONRETVAL) < 0)
        return err_sys(err, ERR_IO, errno, "cannot read %s", dir);
    /* It may be empty, and must be there all the same. */
    if (walk.r == 0)
        add_data(p, xasprintf("files/static-%zu/.folder", index), xstrdup(""), 0);
    return walk.r;
}

/* --- first content of KV stores --- */

/* As the seed file has it; bytes that are no text go into a file. */
static int seed_entry(struct local_pack *p, const struct manifest_kv_entry *e, size_t store,
                      size_t index, json_t *seed, struct err *err)
{
    json_t *text = e->value.text ? json_stringn(e->value.text, e->value.text_len) : NULL;
    json_t *entry = json_object();
    int r = 0;
    if (text) {
        json_object_set_new(entry, "data", text);
    } else {
        char *path = xasprintf("files/kv-%zu/%zu", store, index);
        json_object_set_new(entry, "file", json_string(path));
        if (e->value.text)
            add_data(p, path, xmemdup(e->value.text, e->value.text_len), e->value.text_len);
        else
            r = add_file(p, path, e->value.file, err);
    }
    if (e->metadata)
        json_object_set_new(entry, "metadata", json_string(e->metadata));
    json_object_set_new(seed, e->key, entry);
    return r;
}

static int pack_kv(struct local_pack *p, const struct manifest *m, size_t i, struct manifest_kv *to,
                   struct err *err)
{
    cleanup(manifest_kv_list_clear) struct manifest_kv_list list = {0};
    *to = (struct manifest_kv){.name = m->kv[i].name};
    int r = manifest_kv_read(m, &m->kv[i], &list, err);
    if (r < 0 || list.count == 0)
        return r;
    json_t *seed = json_object();
    for (size_t k = 0; r == 0 && k < list.count; k++)
        r = seed_entry(p, &list.entries[k], i, k, seed, err);
    char *text = json_dumps(seed, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(seed);
    char *path = xasprintf("files/kv-%zu.json", i);
    to->seed_file = packed(path);
    add_data(p, path, text, strlen(text));
    return r;
}

/* --- the manifest --- */

static int pack_config(struct local_pack *p, size_t i, struct manifest_store *s, struct err *err)
{
    if (!s->json_file)
        return 0;
    char *path = xasprintf("files/config-%zu.json", i);
    const char *from = s->json_file;
    s->json_file = packed(path);
    return add_file(p, path, from, err);
}

/* Names only. A store that is a file is known by what is in it now. */
static int pack_secrets(struct manifest_store *to, const struct manifest_store *from,
                        struct err *err)
{
    struct manifest_pair *read = NULL;
    size_t count = from->count;
    if (from->json_file) {
        int r = manifest_store_read(from, MANIFEST_SECRET, &read, &count, err);
        if (r < 0)
            return r;
    }
    *to = (struct manifest_store){.name = from->name, .count = count};
    to->pairs = xcalloc(count + 1, sizeof *to->pairs);
    for (size_t i = 0; i < count; i++)
        to->pairs[i].key = xstrdup(read ? read[i].key : from->pairs[i].key);
    if (read)
        manifest_pairs_free(read, count);
    return 0;
}

static int pack_acl(struct local_pack *p, size_t i, struct manifest_acl *acl, struct err *err)
{
    if (!acl->file)
        return 0;
    char *path = xasprintf("files/acl-%zu.json", i);
    const char *from = acl->file;
    acl->file = packed(path);
    return add_file(p, path, from, err);
}

/* A manifest whose lists are its own where they differ from the original's. */
static void *copy_list(const void *list, size_t count, size_t size)
{
    return count ? xmemdup(list, count * size) : NULL;
}

static int pack_lists(struct local_pack *p, const struct manifest *m, struct manifest *to,
                      struct err *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < m->kv_count; i++)
        r = pack_kv(p, m, i, &to->kv[i], err);
    for (size_t i = 0; r == 0 && i < m->config_count; i++)
        r = pack_config(p, i, &to->configs[i], err);
    for (size_t i = 0; r == 0 && i < m->secret_count; i++)
        r = pack_secrets(&to->secrets[i], &m->secrets[i], err);
    for (size_t i = 0; r == 0 && i < m->acl_count; i++)
        r = pack_acl(p, i, &to->acls[i], err);
    for (size_t i = 0; r == 0 && i < m->static_count; i++) {
        cleanup(free_p) char *dir = xasprintf("files/static-%zu", i);
        to->statics[i].dir = packed(dir);
        r = pack_static(p, i, m->statics[i].dir, err);
    }
    return r;
}

static void free_lists(const struct manifest *m, struct manifest *to)
{
    for (size_t i = 0; i < m->kv_count; i++)
        if (to->kv[i].seed_file != m->kv[i].seed_file)
            free(to->kv[i].seed_file);
    for (size_t i = 0; i < m->config_count; i++)
        if (to->configs[i].json_file != m->configs[i].json_file)
            free(to->configs[i].json_file);
    for (size_t i = 0; i < m->secret_count; i++)
        if (to->secrets[i].pairs != m->secrets[i].pairs)
            manifest_pairs_free(to->secrets[i].pairs, to->secrets[i].count);
    for (size_t i = 0; i < m->acl_count; i++)
        if (to->acls[i].file != m->acls[i].file)
            free(to->acls[i].file);
    for (size_t i = 0; i < m->static_count; i++)
        if (to->statics[i].dir != m->statics[i].dir)
            free(to->statics[i].dir);
    free(to->kv);
    free(to->configs);
    free(to->secrets);
    free(to->acls);
    free(to->statics);
}

int local_pack_make(const struct manifest *m, struct local_pack *ret, struct err *err)
{
    struct local_pack p = {.manifest = BUF_INIT(MANIFEST_MAX)};
    struct manifest to = *m;
    char root[] = ROOT, module[] = ROOT "/app.wasm";
    char *watch[] = {root};
    to.dir = to.build.dir = root;
    to.build.command = NULL;
    to.build.artifact = module;
    to.build.watch = watch;
    to.build.watch_count = 1;
    to.kv = copy_list(m->kv, m->kv_count, sizeof *m->kv);
    to.configs = copy_list(m->configs, m->config_count, sizeof *m->configs);
    to.secrets = copy_list(m->secrets, m->secret_count, sizeof *m->secrets);
    to.acls = copy_list(m->acls, m->acl_count, sizeof *m->acls);
    to.statics = copy_list(m->statics, m->static_count, sizeof *m->statics);
    int r = add_file(&p, xstrdup("app.wasm"), m->build.artifact, err);
    if (r == 0)
        r = pack_lists(&p, m, &to, err);
    if (r == 0)
        r = manifest_write_yaml(&to, &p.manifest, err);
    free_lists(m, &to);
    if (r < 0)
        local_pack_clear(&p);
    else
        *ret = p;
    return r;
}
