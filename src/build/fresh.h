/* SPDX-License-Identifier: Apache-2.0 */
/* No build without need: is the artifact what the command would make now? A build that went well
 * is recorded in the state directory (build.json): digests of the command and of the sources'
 * names, times and sizes as they were when it began, and the artifact's time and size. An artifact
 * that somebody else has made since is judged by its age, as make does. */
#ifndef EDGECTL_BUILD_FRESH_H
#define EDGECTL_BUILD_FRESH_H

#include <stdbool.h>
#include <stdint.h>
#include "base/err.h"
#include "crypto/hash.h"

struct manifest;

struct freshness {
    bool needed;
    char reason[512];           /* why a build is needed, one phrase; "" if it is not */
    /* What to record if a build is made now. */
    uint8_t command[HASH_SIZE], sources[HASH_SIZE];
};

/* Walks the sources: not on an event loop. Without a build command nothing is ever needed. A record
 * that cannot be read counts as none. */
void fresh_check(const struct manifest *m, const char *state_dir, struct freshness *ret_freshness);
/* Note a good build. `at_start` is what fresh_check said before it began. The state
 * directory must be there. */
must_use int fresh_record(const struct manifest *m, const char *state_dir,
                          const struct freshness *at_start, struct err *err);

#endif
