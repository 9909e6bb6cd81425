/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/remote.h"

#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/mem.h"
#include "cmd/session.h"
#include "world/kv.h"
#include "world/kv_record.h"

enum { IMPORT_BATCH = 500, IMPORT_BYTES = 16 << 20 };

static const char *kind_name(enum store_kind kind)
{
    static const char *const names[] = {
        [STORE_KV] = "KV", [STORE_CONFIG] = "config", [STORE_SECRET] = "secret",
    };
    return names[kind];
}

/* What changes something takes the lock; secrets leave a note in the journal. */
static int begin(struct cli *cli, struct store_ref store, enum journal_mode mode,
                 struct session *s, struct err *err)
{
    int r = session_open(cli, NULL, mode, s, err);
    if (r < 0 || mode == JOURNAL_READ)
        return r;
    struct local_state names = {.manifest = s->manifest, .declared = true};
    r = local_state_declares(&names, store.kind, store.name, err);
    if (r < 0)
        session_close(s);
    return r;
}

static void tell_when(struct session *s, struct store_ref store)
{
    const struct provider_caps *c = &s->target->caps;
    bool live = store.kind == STORE_KV || (store.kind == STORE_CONFIG ? c->config_live
                                                                      : c->secrets_live);
    if (!live)
        out_note(s->cli->out, "it takes effect with the next `edgectl deploy --target %s`",
                 s->target->o.name);
}

/* --- one entry --- */

struct listing {
    struct cli *cli;
    struct store_ref store;
    json_t *rows;
    bool with_store;                /* say which store a key is in */
};

static bool add_row(void *env, const struct entry *e)
{
    struct listing *l = env;
    if (!out_is_json(l->cli->out)) {
        if (l->with_store)
            out_printf(l->cli->out, "%s  ", l->store.name);
        out_printf(l->cli->out, e->digest ? "%s  %.16s\n" : "%s\n", e->key, e->digest);
        return true;
    }
    json_t *row = json_pack("{ss ss}", "store", l->store.name, "key", e->key);
    if (e->digest)
        json_object_set_new(row, "digest", json_string(e->digest));
    json_array_append_new(l->rows, row);
    return true;
}

/* The name of store i of that kind in the manifest; NULL past the end. */
static const char *declared(const struct manifest *m, enum store_kind kind, size_t i)
{
    switch (kind) {
    case STORE_KV: return i < m->kv_count ? m->kv[i].name : NULL;
    case STORE_CONFIG: return i < m->config_count ? m->configs[i].name : NULL;
    case STORE_SECRET: return i < m->secret_count ? m->secrets[i].name : NULL;
    }
    return NULL;
}

int remote_list(struct cli *cli, struct store_ref store, const char *prefix, struct err *err)
{
    cleanup(session_close) struct session s = {0};
    struct listing l = {.cli = cli, .rows = json_array(), .with_store = !store.name};
    int r = begin(cli, store, JOURNAL_READ, &s, err);
    bool all = !store.name;
    for (size_t i = 0; r == 0; i++) {
        l.store = store;
        if (all)
            l.store.name = declared(s.manifest, store.kind, i);
        if (!l.store.name || (!all && i > 0))
            break;
        r = target_list(s.target, l.store, prefix, add_row, &l, err);
    }
    if (r == 0 && out_is_json(cli->out))
        out_json(cli->out, json_incref(l.rows));
    json_decref(l.rows);
    return r;
}

static int no_key(struct store_ref store, const char *key, struct err *err)
{
    return err_set(err, ERR_FAILURE, "%s store '%s' has no key '%.256s'", kind_name(store.kind),
                   store.name, key);
}

