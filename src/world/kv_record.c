/* SPDX-License-Identifier: Apache-2.0 */
#include "world/kv_record.h"

#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "base/base64.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/nearest.h"
#include "base/utf8.h"

static const char *const members[] = {
    "key", "value", "value_base64", "metadata", "metadata_base64", "expiration", "ttl",
    /* written by exports of details, of no effect here */
    "generation", "size",
};

static int check_members(const json_t *o, struct err *err)
{
    const char *name;
    json_t *v;
    json_object_foreach ((json_t *)o, name, v) {
        bool known = false;
        for (size_t i = 0; i < ARRAY_LEN(members); i++)
            known = known || strcmp(name, members[i]) == 0;
        if (known)
            continue;
        const char *near = nearest_of(name, members, ARRAY_LEN(members));
        int r = err_set(err, ERR_FAILURE, "unknown member \"%.60s\"", name);
        if (near)
            err_hint(err, "did you mean \"%s\"?", near);
        return r;
    }
    return 0;
}

/* The bytes of member `name` or `name`_base64; *ret_data stays NULL if there is neither. */
static int take_bytes(const json_t *o, const char *name, void **ret_data, size_t *ret_len,
                      struct err *err)
{
    char other[32];
    snprintf(other, sizeof other, "%s_base64", name);
    const json_t *text = json_object_get(o, name), *coded = json_object_get(o, other);
    if (text && coded)
        return err_set(err, ERR_FAILURE, "both \"%s\" and \"%s\" are given", name, other);
    const json_t *v = text ? text : coded;
    if (!v)
        return 0;
    if (!json_is_string(v))
        return err_set(err, ERR_FAILURE, "\"%s\" is not text", text ? name : other);
    if (text) {
        *ret_len = json_string_length(v);
        *ret_data = xmemdup(json_string_value(v), *ret_len + 1);
        return 0;
    }
    *ret_data = base64_decode(json_string_value(v), json_string_length(v), ret_len);
    return *ret_data ? 0 : err_set(err, ERR_FAILURE, "\"%s\" is not base64", other);
}

static int take_seconds(const json_t *o, const char *name, int64_t *ret_seconds, struct err *err)
{
    const json_t *v = json_object_get(o, name);
    if (!v)
        return 0;
    if (!json_is_integer(v) || json_integer_value(v) <= 0
        || json_integer_value(v) > INT64_MAX / 1000)
        return err_set(err, ERR_FAILURE, "\"%s\" is not a number of seconds", name);
    *ret_seconds = json_integer_value(v);
    return 0;
}

static int fill(const json_t *o, struct kv_record *r, struct err *err)
{
    const json_t *key = json_object_get(o, "key");
    if (!json_is_string(key))
        return err_set(err, ERR_FAILURE, "\"key\" is missing or not text");
    if (!kv_key_valid(json_string_value(key), json_string_length(key)))
        return err_set(err, ERR_FAILURE, "'%.60s' is not a valid key", json_string_value(key));
    r->put.key = r->key = xstrdup(json_string_value(key));
    int64_t expires = 0;
    int failed = take_bytes(o, "value", &r->value, &r->put.value_len, err);
    if (failed == 0 && !r->value)
        failed = err_set(err, ERR_FAILURE, "neither \"value\" nor \"value_base64\" is given");
    if (failed == 0)
        failed = take_bytes(o, "metadata", &r->metadata, &r->put.metadata_len, err);
    if (failed == 0)
        failed = take_seconds(o, "expiration", &expires, err);
    if (failed == 0)
        failed = take_seconds(o, "ttl", &r->put.ttl_s, err);
    if (failed)
        return failed;
    if (expires && r->put.ttl_s)
        return err_set(err, ERR_FAILURE, "both \"expiration\" and \"ttl\" are given");
    if (r->put.value_len > KV_VALUE_MAX)
        return err_set(err, ERR_FAILURE, "the value has more than %d bytes", KV_VALUE_MAX);
    if (r->put.metadata_len > KV_METADATA_MAX)
        return err_set(err, ERR_FAILURE, "the metadata has more than %d bytes", KV_METADATA_MAX);
    r->put.value = r->value;
    r->put.metadata = r->metadata;
    r->put.expires_ms = expires * 1000;
    return 0;
}

int kv_record_parse(const char *line, size_t len, const char *store, struct kv_record *ret_record,
                    struct err *err)
{
    json_error_t why;
    cleanup(json_decref_p) json_t *o =
        json_loadb(line, len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
    if (!o) {
        int r = err_set(err, ERR_FAILURE, "not valid JSON: %s", why.text);
        err_place(err, NULL, 0, why.column > 0 ? why.column : 1);
        return r;
    }
    if (!json_is_object(o))
        return err_set(err, ERR_FAILURE, "not a JSON object");
    struct kv_record record = {.put = {.store = store}};
    int r = check_members(o, err);
    if (r == 0)
        r = fill(o, &record, err);
    if (r < 0) {
        kv_record_clear(&record);
        return r;
    }
    *ret_record = record;
    return 0;
}

void kv_record_clear(struct kv_record *r)
{
    free(r->key);
    free(r->value);
    free(r->metadata);
    *r = (struct kv_record){0};
}

static void set_bytes(json_t *o, const char *name, const void *data, size_t len)
{
    if (utf8_valid(data, len)) {
        json_object_set_new(o, name, json_stringn(data, len));
        return;
    }
    char other[32];
    snprintf(other, sizeof other, "%s_base64", name);
    cleanup(free_p) char *coded = base64_encode(data, len);
    json_object_set_new(o, other, json_string(coded));
}

static void set_value(json_t *o, struct kv_entry *entry)
{
    cleanup(buf_clear) struct buf value = BUF_INIT(KV_VALUE_MAX);
    const uint8_t *data;
    size_t len;
    while (body_peek(entry->value, &data, &len) == BODY_DATA) {
        buf_add(&value, data, len);
        body_consume(entry->value, len);
    }
    set_bytes(o, "value", buf_str(&value), value.len);
}

json_t *kv_record_json(const char *key, struct kv_entry *entry, bool details)
{
    json_t *o = json_pack("{s:s}", "key", key);
    if (entry->value)
        set_value(o, entry);
    if (entry->metadata)
        set_bytes(o, "metadata", entry->metadata, entry->metadata_len);
    /* Rounded up: what is imported again must not end earlier. */
    if (entry->expires_ms)
        json_object_set_new(o, "expiration", json_integer((entry->expires_ms + 999) / 1000));
    if (details) {
        char generation[24];
        snprintf(generation, sizeof generation, "%" PRIu64, entry->generation);
        json_object_set_new(o, "generation", json_string(generation));
        json_object_set_new(o, "size", json_integer((json_int_t)entry->value_len));
    }
    return o;
}
