/* SPDX-License-Identifier: Apache-2.0 */
/* A seam for tests, compiled into every build: the points at which a kill -9 must do no harm.
 *
 * With EDGECTL_TEST_KILL_AT=N in the environment the N-th point that the process comes to ends it
 * by SIGKILL. With EDGECTL_TEST_KILL_LOG=FILE each point is added to that file as a line, so that a
 * test learns how many there are. Without either a point costs two look-ups.
 *
 * Points stand before and after each remote call that changes something, and before and after each
 * record of a journal. */
#ifndef EDGECTL_BASE_KILL_POINT_H
#define EDGECTL_BASE_KILL_POINT_H

/* `where` is for the log: "before POST /versions". */
void kill_point(const char *where);

#endif
