/* SPDX-License-Identifier: Apache-2.0 */
/* Telling what people edit from what a build writes among its sources, so that a build does not set
 * off the next one without end. A path that changed while no build ran is edited by people. Changes
 * of other paths during a build are held back until it ends; a path that keeps changing in each of
 * OUTPUTS_STREAK builds in a row is an output. One that later changes by itself is none after
 * all. */
#ifndef EDGECTL_BUILD_OUTPUTS_H
#define EDGECTL_BUILD_OUTPUTS_H

#include <stdbool.h>
#include <stddef.h>

enum { OUTPUTS_STREAK = 3, OUTPUTS_PATHS_MAX = 512 };

enum output_verdict {
    OUTPUT_REPORT,      /* a change to act on */
    OUTPUT_HOLD,        /* ask again when the build ends */
    OUTPUT_IGNORE,      /* the build's own writing */
};

struct output_path {
    char *path;
    int streak;         /* builds in a row that changed it */
    bool edited, held;
};

/* Zero-initialise. At most OUTPUTS_PATHS_MAX paths are remembered; others are always reported. */
struct outputs {
    struct output_path *paths;
    size_t count;
    bool building;
};

void outputs_clear(struct outputs *o);
enum output_verdict outputs_changed(struct outputs *o, const char *path);
void outputs_build_started(struct outputs *o);
/* Calls fn for each path held back; `is_output`: it has just been found to be one. */
void outputs_build_ended(struct outputs *o,
                         void (*fn)(void *env, const char *path, bool is_output), void *env);

#endif
