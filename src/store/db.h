/* SPDX-License-Identifier: Apache-2.0 */
/* SQLite connections: open, migrate, transactions, errors in the user's terms. This room is the
 * only one that includes sqlite3.h; the tables that live here (kv_table.h, pair_table.h) are what
 * the other rooms see.
 *
 * Durability: WAL with synchronous=FULL, so db_commit returns after the log is on the disk.
 * Several processes may have the same file open. Their writers take turns by a fair lock file
 * ("<path>-lock") because SQLite's own busy handler lets a busy process starve the others. */
#ifndef EDGECTL_STORE_DB_H
#define EDGECTL_STORE_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"

struct db;          /* one connection: used by one thread at a time, whichever */
struct sqlite3;

enum db_mode {
    DB_WRITE,       /* makes the file (mode 0600) and migrates it if need be */
    DB_READ,        /* the file was opened DB_WRITE by this process before */
};

/* SQL scripts, applied in order, each once per file; only ever add at the end. */
struct db_schema {
    const char *const *steps;
    int count;
};

/* -ERR_IO if the file cannot be used; -ERR_FAILURE if it is damaged or of a newer edgectl. */
must_use int db_open(const char *path, enum db_mode mode, const struct db_schema *schema,
                     struct db **ret_db, struct err *err);
/* NULL is allowed. Rolls back what is open. */
void db_close(struct db *db);
void db_close_p(struct db **db);

/* A write transaction, exclusive over all processes. Waits for its turn up to 20 s. */
must_use int db_begin(struct db *db, struct err *err);
/* Durable when it returns 0; else nothing of the transaction happened. */
must_use int db_commit(struct db *db, struct err *err);
/* No effect outside a transaction. */
void db_rollback(struct db *db);

/* A read transaction: all reads see one state until db_release. Hold it briefly, it keeps the log
 * from being folded back into the file. */
must_use int db_hold(struct db *db, struct err *err);
void db_release(struct db *db);

/* Fold the log back into the file if it has grown past a bound. The writer calls it between
 * transactions. What cannot be folded now is left for later: never an error of its own. */
void db_checkpoint(struct db *db);

/* Full consistency check; -ERR_FAILURE names the first problem. */
must_use int db_check(struct db *db, struct err *err);

/* For this room's tables only. */
struct sqlite3 *db_handle(struct db *db);
/* The connection's last error, as an err of the form "<what>: <why>", with a hint. Returns it. */
int db_fail(struct db *db, struct err *err, const char *what);

#endif
