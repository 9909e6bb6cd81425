/* SPDX-License-Identifier: Apache-2.0 */
/* KV entries as JSON objects, one per line in exports and imports:
 *
 *     {"key": "k", "value": "text", "metadata": "m", "expiration": 1767225600}
 *
 * Bytes that are not UTF-8 text stand in "value_base64" and "metadata_base64". "expiration" is in
 * seconds since 1970; an import may have "ttl" in seconds from now instead. */
#ifndef EDGECTL_WORLD_KV_RECORD_H
#define EDGECTL_WORLD_KV_RECORD_H

#include <jansson.h>
#include "world/kv.h"

/* What is borrowed by `put` belongs to it. */
struct kv_record {
    struct kv_put put;
    char *key;
    void *value;
    void *metadata;
};

/* Parse one line. -ERR_FAILURE with err->col where that is known; the caller adds file and line. */
must_use int kv_record_parse(const char *line, size_t len, const char *store,
                             struct kv_record *ret_record, struct err *err);
void kv_record_clear(struct kv_record *r);

/* The entry as a JSON object. Its value, if it has one, is read to the end: a reader without loop
 * gave it. With `details` "generation" (text: it does not fit a double) and "size" are added. */
json_t *kv_record_json(const char *key, struct kv_entry *entry, bool details);

#endif
