/* SPDX-License-Identifier: Apache-2.0 */
/* A seam for tests, compiled into every build: a clock that a test sets.
 *
 * With EDGECTL_TEST_CLOCK=FILE in the environment both clocks are the machine's plus what stands
 * in that file, as two numbers of 8 bytes in the machine's order: ns that the monotonic clock is
 * ahead, ns that the clock of the day is. Whoever would wait adds the time to both instead, so that
 * days pass in no time, for all processes that have the file; a test that changes it sets the
 * clock, or lets the machine sleep. Without it a look-up at the start is all it costs. */
#ifndef EDGECTL_BASE_CLOCK_FILE_H
#define EDGECTL_BASE_CLOCK_FILE_H

#include "base/err.h"

/* Before threads run. -ERR_IO when the file is none. */
must_use int clock_file_install(struct err *err);

#endif
