/* SPDX-License-Identifier: Apache-2.0 */
#include "manifest/data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/buf.h"
#include "base/json.h"
#include "base/mem.h"
#include "manifest/keys.h"

int data_json_load(const char *path, json_t **ret_object, struct err *err)
{
    cleanup(free_p) char *text = NULL;
    size_t len;
    int r = load_file(path, DATA_FILE_MAX, &text, &len, err);
    if (r < 0)
        return r;
    json_error_t why;
    json_t *json = json_loadb(text, len, JSON_ALLOW_NUL, &why);
    if (!json) {
        r = err_set(err, ERR_MANIFEST, "not valid JSON: %s", why.text);
        err_place(err, path, why.line, why.column > 0 ? why.column : 1);
        return r;
    }
    if (!json_is_object(json)) {
        json_decref(json);
        r = err_set(err, ERR_MANIFEST, "the file must hold one JSON object");
        err_place(err, path, 1, 1);
        return r;
    }
    *ret_object = json;
    return 0;
}

static void write_real(double v, struct buf *out)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) == v)
            break;
    }
    buf_add_str(out, text);
    if (!strpbrk(text, ".e"))
        buf_add_str(out, ".0");
}

static void write_json(const json_t *json, struct buf *out)
{
    size_t i = 0;
    const char *name;
    json_t *v;
    if (json_is_object(json)) {
        buf_add_char(out, '{');
        json_object_foreach ((json_t *)json, name, v) {
            cleanup(json_decref_p) json_t *key = json_string(name);
            if (i++ > 0)
                buf_add_char(out, ',');
            write_json(key, out);
            buf_add_char(out, ':');
            write_json(v, out);
        }
        buf_add_char(out, '}');
    } else if (json_is_array(json)) {
        buf_add_char(out, '[');
        json_array_foreach (json, i, v) {
            if (i > 0)
                buf_add_char(out, ',');
            write_json(v, out);
        }
        buf_add_char(out, ']');
    } else if (json_is_real(json)) {
        write_real(json_real_value(json), out);
    } else {
        cleanup(free_p) char *text = json_dumps(json, JSON_ENCODE_ANY | JSON_COMPACT);
        buf_add_str(out, text ? text : "null");
    }
}

char *data_json_text(const json_t *json)
{
    struct buf out = BUF_INIT(DATA_FILE_MAX);
    write_json(json, &out);
    return buf_take(&out);
}

/* Wipes the text: it may be a secret. */
static void source_clear(struct manifest_source *s)
{
    if (s->text)
        explicit_bzero(s->text, s->text_len);
    free(s->text);
    free(s->file);
    free(s->env);
    *s = (struct manifest_source){0};
}

void data_pairs_free(struct manifest_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(pairs[i].key);
        source_clear(&pairs[i].value);
    }
    free(pairs);
}

void data_kv_entries_free(struct manifest_kv_entry *entries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(entries[i].key);
        free(entries[i].metadata);
        source_clear(&entries[i].value);
    }
    free(entries);
}

void manifest_kv_forget_seed(struct manifest_kv *kv)
{
    data_kv_entries_free(kv->entries, kv->count);
    free(kv->seed_file);
    kv->entries = NULL;
    kv->seed_file = NULL;
    kv->count = 0;
}

static struct manifest_source text_source(const json_t *string)
{
    size_t len = json_string_length(string);
    return (struct manifest_source){.text = xstrndup(json_string_value(string), len),
                                    .text_len = len};
}

static int check_config(const char *key, const json_t *value, struct err *err)
{
    if (text_chars(key, strlen(key)) > CONFIG_KEY_MAX)
        return err_set(err, ERR_MANIFEST, "key '%.60s...' has more than %d characters", key,
                       CONFIG_KEY_MAX);
    if (text_chars(json_string_value(value), json_string_length(value)) > CONFIG_VALUE_MAX)
        return err_set(err, ERR_MANIFEST, "the value of '%s' has more than %d characters", key,
                       CONFIG_VALUE_MAX);
    return 0;
}

static int check_secret(const char *key, struct err *err)
{
    const char *why = rule_secret_name(key, strlen(key));
    return why ? err_set(err, ERR_MANIFEST, "secret name '%.60s': %s", key, why) : 0;
}

int manifest_store_read(const struct manifest_store *s, enum manifest_store_kind kind,
                        struct manifest_pair **ret_pairs, size_t *ret_count, struct err *err)
{
    cleanup(json_decref_p) json_t *json = NULL;
    int r = data_json_load(s->json_file, &json, err);
    if (r < 0)
        return r;
    struct manifest_pair *pairs = xcalloc(json_object_size(json), sizeof *pairs);
    size_t count = 0;
    const char *key;
    json_t *value;
    json_object_foreach (json, key, value) {
        if (!json_is_string(value))
            r = err_set(err, ERR_MANIFEST, "the value of '%.60s' is not text", key);
        else
            r = kind == MANIFEST_CONFIG ? check_config(key, value, err) : check_secret(key, err);
        if (r < 0)
            break;
        pairs[count++] = (struct manifest_pair){xstrdup(key), text_source(value)};
    }
    if (r < 0) {
        err_place(err, s->json_file, 0, 0);
        data_pairs_free(pairs, count);
        return r;
    }
    *ret_pairs = pairs;
    *ret_count = count;
    return 0;
}

