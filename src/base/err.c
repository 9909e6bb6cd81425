/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int exit_status;
    const char *text;
} codes[ERR_COUNT] = {
    [ERR_NONE] = {"none", 0, "success"},
#define ERR(name, exit_status, text) [ERR_##name] = {#name, exit_status, text},
#include "base/err.def"
#undef ERR
};

int err_set(struct err *err, enum err_code code, const char *fmt, ...)
{
    if (!err)
        return -(int)code;
    memset(err, 0, offsetof(struct err, file));
    err->file[0] = err->hint[0] = '\0';
    err->code = code;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->msg, sizeof err->msg, fmt, ap);
    va_end(ap);
    return -(int)code;
}

int err_sys(struct err *err, enum err_code code, int sys, const char *fmt, ...)
{
    if (!err)
        return -(int)code;
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    char why[128];
    const char *reason = strerror_r(sys, why, sizeof why);
    err_set(err, code, "%s: %s", text, reason);
    err->sys = sys;
    return -(int)code;
}

int err_wrap(struct err *err, int r, const char *fmt, ...)
{
    if (!err)
        return r;
    char text[sizeof err->msg];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text - 2, fmt, ap);
    va_end(ap);
    if (n < 0)
        return r;
    size_t used = strlen(text), kept = strlen(err->msg);
    memcpy(text + used, ": ", 2);
    used += 2;
    kept = kept < sizeof text - 1 - used ? kept : sizeof text - 1 - used;
    memcpy(text + used, err->msg, kept);
    text[used + kept] = '\0';
    memcpy(err->msg, text, used + kept + 1);
    return r;
}

void err_hint(struct err *err, const char *fmt, ...)
{
    if (!err || !fmt)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(err->hint, sizeof err->hint, fmt, ap);
    va_end(ap);
}

void err_place(struct err *err, const char *file, int line, int col)
{
    if (!err)
        return;
    snprintf(err->file, sizeof err->file, "%s", file ? file : "");
    err->line = line;
    err->col = col;
}

int err_exit_status(int r)
{
    int code = r < 0 ? -r : r;
    return code < ERR_COUNT ? codes[code].exit_status : 1;
}

const char *err_name(enum err_code code)
{
    return codes[code < ERR_COUNT ? code : ERR_FAILURE].name;
}

const char *err_text(enum err_code code)
{
    return codes[code < ERR_COUNT ? code : ERR_FAILURE].text;
}
