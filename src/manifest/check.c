/* SPDX-License-Identifier: Apache-2.0 */
/* A node tree against a key table: shapes, values, unknown keys, then required keys. */
#include <stdio.h>
#include <string.h>
#include "base/buf.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/units.h"
#include "manifest/acl.h"
#include "manifest/keys.h"

struct walk {
    struct load *l;
    const struct key_table *t;
    bool strict;                /* TOML: text must be text; YAML: any scalar is */
    bool required;              /* second pass: only look for what is missing */
    bool in_target;             /* below targets.NAME, at a key of the top level */
    bool lenient;               /* ${...} was not expanded here */
    const char *provider;       /* of the target we are in, or NULL */
    char path[160];             /* in the table's form */
    char shown[512];            /* in the user's form, for messages */
};

/* State to go back to after a child. */
struct mark {
    size_t path, shown;
    bool in_target;
};

static void walk_node(struct walk *w, struct node *n, const struct manifest_key *k);

static void join(char *to, size_t cap, const char *part, const char *dot)
{
    size_t len = strlen(to);
    snprintf(to + len, cap - len, "%s%s", len ? dot : "", part);
}

static void mismatch(struct walk *w, struct node *n, const struct manifest_key *k, const char *why)
{
    char expected[256], quoted[128] = "";
    key_expected(k, expected, sizeof expected);
    const char *text = n->written ? n->written : n->text;
    if (text && n->kind != NODE_NULL && !(k->flags & KEY_SECRET))
        snprintf(quoted, sizeof quoted, ", not '%.60s%s'", text, strlen(text) > 60 ? "..." : "");
    else if (!text && !why)
        snprintf(quoted, sizeof quoted, ", not %s", node_kind_name(n->kind));
    problem_at(w->l, n, "'%s' must be %s%s%s%s", w->shown, expected, quoted, why ? ": " : "",
               why ? why : "");
}

static bool in_choices(const char *choices, const char *s)
{
    size_t len = strlen(s);
    for (const char *c = choices; c; c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL) {
        if (len && strncmp(c, s, len) == 0 && (c[len] == '|' || c[len] == '\0'))
            return true;
    }
    return false;
}

static bool in_range(struct walk *w, struct node *n, const struct manifest_key *k, double v)
{
    char limit[48];
    if (v < (double)k->min) {
        key_limit(k, k->min, limit, sizeof limit);
        problem_at(w->l, n, "'%s' must be at least %s", w->shown, limit);
        return false;
    }
    if (k->max && v > (double)k->max) {
        key_limit(k, k->max, limit, sizeof limit);
        problem_at(w->l, n, "'%s' must be at most %s, not '%s'", w->shown, limit, n->text);
        return false;
    }
    return true;
}

/* Types that are a quantity. True when the node was one (its range has been checked). */
static bool check_quantity(struct walk *w, struct node *n, const struct manifest_key *k)
{
    int64_t whole;
    double number;
    bool from_env = n->kind == NODE_TEXT && n->written;
    bool digits = n->kind == NODE_INT || n->kind == NODE_FLOAT || from_env;
    if ((k->types & KT_BOOL) &&
        (n->kind == NODE_BOOL ||
         (from_env && (strcmp(n->text, "true") == 0 || strcmp(n->text, "false") == 0))))
        return true;
    if ((k->types & KT_INT) && (n->kind == NODE_INT || from_env) && value_int(n->text, &whole))
        number = (double)whole;
    else if ((k->types & KT_NUMBER) && digits && value_number(n->text, &number))
        ;
    else if ((k->types & KT_DURATION) && parse_duration(n->text, &whole))
        number = (double)whole;
    else if ((k->types & KT_SIZE) && parse_size(n->text, &whole))
        number = (double)whole;
    else if ((k->types & KT_PERCENT) && value_percent(n->text, &number))
        ;
    else
        return false;
    in_range(w, n, k, number);
    return true;
}

static const char *text_rule(const struct manifest_key *k, const struct node *n)
{
    struct url_parts url;
    if (k->types & KT_NAME)
        return rule_name(n->text, n->len);
    if ((k->flags & KEY_OWN_PATH) && n->text[0] == '/')
        return url_split_own_path(n->text, &url);
    if (k->flags & KEY_ROUTE)
        return rule_route(n->text);
    if (k->types & KT_URL)
        return url_split(n->text, &url);
    if (k->types & KT_ANY_URL)
        return rule_any_url(n->text);
    if (k->types & KT_HOST)
        return rule_host(n->text);
    if (k->types & KT_HEADER)
        return rule_header(n->text);
    if (k->types & (KT_PATH | KT_PEM))
        return n->len == 0 ? "it is empty" : NULL;
    return NULL;
}

