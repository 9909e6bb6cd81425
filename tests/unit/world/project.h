/* SPDX-License-Identifier: Apache-2.0 */
/* A project in the scratch folder, for tests of what is built from a manifest. */
#ifndef EDGECTL_TESTS_PROJECT_H
#define EDGECTL_TESTS_PROJECT_H

#include "manifest/manifest.h"
#include "unit/test.h"
#include "unit/world/scratch.h"

/* Write `text` as manifest `file` and read it. */
static inline struct manifest *project_load(const char *file, const char *text)
{
    struct manifest *m = NULL;
    struct manifest_problems problems = {0};
    scratch_write(file, text);
    char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", scratch, file);
    if (manifest_load(scratch, path, NULL, &m, &problems) < 0)
        fail_msg("%s", problems.list[problems.count - 1].msg);
    manifest_problems_clear(&problems);
    return m;
}

#endif
