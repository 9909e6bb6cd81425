/* SPDX-License-Identifier: Apache-2.0 */
#include "provider/target.h"

#include <string.h>
#include "base/mem.h"
#include "provider/common.h"
#include "provider/journal.h"

enum { VALUE_MAX = 32 << 20 };

static int lacks(const struct target *t, struct err *err, const char *what)
{
    return err_set(err, ERR_USAGE, "%s has no %s", t->provider->title, what);
}

int target_open(const struct target_options *o, struct target **ret, struct err *err)
{
    const struct manifest_target *mt = o->manifest->target;
    const char *name = manifest_provider_name(mt ? mt->provider : PROVIDER_LOCAL);
    const struct provider *p = provider_find(name);
    if (!p)
        return err_set(err, ERR_USAGE, "target '%s': this edgectl has no provider '%s'", o->name,
                       name);
    int r = p->open(o, ret, err);
    return r < 0 ? err_wrap(err, r, "target '%s'", o->name) : 0;
}

void target_close(struct target *t)
{
    if (t)
        t->provider->close(t);
}

void target_close_p(struct target **t)
{
    target_close(*t);
}

void target_prepare(struct target *t)
{
    if (t->provider->prepare)
        t->provider->prepare(t);
}

int target_whoami(struct target *t, struct identity *ret, struct err *err)
{
    int r = t->provider->whoami(t, ret, err);
    if (r < 0) /* what was found before that */
        identity_clear(ret);
    return r;
}

int target_versions(struct target *t, struct version_list *ret, struct err *err)
{
    return t->provider->versions ? t->provider->versions(t, ret, err) : lacks(t, err, "versions");
}

int target_get_split(struct target *t, struct split *ret, struct err *err)
{
    return t->provider->get_split(t, ret, err);
}

static json_t *split_json(const struct split *s)
{
    json_t *list = json_array();
    for (int i = 0; i < s->count; i++)
        json_array_append_new(list, json_pack("{ss si}", "version", s->arms[i].version, "bp",
                                              s->arms[i].bp));
    return list;
}

int target_set_split(struct target *t, const struct split *want, const char *expect,
                     const char *release, struct err *err)
{
    cleanup(split_clear) struct split now = {0};
    int r = target_get_split(t, &now, err);
    if (r < 0)
        return r;
    if (expect && strcmp(expect, now.revision) != 0) {
        r = err_set(err, ERR_DRIFT, "the split was changed meanwhile%s%s", now.by ? " by " : "",
                    now.by ? now.by : "");
        err_hint(err, "see what is there now: edgectl versions --target %s", t->o.name);
        return r;
    }
    if (split_equal(&now, want) && now.count == want->count)
        return 0;
    cleanup(json_decref_p) json_t *detail = json_pack("{so so}", "from", split_json(&now), "to",
                                                    split_json(want));
    uint64_t number;
    r = journal_begin(t->o.journal, "split", want->count ? want->arms[want->count - 1].version : "",
                      release, detail, &number, err);
    if (r < 0)
        return r;
    struct err failure = {0};
    int done = t->provider->set_split(t, want, now.revision, &failure);
    r = journal_end(t->o.journal, number, done, &failure, NULL, err);
    if (done < 0 && err)
        *err = failure;
    return done < 0 ? done : r;
}

int target_set_stages(struct target *t, const int *bp, int count, struct err *err)
{
    return t->provider->set_stages ? t->provider->set_stages(t, bp, count, err)
                                   : lacks(t, err, "rollouts with fixed stages");
}

int target_probe(struct target *t, const struct probe *p, struct probe_result *ret,
                 struct err *err)
{
    return t->provider->probe ? t->provider->probe(t, p, ret, err)
                              : lacks(t, err, "way to ask a version that has no traffic");
}

int target_metrics(struct target *t, const char *version, int64_t since_ms, struct metrics *ret,
                   struct err *err)
{
    return t->provider->metrics ? t->provider->metrics(t, version, since_ms, ret, err)
                                : lacks(t, err, "numbers for each version");
}

int target_tail(struct target *t, const char *version, log_fn *fn, void *env, struct err *err)
{
    return t->provider->tail ? t->provider->tail(t, version, fn, env, err) : lacks(t, err, "logs");
}

int target_purge(struct target *t, const char *key, bool soft, struct err *err)
{
    return t->provider->purge ? t->provider->purge(t, key, soft, err)
                              : lacks(t, err, "cache to purge");
}

