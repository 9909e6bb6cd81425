/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/project.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/mem.h"

static int use_module(struct manifest *m, const char *module, struct err *err)
{
    char *path = realpath(module, NULL);
    if (!path) {
        err_sys(err, ERR_BUILD, errno, "cannot read the module %s", module);
        err_hint(err, "build it first, or name a .wasm or .wat file that is there");
        return -ERR_BUILD;
    }
    free(m->build.artifact);
    m->build.artifact = path;
    return 0;
}

int project_load(struct cli *cli, const char *module, struct manifest **ret, struct err *err)
{
    if (module && !cli->manifest_file) {
        cleanup(free_p) char *path = realpath(module, NULL);
        if (!path)
            return use_module(NULL, module, err);
        *ret = manifest_for_module(path);
        return 0;
    }
    struct manifest_problems problems;
    struct manifest *m = NULL;
    int r = manifest_load(".", cli->manifest_file, cli->target, &m, &problems);
    for (size_t i = 0; i < problems.count; i++) {
        if (problems.list[i].code == ERR_NONE)
            out_warn(cli->out, "%s:%d:%d: %s", problems.list[i].file, problems.list[i].line,
                     problems.list[i].col, problems.list[i].msg);
        else
            out_error(cli->out, &problems.list[i]);
    }
    manifest_problems_clear(&problems);
    if (r < 0) {
        err->msg[0] = '\0';
        return r;
    }
    r = module ? use_module(m, module, err) : 0;
    if (r < 0)
        manifest_unref(m);
    else
        *ret = m;
    return r;
}
