/* SPDX-License-Identifier: Apache-2.0 */
/* A fair lock between processes (and between connections of one): a turnstile. Whoever wants the
 * lock first takes the gate, waits for the lock behind it, then frees the gate. So one who has
 * just unlocked cannot take the lock again before the one who waits. The kernel frees the locks
 * of a process that dies. */
#ifndef EDGECTL_STORE_TURN_H
#define EDGECTL_STORE_TURN_H

#include <stdint.h>
#include "base/err.h"

struct turn {
    int fd;
};

must_use int turn_open(struct turn *t, const char *path, struct err *err);
void turn_close(struct turn *t);
/* -ERR_DRIFT when the lock was not to be had for timeout_ms. */
must_use int turn_lock(struct turn *t, int64_t timeout_ms, struct err *err);
void turn_unlock(struct turn *t);

#endif
