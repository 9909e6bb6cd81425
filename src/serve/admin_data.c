/* SPDX-License-Identifier: Apache-2.0 */
/* KV, config and the cache of an app, over the admin socket. */
#include <stdlib.h>
#include <string.h>
#include "base/json.h"
#include "base/mem.h"
#include "serve/admin_internal.h"
#include "world/config.h"
#include "world/core_cache.h"
#include "world/kv_record.h"
#include "world/overrides.h"

enum { KEYS_A_TIME = 1000, BATCH_MAX = 1000 };

static void kv_page_clear_p(struct kv_page *page)
{
    kv_page_clear(page);
}

static int refused(struct admin_call *c, struct err *err)
{
    return err_set(err, ERR_USAGE, "%s is not for this address", c->ex->method);
}

static int no_app(struct admin_call *c, struct err *err)
{
    return err_set(err, ERR_USAGE, "no app '%.100s' is deployed here", c->parts[1]);
}

/* --- KV --- */

static int kv_fail(struct admin_call *c, enum kv_result result, const char *key, struct err *err)
{
    if (result == KV_INTERNAL_ERROR && kv_db_take_error(c->admin->o.kv, err))
        return -(int)err->code;
    enum err_code code = result == KV_BAD_REQUEST ? ERR_USAGE
                         : result == KV_PAYLOAD_TOO_LARGE ? ERR_LIMIT : ERR_FAILURE;
    return err_set(err, code, "KV key '%.256s': %s", key, kv_result_text(result));
}

static int kv_keys(struct admin_call *c, const char *store, struct err *err)
{
    cleanup(kv_reader_close_p) struct kv_reader *reader = NULL;
    cleanup(kv_page_clear_p) struct kv_page page = {0};
    cleanup(free_p) char *prefix = admin_query(c, "prefix");
    cleanup(free_p) char *after = admin_query(c, "after");
    int r = kv_reader_open(c->admin->o.kv, NULL, &reader, err);
    if (r < 0)
        return r;
    enum kv_result result = kv_list(reader, store, prefix, after, KEYS_A_TIME, &page);
    if (result != KV_OK)
        return kv_fail(c, result, "", err);
    json_t *keys = json_array();
    for (size_t i = 0; i < page.count; i++)
        json_array_append_new(keys, json_string(page.keys[i]));
    c->json = json_pack("{so sb}", "keys", keys, "more", page.more);
    return 0;
}

static int kv_one(struct admin_call *c, const char *store, const char *key, struct err *err)
{
    cleanup(kv_reader_close_p) struct kv_reader *reader = NULL;
    cleanup(kv_entry_free_p) struct kv_entry *e = NULL;
    int r = kv_reader_open(c->admin->o.kv, NULL, &reader, err);
    if (r < 0)
        return r;
    enum kv_result result = kv_get(reader, store, key, &e);
    if (result == KV_NOT_FOUND) {
        c->status = 404;
        return 0;
    }
    if (result != KV_OK)
        return kv_fail(c, result, key, err);
    c->json = kv_record_json(key, e, true);
    return 0;
}

struct records {
    struct kv_record list[BATCH_MAX];
    size_t count;
};

static void records_free(struct records **r)
{
    for (size_t i = 0; i < (*r)->count; i++)
        kv_record_clear(&(*r)->list[i]);
    free(*r);
}

/* All of them or none. */
static int kv_put_all(struct admin_call *c, const char *store, struct err *err)
{
    cleanup(records_free) struct records *records = xnew(struct records);
    cleanup(free_p) struct kv_put *puts = xcalloc(BATCH_MAX, sizeof *puts);
    const char *end = buf_str(&c->body) + c->body.len;
    for (const char *p = buf_str(&c->body); p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        size_t len = stop ? (size_t)(stop - p) : (size_t)(end - p);
        if (records->count == BATCH_MAX)
            return err_set(err, ERR_LIMIT, "more than %d entries at once", BATCH_MAX);
        int r = kv_record_parse(p, len, store, &records->list[records->count], err);
        if (r < 0)
            return r;
        puts[records->count] = records->list[records->count].put;
        records->count++;
        p += len + 1;
    }
    size_t failed = 0;
    struct kv_batch batch = {.puts = puts, .count = records->count};
    enum kv_result result = batch.count ? kv_batch_now(c->admin->o.kv, &batch, &failed) : KV_OK;
    return result == KV_OK ? 0 : kv_fail(c, result, puts[failed].key, err);
}

