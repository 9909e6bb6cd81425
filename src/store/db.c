/* SPDX-License-Identifier: Apache-2.0 */
#include "store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/mem.h"
#include "store/turn.h"

enum {
    TURN_TIMEOUT_MS = 20 * 1000,
    BUSY_TIMEOUT_MS = 10 * 1000,    /* against other programs, such as the sqlite3 shell */
    LOG_FOLD_PAGES = 4000,          /* 16 MiB of log: then fold what can be folded ... */
    LOG_AGAIN_PAGES = 1000,         /* ... and again, while the log could not start over */
    LOG_FORCE_PAGES = 32000,        /* 128 MiB: then wait for the readers and fold all */
};

struct db {
    sqlite3 *sq;
    char *path;
    struct turn turn;
    bool locked;                    /* turn is ours */
    int log_pages;                  /* length of the log after the last commit */
    int fold_at;                    /* length at which to fold it next */
};

static int fail_code(struct db *db, struct err *err, int rc, const char *what);

struct sqlite3 *db_handle(struct db *db)
{
    return db->sq;
}

static int fail_code(struct db *db, struct err *err, int rc, const char *what)
{
    int sys = sqlite3_system_errno(db->sq);
    int r;
    if ((rc & 0xff) == SQLITE_FULL || sys == ENOSPC || sys == EDQUOT) {
        r = err_set(err, ERR_IO, "%s: no space left for %s", what, db->path);
        err_hint(err, "free space on that file system or raise the quota, then try again: "
                      "nothing stored before is lost");
        return r;
    }
    if (rc == SQLITE_IOERR_WRITE) { /* by now errno is of something else */
        r = err_set(err, ERR_IO, "%s: %s cannot grow or be written", what, db->path);
        err_hint(err, "look at the disk and at the file size limit (ulimit -f), then try again: "
                      "nothing stored before is lost");
        return r;
    }
    switch (rc & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        r = err_set(err, ERR_DRIFT, "%s: another program keeps %s locked", what, db->path);
        err_hint(err, "close the program that has the file open, then try again");
        return r;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        r = err_set(err, ERR_FAILURE, "%s: %s is damaged (%s)", what, db->path,
                    sqlite3_errmsg(db->sq));
        err_hint(err, "move the file away to start afresh, or put a backup in its place");
        return r;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        r = sys ? err_sys(err, ERR_IO, sys, "%s: cannot use %s", what, db->path)
                : err_set(err, ERR_IO, "%s: cannot use %s: %s", what, db->path,
                          sqlite3_errmsg(db->sq));
        err_hint(err, "check the permissions of the state folder, or name another with --state");
        return r;
    default:
        return err_set(err, ERR_IO, "%s: %s: %s", what, db->path, sqlite3_errmsg(db->sq));
    }
}

int db_fail(struct db *db, struct err *err, const char *what)
{
    return fail_code(db, err, sqlite3_extended_errcode(db->sq), what);
}

static int run(struct db *db, const char *sql, const char *what, struct err *err)
{
    if (sqlite3_exec(db->sq, sql, NULL, NULL, NULL) != SQLITE_OK)
        return db_fail(db, err, what);
    return 0;
}

static int on_log(void *env, sqlite3 *sq, const char *name, int pages)
{
    (void)sq;
    (void)name;
    struct db *db = env;
    if (pages < db->log_pages)
        db->fold_at = LOG_FOLD_PAGES; /* it started over */
    db->log_pages = pages;
    return SQLITE_OK;
}

/* SQLite gives its files the mode of the umask; ours are private. Only when there is no file:
 * closing a descriptor of a file that SQLite has open would drop SQLite's locks on it. */
static int make_private(const char *path, struct err *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        close(fd);
    else if (errno != EEXIST)
        return err_sys(err, ERR_IO, errno, "cannot make %s", path);
    return 0;
}

static int read_version(struct db *db, int *ret_version, struct err *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db->sq, "PRAGMA user_version", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    if (rc == SQLITE_ROW)
        *ret_version = sqlite3_column_int(st, 0);
    sqlite3_finalize(st);
    return rc == SQLITE_ROW ? 0 : fail_code(db, err, rc, "cannot read the state file");
}

static int apply_steps(struct db *db, const struct db_schema *schema, int from, struct err *err)
{
    for (int i = from; i < schema->count; i++) {
        int r = run(db, schema->steps[i], "cannot set up the state file", err);
        if (r < 0)
            return r;
    }
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", schema->count);
    return run(db, sql, "cannot set up the state file", err);
}

static int migrate(struct db *db, const struct db_schema *schema, struct err *err)
{
    int version = 0;
    int r = read_version(db, &version, err);
    if (r < 0 || version == schema->count)
        return r;
    r = db_begin(db, err);
    if (r < 0)
        return r;
    r = read_version(db, &version, err); /* another process may have been quicker */
    if (r == 0 && version > schema->count) {
        r = err_set(err, ERR_FAILURE, "%s was written by a newer edgectl", db->path);
        err_hint(err, "use that edgectl, or name another folder with --state");
    }
    if (r == 0)
        r = apply_steps(db, schema, version, err);
    if (r < 0) {
        db_rollback(db);
        return r;
    }
    return db_commit(db, err);
}

