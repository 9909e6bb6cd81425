/* SPDX-License-Identifier: Apache-2.0 */
#include "store/state_schema.h"

#include "base/cleanup.h"

/* kv: small values stand in the row, so that a read touches one tree; big ones in kv_blob, so that
 * they can be read in pieces and do not bloat a listing. kv_generation holds the last one given. */
static const char *const steps[] = {
    "CREATE TABLE kv ("
    "  store TEXT NOT NULL, key TEXT NOT NULL, generation INTEGER NOT NULL,"
    "  expires_ms INTEGER NOT NULL, blob INTEGER NOT NULL, metadata BLOB, value BLOB,"
    "  PRIMARY KEY (store, key)) WITHOUT ROWID;"
    "CREATE INDEX kv_expires ON kv (expires_ms) WHERE expires_ms > 0;"
    "CREATE TABLE kv_blob (id INTEGER PRIMARY KEY AUTOINCREMENT, data BLOB NOT NULL);"
    "CREATE TABLE kv_generation (one INTEGER PRIMARY KEY CHECK (one = 1), last INTEGER NOT NULL);"
    "INSERT INTO kv_generation VALUES (1, 0);"
    "CREATE TABLE kv_seed ("
    "  store TEXT NOT NULL, key TEXT NOT NULL, digest BLOB NOT NULL,"
    "  PRIMARY KEY (store, key)) WITHOUT ROWID;"
    "CREATE TABLE config ("
    "  store TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,"
    "  PRIMARY KEY (store, key)) WITHOUT ROWID;"
    "CREATE TABLE secret ("
    "  store TEXT NOT NULL, key TEXT NOT NULL, value BLOB NOT NULL,"
    "  PRIMARY KEY (store, key)) WITHOUT ROWID;",
};

const struct db_schema state_schema = {.steps = steps, .count = ARRAY_LEN(steps)};
