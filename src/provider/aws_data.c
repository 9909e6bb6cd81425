/* SPDX-License-Identifier: Apache-2.0 */
/* Which store a name of the manifest stands for. Secrets are parameters of Systems Manager. The
 * target says what KV and config are:
 *
 *     nothing            config is a part of the release, in the zip; a KV store cannot be
 *     arn:aws:...        the CloudFront KeyValueStore with that ARN
 *     https://...        KV alone: a REST store of Upstash's kind, see kv_rest.h
 *     any other text     the CloudFront KeyValueStore of that name, which a deploy makes
 *
 * What the manifest has for a KeyValueStore is its first content: it is written by the deploy that
 * finds the store empty, and from then on the store is live and this file's. */
#include <stdlib.h>
#include <string.h>
#include "base/mem.h"
#include "bundle/bundle.h"
#include "provider/aws_target.h"
#include "provider/kv_rest.h"

static const char *section(enum store_kind kind)
{
    return kind == STORE_KV ? "kv" : "config";
}

bool aws_kvs_id(const char *id)
{
    return id && !strstr(id, "://");
}

/* What the target names for a KV or config store. */
static int store_id(const struct aws_target *t, const struct store_ref *store, const char **ret,
                    struct err *err)
{
    const char *what = section(store->kind);
    *ret = manifest_remote_id(t->base.o.manifest->target, what, store->name, NULL);
    if (aws_kvs_id(*ret))
        return 0;
    int r = store->kind == STORE_KV
        ? err_set(err, ERR_USAGE, "Lambda@Edge has no KV store of its own for '%s'", store->name)
        : err_set(err, ERR_USAGE, "config '%s' is shipped with the release on AWS", store->name);
    err_hint(err, "%same a CloudFront KeyValueStore in targets.%s.%s.%s",
             store->kind == STORE_KV ? "n" : "change it in the manifest and deploy; or n",
             t->base.o.name, what, store->name);
    return r;
}

/* 1: the KV store is a REST store, and opened; 0: it is none. Commands ask about many keys of one
 * store, one after the other. */
static int open_rest(struct aws_target *t, const struct store_ref *store, struct err *err)
{
    const char *id = store->kind == STORE_KV
        ? manifest_remote_id(t->base.o.manifest->target, "kv", store->name, NULL) : NULL;
    if (!id || aws_kvs_id(id))
        return 0;
    if (t->kv && strcmp(t->kv_store, store->name) == 0)
        return 1;
    kv_rest_close(TAKE(t->kv));
    free(TAKE(t->kv_store));
    int r = kv_rest_open(&t->base, store->name, &t->kv, err);
    if (r == 0)
        t->kv_store = xstrdup(store->name);
    return r < 0 ? r : 1;
}

