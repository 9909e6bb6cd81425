/* SPDX-License-Identifier: Apache-2.0 */
/* Pages of a KV list as guests get them. A cursor is the last key of the page before, in base64. */
#include <stdlib.h>
#include <jansson.h>
#include "base/base64.h"
#include "guest/kv.h"

char *kv_cursor_key(const char *cursor)
{
    size_t len;
    char *key = base64_decode(cursor, strlen(cursor), &len);
    if (key && (strlen(key) != len || !utf8_valid((uint8_t *)key, len))) {
        free(key);
        return NULL;
    }
    return key;
}

char *kv_page_json(const struct kv_list *list, const struct kv_page *page)
{
    json_t *data = json_array();
    for (size_t i = 0; i < page->count; i++)
        json_array_append_new(data, json_string(page->keys[i]));
    json_t *meta = json_pack("{s:I}", "limit", (json_int_t)list->limit);
    if (list->prefix)
        json_object_set_new(meta, "prefix", json_string(list->prefix));
    if (page->more && page->count) {
        const char *last = page->keys[page->count - 1];
        cleanup(free_p) char *next = base64_encode(last, strlen(last));
        json_object_set_new(meta, "next_cursor", json_string(next));
    }
    json_t *doc = json_pack("{s:o,s:o}", "data", data, "meta", meta);
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    return text;
}
