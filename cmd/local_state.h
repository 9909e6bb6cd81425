/* SPDX-License-Identifier: Apache-2.0 */
/* What the kv, secret and config commands share: the state folder, the names that the manifest
 * declares, and values from options, files and stdin. */
#ifndef EDGECTL_CMD_LOCAL_STATE_H
#define EDGECTL_CMD_LOCAL_STATE_H

#include "base/buf.h"
#include "cli/cli.h"
#include "manifest/manifest.h"
#include "provider/provider.h"
#include "world/kv.h"

struct local_state {
    struct manifest *manifest;  /* an empty one where there is none */
    bool declared;              /* there is a manifest */
    char *dir;
};

/* Find the state folder by --state or the manifest here. -ERR_USAGE for another target. */
must_use int local_state_open(struct cli *cli, struct local_state *ret_state, struct err *err);
void local_state_clear(struct local_state *s);


/* -ERR_USAGE if there is a manifest that does not declare that store: what is written to it could
 * never be read by the app. */
must_use int local_state_declares(const struct local_state *s, enum store_kind kind,
                                  const char *name, struct err *err);

/* The KV database with a reader that gives whole values. */
struct local_kv {
    struct local_state state;
    struct kv_db *db;
    struct kv_reader *reader;
};

must_use int local_kv_open(struct cli *cli, struct local_kv *ret_kv, struct err *err);
void local_kv_close(struct local_kv *kv);
/* What a result means to the user; why, when the database failed. */
int local_kv_fail(struct local_kv *kv, enum kv_result result, const char *store, const char *key,
                  struct err *err);

/* Where a value comes from: the first that is set, else stdin. */
struct value_source {
    const char *text, *file;
    bool strip;                 /* drop one newline at the end of stdin */
};
/* -ERR_LIMIT past value->max. */
must_use int value_read(struct cli *cli, const struct value_source *from, struct buf *value,
                        struct err *err);

/* Lines of a file, or of stdin with NULL or "-". */
struct line_reader {
    FILE *file;
    const char *name;
    char *line;
    size_t cap;
    int number;                 /* of the last line */
    bool rewindable;            /* a regular file: it may be read twice */
};
must_use int line_reader_open(struct line_reader *l, const char *path, struct err *err);
void line_reader_close(struct line_reader *l);
/* 1 with a line that is not empty, without its newline; 0 at the end. */
must_use int line_reader_next(struct line_reader *l, char **ret_line, size_t *ret_len,
                              struct err *err);
void line_reader_rewind(struct line_reader *l);
/* Give err, as made for the last line, its place; returns r. */
int line_reader_place(const struct line_reader *l, int r, struct err *err);

/* With --json: what was stored; how many were "deleted" or "imported". */
void local_tell_put(struct cli *cli, const char *store, const char *key);
void local_tell_count(struct cli *cli, const char *store, const char *what, size_t count);

#endif