static int store_arn(struct aws_target *t, const struct store_ref *store, char **ret,
                     struct err *err)
{
    const char *id;
    int r = store_id(t, store, &id, err);
    if (r == 0)
        r = aws_kvs_find(t, id, ret, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = err_set(err, ERR_FAILURE, "the KeyValueStore %s is not there (yet)", id);
    err_hint(err, "edgectl deploy --target %s makes it", t->base.o.name);
    return r;
}

int aws_list(struct target *target, struct store_ref store, const char *prefix, entry_fn *fn,
             void *env, struct err *err)
{
    struct aws_target *t = aws_of(target);
    cleanup(free_p) char *arn = NULL;
    if (store.kind == STORE_SECRET)
        return aws_secrets_list(target, store, prefix, fn, env, err);
    int r = open_rest(t, &store, err);
    if (r != 0)
        return r < 0 ? r : kv_rest_list(t->kv, prefix, fn, env, err);
    r = store_arn(t, &store, &arn, err);
    return r < 0 ? r : aws_kvs_list(t, arn, prefix, fn, env, err);
}

int aws_get(struct target *target, struct store_ref store, const char *key, struct buf *value,
            struct entry *ret, struct err *err)
{
    struct aws_target *t = aws_of(target);
    cleanup(free_p) char *arn = NULL;
    if (store.kind == STORE_SECRET)
        return err_set(err, ERR_USAGE, "AWS Systems Manager is not asked for secrets");
    int r = open_rest(t, &store, err);
    if (r != 0)
        return r < 0 ? r : kv_rest_get(t->kv, key, value, ret, err);
    r = store_arn(t, &store, &arn, err);
    if (r == 0)
        r = aws_kvs_get(t, arn, key, value, err);
    if (r > 0)
        *ret = (struct entry){.key = xstrdup(key)};
    return r;
}

int aws_put(struct target *target, struct store_ref store, const struct entry *entries,
            size_t count, struct err *err)
{
    struct aws_target *t = aws_of(target);
    cleanup(free_p) char *arn = NULL;
    if (store.kind == STORE_SECRET)
        return aws_secrets_put(target, store, entries, count, err);
    int r = open_rest(t, &store, err);
    if (r != 0)
        return r < 0 ? r : kv_rest_put(t->kv, entries, count, err);
    r = store_arn(t, &store, &arn, err);
    return r < 0 ? r : aws_kvs_put(t, arn, entries, count, err);
}

int aws_remove(struct target *target, struct store_ref store, const char *const *keys,
               size_t count, struct err *err)
{
    struct aws_target *t = aws_of(target);
    cleanup(free_p) char *arn = NULL;
    if (store.kind == STORE_SECRET)
        return aws_secrets_remove(target, store, keys, count, err);
    int r = open_rest(t, &store, err);
    if (r != 0)
        return r < 0 ? r : kv_rest_remove(t->kv, keys, count, err);
    r = store_arn(t, &store, &arn, err);
    return r < 0 ? r : aws_kvs_remove(t, arn, keys, count, err);
}

/* --- what a release needs --- */

static int run_store(struct target *target, struct step *step, struct err *err)
{
    struct aws_target *t = aws_of(target);
    cleanup(free_p) char *arn = NULL;
    cleanup(free_p) char *comment = xasprintf("edgectl: %.100s", t->app);
    return aws_kvs_make(t, step->data, comment, &arn, err);
}

/* The config of the release; the record has all values. */
static struct entry *config_entries(const struct target *t, const char *store, size_t *ret_count)
{
    const json_t *values = json_object_get(
        json_object_get(t->shipment->bundle->record, "config"), store);
    struct entry *entries = xcalloc(json_object_size(values) + 1, sizeof *entries);
    const char *key;
    json_t *value;
    *ret_count = 0;
    json_object_foreach((json_t *)values, key, value)
        entries[(*ret_count)++] = (struct entry){
            .key = xstrdup(key), .len = json_string_length(value),
            .value = xmemdup(json_string_value(value), json_string_length(value))};
    return entries;
}

/* "kv sessions" or "config flags". */
static int first_content(struct target *t, const char *what, struct entry **ret, size_t *ret_count,
                         struct err *err)
{
    const char *store = strchr(what, ' ') + 1;
    if (*what == 'k')
        return target_kv_seed_entries(t, kv_of(t, store), ret, ret_count, err);
    *ret = config_entries(t, store, ret_count);
    return 0;
}

static int run_fill(struct target *target, struct step *step, struct err *err)
{
    const char *what = step->data;
    const struct store_ref store = {*what == 'k' ? STORE_KV : STORE_CONFIG, strchr(what, ' ') + 1};
    cleanup(free_p) char *arn = NULL;
    struct entry *entries = NULL;
    size_t count = 0;
    int r = store_arn(aws_of(target), &store, &arn, err);
    if (r == 0)
        r = fact_set(target, "filling", what, arn, err);
    if (r == 0)
        r = first_content(target, what, &entries, &count, err);
    if (r == 0)
        r = aws_kvs_put(aws_of(target), arn, entries, count, err);
    entries_free(entries, count);
    if (r == 0)
        r = fact_set(target, "filled", what, arn, err);
    return r < 0 ? err_wrap(err, r, "the first content of %s", what)
                 : fact_set(target, "filling", what, NULL, err);
}

static bool is_fact(const struct target *t, const char *kind, const char *what, const char *arn)
{
    const char *fact = fact_get(t, kind, what);
    return fact && strcmp(fact, arn) == 0;
}

static bool any_entry(void *env, const struct entry *e)
{
    (void)e;
    *(bool *)env = true;
    return false;
}

/* A store with content is somebody's already; one that we began to fill is not. */
static int needs_fill(struct aws_target *t, const char *what, const char *arn, struct err *err)
{
    if (is_fact(&t->base, "filling", what, arn))
        return 1;
    if (is_fact(&t->base, "filled", what, arn))
        return 0;
    bool any = false;
    int r = aws_kvs_list(t, arn, NULL, any_entry, &any, err);
    return r < 0 ? r : !any;
}

static void add_step(struct steps *to, char *id, char *text, const char *data,
                     int (*run)(struct target *t, struct step *s, struct err *err))
{
    steps_add_named(to, STEP_MAKE, id, text, run, data);
}

static int plan_store(struct aws_target *t, const struct bundle_binding *b, struct steps *to,
                      struct err *err)
{
    cleanup(free_p) char *arn = NULL;
    cleanup(free_p) char *what = xasprintf("%s %s", b->kind, b->store);
    int found = aws_kvs_find(t, b->remote, &arn, err);
    if (found < 0)
        return found;
    if (!found)
        add_step(to, xstrdup(what), xasprintf("make the CloudFront KeyValueStore %s for %s",
                                              b->remote, what), b->remote, run_store);
    bool kv = strcmp(b->kind, "kv") == 0;
    const json_t *values = json_object_get(
        json_object_get(t->base.shipment->bundle->record, "config"), b->store);
    if (kv ? !kv_of(&t->base, b->store) : !json_object_size(values))
        return 0;
    int fill = found ? needs_fill(t, what, arn, err) : 1;
    struct entry *entries = NULL;
    size_t count = 0;
    if (fill > 0) {
        /* What it does not take is told before anything is made. */
        int r = first_content(&t->base, what, &entries, &count, err);
        r = r < 0 ? r : aws_kvs_check(entries, count, err);
        entries_free(entries, count);
        if (r < 0)
            return err_wrap(err, r, "the first content of %s", what);
    }
    if (fill > 0)
        add_step(to, xasprintf("fill %s", what),
                 xasprintf("put the first content into %s", what), what, run_fill);
    return fill < 0 ? fill : 0;
}

int aws_stores_plan(struct aws_target *t, const struct shipment *s, struct steps *ret,
                    struct err *err)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < s->bundle->binding_count; i++) {
        const struct bundle_binding *b = &s->bundle->bindings[i];
        bool store = strcmp(b->kind, "kv") == 0 || strcmp(b->kind, "config") == 0;
        if (store && aws_kvs_id(b->remote))
            r = plan_store(t, b, ret, err);
        else if (strcmp(b->kind, "kv") == 0)
            r = kv_rest_plan_seed(&t->base, b->store, ret, err);
    }
    return r;
}
