/* SPDX-License-Identifier: Apache-2.0 */
/* A project in a folder of its own, and bundles of it. */
#ifndef TESTS_BUNDLE_PROJECT_H
#define TESTS_BUNDLE_PROJECT_H

#include "unit/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"
#include "base/mem.h"
#include "bundle/bundle.h"
#include "guest/table.h"

struct project {
    char dir[64];
    struct secret *value;
    struct bundle_secret secrets[1];
    size_t secret_count;
    struct bundle *b;           /* of the last project_bundle */
    struct err err;
};

static const char good_wat[] =
    "(module (import \"fastly_http_resp\" \"new\" (func (param i32) (result i32)))"
    " (memory (export \"memory\") 2) (func (export \"_start\")))";

static inline void project_write(const struct project *p, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", p->dir, name);
    assert_int_equal(file_make_parents(path, NULL), 0);
    assert_int_equal(file_write(path, text, strlen(text), 0644, NULL), 0);
}

static inline int project_setup(void **state)
{
    struct project *p = xnew(struct project);
    snprintf(p->dir, sizeof p->dir, "/tmp/edgectl-bundle-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    project_write(p, "app.wat", good_wat);
    *state = p;
    return 0;
}

static inline int project_remove(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

static inline int project_teardown(void **state)
{
    struct project *p = *state;
    bundle_free(p->b);
    secret_unref(p->value);
    nftw(p->dir, project_remove, 8, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

static inline void project_secret(struct project *p, const char *store, const char *key,
                                  const char *value)
{
    secret_unref(p->value);
    p->value = secret_new(value, strlen(value));
    p->secrets[0] = (struct bundle_secret){.store = store, .key = key, .value = p->value};
    p->secret_count = 1;
}

/* The result of bundle_make for a manifest and one of its targets; p->b or p->err. */
static inline int project_bundle(struct project *p, const char *manifest, const char *target)
{
    struct manifest *m = NULL;
    struct manifest_problems problems;
    project_write(p, "edge.yaml", manifest);
    int r = manifest_load(p->dir, NULL, target, &m, &problems);
    if (r < 0)
        fail_msg("manifest: %s", problems.list[0].msg);
    manifest_problems_clear(&problems);
    struct bundle_options options = {
        .manifest = m, .secrets = p->secrets, .secret_count = p->secret_count,
        .support = guest_hostcall_support, .created_ms = 1764160000000,
    };
    bundle_free(p->b);
    p->b = NULL;
    p->err = (struct err){0};
    r = bundle_make(&options, &p->b, &p->err);
    manifest_unref(m);
    return r;
}

static inline void project_refused(struct project *p, const char *manifest, const char *target,
                                   int code, const char *why)
{
    int r = project_bundle(p, manifest, target);
    if (r != code || !strstr(p->err.msg, why))
        fail_msg("%d '%s', not %d '%s'", r, p->err.msg, code, why);
}

#endif