static void check_text(struct walk *w, struct node *n, const struct manifest_key *k)
{
    if (strlen(n->text) != n->len && !(k->flags & KEY_BYTES)) {
        mismatch(w, n, k, "it has a NUL character in it");
        return;
    }
    if ((k->types & KT_ENUM) && !in_choices(k->choices, n->text)) {
        mismatch(w, n, k, NULL);
        return;
    }
    const char *why = text_rule(k, n);
    if (why) {
        mismatch(w, n, k, why);
        return;
    }
    size_t chars = text_chars(n->text, n->len);
    if ((int64_t)chars < k->min && !(k->types & KT_ENUM))
        problem_at(w->l, n, "'%s' must not be empty", w->shown);
    else if (k->max && (int64_t)chars > k->max)
        problem_at(w->l, n, "'%s' must have at most %lld characters, not %zu", w->shown,
                   (long long)k->max, chars);
}

static void check_scalar(struct walk *w, struct node *n, const struct manifest_key *k)
{
    enum { TEXTS = KT_TEXT | KT_NAME | KT_PATH | KT_PEM | KT_URL | KT_ANY_URL | KT_HOST |
                   KT_HEADER | KT_ENUM };
    if (w->lenient && strstr(n->text, "${"))
        return;
    if (w->in_target && (k->flags & KEY_REMOTE) && n->len > 0)
        return;
    if (check_quantity(w, n, k))
        return;
    bool is_text = n->kind == NODE_TEXT || (!w->strict && n->kind != NODE_DATE);
    if ((k->types & TEXTS) && is_text)
        check_text(w, n, k);
    else
        mismatch(w, n, k, NULL);
}

static const char *name_rule(const struct manifest_key *dict, const char *name)
{
    size_t len = strlen(name);
    struct ip_prefix ip;
    if (dict->flags & KEY_KV_KEYS)
        return rule_kv_key(name, len);
    if (dict->flags & KEY_SECRET_NAMES)
        return rule_secret_name(name, len);
    if (dict->flags & KEY_URL_PATHS)
        return name[0] == '/' ? NULL : "it must begin with '/'";
    if (dict->flags & KEY_ADDRESSES)
        return ip_prefix_parse(name, true, &ip);
    if (dict->flags & KEY_PLAIN_ADDRESSES)
        return strchr(name, '/') ? "not an IP address" : ip_prefix_parse(name, true, &ip);
    return NULL;
}

static void unknown_key(struct walk *w, struct node *n, const struct manifest_key *parent)
{
    /* As in other tools' files, a place for anchors and for what others read. */
    if (w->t == &edge_keys && w->path[0] == '\0' && strncmp(n->key, "x-", 2) == 0)
        return;
    struct nearest near = {.word = n->key};
    cleanup(buf_clear) struct buf known = BUF_INIT(400);
    size_t len = strlen(w->path);
    for (size_t i = 0; i < w->t->count; i++) {
        const char *p = w->t->keys[i].path;
        bool child = len == 0 ? *p != '\0' : strncmp(p, w->path, len) == 0 && p[len] == '.';
        const char *name = len == 0 ? p : p + len + 1;
        if (!child || name[strcspn(name, ".[*")])
            continue;
        nearest_offer(&near, name);
        buf_printf(&known, "%s%s", known.len ? ", " : "", name);
    }
    if (parent && (parent->flags & KEY_OPEN)) {
        if ((parent->flags & KEY_HINTS) && near.best) {
            warning_at_key(w->l, n, "unknown key '%s' is ignored", n->key);
            problem_hint(w->l, "did you mean '%s'?", near.best);
        }
        return;
    }
    problem_at_key(w->l, n, "unknown key '%s'%s%s%s", n->key, *w->shown ? " in '" : "", w->shown,
                   *w->shown ? "'" : "");
    if (near.best)
        problem_hint(w->l, "did you mean '%s'?", near.best);
    else if (known.len && !known.overflow)
        problem_hint(w->l, "known here: %s", buf_str(&known));
}

/* The key that governs child `name`, with w->path moved to it; NULL when there is none. */
static const struct manifest_key *descend(struct walk *w, const char *name)
{
    size_t len = strlen(w->path);
    const struct manifest_key *k = NULL;
    if (!name[strcspn(name, ".*[")]) {
        join(w->path, sizeof w->path, name, ".");
        k = key_find(w->t, w->path);
    }
    if (!k && strncmp(w->path, "targets.*", 9) == 0 && len == 9 && strcmp(name, "targets") != 0 &&
        !name[strcspn(name, ".*[")] && key_find(w->t, name)) {
        snprintf(w->path, sizeof w->path, "%s", name);
        w->in_target = true;
        return key_find(w->t, name);
    }
    if (!k) {
        w->path[len] = '\0';
        join(w->path, sizeof w->path, "*", ".");
        k = key_find(w->t, w->path);
    }
    if (!k)
        w->path[len] = '\0';
    return k;
}

static void check_name(struct walk *w, struct node *n, const struct manifest_key *dict)
{
    const char *why = name_rule(dict, n->key);
    if (!why && n->key[0] == '\0')
        why = "it is empty";
    if (why)
        problem_at_key(w->l, n, "'%s' is not a usable name: %s", w->shown, why);
    else if (dict->max && (int64_t)text_chars(n->key, strlen(n->key)) > dict->max)
        problem_at_key(w->l, n, "a name in '%.*s' must have at most %lld characters",
                       (int)(strlen(w->shown) - strlen(n->key) - 1), w->shown,
                       (long long)dict->max);
}

