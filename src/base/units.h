/* SPDX-License-Identifier: Apache-2.0 */
/* Durations and sizes as people write them, on the command line and in the manifest. */
#ifndef EDGECTL_BASE_UNITS_H
#define EDGECTL_BASE_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "250ms", "5s", "1.5s", "2m", "1h", "1d"; "0" needs no unit. False, *ret_ms untouched, for
 * anything else: no unit, negative, below a millisecond, out of range. */
bool parse_duration(const char *text, int64_t *ret_ms);

/* "4096", "64KiB", "128MiB", "2GiB", "10kB", "10MB", "1GB" (powers of 1024 and of 1000; "B" is
 * allowed). False, *ret_bytes untouched, for anything else. */
bool parse_size(const char *text, int64_t *ret_bytes);

enum { UNIT_TEXT_MAX = 32 };
/* The shortest exact duration ("1500ms", "90s", "2m"), and a size rounded for reading ("1.4 MiB",
 * "312 B"), written to `to`, which is returned. */
char *format_duration(int64_t ms, char to[UNIT_TEXT_MAX]);
char *format_size(uint64_t bytes, char to[UNIT_TEXT_MAX]);

#endif