void manifest_pairs_free(struct manifest_pair *pairs, size_t count)
{
    data_pairs_free(pairs, count);
}

/* An entry of a KV file: text, or {"data" or "file", "metadata"}. */
static int kv_entry(const struct manifest *m, const json_t *v, struct manifest_kv_entry *e,
                    struct err *err)
{
    if (json_is_string(v)) {
        e->value = text_source(v);
        return 0;
    }
    const json_t *data = json_object_get(v, "data"), *file = json_object_get(v, "file");
    const json_t *meta = json_object_get(v, "metadata");
    if (!json_is_object(v) || (data && !json_is_string(data)) || (file && !json_is_string(file)) ||
        (meta && !json_is_string(meta)))
        return err_set(err, ERR_MANIFEST,
                       "entry '%.60s' is not text, nor an object whose members are text", e->key);
    if (!data == !file)
        return err_set(err, ERR_MANIFEST, "entry '%.60s' needs one of \"data\" and \"file\"%s",
                       e->key, data ? ", not both" : "");
    e->metadata = meta ? xstrdup(json_string_value(meta)) : NULL;
    if (data)
        e->value = text_source(data);
    else
        e->value.file = load_path(m, json_string_value(file));
    return 0;
}

static int kv_seed(const struct manifest *m, const char *path, struct manifest_kv_list *list,
                   struct err *err)
{
    cleanup(json_decref_p) json_t *json = NULL;
    int r = data_json_load(path, &json, err);
    if (r < 0)
        return r;
    list->entries =
        xreallocarray(list->entries, list->count + json_object_size(json), sizeof *list->entries);
    const char *key;
    json_t *value;
    json_object_foreach (json, key, value) {
        const char *why = rule_kv_key(key, strlen(key));
        if (why) {
            r = err_set(err, ERR_MANIFEST, "key '%.60s': %s", key, why);
            break;
        }
        struct manifest_kv_entry *e = &list->entries[list->count++];
        *e = (struct manifest_kv_entry){.key = xstrdup(key)};
        r = kv_entry(m, value, e, err);
        if (r < 0)
            break;
    }
    if (r < 0)
        err_place(err, path, 0, 0);
    return r;
}

void manifest_kv_list_clear(struct manifest_kv_list *list)
{
    data_kv_entries_free(list->entries, list->count);
    *list = (struct manifest_kv_list){0};
}

static char *dup_or_null(const char *s)
{
    return s ? xstrdup(s) : NULL;
}

int manifest_kv_read(const struct manifest *m, const struct manifest_kv *kv,
                     struct manifest_kv_list *ret_list, struct err *err)
{
    cleanup(manifest_kv_list_clear) struct manifest_kv_list list = {0};
    int r = kv->seed_file ? kv_seed(m, kv->seed_file, &list, err) : 0;
    if (r < 0)
        return r;
    list.entries = xreallocarray(list.entries, list.count + kv->count, sizeof *list.entries);
    for (size_t i = 0; i < kv->count; i++) {
        const struct manifest_kv_entry *e = &kv->entries[i];
        list.entries[list.count++] = (struct manifest_kv_entry){
            .key = xstrdup(e->key),
            .metadata = dup_or_null(e->metadata),
            .value = {.text = e->value.text ? xmemdup(e->value.text, e->value.text_len + 1) : NULL,
                      .text_len = e->value.text_len,
                      .file = dup_or_null(e->value.file),
                      .env = dup_or_null(e->value.env)},
        };
    }
    *ret_list = list;
    list = (struct manifest_kv_list){0};
    return 0;
}

bool data_geo_add(struct manifest *m, const char *address, char *json)
{
    struct ip_prefix prefix;
    if (ip_prefix_parse(address, true, &prefix)) {
        free(json);
        return false;
    }
    m->geo = xreallocarray(m->geo, m->geo_count + 1, sizeof *m->geo);
    m->geo[m->geo_count++] = (struct manifest_geo){xstrdup(address), prefix, json};
    return true;
}

void data_device_add(struct manifest *m, const char *user_agent, char *json)
{
    m->devices = xreallocarray(m->devices, m->device_count + 1, sizeof *m->devices);
    m->devices[m->device_count++] = (struct manifest_device){xstrdup(user_agent), json};
}

int data_geo_load(struct manifest *m, const char *path, struct err *err)
{
    cleanup(json_decref_p) json_t *json = NULL;
    int r = data_json_load(path, &json, err);
    const char *key;
    json_t *value;
    json_object_foreach (json, key, value) {
        if (!json_is_object(value))
            r = err_set(err, ERR_MANIFEST, "the record of '%.60s' is not an object", key);
        else if (!data_geo_add(m, key, data_json_text(value)))
            r = err_set(err, ERR_MANIFEST, "'%.60s' is not an IP address", key);
        if (r < 0) {
            err_place(err, path, 0, 0);
            break;
        }
    }
    return r;
}

int data_devices_load(struct manifest *m, const char *path, struct err *err)
{
    cleanup(json_decref_p) json_t *json = NULL;
    int r = data_json_load(path, &json, err);
    const char *key;
    json_t *value;
    json_object_foreach (json, key, value) {
        if (!json_is_object(value)) {
            r = err_set(err, ERR_MANIFEST, "the record of '%.60s' is not an object", key);
            err_place(err, path, 0, 0);
            break;
        }
        data_device_add(m, key, data_json_text(value));
    }
    return r;
}