/* Turning WAL on needs the file for itself, and does not wait by the busy handler: take turns. */
static int set_wal(struct db *db, struct err *err)
{
    int r = turn_lock(&db->turn, TURN_TIMEOUT_MS, err);
    if (r < 0)
        return r;
    r = run(db, "PRAGMA journal_mode = WAL", "cannot open the state file", err);
    turn_unlock(&db->turn);
    return r;
}

static int set_up(struct db *db, enum db_mode mode, const struct db_schema *schema, struct err *err)
{
    sqlite3_busy_timeout(db->sq, BUSY_TIMEOUT_MS);
    sqlite3_extended_result_codes(db->sq, 1);
    sqlite3_db_config(db->sq, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db->sq, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_wal_autocheckpoint(db->sq, 0);
    int r = run(db, "PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;"
                    "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -8192",
                "cannot open the state file", err);
    if (r < 0)
        return r;
    if (mode == DB_READ)
        return run(db, "PRAGMA query_only = 1", "cannot open the state file", err);
    sqlite3_wal_hook(db->sq, on_log, db);
    r = set_wal(db, err);
    return r < 0 ? r : migrate(db, schema, err);
}

int db_open(const char *path, enum db_mode mode, const struct db_schema *schema,
            struct db **ret_db, struct err *err)
{
    cleanup(db_close_p) struct db *db = xnew(struct db);
    db->path = xstrdup(path);
    db->turn.fd = -1;
    db->fold_at = LOG_FOLD_PAGES;
    if (mode == DB_WRITE) {
        cleanup(free_p) char *lock = xasprintf("%s-lock", path);
        int r = make_private(path, err);
        if (r == 0)
            r = turn_open(&db->turn, lock, err);
        if (r < 0)
            return r;
    }
    int rc = sqlite3_open_v2(path, &db->sq, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (rc != SQLITE_OK)
        return fail_code(db, err, rc, "cannot open the state file");
    int r = set_up(db, mode, schema, err);
    if (r < 0)
        return r;
    *ret_db = TAKE(db);
    return 0;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    if (db->sq) {
        db_rollback(db);
        sqlite3_close(db->sq);
    }
    turn_close(&db->turn);
    free(db->path);
    free(db);
}

void db_close_p(struct db **db)
{
    db_close(*db);
}

static void unlock(struct db *db)
{
    if (db->locked)
        turn_unlock(&db->turn);
    db->locked = false;
}

int db_begin(struct db *db, struct err *err)
{
    int r = turn_lock(&db->turn, TURN_TIMEOUT_MS, err);
    if (r < 0)
        return r;
    db->locked = true;
    r = run(db, "BEGIN IMMEDIATE", "cannot begin to write", err);
    if (r < 0)
        unlock(db);
    return r;
}

int db_commit(struct db *db, struct err *err)
{
    /* After some failures SQLite has rolled back by itself; COMMIT would then succeed emptily. */
    int r = sqlite3_get_autocommit(db->sq)
        ? err_set(err, ERR_IO, "cannot write: the transaction was given up")
        : run(db, "COMMIT", "cannot write", err);
    if (r < 0)
        db_rollback(db);
    unlock(db);
    return r;
}

void db_rollback(struct db *db)
{
    if (!sqlite3_get_autocommit(db->sq))
        sqlite3_exec(db->sq, "ROLLBACK", NULL, NULL, NULL);
    unlock(db);
}

int db_hold(struct db *db, struct err *err)
{
    return run(db, "BEGIN", "cannot begin to read", err);
}

void db_release(struct db *db)
{
    if (!sqlite3_get_autocommit(db->sq))
        sqlite3_exec(db->sq, "COMMIT", NULL, NULL, NULL);
}

void db_checkpoint(struct db *db)
{
    if (db->log_pages < db->fold_at)
        return;
    bool force = db->log_pages >= LOG_FORCE_PAGES;
    sqlite3_wal_checkpoint_v2(db->sq, NULL,
                              force ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE,
                              NULL, NULL);
    /* Folded whole, the log starts over with the next write, unless a reader is in the way. */
    db->fold_at = db->log_pages + LOG_AGAIN_PAGES;
}

int db_check(struct db *db, struct err *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(db->sq, "PRAGMA integrity_check(1)", -1, &st, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(st);
    const char *said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
    int r = 0;
    if (!said)
        r = fail_code(db, err, rc, "cannot check the state file");
    else if (strcmp(said, "ok") != 0)
        r = err_set(err, ERR_FAILURE, "%s is damaged: %s", db->path, said);
    sqlite3_finalize(st);
    return r;
}
