/* SPDX-License-Identifier: Apache-2.0 */
/* Errors. Functions that can fail return 0 or a negative error code and take a `struct err *`
 * last (it may be NULL); it is written only on failure and lives on the caller's stack, so
 * reporting an error never allocates. Library code neither prints nor exits. */
#ifndef EDGECTL_BASE_ERR_H
#define EDGECTL_BASE_ERR_H

#include <stdarg.h>
#include "base/cleanup.h"

enum err_code {
    ERR_NONE = 0,
#define ERR(name, exit_status, text) ERR_##name,
#include "base/err.def"
#undef ERR
    ERR_COUNT
};

struct err {
    enum err_code code;
    int sys;            /* errno, or 0 */
    int line, col;      /* place in `file`, from 1; 0 when there is none */
    char file[256];
    char msg[1024];     /* what happened, one line, no trailing full stop */
    char hint[512];     /* what to do next; may be empty */
};

/* Set *err (which may be NULL) and return -code, so that a caller can `return err_set(...)`. */
int err_set(struct err *err, enum err_code code, const char *fmt, ...) printf_like(3, 4);
/* As err_set, with errno `sys` kept and its text appended. */
int err_sys(struct err *err, enum err_code code, int sys, const char *fmt, ...) printf_like(4, 5);
/* Put "context: " in front of the message; returns r so that callers can pass failures on. */
int err_wrap(struct err *err, int r, const char *fmt, ...) printf_like(3, 4);
/* Say what to do next; keeps an earlier hint only if this one is NULL. */
void err_hint(struct err *err, const char *fmt, ...) printf_like(2, 3);
/* Say where: line and col count from 1, 0 = unknown. */
void err_place(struct err *err, const char *file, int line, int col);

/* The process exit status for a result code r (0, or negative as returned above). */
int err_exit_status(int r);
/* Stable name for JSON ("MANIFEST"), and the meaning, of a code. */
const char *err_name(enum err_code code);
const char *err_text(enum err_code code);

#endif
