/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of a state folder's file, state.db. */
#ifndef EDGECTL_STORE_STATE_SCHEMA_H
#define EDGECTL_STORE_STATE_SCHEMA_H

#include "store/db.h"

#define STATE_DB_NAME "state.db"

extern const struct db_schema state_schema;

#endif
