/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's randomness, stretched: guests ask for 16 bytes a request, and a system call for each
 * would cost as much as reading the request. Ask through base/clock.h, which may put another source
 * in place of this. */
#ifndef EDGECTL_BASE_RANDOM_H
#define EDGECTL_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Unpredictable bytes, fit for keys: ChaCha20 with fast key erasure, one generator a thread, seeded
 * by the kernel at first, after a fork, and after each MiB. What was given out cannot be computed
 * from what is kept. Big requests go to the kernel. */
void random_real(void *to, size_t len);

/* The ChaCha20 block function of RFC 8439, section 2.3. */
void random_chacha20(const uint32_t state[16], uint32_t to[16]);

#endif
