/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/bind.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/json.h"
#include "base/units.h"

enum { PEM_MAX = 1024 * 1024 };

struct node *bind_child(const struct node *map, const char *key)
{
    struct node *n = node_child(map, key);
    return n && !n->bad && n->kind != NODE_NULL ? n : NULL;
}

static const char *text_of(const struct node *map, const char *key)
{
    const struct node *n = bind_child(map, key);
    return n ? n->text : NULL;
}

char *bind_text(const struct node *map, const char *key)
{
    const char *s = text_of(map, key);
    return s ? xstrdup(s) : NULL;
}

bool bind_bool(const struct node *map, const char *key, bool dflt)
{
    const char *s = text_of(map, key);
    return s ? tolower((unsigned char)*s) == 't' : dflt;
}

int64_t bind_int(const struct node *map, const char *key)
{
    const char *s = text_of(map, key);
    int64_t v;
    return s && value_int(s, &v) ? v : 0;
}

int64_t bind_duration(const struct node *map, const char *key)
{
    const char *s = text_of(map, key);
    int64_t v;
    return s && parse_duration(s, &v) ? v : 0;
}

int64_t bind_size(const struct node *map, const char *key)
{
    const char *s = text_of(map, key);
    int64_t v;
    return s && parse_size(s, &v) ? v : 0;
}

bool bind_is(const struct node *n, const char *text)
{
    return n && n->text && strcmp(n->text, text) == 0;
}

struct manifest_source bind_source_text(const struct node *n)
{
    return (struct manifest_source){.text = xmemdup(n->text, n->len + 1), .text_len = n->len};
}

static char *existing(struct load *l, struct node *n, bool dir)
{
    if (!n || n->bad || !n->text)
        return NULL;
    cleanup(free_p) char *path = load_path(l->m, n->text);
    struct stat st;
    if (stat(path, &st) < 0) {
        struct err e;
        err_sys(&e, ERR_MANIFEST, errno, "'%.300s'", n->text);
        err_place(&e, NULL, 0, 0);
        problem_err(l, n, &e);
        return NULL;
    }
    if (dir != S_ISDIR(st.st_mode)) {
        problem_at(l, n, "'%.300s' is %sa directory", n->text, dir ? "not " : "");
        return NULL;
    }
    if (!dir && !S_ISREG(st.st_mode)) {
        problem_at(l, n, "'%.300s' is not a regular file", n->text);
        return NULL;
    }
    if (!dir)
        load_depends(l->m, path);
    return TAKE(path);
}

char *bind_file(struct load *l, struct node *n)
{
    return existing(l, n, false);
}

char *bind_dir(struct load *l, struct node *n)
{
    return existing(l, n, true);
}

static bool has_pem(const char *text, const char *label)
{
    for (const char *p = text; (p = strstr(p, "-----BEGIN ")); p++) {
        const char *name = p + 11, *end = strstr(name, "-----");
        size_t len = strlen(label);
        if (end && (size_t)(end - name) >= len && strncmp(end - len, label, len) == 0)
            return true;
    }
    return false;
}

char *bind_pem_text(struct load *l, struct node *n, const char *label)
{
    if (!n || n->bad)
        return NULL;
    if (has_pem(n->text, label))
        return xstrdup(n->text);
    problem_at(l, n, "no PEM block '%s' in it", label);
    return NULL;
}

char *bind_pem_file(struct load *l, struct node *n, const char *label)
{
    cleanup(free_p) char *path = bind_file(l, n);
    cleanup(free_p) char *text = NULL;
    size_t len;
    struct err err = {0};
    if (!path)
        return NULL;
    if (load_file(path, PEM_MAX, &text, &len, &err) < 0) {
        problem_err(l, n, &err);
        return NULL;
    }
    if (has_pem(text, label))
        return TAKE(text);
    problem_at(l, n, "no PEM block '%s' in file '%.300s'", label, n->text);
    return NULL;
}

char *bind_pem(struct load *l, struct node *n, const char *label)
{
    if (!n || n->bad)
        return NULL;
    return strstr(n->text, "-----BEGIN") ? bind_pem_text(l, n, label)
                                         : bind_pem_file(l, n, label);
}