static int on_kv(struct admin_call *c, struct err *err)
{
    /* Stores of all apps are in one database. */
    cleanup(free_p) char *store = xasprintf("%s/%s", c->parts[1], c->parts[3]);
    if (c->part_count == 4)
        return admin_is(c, "GET") ? kv_keys(c, store, err)
               : admin_is(c, "POST") ? kv_put_all(c, store, err) : refused(c, err);
    const char *key = c->parts[4];
    if (admin_is(c, "GET"))
        return kv_one(c, store, key, err);
    if (!admin_is(c, "DELETE"))
        return refused(c, err);
    enum kv_result result = kv_delete_now(c->admin->o.kv, store, key);
    return result == KV_OK || result == KV_NOT_FOUND ? 0 : kv_fail(c, result, key, err);
}

/* --- config --- */

/* As the version with most of the traffic sees it. */
static int config_all(struct admin_call *c, struct err *err)
{
    struct deployment *d = shelf_stable(c->admin->o.shelf, c->parts[1]);
    if (!d)
        return err_set(err, ERR_USAGE, "no version of app '%s' is served", c->parts[1]);
    cleanup(config_close_p) struct config *config =
        config_open(d->app->world->configs, c->parts[3], strlen(c->parts[3]));
    struct config_item item;
    if (config)
        c->json = json_object();
    else
        c->status = 404;
    for (size_t i = 0; config && config_item(config, i, &item); i++)
        json_object_set_new(c->json, item.key,
                            json_pack("{ss# sb}", "value", item.value, (int)item.value_len,
                                      "override", item.local));
    deployment_unref(d);
    return 0;
}

static int on_config(struct admin_call *c, struct err *err)
{
    if (c->part_count == 4)
        return admin_is(c, "GET") ? config_all(c, err) : refused(c, err);
    cleanup(free_p) char *dir = shelf_config_dir(c->admin->o.shelf, c->parts[1]);
    cleanup(overrides_close_p) struct overrides *o = NULL;
    int r = dir ? overrides_open(dir, &o, err) : no_app(c, err);
    if (r < 0)
        return r;
    if (admin_is(c, "DELETE")) {
        r = overrides_delete(o, PAIR_CONFIG, c->parts[3], c->parts[4], err);
        if (r == 0)
            c->status = 404;
        return r < 0 ? r : 0;
    }
    if (!admin_is(c, "PUT"))
        return refused(c, err);
    r = config_check(c->parts[4], buf_str(&c->body), c->body.len, err);
    struct pair pair = {c->parts[3], c->parts[4], buf_str(&c->body), c->body.len};
    return r < 0 ? r : overrides_put(o, PAIR_CONFIG, &pair, 1, err);
}

/* --- the cache --- */

static int on_purge(struct admin_call *c, struct err *err)
{
    cleanup(json_decref_p) json_t *json = NULL;
    if (!admin_is(c, "POST"))
        return refused(c, err);
    int r = admin_json(c, &json, err);
    if (r < 0)
        return r;
    struct core_cache *cache = shelf_cache(c->admin->o.shelf, c->parts[1]);
    const char *key = json_string_value(json_object_get(json, "key"));
    if (!key && json_object_get(json, "key"))
        return err_set(err, ERR_USAGE, "the key is no text; without one everything is purged");
    bool soft = json_is_true(json_object_get(json, "soft"));
    if (key && !cache_surrogate_valid(key, strlen(key)))
        return err_set(err, ERR_USAGE, "'%.100s' is no surrogate key", key);
    size_t count = key ? core_cache_purge(cache, key, strlen(key), soft)
                       : core_cache_purge_all(cache, soft);
    c->json = json_pack("{sI}", "purged", (json_int_t)count);
    return 0;
}

int admin_handle_data(struct admin_call *c, struct err *err)
{
    const char *what = c->parts[2];
    cleanup(free_p) char *dir = shelf_config_dir(c->admin->o.shelf, c->parts[1]);
    if (!dir)
        return no_app(c, err);
    if (strcmp(what, "kv") == 0 && (c->part_count == 4 || c->part_count == 5))
        return on_kv(c, err);
    if (strcmp(what, "config") == 0 && (c->part_count == 4 || c->part_count == 5))
        return on_config(c, err);
    if (strcmp(what, "purge") == 0 && c->part_count == 3)
        return on_purge(c, err);
    return err_set(err, ERR_USAGE, "there is no such address");
}
