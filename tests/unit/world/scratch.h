/* SPDX-License-Identifier: Apache-2.0 */
/* A folder of its own for each test, under $TMPDIR, removed at the end. */
#ifndef EDGECTL_TESTS_SCRATCH_H
#define EDGECTL_TESTS_SCRATCH_H

#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char scratch[PATH_MAX];

static int scratch_make(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(scratch, sizeof scratch, "%s/edge-test-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    return mkdtemp(scratch) ? 0 : -1;
}

static int scratch_unlink(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int scratch_remove(void **state)
{
    (void)state;
    return nftw(scratch, scratch_unlink, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path of a file in it; valid until the next call. */
static inline const char *scratch_path(const char *name)
{
    static char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", scratch, name);
    return path;
}

static inline void scratch_write(const char *name, const char *text)
{
    FILE *f = fopen(scratch_path(name), "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        abort();
}

#endif
