/* SPDX-License-Identifier: Apache-2.0 */
/* The JSON files that a manifest names. All are objects at the top; formats in abi README section
 * 12. Errors have the file as place, and the line where the JSON itself is broken. */
#ifndef EDGECTL_MANIFEST_DATA_H
#define EDGECTL_MANIFEST_DATA_H

#include <jansson.h>
#include "manifest/manifest.h"

enum { DATA_FILE_MAX = 64 * 1024 * 1024, CONFIG_KEY_MAX = 256, CONFIG_VALUE_MAX = 8000 };

/* A file that holds one JSON object. */
must_use int data_json_load(const char *path, json_t **ret_object, struct err *err);
/* Compact text; reals in the fewest digits that give the same number. Caller frees. */
char *data_json_text(const json_t *json);

/* Check, and add to m->geo or m->devices. */
must_use int data_geo_load(struct manifest *m, const char *path, struct err *err);
must_use int data_devices_load(struct manifest *m, const char *path, struct err *err);
/* Add one record; takes `json` (heap text). False: the address is not one. */
bool data_geo_add(struct manifest *m, const char *address, char *json);
void data_device_add(struct manifest *m, const char *user_agent, char *json);

void data_pairs_free(struct manifest_pair *pairs, size_t count);
void data_kv_entries_free(struct manifest_kv_entry *entries, size_t count);

#endif
