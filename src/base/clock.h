/* SPDX-License-Identifier: Apache-2.0 */
/* Time and randomness. All code below cmd/ asks here and nowhere else, so that a virtual world
 * can replace both: install a source before the first loop is made. */
#ifndef EDGECTL_BASE_CLOCK_H
#define EDGECTL_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct clock_source {
    int64_t (*mono_ns)(void *env);              /* never goes back */
    int64_t (*wall_ns)(void *env);              /* since 1970-01-01 UTC */
    void (*random)(void *env, void *to, size_t len);
    void *env;
    void (*sleep)(void *env, int64_t ns);       /* NULL: time passes by itself, and is waited for */
};

/* The machine's clocks and the kernel's randomness. */
extern const struct clock_source clock_real;
/* NULL goes back to the real clock and the kernel's randomness. Not while threads run. */
void clock_install(const struct clock_source *source);

int64_t clock_mono_ns(void);
int64_t clock_wall_ns(void);
/* Tells one start of a machine, since when the monotonic clock runs, from another; 0: not known. */
uint32_t clock_boot(void);
/* Waits so long; where a source has a sleep of its own its time jumps instead. */
void clock_sleep_ms(int64_t ms);
bool clock_jumps(void);
void random_bytes(void *to, size_t len);
uint64_t random_u64(void);

/* CPU time used by the calling thread, ns. Always real: it measures work, not the world. */
int64_t clock_thread_cpu_ns(void);

#endif
