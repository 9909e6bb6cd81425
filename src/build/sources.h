/* SPDX-License-Identifier: Apache-2.0 */
/* Which files an artifact is made from, as far as edgectl can know: the manifest's `watch` paths,
 * or the whole project without what tools write there. Not sources:
 *   - hidden files and directories, editors' backups and swap files;
 *   - target/ and node_modules/ anywhere, and at the top of the project bin/, build/, dist/, out/
 *     and pkg/ (unless `watch` names one of them);
 *   - the artifact, the state directory and the manifest itself (its command is compared apart).
 * Symbolic links are not followed below a watched path. */
#ifndef EDGECTL_BUILD_SOURCES_H
#define EDGECTL_BUILD_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/err.h"
#include "crypto/hash.h"

struct manifest;

/* More files, or directories nested deeper, are not looked at; the list is then marked `cut`. */
enum { SOURCES_MAX = 100000, SOURCES_DEPTH_MAX = 64 };

struct source_set {
    char **roots;           /* absolute; none is inside another */
    size_t root_count;
    char *project;          /* the manifest's directory */
    char *artifact;         /* NULL if none */
    char *manifest;         /* NULL if none */
    char *state_dir;        /* NULL if none */
    bool whole_project;     /* the manifest names no paths */
};

struct source_file {
    char *path;
    int64_t mtime_ns;
    uint64_t size;
};

struct source_list {
    struct source_file *files;  /* sorted by path */
    size_t count, cap;
    bool cut;
};

/* `state_dir` (absolute) may be NULL. */
void source_set_init(struct source_set *set, const struct manifest *m, const char *state_dir);
void source_set_copy(struct source_set *to, const struct source_set *from);
void source_set_clear(struct source_set *set);
/* Does a change of this absolute path matter? For a directory: is it worth looking into? */
bool source_set_has(const struct source_set *set, const char *path);

/* Walks the disk: not on an event loop. What cannot be read is left out. */
void source_list_read(struct source_list *ret_list, const struct source_set *set);
void source_list_clear(struct source_list *list);
/* One digest over all paths, times and sizes. */
void source_list_digest(const struct source_list *list, uint8_t ret_digest[HASH_SIZE]);
/* The newest modification time, 0 if there are no files; *ret_path is borrowed. */
int64_t source_list_newest(const struct source_list *list, const char **ret_path);
/* Calls fn for each path that is in one list only or differs. */
void source_list_diff(const struct source_list *was, const struct source_list *is,
                      void (*fn)(void *env, const char *path), void *env);

#endif