void bind_url(struct load *l, struct node *n, struct manifest_backend *b)
{
    struct url_parts u;
    if (!n || n->bad)
        return;
    bool own_path = n->text[0] == '/';
    if (own_path ? url_split_own_path(n->text, &u) : url_split(n->text, &u))
        return;
    if (u.extra)
        warning_at(l, n, "query and fragment of a backend's URL are not used");
    free(b->url);
    free(b->host);
    free(b->prefix);
    b->url = xstrdup(n->text);
    b->own_path = own_path;
    b->tls = u.tls;
    b->host = xstrdup(u.host);
    b->port = own_path ? 0 : u.port;
    b->prefix = xstrdup(u.prefix);
}

enum manifest_health bind_health(const struct node *map, const char *key)
{
    const struct node *n = bind_child(map, key);
    if (bind_is(n, "healthy"))
        return HEALTH_HEALTHY;
    return bind_is(n, "unhealthy") ? HEALTH_UNHEALTHY : HEALTH_UNKNOWN;
}

static json_t *to_json(struct load *l, struct node *n, bool flat);

static json_t *list_json(struct load *l, struct node *n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n->count; i++) {
        json_t *v = to_json(l, n->items[i], false);
        json_array_append_new(list, v ? v : json_null());
    }
    return list;
}

static json_t *map_json(struct load *l, struct node *n, bool flat)
{
    json_t *map = json_object();
    for (size_t i = 0; i < n->count; i++) {
        struct node *item = n->items[i];
        if (flat && item->count > 0)
            problem_at(l, item, "a record holds plain values only, not %s",
                       node_kind_name(item->kind));
        json_t *v = to_json(l, item, flat);
        json_object_set_new(map, item->key, v ? v : json_null());
    }
    return map;
}

/* NULL once a problem has been reported. */
static json_t *to_json(struct load *l, struct node *n, bool flat)
{
    json_t *v = NULL;
    int64_t whole;
    if (n->bad)
        return NULL;
    switch (n->kind) {
    case NODE_MAP:
        return map_json(l, n, flat);
    case NODE_LIST:
        return list_json(l, n);
    case NODE_NULL:
        return json_null();
    case NODE_BOOL:
        return json_boolean(tolower((unsigned char)n->text[0]) == 't');
    case NODE_INT:
        v = value_int(n->text, &whole) ? json_integer(whole) : NULL;
        break;
    case NODE_FLOAT:
        v = json_real(strtod(n->text, NULL));
        break;
    case NODE_TEXT:
        v = json_stringn(n->text, n->len);
        break;
    case NODE_DATE:
        break;
    }
    if (!v)
        problem_at(l, n, "%s '%.60s' cannot stand in a record", node_kind_name(n->kind), n->text);
    return v;
}

char *bind_json(struct load *l, struct node *n, bool flat)
{
    cleanup(json_decref_p) json_t *json = to_json(l, n, flat);
    return data_json_text(json ? json : json_null());
}

void bind_store_file(struct load *l, struct node *n, struct manifest_store *s,
                     enum manifest_store_kind kind)
{
    struct manifest_pair *pairs;
    size_t count;
    struct err err = {0};
    s->json_file = bind_file(l, n);
    if (!s->json_file)
        return;
    if (manifest_store_read(s, kind, &pairs, &count, &err) < 0)
        problem_err(l, n, &err);
    else
        manifest_pairs_free(pairs, count);
}

void bind_kv_seed(struct load *l, struct node *n, struct manifest_kv *kv)
{
    cleanup(manifest_kv_list_clear) struct manifest_kv_list list = {0};
    struct err err = {0};
    kv->seed_file = bind_file(l, n);
    if (!kv->seed_file)
        return;
    if (manifest_kv_read(l->m, kv, &list, &err) < 0)
        problem_err(l, n, &err);
    for (size_t i = 0; i < list.count; i++) {
        const char *path = list.entries[i].value.file;
        if (path && access(path, R_OK) < 0)
            problem_at(l, n, "entry '%.60s' of it names file '%.200s', which cannot be read",
                       list.entries[i].key, path);
        else if (path)
            load_depends(l->m, path);
    }
}

void bind_acl_file(struct load *l, struct node *n, struct manifest_acl *acl)
{
    struct err err = {0};
    acl->file = bind_file(l, n);
    if (acl->file && acl_load(acl->file, &acl->acl, &err) < 0)
        problem_err(l, n, &err);
}

char **bind_names(const struct node *list, size_t *ret_count)
{
    char **names = NULL;
    size_t count = 0;
    FOR_CHILDREN (n, list)
        *PUSH(names, count) = xstrdup(n->text);
    *ret_count = count;
    return names;
}
