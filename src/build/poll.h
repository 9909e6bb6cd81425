/* SPDX-License-Identifier: Apache-2.0 */
/* Noticing changes by looking again and again, for when the system cannot tell: twice a second a
 * worker thread compares names, times and sizes. */
#ifndef EDGECTL_BUILD_POLL_H
#define EDGECTL_BUILD_POLL_H

#include <stddef.h>
#include "base/loop.h"
#include "build/sources.h"

struct poller;

/* `changed` is called on the loop for each source, or each of the `files` (absolute paths), that is
 * new, gone or other than before. Copies what it is given. */
struct poller *poller_new(struct loop *loop, const struct source_set *set,
                          const char *const *files, size_t file_count,
                          void (*changed)(void *env, const char *path), void *env);
/* NULL is allowed. */
void poller_free(struct poller *p);

#endif
