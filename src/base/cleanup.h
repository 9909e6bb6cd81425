/* SPDX-License-Identifier: Apache-2.0 */
/* Scoped cleanup: a local marked cleanup(f) has f(&local) called when it goes out of scope.
 * TAKE(p) is the only way to hand such a pointer on: it yields the value and clears the local. */
#ifndef EDGECTL_BASE_CLEANUP_H
#define EDGECTL_BASE_CLEANUP_H

#define cleanup(f) __attribute__((cleanup(f)))
#define must_use __attribute__((warn_unused_result))
#define printf_like(fmt, args) __attribute__((format(printf, fmt, args)))

#define TAKE(p)                  \
    __extension__({              \
        __typeof__(p) *tp_ = &(p); \
        __typeof__(p) tv_ = *tp_;  \
        *tp_ = NULL;             \
        tv_;                     \
    })

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

/* For cleanup(): free() what the local points to, close() the descriptor it holds (if >= 0). */
void free_p(void *ptr_to_ptr);
void close_p(int *fd);

#endif
