/* SPDX-License-Identifier: Apache-2.0 */
/* Watching a project while `dev` runs: its sources, its manifest, the .env beside it, and the
 * artifact, which somebody else may build. A file counts as changed when its writer closes it, or
 * when another one takes its name; half-written files are not reported.
 *
 * Linux: one inotify descriptor. When the system has no watches left it looks twice a second
 * instead, and says so. */
#ifndef EDGECTL_BUILD_WATCH_H
#define EDGECTL_BUILD_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include "base/loop.h"

struct manifest;

enum watch_kind {
    WATCH_SOURCE = 1,
    WATCH_MANIFEST = 2,
    WATCH_ENV = 4,          /* .env */
    WATCH_ARTIFACT = 8,
};

enum { WATCH_PATHS_MAX = 16 };

struct watch_change {
    unsigned kinds;         /* of enum watch_kind */
    const char *const *paths;   /* absolute, no duplicates; borrowed */
    size_t count;           /* at most WATCH_PATHS_MAX */
    bool more;              /* there were more */
};

struct watch_options {
    const struct manifest *manifest;    /* only read by watch_new */
    const char *state_dir;              /* absolute, or NULL */
    /* Changes of sources, manifest and .env come together, 30 ms after the last of a burst; the
     * artifact's at once and alone. */
    void (*on_change)(void *env, const struct watch_change *change);
    /* Something the user should know; may be NULL. */
    void (*on_note)(void *env, const char *text);
    void *env;
    bool poll;              /* do not use inotify */
};

struct watch;

/* Reads the directories of the sources once, on the calling thread. Must not outlive the loop. */
struct watch *watch_new(struct loop *loop, const struct watch_options *options);
/* A build of ours begins, ends: see build/outputs.h. During one, on_change is called only for the
 * artifact, the manifest, .env, and for sources that were edited before (which makes stopping the
 * build and starting again worth it). */
void watch_build_started(struct watch *w);
void watch_build_ended(struct watch *w);
/* Not from inside on_change or on_note. NULL is allowed. */
void watch_free(struct watch *w);

#endif