static json_t *entry_json(const struct entry *e, const void *value, size_t len)
{
    json_t *text = json_stringn(value ? value : "", len);
    cleanup(free_p) char *coded = text ? NULL : base64_encode(value, len);
    json_t *json = json_pack("{ss so}", "key", e->key, text ? "value" : "value_base64",
                             text ? text : json_string(coded));
    if (e->metadata)
        json_object_set_new(json, "metadata", json_string(e->metadata));
    if (e->expires_ms)
        json_object_set_new(json, "expiration", json_integer(e->expires_ms / 1000));
    return json;
}

int remote_get(struct cli *cli, struct store_ref store, const char *key, struct err *err)
{
    cleanup(session_close) struct session s = {0};
    cleanup(buf_clear) struct buf value = BUF_INIT(KV_VALUE_MAX);
    cleanup(entry_clear) struct entry e = {0};
    int r = begin(cli, store, JOURNAL_READ, &s, err);
    if (r == 0)
        r = target_get(s.target, store, key, &value, &e, err);
    if (r < 0 || !s.target)
        return r;
    if (r == 0)
        return no_key(store, key, err);
    if (!e.key)
        e.key = xstrdup(key);
    if (out_is_json(cli->out))
        out_json(cli->out, entry_json(&e, buf_str(&value), value.len));
    else
        out_write(cli->out, buf_str(&value), value.len);
    return 0;
}

int remote_put(struct cli *cli, struct store_ref store, struct entry *entry, struct err *err)
{
    cleanup(session_close) struct session s = {0};
    int r = begin(cli, store, JOURNAL_WRITE, &s, err);
    if (r == 0)
        r = target_put(s.target, store, entry, 1, err);
    if (r < 0)
        return r;
    if (out_is_json(cli->out))
        out_json(cli->out, json_pack("{ss ss ss}", "target", s.target->o.name, "store", store.name,
                                     "key", entry->key));
    tell_when(&s, store);
    return 0;
}

int remote_delete(struct cli *cli, struct store_ref store, const char *const *keys, size_t count,
                  struct err *err)
{
    cleanup(session_close) struct session s = {0};
    int r = begin(cli, store, JOURNAL_WRITE, &s, err);
    if (r == 0)
        r = target_remove(s.target, store, keys, count, err);
    if (r < 0)
        return r;
    if (out_is_json(cli->out))
        out_json(cli->out, json_pack("{ss ss sI}", "target", s.target->o.name, "store", store.name,
                                     "deleted", (json_int_t)count));
    tell_when(&s, store);
    return 0;
}

/* --- many --- */

struct keys {
    struct entry *list;
    size_t count, cap;
};

static void keys_clear(struct keys *k)
{
    for (size_t i = 0; i < k->count; i++)
        entry_clear(&k->list[i]);
    free(k->list);
    *k = (struct keys){0};
}

static struct entry *add_key(struct keys *k)
{
    if (k->count == k->cap) {
        k->cap = k->cap * 2 + 64;
        k->list = xreallocarray(k->list, k->cap, sizeof *k->list);
    }
    k->list[k->count] = (struct entry){0};
    return &k->list[k->count++];
}

static bool collect(void *env, const struct entry *e)
{
    struct entry *to = add_key(env);
    to->key = xstrdup(e->key);
    if (e->digest)
        to->digest = xstrdup(e->digest);
    return true;
}

static int get_all(struct target *t, struct store_ref store, const struct keys *keys, entry_fn *fn,
                   void *env, struct err *err)
{
    const char **names = xcalloc(keys->count + 1, sizeof *names);
    for (size_t i = 0; i < keys->count; i++)
        names[i] = keys->list[i].key;
    int r = target_get_many(t, store, names, keys->count, fn, env, err);
    free(names);
    return r;
}

static bool print_entry(void *env, const struct entry *e)
{
    struct cli *cli = env;
    out_json(cli->out, entry_json(e, e->value, e->len));
    return true;
}

