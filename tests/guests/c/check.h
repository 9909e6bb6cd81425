/* SPDX-License-Identifier: Apache-2.0 */
/* Checks inside a guest. Their results are the response, as TAP: one line each, then the plan;
 * status 200 when all passed, else 500. What is expected stands in the hostcall's own words: the
 * text of the expression is the name of the check. */
#ifndef CHECK_H
#define CHECK_H

#define _GNU_SOURCE

#include "edge.h"

enum { NO_SUCH_HANDLE = 4242 };

static char *check_text;
static size_t check_len;
static int check_count, check_failures;

__attribute__((format(printf, 1, 2))) static inline void check_print(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    char *line = NULL;
    int len = vasprintf(&line, format, ap);
    va_end(ap);
    check_text = realloc(check_text, check_len + (size_t)len + 1);
    memcpy(check_text + check_len, line, (size_t)len + 1);
    check_len += (size_t)len;
    free(line);
}

static inline bool check_is(const char *file, int line, const char *what, long long got,
                            long long want)
{
    bool good = got == want;
    check_count++;
    check_failures += !good;
    if (good)
        check_print("ok %d - %s\n", check_count, what);
    else
        check_print("not ok %d - %s:%d: %s: got %lld, expected %lld\n", check_count, file, line,
                    what, got, want);
    return good;
}

static inline bool check_is_text(const char *file, int line, const char *what, const void *got,
                                 size_t len, const char *want)
{
    bool good = got && strlen(want) == len && memcmp(got, want, len) == 0;
    check_count++;
    check_failures += !good;
    if (good)
        check_print("ok %d - %s\n", check_count, what);
    else
        check_print("not ok %d - %s:%d: %s: got '%.*s', expected '%s'\n", check_count, file, line,
                    what, got ? (int)len : 4, got ? (const char *)got : "NULL", want);
    return good;
}

/* Integers are equal; bytes are that text; something holds. */
#define is(got, want) check_is(__FILE_NAME__, __LINE__, #got, (long long)(got), (long long)(want))
#define is_text(got, len, want) \
    check_is_text(__FILE_NAME__, __LINE__, #got " is " #want, got, len, want)
#define ok(condition) check_is(__FILE_NAME__, __LINE__, #condition, !!(condition), 1)

/* Pointer and length of a literal. */
#define LIT(text) text, sizeof(text) - 1

static inline void check_done(void)
{
    check_print("1..%d\n", check_count);
    edge_respond(check_failures ? 500 : 200, "text/plain", check_text, check_len);
}

/* The last `size` bytes of memory: what is read or written past a record there is out of bounds. */
static inline void *end_of_memory(size_t size)
{
    return (void *)(__builtin_wasm_memory_size(0) * 65536 - size);
}

/* A new body with that text. */
static inline uint32_t body_of(const char *text)
{
    uint32_t body, n;
    fastly_http_body_new(&body);
    fastly_http_body_write(body, text, strlen(text), EDGE_BODY_BACK, &n);
    return body;
}

/* All that is left of a body is that text; the handle is closed. */
static inline bool body_is(uint32_t body, const char *want)
{
    size_t len = 0;
    char *text = edge_body_text(body, &len);
    bool good = text && strlen(want) == len && memcmp(text, want, len) == 0;
    if (!good)
        check_print("# body is '%s'\n", text ? text : "(error)");
    fastly_http_body_close(body);
    return good;
}

#endif
