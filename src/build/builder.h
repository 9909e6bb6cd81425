/* SPDX-License-Identifier: Apache-2.0 */
/* Keeps an artifact up to date: builds when that is needed, and, if asked to, watches and builds
 * again. One build at a time; an edit of a source stops the one that runs and starts another. */
#ifndef EDGECTL_BUILD_BUILDER_H
#define EDGECTL_BUILD_BUILDER_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "base/loop.h"

struct manifest;
struct builder;

enum builder_artifact {
    ARTIFACT_FRESH,     /* no build was needed */
    ARTIFACT_BUILT,
    ARTIFACT_CHANGED,   /* somebody else wrote it */
};

/* All callbacks come from the loop, and none of them from inside builder_new. Only on_artifact and
 * on_failed must be set. None may free the builder. */
struct builder_options {
    struct manifest *manifest;      /* builder_new takes a reference */
    const char *state_dir;          /* absolute; NULL: nothing is recorded */
    bool force;                     /* build at the start, needed or not */
    bool watch;
    bool color;                     /* the output will be seen on a terminal */
    /* A build begins; `reason` is a phrase such as "the sources have changed". */
    void (*on_started)(void *env, const char *reason);
    void (*on_line)(void *env, const char *line, size_t len);
    /* A build failed; `tail`: the end of what it wrote (see struct build_result), "" if it could
     * not be started. */
    void (*on_failed)(void *env, const struct err *err, const char *tail);
    /* The artifact is there to be loaded. `build_ns`: how long the build took, 0 without one. */
    void (*on_artifact)(void *env, enum builder_artifact how, int64_t build_ns);
    /* The manifest or .env changed (kinds: of enum watch_kind): read it again, and if it is good
     * free this builder and make another. */
    void (*on_manifest)(void *env, unsigned kinds);
    void (*on_note)(void *env, const char *text);
    void *env;
};

/* Either on_artifact or on_failed follows. */
struct builder *builder_new(struct loop *loop, const struct builder_options *options);
/* Kills a build that runs, with all its processes. NULL is allowed. */
void builder_free(struct builder *b);

#endif