int remote_export(struct cli *cli, struct store_ref store, const char *prefix, struct err *err)
{
    cleanup(session_close) struct session s = {0};
    cleanup(keys_clear) struct keys keys = {0};
    int r = begin(cli, store, JOURNAL_READ, &s, err);
    if (r == 0)
        r = target_list(s.target, store, prefix, collect, &keys, err);
    return r < 0 ? r : get_all(s.target, store, &keys, print_entry, cli, err);
}

/* A line of an export, of KV or of config: one form holds both. */
static int parse_line(struct line_reader *lines, const char *line, size_t len, struct entry *to,
                      struct err *err)
{
    struct kv_record record;
    int r = kv_record_parse(line, len, "", &record, err);
    if (r < 0)
        return line_reader_place(lines, r, err);
    to->key = xstrdup(record.put.key);
    to->len = record.put.value_len;
    to->value = xmemdup(record.put.value ? record.put.value : "", to->len);
    if (record.put.metadata)
        to->metadata = xstrndup(record.put.metadata, record.put.metadata_len);
    to->expires_ms = record.put.expires_ms;
    kv_record_clear(&record);
    return 0;
}

static int flush(struct session *s, struct store_ref store, struct keys *batch, size_t *done,
                 struct err *err)
{
    int r = batch->count ? target_put(s->target, store, batch->list, batch->count, err) : 0;
    if (r == 0)
        *done += batch->count;
    keys_clear(batch);
    return r;
}

int remote_import(struct cli *cli, struct store_ref store, const char *file, struct err *err)
{
    cleanup(session_close) struct session s = {0};
    cleanup(line_reader_close) struct line_reader lines = {0};
    cleanup(keys_clear) struct keys batch = {0};
    size_t done = 0, bytes = 0, len;
    char *line;
    int r = begin(cli, store, JOURNAL_WRITE, &s, err);
    if (r == 0)
        r = line_reader_open(&lines, file, err);
    while (r >= 0 && s.target && (r = line_reader_next(&lines, &line, &len, err)) > 0) {
        r = parse_line(&lines, line, len, add_key(&batch), err);
        bytes += len;
        if (r == 0 && (batch.count >= IMPORT_BATCH || bytes >= IMPORT_BYTES)) {
            r = flush(&s, store, &batch, &done, err);
            bytes = 0;
        }
    }
    if (r == 0)
        r = flush(&s, store, &batch, &done, err);
    if (r < 0) {
        if (err && !err->hint[0])
            err_hint(err, "the first %zu entries are stored; to repeat does no harm", done);
        return r;
    }
    if (out_is_json(cli->out))
        out_json(cli->out, json_pack("{ss ss sI}", "target", s.target->o.name, "store", store.name,
                                     "imported", (json_int_t)done));
    else
        out_note(cli->out, "%zu entries imported", done);
    return 0;
}

/* --- two targets --- */

static int by_key(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->key, ((const struct entry *)b)->key);
}

static bool take_entry(void *env, const struct entry *e)
{
    struct entry *to = add_key(env);
    to->key = xstrdup(e->key);
    to->len = e->len;
    to->value = xcalloc(1, e->len + 1);
    memcpy(to->value, e->value, e->len);
    to->metadata = e->metadata ? xstrdup(e->metadata) : NULL;
    to->expires_ms = e->expires_ms;
    return true;
}

/* With values, where there are some to be read. */
static int read_all(struct target *t, struct store_ref store, struct keys *ret, struct err *err)
{
    cleanup(keys_clear) struct keys names = {0};
    bool readable = store.kind != STORE_SECRET;
    int r = target_list(t, store, NULL, collect, readable ? &names : ret, err);
    if (r == 0 && readable)
        r = get_all(t, store, &names, take_entry, ret, err);
    if (ret->count)
        qsort(ret->list, ret->count, sizeof *ret->list, by_key);
    return r < 0 ? r : 0;
}

static bool same_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : !a && !b;
}

