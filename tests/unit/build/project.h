/* SPDX-License-Identifier: Apache-2.0 */
/* A project on disk for a test: its own temporary directory, removed after it. */
#ifndef EDGECTL_TESTS_BUILD_PROJECT_H
#define EDGECTL_TESTS_BUILD_PROJECT_H

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/mem.h"
#include "manifest/manifest.h"

struct project {
    char dir[64];
    struct manifest m;
    char manifest_file[128], artifact[128];
};

static inline const char *project_path(const struct project *p, const char *name)
{
    static char path[4][256];
    static unsigned turn;
    char *to = path[turn++ % 4];
    snprintf(to, sizeof(path[0]), "%s/%s", p->dir, name);
    return to;
}

/* Write a file, making the directories above it. */
static inline void project_write(const struct project *p, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", p->dir, name);
    for (char *slash = path + strlen(p->dir) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(path, 0777);
        *slash = '/';
    }
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f) != 0)
        abort();
}

static inline void project_set_time(const struct project *p, const char *name, time_t seconds)
{
    struct timespec times[2] = {{.tv_sec = seconds}, {.tv_sec = seconds}};
    if (utimensat(AT_FDCWD, project_path(p, name), times, 0) < 0)
        abort();
}

static inline void project_init(struct project *p)
{
    *p = (struct project){.dir = "/tmp/edgectl-test-XXXXXX"};
    if (!mkdtemp(p->dir))
        abort();
    snprintf(p->manifest_file, sizeof(p->manifest_file), "%s/edge.yaml", p->dir);
    snprintf(p->artifact, sizeof(p->artifact), "%s/target/wasm/app.wasm", p->dir);
    p->m.refs = 1;
    p->m.kind = MANIFEST_EDGE;
    p->m.dir = p->dir;
    p->m.file = p->manifest_file;
    p->m.build.artifact = p->artifact;
    p->m.build.command = (char *)"true";
    p->m.build.dir = p->dir;
    project_write(p, "edge.yaml", "name: test\n");
    project_write(p, ".edgectl/.gitignore", "*\n");
    project_write(p, "src/main.c", "int main;\n");
}

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline void project_clear(struct project *p)
{
    nftw(p->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
