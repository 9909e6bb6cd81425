/* SPDX-License-Identifier: Apache-2.0 */
#include "cmd/project.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>
#include "base/mem.h"
#include "cmd/cmd.h"

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
    free(m->build.command); /* builds another */
    m->build.command = NULL;
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
    struct manifest *m = NULL;
    int r = cmd_load_manifest(cli, &m, err);
    if (r < 0)
        return r;
    r = module ? use_module(m, module, err) : 0;
    if (r < 0)
        manifest_unref(m);
    else
        *ret = m;
    return r;
}