static bool same(struct store_ref store, const struct entry *a, const struct entry *b)
{
    if (store.kind == STORE_SECRET)
        return same_text(a->digest, b->digest);
    return a->len == b->len && (a->len == 0 || memcmp(a->value, b->value, a->len) == 0) &&
           same_text(a->metadata, b->metadata);
}

struct difference {
    json_t *rows;
    struct entry *put;              /* borrowed from the source's entries */
    size_t put_count;
    const char **removed;
    size_t removed_count;
};

static void differ(struct difference *d, const char *how, const struct entry *e)
{
    json_array_append_new(d->rows, json_pack("{ss ss}", "key", e->key, "change", how));
}

/* Both are sorted. */
static void compare(struct store_ref store, struct keys *from, struct keys *to,
                    struct difference *d)
{
    size_t i = 0, k = 0;
    d->put = xcalloc(from->count + 1, sizeof *d->put);
    d->removed = xcalloc(to->count + 1, sizeof *d->removed);
    while (i < from->count || k < to->count) {
        int c = i == from->count ? 1 : k == to->count ? -1
                : strcmp(from->list[i].key, to->list[k].key);
        if (c < 0) {
            differ(d, "add", &from->list[i]);
            d->put[d->put_count++] = from->list[i];
        } else if (c > 0) {
            differ(d, "remove", &to->list[k]);
            d->removed[d->removed_count++] = to->list[k].key;
        } else if (!same(store, &from->list[i], &to->list[k])) {
            differ(d, "change", &from->list[i]);
            d->put[d->put_count++] = from->list[i];
        }
        i += c <= 0;
        k += c >= 0;
    }
}

static void tell(struct cli *cli, const struct remote_compare *o, const struct difference *d,
                 bool done)
{
    size_t i;
    json_t *row;
    if (out_is_json(cli->out)) {
        out_json(cli->out, json_pack("{ss ss ss sb sO}", "store", o->store.name, "from", o->from,
                                     "to", o->to, "done", done, "differences", d->rows));
        return;
    }
    json_array_foreach(d->rows, i, row) {
        const char *change = json_string_value(json_object_get(row, "change"));
        out_printf(cli->out, "%c %s\n", *change == 'a' ? '+' : *change == 'r' ? '-' : '~',
                   json_string_value(json_object_get(row, "key")));
    }
    if (json_array_size(d->rows) == 0)
        out_note(cli->out, "no difference");
}

static int make_same(struct session *to, const struct remote_compare *o, struct difference *d,
                struct err *err)
{
    if (o->store.kind == STORE_SECRET) {
        int r = err_set(err, ERR_USAGE, "values of secrets cannot be read back from '%s'", o->from);
        err_hint(err, "put them there: edgectl secret put NAME --target %s", o->to);
        return r;
    }
    int r = d->put_count ? target_put(to->target, o->store, d->put, d->put_count, err) : 0;
    if (r == 0 && o->remove && d->removed_count)
        r = target_remove(to->target, o->store, d->removed, d->removed_count, err);
    return r;
}

int remote_compare(struct cli *cli, const struct remote_compare *o, struct err *err)
{
    cleanup(session_close) struct session from = {0}, to = {0};
    cleanup(keys_clear) struct keys a = {0}, b = {0};
    struct difference d = {.rows = json_array()};
    bool change = o->sync && !o->dry_run;
    int r = session_open(cli, o->from, JOURNAL_READ, &from, err);
    if (r == 0)
        r = session_open(cli, o->to, change ? JOURNAL_WRITE : JOURNAL_READ, &to, err);
    if (r == 0)
        r = read_all(from.target, o->store, &a, err);
    if (r == 0)
        r = read_all(to.target, o->store, &b, err);
    if (r == 0) {
        compare(o->store, &a, &b, &d);
        if (change)
            r = make_same(&to, o, &d, err);
        if (r == 0)
            tell(cli, o, &d, change);
    }
    free(d.put);
    free(d.removed);
    json_decref(d.rows);
    return r;
}