static const char *store_kind_text(enum store_kind kind)
{
    static const char *const text[] = {
        [STORE_KV] = "KV stores", [STORE_CONFIG] = "config stores", [STORE_SECRET] = "secrets",
    };
    return text[kind];
}

static bool has_store(const struct target *t, enum store_kind kind)
{
    const struct provider_caps *c = &t->caps;
    return kind == STORE_KV ? c->kv : kind == STORE_CONFIG ? c->config : c->secrets;
}

int target_list(struct target *t, struct store_ref store, const char *prefix, entry_fn *fn,
                void *env, struct err *err)
{
    if (!has_store(t, store.kind) || !t->provider->list)
        return lacks(t, err, store_kind_text(store.kind));
    return t->provider->list(t, store, prefix, fn, env, err);
}

int target_get(struct target *t, struct store_ref store, const char *key, struct buf *value,
               struct entry *ret, struct err *err)
{
    if (!has_store(t, store.kind) || !t->provider->get)
        return lacks(t, err, store_kind_text(store.kind));
    return t->provider->get(t, store, key, value, ret, err);
}

int target_get_many(struct target *t, struct store_ref store, const char *const *keys, size_t count,
                    entry_fn *fn, void *env, struct err *err)
{
    if (store.kind == STORE_KV && has_store(t, STORE_KV) && t->provider->get_many)
        return t->provider->get_many(t, store, keys, count, fn, env, err);
    for (size_t i = 0; i < count; i++) {
        cleanup(buf_clear) struct buf value = BUF_INIT(VALUE_MAX);
        cleanup(entry_clear) struct entry e = {0};
        int r = target_get(t, store, keys[i], &value, &e, err);
        if (r < 0)
            return r;
        if (r > 0 && !fn(env, &(struct entry){.key = (char *)keys[i], .len = value.len,
                                              .value = (void *)buf_str(&value),
                                              .metadata = e.metadata,
                                              .expires_ms = e.expires_ms}))
            break;
    }
    return 0;
}

int target_put(struct target *t, struct store_ref store, const struct entry *entries, size_t count,
               struct err *err)
{
    if (!has_store(t, store.kind) || !t->provider->put)
        return lacks(t, err, store_kind_text(store.kind));
    return t->provider->put(t, store, entries, count, err);
}

int target_remove(struct target *t, struct store_ref store, const char *const *keys, size_t count,
                  struct err *err)
{
    if (!has_store(t, store.kind) || !t->provider->remove)
        return lacks(t, err, store_kind_text(store.kind));
    return t->provider->remove(t, store, keys, count, err);
}

int target_put_note(struct target *t, const char *key, const char *text, struct err *err)
{
    return t->provider->put_note ? t->provider->put_note(t, key, text, err) : 0;
}

int target_get_note(struct target *t, const char *key, struct buf *text, struct err *err)
{
    return t->provider->get_note ? t->provider->get_note(t, key, text, err) : 0;
}

int target_gc(struct target *t, const struct gc_options *o, struct steps *ret, struct err *err)
{
    return t->provider->gc ? t->provider->gc(t, o, ret, err) : 0;
}

int target_destroy(struct target *t, struct steps *ret, struct err *err)
{
    return t->provider->destroy ? t->provider->destroy(t, ret, err)
                                : lacks(t, err, "way to delete an app");
}

static int run_step(struct target *t, struct step *s, const char *release, struct err *err)
{
    uint64_t number;
    int r = journal_begin(t->o.journal, "step", s->id, release, NULL, &number, err);
    if (r < 0)
        return r;
    struct err failure = {0};
    int done = s->run(t, s, &failure);
    r = journal_end(t->o.journal, number, done, &failure, NULL, err);
    if (done < 0 && err)
        *err = failure;
    return done < 0 ? err_wrap(err, done, "%s", s->text) : r;
}

int target_run_steps(struct target *t, struct steps *steps, const char *release,
                     void (*on_step)(void *env, const struct step *s, size_t i, size_t n),
                     void *env, struct err *err)
{
    for (size_t i = 0; i < steps->count; i++) {
        if (target_interrupted(t)) {
            int r = err_set(err, ERR_INTERRUPTED, "stopped after %zu of %zu steps", i,
                            steps->count);
            err_hint(err, "the same command goes on from here");
            return r;
        }
        if (on_step)
            on_step(env, &steps->list[i], i, steps->count);
        int r = run_step(t, &steps->list[i], release, err);
        if (r < 0)
            return r;
    }
    return 0;
}
