/* SPDX-License-Identifier: Apache-2.0 */
/* A project folder for one test: files are written, the manifest is loaded, problems are compared
 * as "line:col: message". */
#ifndef TESTS_MANIFEST_PROJECT_H
#define TESTS_MANIFEST_PROJECT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "manifest/manifest.h"

struct project {
    char dir[64];
    struct manifest *m;
    struct manifest_problems problems;
};

static inline void project_open(struct project *p)
{
    *p = (struct project){.dir = "/tmp/edgectl-manifest-XXXXXX"};
    assert_non_null(mkdtemp(p->dir));
}

static inline int project_remove_one(const char *path, const struct stat *st, int type,
                                     struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static inline void project_close(struct project *p)
{
    manifest_unref(p->m);
    manifest_problems_clear(&p->problems);
    nftw(p->dir, project_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void project_write_bytes(struct project *p, const char *name, const void *data,
                                       size_t len)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", p->dir, name);
    for (char *slash = path + strlen(p->dir) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    fclose(f);
}

static inline void project_write(struct project *p, const char *name, const char *text)
{
    project_write_bytes(p, name, text, strlen(text));
}

static inline int project_load(struct project *p, const char *target)
{
    manifest_unref(p->m);
    p->m = NULL;
    manifest_problems_clear(&p->problems);
    return manifest_load(p->dir, NULL, target, &p->m, &p->problems);
}

/* Load what must be right; says what was wrong. */
static inline struct manifest *project_good(struct project *p, const char *name, const char *text)
{
    project_write(p, name, text);
    int r = project_load(p, NULL);
    for (size_t i = 0; r < 0 && i < p->problems.count; i++)
        print_error("%d:%d: %s\n", p->problems.list[i].line, p->problems.list[i].col,
                    p->problems.list[i].msg);
    assert_int_equal(r, 0);
    assert_non_null(p->m);
    return p->m;
}

/* Is there a problem that reads "line:col: message", or whose message begins so? */
static inline bool project_has(const struct project *p, const char *want)
{
    char text[1200];
    for (size_t i = 0; i < p->problems.count; i++) {
        const struct err *e = &p->problems.list[i];
        snprintf(text, sizeof text, "%d:%d: %s", e->line, e->col, e->msg);
        if (strncmp(text, want, strlen(want)) == 0)
            return true;
    }
    return false;
}

static inline void project_expect(const struct project *p, const char *want)
{
    if (project_has(p, want))
        return;
    for (size_t i = 0; i < p->problems.count; i++)
        print_error("have %d:%d: %s\n", p->problems.list[i].line, p->problems.list[i].col,
                    p->problems.list[i].msg);
    fail_msg("no problem '%s'", want);
}

/* A manifest that must be refused with exactly one problem, `want`. */
static inline void project_bad(struct project *p, const char *name, const char *text,
                               const char *want)
{
    project_write(p, name, text);
    int r = project_load(p, NULL);
    if (r == 0)
        fail_msg("accepted, though it should say '%s':\n%s", want, text);
    assert_int_equal(r, -ERR_MANIFEST);
    assert_null(p->m);
    project_expect(p, want);
    if (p->problems.count != 1)
        fail_msg("%zu problems instead of one ('%s')", p->problems.count, want);
}

#endif