static void walk_child(struct walk *w, struct node *n, const struct manifest_key *parent)
{
    struct mark mark = {strlen(w->path), strlen(w->shown), w->in_target};
    char path[sizeof w->path];
    memcpy(path, w->path, sizeof path);
    const struct manifest_key *k = descend(w, n->key);
    if (!k && !w->required) {
        unknown_key(w, n, parent);
    } else if (k) {
        join(w->shown, sizeof w->shown, n->key, ".");
        size_t len = strlen(w->path);
        if (!w->required && len > 1 && strcmp(w->path + len - 2, ".*") == 0 && parent)
            check_name(w, n, parent);
        if (!w->required && k->provider && w->provider && !in_choices(k->provider, w->provider)) {
            char whose[64];
            key_choices(k->provider, whose, sizeof whose);
            problem_at_key(w->l, n, "'%s' is for provider %s, not %s", w->shown, whose,
                           w->provider);
        }
        walk_node(w, n, k);
    }
    memcpy(w->path, path, sizeof path);
    w->shown[mark.shown] = '\0';
    w->in_target = mark.in_target;
}

/* Required keys of the map at w->path. */
static void need(struct walk *w, struct node *map)
{
    size_t len = strlen(w->path);
    for (size_t i = 0; i < w->t->count; i++) {
        const struct manifest_key *k = &w->t->keys[i];
        const char *name = len ? k->path + len + 1 : k->path;
        if (!(k->flags & KEY_REQUIRED) || (len && strncmp(k->path, w->path, len) != 0) ||
            (len && k->path[len] != '.') || name[strcspn(name, ".[*")])
            continue;
        if (!node_child(map, name))
            problem_at_key(w->l, map, "%s%s%s '%s' is missing", *w->shown ? "in '" : "",
                           w->shown, *w->shown ? "':" : "the key", name);
    }
}

static void walk_map(struct walk *w, struct node *n, const struct manifest_key *k)
{
    bool target = strcmp(w->path, "targets.*") == 0;
    if (w->required && !w->in_target)
        need(w, n);
    if (target) {
        const struct node *p = node_child(n, "provider");
        w->provider = p && p->text && !p->bad ? p->text : NULL;
        w->lenient = !w->l->target || strcmp(w->l->target, n->key) != 0;
    }
    for (size_t i = 0; i < n->count; i++)
        walk_child(w, n->items[i], k);
    if (target) {
        w->provider = NULL;
        w->lenient = false;
    }
}

static void walk_list(struct walk *w, struct node *n)
{
    size_t path = strlen(w->path), shown = strlen(w->shown);
    join(w->path, sizeof w->path, "[]", "");
    const struct manifest_key *k = key_find(w->t, w->path);
    for (size_t i = 0; k && i < n->count; i++) {
        char index[24];
        snprintf(index, sizeof index, "[%zu]", i);
        join(w->shown, sizeof w->shown, index, "");
        walk_node(w, n->items[i], k);
        w->shown[shown] = '\0';
    }
    w->path[path] = '\0';
}

static void walk_node(struct walk *w, struct node *n, const struct manifest_key *k)
{
    if (n->bad)
        return;
    if (n->kind == NODE_MAP && (k->types & (KT_MAP | KT_DICT))) {
        walk_map(w, n, k);
    } else if (n->kind == NODE_LIST && (k->types & KT_LIST)) {
        walk_list(w, n);
    } else if (w->required && n->kind == NODE_NULL && (k->types & KT_MAP) && !w->in_target) {
        need(w, n);
    } else if (w->required || (n->kind == NODE_MAP && (k->types & KT_ANY_MAP))) {
        return;
    } else if (n->kind == NODE_NULL) {
        /* Nothing is an empty map or list, unless it might as well be a text. */
        if (!(k->types & KT_NULL) && (k->types & KT_SCALARS))
            mismatch(w, n, k, "it has no value");
    } else if (n->kind == NODE_MAP || n->kind == NODE_LIST) {
        mismatch(w, n, k, NULL);
    } else {
        check_scalar(w, n, k);
    }
}

static void walk_root(struct load *l, const struct key_table *t, struct node *root, bool required)
{
    struct walk w = {.l = l, .t = t, .required = required, .strict = t == &fastly_keys};
    if (root->kind != NODE_MAP)
        problem_at(l, root, "a manifest is a map of keys, not %s", node_kind_name(root->kind));
    else
        walk_map(&w, root, key_find(t, ""));
}

void keys_check(struct load *l, const struct key_table *t, struct node *root)
{
    walk_root(l, t, root, false);
}

void keys_check_required(struct load *l, const struct key_table *t, struct node *root)
{
    walk_root(l, t, root, true);
}
